import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { carryOutTakeOvers, orderTakeOvers } from './automatic-failover.js';
import { Refusal } from './codes.js';
import { beginReplication, checkMemberSizes, endReplication, findDirection, startedDirections } from './replication.js';
import type { Direction } from './replication.js';
import { failTasks } from './tasks.js';
import { formatPos } from './vluns.js';

/** Power of one array: reference 6.5, rows 3, 4b, 4c and 9. */
export async function setPower(pair: ArrayPair, array: SimulatedArray, on: boolean): Promise<void> {
  if (array.powered === on) return;
  if (on) carryOutTakeOvers(pair.peerOf(array));
  array.powered = on;
  if (on) return reconnect(pair);
  array.dropConnections();
  array.sessions.clear();
  for (const group of array.groups.values()) group.recheckRole = true;
  // Its hosts are cut off first: what the peer gets is then exactly what this array goes down with.
  await pair.fabric.refresh(pair.arrays);
  carryOutTakeOvers(array);
  orderTakeOvers(pair, array);
  await stopAll(pair);
  await failTasks(array);
}

/** The cable of a host port. @throws Refusal for a port that is none */
export function setCable(array: SimulatedArray, position: string, up: boolean): void {
  const port = array.ports.find(({ pos, kind }) => kind !== 'rcip' && formatPos(pos) === position);
  if (port === undefined) throw new Refusal('NON_EXISTENT_PORT', `${array.name} has no host port ${position}`);
  port.ready = up;
}

/** Remote copy links, both arrays alive: row 3b. */
export async function setLink(pair: ArrayPair, up: boolean): Promise<void> {
  if (pair.linkUp === up) return;
  pair.linkUp = up;
  if (up) await reconnect(pair);
  else await stopAll(pair);
}

async function stopAll(pair: ArrayPair): Promise<void> {
  for (const direction of startedDirections(pair)) await endReplication(direction, { byOutage: true });
}

async function reconnect(pair: ArrayPair): Promise<void> {
  if (!pair.connected) return;
  for (const array of pair.arrays) recheckRoles(pair, array);
  for (const array of pair.arrays) {
    for (const group of array.groups.values()) {
      if (!group.stoppedByOutage || !group.policies.autoRecover || group.role !== 'primary') continue;
      const direction = findDirection(pair, { array, group });
      if (direction !== undefined && hasFittingSizes(direction))
        await beginReplication(pair, direction, { skipInitialSync: false });
    }
  }
}

/** A group whose secondaries cannot follow the growth of its primaries stays stopped. */
function hasFittingSizes(direction: Direction): boolean {
  try {
    checkMemberSizes(direction);
    return true;
  } catch {
    return false;
  }
}

/**
 * An array that lost power and finds that its peer took over meanwhile becomes secondary: row 4c. Without a power cycle
 * row 4 stays (12.1).
 */
function recheckRoles(pair: ArrayPair, array: SimulatedArray): void {
  for (const group of array.groups.values()) {
    if (!group.recheckRole) continue;
    group.recheckRole = false;
    const twin = pair.findTwin(array, group);
    if (group.role !== 'primary' || twin?.role !== 'primary' || twin.takeovers <= group.takeovers) continue;
    group.role = 'secondary';
    group.roleReversed = !group.roleReversed;
    group.takeovers = twin.takeovers;
    group.state = 'stopped';
  }
}
