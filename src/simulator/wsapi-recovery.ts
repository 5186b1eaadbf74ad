import { Refusal } from './codes.js';
import { failover, overrideFailsafe, recover, restore, reverse, switchover } from './disaster-recovery.js';
import type { Members } from './wsapi-body.js';
import { readTargetName } from './wsapi-group-change.js';
import { membersOf, OK, param } from './wsapi-route.js';
import type { Reply, WsapiRequest } from './wsapi-route.js';

/** Choices of reference 6.2 that would change what happens to the data; not simulated, so not accepted as true. */
const NOT_SIMULATED = ['skipSync', 'discardNewData', 'skipPromote', 'stopGroups'];

/**
 * `POST /remotecopygroups/<g>`: actions 6 to 11 of reference 6.2. Both arrays show the new roles before the answer (6.5,
 * notes); the body is empty (12.6).
 */
export async function postRecoveryAction(request: WsapiRequest): Promise<Reply> {
  const body = membersOf(request);
  const { pair, array } = request;
  const name = param(request, 'group');
  const action = body.getEnum('action', [6, 7, 8, 9, 10, 11]);
  const skipStart = body.flag('skipStart');
  const local = body.flag('localGroupsDirection');
  body.findFlag('noSnapshot');
  refuseNotSimulated(body);
  readTargetName(request, body);
  body.done();
  switch (action) {
    case 6:
      reverse(pair, array, { name, local });
      break;
    case 7:
      failover(array, { name });
      break;
    case 8:
      await switchover(pair, array, { name });
      break;
    case 9:
      await recover(pair, array, { name, skipStart });
      break;
    case 10:
      await restore(pair, array, { name, skipStart });
      break;
    case 11:
      overrideFailsafe(array, { name });
      break;
  }
  return OK;
}

function refuseNotSimulated(body: Members): void {
  for (const name of NOT_SIMULATED) {
    if (body.flag(name)) throw new Refusal('UNSUP_OP', `${name} is not simulated`, name);
  }
}
