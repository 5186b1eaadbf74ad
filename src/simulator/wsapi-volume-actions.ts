import { Refusal } from './codes.js';
import { MAX_EXPIRATION_HOURS } from './lifetime.js';
import type { Lifetime } from './lifetime.js';
import { createSnapshot } from './snapshots.js';
import { COMMENT, NAME } from './wsapi-body.js';
import type { Members } from './wsapi-body.js';
import { created, membersOf, param } from './wsapi-route.js';
import type { Reply, WsapiRequest } from './wsapi-route.js';

type Action = (request: WsapiRequest, parameters: Members) => Promise<Reply>;

/** `POST /volumes/<v>`: reference 4.1. */
const ACTIONS = new Map<string, Action>([['createSnapshot', snapshot]]);

export async function postVolumeAction(request: WsapiRequest): Promise<Reply> {
  const body = membersOf(request);
  const name = body.getText('action');
  const parameters = body.findObject('parameters');
  body.done();
  const action = ACTIONS.get(name);
  if (action === undefined) throw new Refusal('INV_INPUT', `unknown action ${name}`, 'action');
  if (parameters === undefined) throw new Refusal('MISSING_REQUIRED', 'parameters is required', 'parameters');
  return action(request, parameters);
}

async function snapshot(request: WsapiRequest, parameters: Members): Promise<Reply> {
  if (parameters.has('id')) throw new Refusal('UNSUP_OP', 'chosen ids are not simulated', 'parameters.id');
  const wanted = {
    of: param(request, 'name'),
    name: parameters.getText('name', NAME),
    comment: parameters.findText('comment', COMMENT) ?? '',
    readOnly: parameters.flag('readOnly'),
    ...lifetimeOf(parameters),
  };
  parameters.done();
  const { name } = await createSnapshot(request.pair, request.array, wanted);
  return created(`/volumes/${name}`);
}

/** reference 4.2 */
export const lifetimeOf = (body: Members): Lifetime => ({
  expirationHours: body.findInteger('expirationHours', { min: 1, max: MAX_EXPIRATION_HOURS }),
  retentionHours: body.findInteger('retentionHours', { min: 1, max: MAX_EXPIRATION_HOURS }),
});
