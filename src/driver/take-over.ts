import type { Backend } from '../backend/backend.js';
import type { DriverContext } from './context.js';
import type { MountStep, TakeOver } from './plan-mount.js';

/**
 * The old node may be alive and write until its exports are gone, and not a moment longer. Its own record of the volume was
 * replaced by ours with the claim; it finds that out, and cleans up its side of it.
 */
export function takeOverStep(ctx: DriverContext, backend: Backend, takeOver: TakeOver): MountStep {
  const robIt: MountStep['do'] = async ({ plan: { volume }, signal }) => {
    const { host, sides, deferred } = takeOver;
    const removals = sides.map(async (side) => backend.array(side).removeVluns(volume.arrayName, host, signal));
    // All are over before a failure is told: what goes on would run into the way back.
    await Promise.allSettled(removals);
    await Promise.all(removals);
    for (const { id, side } of deferred) {
      const { name, arrayName } = volume;
      await ctx.journal.saveDeferredRemoval({ id, volume: name, backend: backend.name, side, arrayName, host });
    }
  };
  return {
    name: `take the volume over from node ${takeOver.nodeName}: remove its exports`,
    do: robIt,
    async undo(context) {
      await robIt(context);
    },
  };
}
