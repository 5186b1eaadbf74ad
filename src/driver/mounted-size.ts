import type { Backend } from '../backend/backend.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { Side } from '../domain/replication.js';
import { within } from '../domain/signals.js';
import type { Volume } from '../domain/volume.js';
import type { DriverContext } from './context.js';
import type { MountFacts, MountPlan, MountStep } from './plan-mount.js';
import { readSize } from './plan-resize.js';

/** What a container that starts waits for it; a large one goes on in the kernel, and is found done by the recovery round. */
const FILL_TIMEOUT_MS = 15_000;

/** Bytes that the copy has to have (rule 9); one that is being grown may have grown or not, as its own array says. */
export async function sizeToMount(
  backend: Backend,
  { volume, side }: { volume: Volume; side: Side },
  signal: AbortSignal,
): Promise<number> {
  const { growth, spec } = volume;
  if (growth === undefined || growth.toGiB === spec.sizeGiB) return spec.sizeGiB * 1024 ** 3;
  return (await readSize(backend, { volume, side }, signal)) * 1024 ** 2;
}

/** After a grow: the file system follows, at the first mount if it was not mounted then. One that stays smaller is no reason to keep the data away. */
export function fillSteps(ctx: DriverContext, volume: Volume): MountStep[] {
  const { growth, spec } = volume;
  if (growth === undefined) return [];
  // One that is larger than the other copy could not be mounted there (rule 38).
  if (spec.replicationGroup !== undefined && growth.toGiB !== spec.sizeGiB) return [];
  return [
    {
      name: 'grow the file system to the size of its volume',
      async do({ plan, facts, signal }) {
        const { device, filesystem } = facts;
        if (device === undefined || filesystem?.state !== 'formatted') {
          throw new DriverError('internal', 'no file system is on record');
        }
        try {
          const at = { target: plan.mountpoint, type: filesystem.type };
          await ctx.filesystems.grow(device, at, within(FILL_TIMEOUT_MS, signal));
          return { isFilled: true };
        } catch (thrown) {
          signal.throwIfAborted();
          const { message: reason } = asDriverError(thrown);
          ctx.logger.warn('the volume was grown, but its file system stays smaller for now', {
            volume: volume.name,
            reason,
          });
          return {};
        }
      },
    },
  ];
}

/** The volume as a Mount leaves it. */
export function mountedVolume({ volume }: Pick<MountPlan, 'volume'>, facts: MountFacts): Volume {
  const mounted = { ...volume, everMounted: true, filesystem: facts.filesystem ?? volume.filesystem };
  return facts.isFilled === true ? filled(mounted) : mounted;
}

/** The volume when its file system is as large as its device; another copy may still have to grow. */
export function filled(volume: Volume): Volume {
  const { growth, ...rest } = volume;
  return growth?.toGiB === volume.spec.sizeGiB ? rest : volume;
}
