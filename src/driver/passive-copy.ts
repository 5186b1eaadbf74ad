import type { ArrayClient } from '../contracts/array.js';
import type { PassiveCopy } from '../contracts/host.js';
import { within } from '../domain/signals.js';
import { otherSide, type Side } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import type { MountPlan } from './plan-mount.js';

/** The names are known as a rule; an array that is silent has nothing to say. */
const NAMES_TIMEOUT_MS = 2_000;

/**
 * The other copy of a pair, which may have no path on this host. Where its WWN is another one, that tells its paths; with the
 * same WWN only the names of its array's ports do, so only then they are asked for.
 */
export async function findPassiveCopy(
  backend: { array(side: Side): Pick<ArrayClient, 'targetNames'> },
  plan: Pick<MountPlan, 'side' | 'isOtherStale' | 'initiators'> & { volume: Pick<Volume, 'wwn'> },
  signal: AbortSignal,
): Promise<PassiveCopy | undefined> {
  const { volume, side, isOtherStale, initiators } = plan;
  const other = otherSide(side);
  const wwn = volume.wwn[other];
  if (wwn === undefined) return undefined;
  const bounded = within(NAMES_TIMEOUT_MS, signal);
  const targetNames =
    wwn === volume.wwn[side]
      ? await backend
          .array(other)
          .targetNames(initiators.protocol, bounded)
          .catch(() => [])
      : [];
  signal.throwIfAborted();
  return { wwn, targetNames, isStale: isOtherStale };
}
