import { Refusal } from './codes.js';
import { copyOffline, copyOnline, stopCopy } from './copies.js';
import { growVolume } from './grow.js';
import { MAX_EXPIRATION_HOURS } from './lifetime.js';
import type { Lifetime } from './lifetime.js';
import type { Task } from './model.js';
import { promoteSnapshot, stopPromotion } from './promote.js';
import { createSnapshot } from './snapshots.js';
import { COMMENT, NAME } from './wsapi-body.js';
import type { Members } from './wsapi-body.js';
import { created, membersOf, OK, param } from './wsapi-route.js';
import type { Reply, WsapiRequest } from './wsapi-route.js';

type Action = (request: WsapiRequest, parameters: Members) => Promise<Reply>;

/** `POST /volumes/<v>`: reference 4.1. */
const ACTIONS = new Map<string, Action>([
  ['createSnapshot', snapshot],
  ['createPhysicalCopy', physicalCopy],
]);

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

/** Members that make the destination, which an offline copy has to find. */
const SHAPE_MEMBERS = ['destCPG', 'snapCPG', 'tpvv', 'tdvv', 'compression'];

async function physicalCopy(request: WsapiRequest, parameters: Members): Promise<Reply> {
  const { pair, array } = request;
  const ends = { of: param(request, 'name'), to: parameters.getText('destVolume', NAME) };
  const priority = priorityOf(parameters);
  if (parameters.flag('saveSnapshot')) throw new Refusal('UNSUP_OP', 'saveSnapshot is not simulated', 'saveSnapshot');
  if (!parameters.flag('online')) {
    const stray = SHAPE_MEMBERS.find((member) => parameters.has(member));
    if (stray !== undefined) throw new Refusal('PARAM_CONFLICT', `${stray} is for online copies`, stray);
    parameters.done();
    return started(await copyOffline(pair, array, { ...ends, priority }));
  }
  const shape = {
    cpg: parameters.getText('destCPG', NAME),
    snapCpg: parameters.findText('snapCPG', NAME),
    tpvv: parameters.flag('tpvv'),
    tdvv: parameters.flag('tdvv'),
    compression: parameters.flag('compression'),
  };
  parameters.done();
  return started(await copyOnline(pair, array, { ...ends, ...shape, priority }));
}

const started = ({ id }: Task): Reply => ({ status: 200, body: { taskid: id } });

const priorityOf = (body: Members): Task['priority'] => body.findEnum('priority', [1, 2, 3]) ?? 2;

type PutAction = (request: WsapiRequest, body: Members) => Promise<Reply>;

/** `PUT /volumes/<v>` with an action: reference 4.1. Those that are missing here are not simulated. */
const PUT_ACTIONS = new Map<number, PutAction>([
  [1, (request, body) => answerOk(body, () => stopCopy(request.array, param(request, 'name')))],
  [3, grow],
  [4, promote],
  [5, (request, body) => answerOk(body, () => stopPromotion(request.array, param(request, 'name')))],
]);

export async function putVolumeAction(request: WsapiRequest, body: Members): Promise<Reply> {
  const number = body.getEnum('action', [1, 2, 3, 4, 5, 6, 7]);
  const action = PUT_ACTIONS.get(number);
  if (action === undefined) throw new Refusal('UNSUP_OP', `action ${number} on volumes is not simulated`, 'action');
  return action(request, body);
}

async function answerOk(body: Members, work: () => Promise<void>): Promise<Reply> {
  body.done();
  await work();
  return OK;
}

async function grow(request: WsapiRequest, body: Members): Promise<Reply> {
  const wanted = { name: param(request, 'name'), byMiB: body.getInteger('sizeMiB') };
  return answerOk(body, () => growVolume(request.array, wanted));
}

async function promote(request: WsapiRequest, body: Members): Promise<Reply> {
  const promotion = {
    snapshot: param(request, 'name'),
    online: body.flag('online'),
    allowRemoteCopyParent: body.flag('allowRemoteCopyParent'),
    priority: priorityOf(body),
  };
  body.done();
  return started(await promoteSnapshot(request.pair, request.array, promotion));
}

/** reference 4.2 */
export const lifetimeOf = (body: Members): Lifetime => ({
  expirationHours: body.findInteger('expirationHours', { min: 1, max: MAX_EXPIRATION_HOURS }),
  retentionHours: body.findInteger('retentionHours', { min: 1, max: MAX_EXPIRATION_HOURS }),
});
