import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import { checkSizes, growSecondaries } from './grow.js';
import { isPeriodic } from './model.js';
import type { Group, Member, Volume } from './model.js';
import { copyChanges, copyData, isSameFile, isWritten } from './volume-data.js';

export interface Side {
  array: SimulatedArray;
  group: Group;
}

/** The two halves of a group whose roles fit together: data flow from source to sink. */
export interface Direction {
  source: Side;
  sink: Side;
}

/** Undefined while both halves claim the same role (reference 6.5, row 4). */
export function findDirection(pair: ArrayPair, side: Side): Direction | undefined {
  const twin = pair.findTwin(side.array, side.group);
  if (twin === undefined || twin.role === side.group.role) return undefined;
  const other = { array: pair.peerOf(side.array), group: twin };
  return side.group.role === 'primary' ? { source: side, sink: other } : { source: other, sink: side };
}

export function checkConnected(pair: ArrayPair, array: SimulatedArray): void {
  if (!pair.connected) throw new Refusal('RCOPY_TARGET_IS_NOT_READY', `target ${array.targetName} is not up and ready`);
}

/** PUT action 3, `startrcopygroup`: reference 6.2, 6.4. */
export async function startGroup(
  pair: ArrayPair,
  array: SimulatedArray,
  request: { name: string; skipInitialSync: boolean },
): Promise<void> {
  const group = array.getGroup(request.name);
  if (group.state === 'started') throw new Refusal('RCOPY_GROUP_STARTED', `group ${group.name} is started already`);
  checkPrimary(group);
  checkConnected(pair, array);
  const direction = findDirection(pair, { array, group });
  if (direction === undefined) {
    throw new Refusal('RCOPY_GROUP_ROLE_CONFLICT', `group ${group.name} is in failover state: both sides are primary`);
  }
  if (group.members.length === 0 && pair.seed.emptyGroupStart === 'refused') {
    throw new Refusal('RCOPY_GROUP_EMPTY', `group ${group.name} has no volumes`);
  }
  checkModes(pair, array, group);
  checkMemberSizes(direction);
  await beginReplication(pair, direction, request);
}

/** One mode per target among started groups (reference 6.1). */
function checkModes(pair: ArrayPair, array: SimulatedArray, group: Group): void {
  if (pair.seed.mixedModes === 'accepted') return;
  const kind = modeKind(group);
  const other = [...array.groups.values()].find((each) => each.state === 'started' && modeKind(each) !== kind);
  if (other !== undefined) {
    throw new Refusal(
      'RCOPY_GROUP_MIXED_MODES_ON_ONE_TARGET',
      `target ${array.targetName} has started groups of another mode: ${other.name}`,
    );
  }
}

/** Both numbers of periodic are one mode. */
const modeKind = (group: Group): number => (isPeriodic(group.mode) ? 3 : group.mode);

/** To be asked before anything is changed. @throws Refusal */
export const checkMemberSizes = (direction: Direction): void =>
  checkSizes(direction.sink.array, memberPairs(direction));

/** Both halves become started and the members synchronise: reference 6.5, rows 1b and 1. */
export async function beginReplication(
  pair: ArrayPair,
  direction: Direction,
  options: { skipInitialSync: boolean },
): Promise<void> {
  await growSecondaries(direction.sink.array, memberPairs(direction));
  for (const { group } of [direction.source, direction.sink]) {
    group.state = 'started';
    group.stoppedByOutage = false;
  }
  for (const [from, to] of memberPairs(direction)) {
    const skip = options.skipInitialSync || from.skipInitialSync;
    if (skip) await keepUnsent(direction.source.array.dataFile(from.local), from);
    for (const member of [from, to]) {
      member.syncStatus = skip ? 'synced' : 'syncing';
      member.percent = 0;
      member.skipInitialSync = false;
    }
  }
  await proceed(pair, direction);
}

/** Without the first copy the other side never gets what the source holds by now, only what is written from here on. */
async function keepUnsent(file: string, from: Member): Promise<void> {
  if (from.unsent !== undefined || !(await isWritten(file))) return;
  from.unsent = `${file}.unsent`;
  await copyData(file, from.unsent);
}

/** PUT action 5, `syncrcopy`, `POST /sync` of the control interface, and the period's timer. */
export async function synchronise(pair: ArrayPair, array: SimulatedArray, name: string): Promise<void> {
  const group = array.getGroup(name);
  checkPrimary(group);
  if (group.state !== 'started') throw new Refusal('RCOPY_GROUP_NOT_STARTED', `group ${name} is not started`);
  const direction = findDirection(pair, { array, group });
  if (direction === undefined) throw new Refusal('RCOPY_GROUP_ROLE_CONFLICT', `group ${name} has no secondary`);
  for (const members of memberPairs(direction)) for (const member of members) member.syncStatus = 'syncing';
  await proceed(pair, direction);
}

/** Finishes what is Syncing, at once or when the pair's settings allow it. */
async function proceed(pair: ArrayPair, direction: Direction): Promise<void> {
  if (pair.syncHold) {
    for (const [from, to] of memberPairs(direction)) {
      if (from.syncStatus === 'syncing') from.percent = to.percent = 99;
    }
  } else if (pair.seed.syncSeconds > 0) {
    pair.later(pair.seed.syncSeconds * 1000, () => completeSync(pair, direction));
  } else {
    await completeSync(pair, direction);
  }
}

async function completeSync(pair: ArrayPair, direction: Direction): Promise<void> {
  const { source, sink } = direction;
  const current =
    source.group.state === 'started' && source.group.role === 'primary' && sink.group.role === 'secondary';
  if (!current || !pair.connected || pair.syncHold) return;
  const asOf = new Date();
  const asOfMs = performance.now();
  for (const [from, to] of memberPairs(direction)) {
    if (from.syncStatus !== 'syncing') continue;
    await copyMember(direction, [from, to]);
    from.syncStatus = to.syncStatus = 'synced';
    // showrcopy prints NA for synchronous groups (reference 7.4).
    if (source.group.mode !== 1) from.lastSync = to.lastSync = asOf;
  }
  if (source.group.mode === 1) return;
  source.group.lastSync = sink.group.lastSync = asOf;
  source.group.lastSyncMs = sink.group.lastSyncMs = asOfMs;
}

/** PUT action 4, `stoprcopygroup`. Stopping what is not started changes nothing (reference 2.2: no error is known). */
export async function stopGroup(pair: ArrayPair, array: SimulatedArray, name: string): Promise<void> {
  const group = array.getGroup(name);
  if (group.state !== 'started') return;
  const direction = findDirection(pair, { array, group });
  if (direction !== undefined) await endReplication(direction, { byOutage: false });
}

/**
 * The moment at which replication ends: a synchronous or streaming sink holds every write until now, a periodic one keeps
 * its last completed synchronisation.
 */
export async function endReplication(direction: Direction, options: { byOutage: boolean }): Promise<void> {
  const { source, sink } = direction;
  for (const [from, to] of memberPairs(direction)) {
    const synced = from.syncStatus === 'synced';
    await separate(direction, [from, to], { upToDate: synced && !isPeriodic(source.group.mode) });
    // An interrupted first copy is worth nothing, a completed one only grows old.
    from.syncStatus = to.syncStatus = synced || from.lastSync !== undefined ? 'notSynced' : 'stale';
  }
  for (const { group } of [source, sink]) {
    group.state = 'stopped';
    group.stoppedByOutage = options.byOutage;
  }
}

/** A file that was shared is two from now on; hosts keep the one that they have open on the array that lives. */
async function separate(
  { source, sink }: Direction,
  [from, to]: [Member, Member],
  { upToDate }: { upToDate: boolean },
): Promise<void> {
  const files = [source.array.dataFile(from.local), sink.array.dataFile(to.local)] as const;
  const isShared = await isSameFile(...files);
  if (isShared && !source.array.powered) await copyData(files[1], files[0]);
  else if (isShared) await copyData(...files);
  else if (upToDate) await bring(from, files);
}

async function bring({ unsent }: Member, [source, sink]: readonly [string, string]): Promise<void> {
  if (unsent === undefined) await copyData(source, sink);
  else await copyChanges(source, unsent, sink);
}

/** Copies what the source's members hold now, whatever the state of the group. */
export async function copyMembers(direction: Direction): Promise<void> {
  await growSecondaries(direction.sink.array, memberPairs(direction));
  for (const pair of memberPairs(direction)) await copyMember(direction, pair);
}

/** Nothing to do where the fabric made both copies one file. */
async function copyMember({ source, sink }: Direction, [from, to]: [Member, Member]): Promise<void> {
  const files = [source.array.dataFile(from.local), sink.array.dataFile(to.local)] as const;
  if (!(await isSameFile(...files))) await bring(from, files);
}

/**
 * The file with what the volume holds: between synchronisations a secondary's own is older than what a synchronous or
 * streaming group has sent it.
 */
export function currentDataFile(pair: ArrayPair, array: SimulatedArray, volume: Volume): string {
  const group = array.findGroupOf(volume);
  const member = group?.members.find((each) => each.local === volume);
  const follows = group?.state === 'started' && group.role === 'secondary' && !isPeriodic(group.mode);
  if (!follows || member?.syncStatus !== 'synced') return array.dataFile(volume);
  const source = pair
    .peerOf(array)
    .findGroupOf(member.remote)
    ?.members.find((each) => each.local === member.remote);
  // What the source never sends is in no copy.
  if (source?.unsent !== undefined) return array.dataFile(volume);
  return pair.peerOf(array).dataFile(member.remote);
}

/** The same member as the source and as the sink have it. */
function memberPairs({ source, sink }: Direction): [Member, Member][] {
  return source.group.members.flatMap((from): [Member, Member][] => {
    const to = sink.group.members.find((member) => member.local === from.remote);
    return to === undefined ? [] : [[from, to]];
  });
}

/** Directions of all groups that are started. */
export function startedDirections(pair: ArrayPair): Direction[] {
  return pair.arrays.flatMap((array) =>
    [...array.groups.values()]
      .filter((group) => group.role === 'primary' && group.state === 'started')
      .map((group) => findDirection(pair, { array, group }))
      .filter((direction) => direction !== undefined),
  );
}

/** The switch behind "stuck at 99 %". */
export async function setSyncHold(pair: ArrayPair, hold: boolean): Promise<void> {
  pair.syncHold = hold;
  if (!hold) for (const direction of startedDirections(pair)) await completeSync(pair, direction);
}

/** Periodic groups whose period is over; called about once a second. */
export async function runDueSyncs(pair: ArrayPair): Promise<void> {
  for (const { source } of startedDirections(pair)) {
    const { group, array } = source;
    if (!isPeriodic(group.mode) || group.syncPeriod === undefined || group.lastSyncMs === undefined) continue;
    if (performance.now() - group.lastSyncMs >= group.syncPeriod * 1000) await synchronise(pair, array, group.name);
  }
}

export function checkPrimary(group: Group): void {
  if (group.role !== 'primary') {
    throw new Refusal('RCOPY_OPERATION_ONLY_ON_PRIMARY_SIDE', `group ${group.name} is secondary on this system`);
  }
}
