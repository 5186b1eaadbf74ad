import type { Backend } from '../backend/backend.js';
import type { VolumeSets } from '../contracts/volume-sets.js';
import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { cachedSetName, ownershipTag } from '../domain/names.js';
import type { Volume } from '../domain/volume.js';
import type { Step } from '../saga/saga.js';

/*
 * A volume is in up to two sets of its primary array: one of an administrator, which has a QoS rule, and one of our own, which
 * may use the flash cache and lives as long as the volume. The copy of a replicated volume is in none.
 */

/** What is found out of the sets while a volume leaves them, so that it can come back. */
export interface SetFacts {
  wasInQosSet?: boolean;
  cachedSet?: { domain?: string };
}

const setsOf = (backend: Backend): VolumeSets => backend.array('primary').volumeSets;

/** Only whose it is: what else a volume's own tag may say could change while the set stays. */
const setTag = ({ id, name }: Volume): string => ownershipTag({ id, name });

const cachedSetOf = (volume: Volume, domain: string | undefined) => ({
  name: cachedSetName(volume.id),
  volume: volume.arrayName,
  tag: setTag(volume),
  ...(domain === undefined ? {} : { domain }),
});

type SetStep<P, F extends object> = Step<P, F, Write>;

/** What a new volume joins, after it was made. */
export function joinSteps<P extends { volume: Volume; domain?: string }, F extends object>(
  backend: Backend,
  { spec }: Volume,
): SetStep<P, F>[] {
  const steps: SetStep<P, F>[] = [];
  const { qosName } = spec;
  if (qosName !== undefined) {
    const leave = async (volume: Volume, signal: AbortSignal): Promise<void> =>
      setsOf(backend).removeMember(qosName, volume.arrayName, signal);
    steps.push({
      name: `add the volume to volume set ${qosName}`,
      do: async ({ plan, signal }) => setsOf(backend).ensureMember(qosName, plan.volume.arrayName, signal),
      undo: async ({ plan, signal }) => leave(plan.volume, signal),
      undoLate: async ({ plan, signal }) => leave(plan.volume, signal),
    });
  }
  if (spec.flashCache === true) {
    const remove = async (volume: Volume, signal: AbortSignal): Promise<void> =>
      setsOf(backend).removeSet(cachedSetName(volume.id), setTag(volume), signal);
    steps.push({
      name: 'make a volume set with flash cache for the volume',
      do: async ({ plan, signal }) => setsOf(backend).ensureCachedSet(cachedSetOf(plan.volume, plan.domain), signal),
      undo: async ({ plan, signal }) => remove(plan.volume, signal),
      undoLate: async ({ plan, signal }) => remove(plan.volume, signal),
    });
  }
  return steps;
}

/** The array deletes no volume that is in a set. What may be carried out late is not turned back: the volume would lose its set again. */
export function leaveSteps<P extends { volume: Volume }>(backend: Backend, { spec }: Volume): SetStep<P, SetFacts>[] {
  const steps: SetStep<P, SetFacts>[] = [];
  const sets = setsOf(backend);
  const { qosName } = spec;
  if (qosName !== undefined) {
    steps.push({
      name: `take the volume out of volume set ${qosName}`,
      noWayBackUnanswered: true,
      async do(context) {
        const { facts, signal } = context;
        const { volume } = context.plan;
        const set = await sets.findSet(qosName, signal);
        // On record before the change, after which it cannot be told any more.
        if (set?.members.includes(volume.arrayName) === true) {
          facts.wasInQosSet = true;
          await context.record([]);
        }
        await sets.removeMember(qosName, volume.arrayName, signal);
      },
      async undo({ plan: { volume }, facts, signal }) {
        if (facts.wasInQosSet === true) await unlessGone(sets.ensureMember(qosName, volume.arrayName, signal));
      },
    });
  }
  if (spec.flashCache === true) {
    steps.push({
      name: 'remove the volume set with flash cache of the volume',
      noWayBackUnanswered: true,
      async do(context) {
        const { facts, signal } = context;
        const { volume } = context.plan;
        const name = cachedSetName(volume.id);
        const set = await sets.findSet(name, signal);
        if (set === undefined) return;
        facts.cachedSet = set.domain === undefined ? {} : { domain: set.domain };
        await context.record([]);
        await sets.removeSet(name, setTag(volume), signal);
      },
      async undo({ plan: { volume }, facts, signal }) {
        if (facts.cachedSet === undefined) return;
        await sets.ensureCachedSet(cachedSetOf(volume, facts.cachedSet.domain), signal);
      },
    });
  }
  return steps;
}

/** An administrator who removed his set meanwhile does not want the volume back in it. */
async function unlessGone(joining: Promise<void>): Promise<void> {
  await joining.catch((thrown: unknown) => {
    if (!(thrown instanceof DriverError) || thrown.code !== 'not-found') throw thrown;
  });
}

/** Deletes a new volume again, also when the array has put it into a set after it was taken out. */
export async function deleteDespiteSets(
  backend: Backend,
  volume: Volume,
  { remove, signal }: { remove: () => Promise<void>; signal: AbortSignal },
): Promise<void> {
  const { qosName, flashCache } = volume.spec;
  try {
    await remove();
  } catch (thrown) {
    const isRefused = thrown instanceof DriverError && thrown.code === 'refused';
    if (!isRefused || (qosName === undefined && flashCache !== true)) throw thrown;
    if (qosName !== undefined) await setsOf(backend).removeMember(qosName, volume.arrayName, signal);
    if (flashCache === true) {
      await setsOf(backend).removeSet(cachedSetName(volume.id), setTag(volume), signal);
    }
    await remove();
  }
}
