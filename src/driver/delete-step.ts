import type { Backend } from '../backend/backend.js';
import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { ownershipTag } from '../domain/names.js';
import type { Side } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import type { Step, StepContext } from '../saga/saga.js';
import type { RemovePlan, SeenCopies } from './plan-remove.js';
import { findSnapshots, hasSnapshots } from './snapshots-of.js';
import type { SetFacts } from './volume-sets.js';

/** What is found out while a volume goes. */
export interface RemoveFacts extends SetFacts {
  /** Snapshots that appeared after it had left its group: the array does not delete it, so it stays as a plain volume. */
  keptFor?: string[];
}

export type DeleteContext = StepContext<RemovePlan, RemoveFacts, Write>;
export type DeleteStep = Step<RemovePlan, RemoveFacts, Write>;

/**
 * Deletes the copy on one array. What appeared on it since the last look is named.
 * @param seen by the run that has looked at the copies itself; whoever goes on with what another has left reads whose they are
 */
export function deleteStep(backend: Backend, side: Side, seen: SeenCopies = {}): DeleteStep {
  const array = backend.array(side);
  return {
    name: `delete the volume on the ${side} array`,
    noWayBackUnanswered: true,
    async do(context) {
      const names = await deleteCopy(backend, { side, seen }, context);
      if (names.length > 0) throw hasSnapshots(context.plan.volume, [{ backend, side, names }]);
      return {};
    },
    // Only a plain volume gets here: the array refused, so the volume is there as before, or else it is gone.
    async undo({ plan: { volume }, signal }) {
      if ((await array.findVolume(volume.arrayName, signal)) !== undefined) return;
      throw new DriverError('not-found', `volume ${volume.arrayName} is gone from ${array.label} already`);
    },
  };
}

/** Returns the snapshots for which the array has not deleted it. @throws any other reason */
export async function deleteCopy(
  backend: Backend,
  { side, seen }: { side: Side; seen?: SeenCopies },
  { plan: { volume }, signal }: DeleteContext,
): Promise<string[]> {
  const array = backend.array(side);
  const { arrayName, origin } = volume;
  const tag = ownershipTag(volume);
  const copy = seen?.[side];
  try {
    if (origin?.kind === 'snapshot') await array.snapshots.remove(arrayName, tag, signal);
    else if (copy !== undefined) await (await array.deleteVolume(copy, tag, signal))();
    else await array.removeVolume(arrayName, tag, signal);
    return [];
  } catch (thrown) {
    if (!(thrown instanceof DriverError) || thrown.code !== 'refused') throw thrown;
    const names = await findSnapshots(array, arrayName, signal).catch(() => []);
    if (names.length === 0) throw thrown;
    return names;
  }
}

const home = ({ primary }: Partial<Record<Side, string>>): { primary?: string } =>
  primary === undefined ? {} : { primary };

/** A volume that stays when its group and its copy are gone. */
export function plainVolume({ spec, cpg, snapCpg, wwn, ...rest }: Volume): Volume {
  const { replicationGroup: _left, ...own } = spec;
  return { ...rest, spec: own, cpg: home(cpg), snapCpg: home(snapCpg), wwn: home(wwn), state: 'ready' };
}

/** What a Remove says that has left a plain volume. */
export function keptPlain(backend: Backend, volume: Volume, names: string[]): DriverError {
  const { replicationGroup: group = '' } = volume.spec;
  const cause = hasSnapshots(volume, [{ backend, side: 'primary', names }]);
  return cause.reworded(
    `${cause.message}; they appeared while it was being removed: it has left group ${group} and has no copy any more, and is a plain volume with all its data now`,
  );
}
