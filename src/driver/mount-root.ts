import { DriverError } from '../domain/errors.js';
import { rootDirectoryOf } from '../domain/root-directory.js';
import { isNeverFormatted, type Volume } from '../domain/volume.js';
import type { DriverContext } from './context.js';
import type { MountStep } from './plan-mount.js';

/**
 * The file system is new, and its root is to get an owner or a mode. Until it has them it stays on record as `formatting`: a
 * Mount that is cut short in between is undone, and the next one makes the file system again (rule 22).
 */
export const isRootPending = ({ filesystem, spec }: Volume): boolean =>
  isNeverFormatted(filesystem) && rootDirectoryOf(spec) !== undefined;

/** Once, and never again: what containers make of it afterwards is theirs. */
export function rootSteps(ctx: DriverContext, volume: Volume): MountStep[] {
  const root = rootDirectoryOf(volume.spec);
  if (root === undefined || !isRootPending(volume)) return [];
  return [
    {
      name: 'give the new file system its owner and mode',
      async do(context) {
        const { plan, facts, signal } = context;
        const { filesystem } = facts;
        if (filesystem === undefined) throw new DriverError('internal', 'no file system is on record');
        await ctx.filesystems.setRoot(plan.mountpoint, root, signal);
        await context.record([{ put: 'volume', key: volume.name, value: { ...plan.volume, filesystem } }]);
      },
    },
  ];
}
