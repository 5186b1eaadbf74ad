import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import type { Group } from './model.js';
import {
  beginReplication,
  checkConnected,
  checkMemberSizes,
  checkPrimary,
  copyMembers,
  findDirection,
} from './replication.js';
import type { Side } from './replication.js';

export interface GroupAction {
  name: string;
  /** Leave the group stopped afterwards (recover, restore). */
  skipStart?: boolean;
}

/** The current role changes; whether it is the natural one follows. */
function flipRole(group: Group): void {
  group.role = group.role === 'primary' ? 'secondary' : 'primary';
  group.roleReversed = !group.roleReversed;
}

/** Action 7 on the secondary: reference 6.5, rows 4 and 4b. The other side is not asked and does not change. */
export function failover(array: SimulatedArray, request: GroupAction): void {
  const group = array.getGroup(request.name);
  if (group.role === 'primary') {
    throw new Refusal('RCOPY_OPERATION_ONLY_ON_SECONDARY_SIDE', `group ${group.name} is primary on this system`);
  }
  if (group.state === 'started') throw new Refusal('RCOPY_GROUP_STARTED', `group ${group.name} is started`);
  if (group.members.length === 0) throw new Refusal('RCOPY_GROUP_EMPTY', `group ${group.name} has no volumes`);
  if (group.state === 'new') throw new Refusal('RCOPY_GROUP_NOT_STARTED', `group ${group.name} was never started`);
  takeOver(group);
  group.stoppedByOutage = false;
}

/** This side becomes primary without asking the other, which learns of it when the two meet. */
export function takeOver(group: Group): void {
  flipRole(group);
  group.takeovers += 1;
  group.takeoverDue = false;
}

/** Action 9 on the array that took over: rows 4 and 4c to 5. The other array's data are overwritten. */
export async function recover(pair: ArrayPair, array: SimulatedArray, request: GroupAction): Promise<void> {
  const here = getTakenOver(array, request.name);
  if (here.group.state === 'started') {
    throw new Refusal('RCOPY_GROUP_NOT_STOPPED', `group ${here.group.name} is not stopped`);
  }
  const there = getOtherSide(pair, here);
  checkMemberSizes({ source: here, sink: there });
  if (there.group.role === 'primary') flipRole(there.group);
  there.group.takeovers = here.group.takeovers;
  there.group.state = here.group.state;
  if (request.skipStart === true) return;
  await beginReplication(pair, { source: here, sink: there }, { skipInitialSync: false });
}

/** Action 10 on the array that took over: to row 6, from row 5, 4 or 4c (it recovers by itself). */
export async function restore(pair: ArrayPair, array: SimulatedArray, request: GroupAction): Promise<void> {
  const here = getTakenOver(array, request.name);
  const there = getOtherSide(pair, here);
  checkMemberSizes({ source: here, sink: there });
  if (pair.syncHold && here.group.members.some((member) => member.syncStatus === 'syncing')) {
    throw new Refusal('RCOPY_GROUP_IS_BUSY', `group ${here.group.name} is still being synchronised`);
  }
  flipRole(here.group);
  // Hosts of this side are cut off before the last copy, so that none of their writes is lost unnoticed.
  await pair.fabric.refresh(pair.arrays);
  await copyMembers({ source: here, sink: there });
  if (there.group.role === 'secondary') flipRole(there.group);
  there.group.takeovers = here.group.takeovers;
  for (const { group } of [here, there]) group.state = 'stopped';
  if (request.skipStart === true) return;
  await beginReplication(pair, { source: there, sink: here }, { skipInitialSync: false });
}

/** Action 8 on the primary, Peer Persistence: rows 7 and 8. */
export async function switchover(pair: ArrayPair, array: SimulatedArray, request: GroupAction): Promise<void> {
  const group = array.getGroup(request.name);
  checkPrimary(group);
  if (group.state !== 'started') throw new Refusal('RCOPY_GROUP_NOT_STARTED', `group ${group.name} is not started`);
  const direction = findDirection(pair, { array, group });
  if (direction === undefined) throw new Refusal('RCOPY_GROUP_ROLE_CONFLICT', `group ${group.name} has no secondary`);
  const lagging = group.members.find((member) => member.syncStatus !== 'synced');
  if (lagging !== undefined) {
    throw new Refusal('RCOPY_GROUP_NOT_SYNCED', `volume ${lagging.local.name} of group ${group.name} is not synced`);
  }
  if (group.mode !== 1 || !group.policies.pathManagement) {
    throw new Refusal('RCOPY_GROUP_ROLE_CONFLICT', `group ${group.name} is not set up for Peer Persistence`);
  }
  flipRole(direction.source.group);
  await pair.fabric.refresh(pair.arrays);
  await copyMembers(direction);
  flipRole(direction.sink.group);
}

export interface ReverseAction {
  name: string;
  /** Only what counts as natural; started groups allowed. */
  natural?: boolean;
  /** Only the live direction. */
  current?: boolean;
  /** Only on this array. */
  local?: boolean;
}

/** Action 6: reference 6.6; row 10. Neither flag changes both directions. */
export function reverse(pair: ArrayPair, array: SimulatedArray, request: ReverseAction): void {
  const here = { array, group: array.getGroup(request.name) };
  const naturalOnly = request.natural === true && request.current !== true;
  const currentOnly = request.current === true && request.natural !== true;
  const sides = request.local === true ? [here] : [here, getOtherSide(pair, here)];
  for (const { group } of sides) {
    if (!naturalOnly && group.state === 'started') {
      throw new Refusal('RCOPY_GROUP_NOT_STOPPED', `group ${group.name} is not stopped`);
    }
  }
  for (const { group } of sides) {
    if (!naturalOnly) flipRole(group);
    if (!currentOnly) group.roleReversed = !group.roleReversed;
  }
}

/** Action 11. */
export function overrideFailsafe(array: SimulatedArray, request: GroupAction): void {
  const group = array.getGroup(request.name);
  if (group.state !== 'failsafe')
    throw new Refusal('RCOPY_NOT_FAILSAFE', `group ${group.name} is not in failsafe state`);
  group.state = 'stopped';
}

function getTakenOver(array: SimulatedArray, name: string): Side {
  const group = array.getGroup(name);
  checkPrimary(group);
  // Text and number of reference 6.5, notes.
  if (!group.roleReversed) throw new Refusal('NOT_SWITCHED', `role of group ${name} was not previously switched`);
  return { array, group };
}

function getOtherSide(pair: ArrayPair, here: Side): Side {
  checkConnected(pair, here.array);
  const group = pair.findTwin(here.array, here.group);
  if (group === undefined) {
    throw new Refusal('RCOPY_GROUP_ROLE_CONFLICT', `group ${here.group.remoteGroupName} is missing on the target`);
  }
  return { array: pair.peerOf(here.array), group };
}
