import type { ProvenSide } from '../backend/observe.js';
import { DriverError } from '../domain/errors.js';
import { otherSide, type Side } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';

/** What a snapshot of the passive copy shows: that array's copy, as of that completed sync of a periodic group. */
interface PassiveCopy {
  side: Side;
  lastSync: string | null;
}

/** The copy that does not serve the group, if it is whole now: it is written to while the group syncs. @throws `refused` */
export function passiveOf(parent: Volume, proven: ProvenSide | undefined): PassiveCopy {
  if (proven === undefined) {
    throw new DriverError('refused', `volume ${parent.name} is in no remote copy group, so it has no passive copy`, {
      next: 'make a snapshot of it: docker volume create -o virtualCopyOf=…',
    });
  }
  const side = otherSide(proven.side);
  const { groups } = proven.observation;
  const member = groups[side]?.members.find((each) => each.volume === parent.arrayName);
  const isStarted = groups[side]?.targets.every((target) => target.state === 'started') === true;
  if (!isStarted || member?.syncStatus !== 'synced') {
    const state = isStarted ? (member?.syncStatus ?? 'not there') : 'not started, or its array is silent';
    throw new DriverError('refused', `the copy of ${parent.name} on the ${side} array is no good now: it is ${state}`, {
      next: 'wait until the group is started and synced (hpe-volume-plugin status), then repeat the drill',
    });
  }
  return { side, lastSync: member.lastSync ?? null };
}

/** Whether nothing was written to that copy by a sync in between, and it is still the passive one. */
export function isSamePassive(
  { parent, side, passive }: { parent: Volume; side: Side; passive: { lastSync: string | null } },
  again: ProvenSide,
): boolean {
  if (again.side === side) return false;
  return passiveOf(parent, again).lastSync === passive.lastSync;
}
