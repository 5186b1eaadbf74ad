import type { Backend } from '../backend/backend.js';
import type { DriverContext } from './context.js';
import type { MountStep, TakeOver } from './plan-mount.js';

/**
 * The old node may be alive and write until its exports are gone, and not a moment longer. Its own record of the volume was
 * replaced by ours with the claim; it finds that out, and cleans up its side of it.
 */
export function takeOverStep(ctx: DriverContext, backend: Backend, takeOver: TakeOver): MountStep {
  const robIt: MountStep['do'] = async ({ plan: { volume }, signal }) => {
    const { name, arrayName } = volume;
    for (const { id, side, host } of takeOver.later) {
      await ctx.journal.saveDeferredRemoval({ id, volume: name, backend: backend.name, side, arrayName, host });
    }
    const removals = takeOver.sides.map(async (side) => {
      for (const host of takeOver.hosts) await backend.array(side).removeVluns(arrayName, host, signal);
    });
    // All are over before a failure is told: what goes on would run into the way back.
    await Promise.allSettled(removals);
    await Promise.all(removals);
  };
  return {
    name: `take the volume over from node ${takeOver.nodeName}: remove its exports`,
    do: robIt,
    async undo(context) {
      await robIt(context);
    },
  };
}
