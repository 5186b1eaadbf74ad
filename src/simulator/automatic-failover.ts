import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { takeOver } from './disaster-recovery.js';
import type { Group } from './model.js';
import { startedDirections } from './replication.js';

/**
 * Peer Persistence: the array has just lost power, and its peer takes its groups over once the witness has agreed (reference
 * 6.5, row 9). To be called before their replication ends. Nothing else makes a failover: while both arrays live, the primary
 * stays what it is.
 */
export function orderTakeOvers(pair: ArrayPair, lost: SimulatedArray): void {
  const survivor = pair.peerOf(lost);
  if (!survivor.powered || !pair.witnessUp || pair.witness === undefined) return;
  for (const { source, sink } of startedDirections(pair)) {
    if (source.array === lost && isProtected(source.group)) sink.group.takeoverDue = true;
  }
  pair.later(pair.failoverDelayMs, async () => {
    carryOutTakeOvers(survivor);
    await Promise.resolve();
  });
}

/** Once more is nothing. An array that returns finds it done, however short its absence was. */
export function carryOutTakeOvers(survivor: SimulatedArray): void {
  for (const group of survivor.groups.values()) {
    if (group.takeoverDue && survivor.powered) takeOver(group);
    group.takeoverDue = false;
  }
}

const isProtected = ({ mode, policies, members }: Group): boolean =>
  mode === 1 &&
  policies.autoFailover &&
  members.length > 0 &&
  members.every(({ syncStatus }) => syncStatus === 'synced');
