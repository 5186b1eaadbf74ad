import type { Backend } from '../backend/backend.js';
import type { Write } from '../contracts/store.js';
import type { Attachment } from '../domain/attachment.js';
import { asDriverError } from '../domain/errors.js';
import type { Volume } from '../domain/volume.js';
import type { Saga, Step } from '../saga/saga.js';
import type { DriverContext } from './context.js';
import { randomUUID } from 'node:crypto';

/*
 * States that a crash can leave, and what redo makes of each:
 * - still mounted                → unmounted
 * - unmounted, device there      → detached by its WWN
 * - detached, still exported     → unexported, read back; on a dead array recorded and done when it returns (rule 29)
 */

export interface UnmountPlan {
  attachment: Attachment;
  arrayName: string;
  backend: string;
  /** Of the copy that is attached. */
  wwn: string | undefined;
}

type UnmountStep = Step<UnmountPlan, object, Write>;

export function planUnmount(volume: Volume, attachment: Attachment): UnmountPlan {
  return {
    attachment,
    arrayName: volume.arrayName,
    backend: volume.spec.backend,
    wwn: volume.wwn[attachment.side],
  };
}

/** Unmount, detach, unexport, in that order and no other (rule 27). */
export function unmountSaga(ctx: DriverContext, backend: Backend, plan: UnmountPlan): Saga<UnmountPlan, object, Write> {
  const { attachment } = plan;
  return {
    kind: 'unmount',
    afterCrash: 'redo',
    noWayBackFrom: 'detach the device',
    steps: [unmountStep(ctx), detachStep(ctx, backend), unexportStep(ctx, backend)],
    result: () => [{ remove: 'attachment', key: attachment.volume }],
    undone: () => [{ put: 'attachment', key: attachment.volume, value: attachment }],
  };
}

const nothingToUndo = async (): Promise<void> => Promise.resolve();

function unmountStep(ctx: DriverContext): UnmountStep {
  return {
    name: 'unmount the file system',
    do: async ({ plan, signal }) => ctx.filesystems.unmount(plan.attachment.mountpoint, signal),
    undo: nothingToUndo,
  };
}

function detachStep(ctx: DriverContext, backend: Backend): UnmountStep {
  return {
    name: 'detach the device',
    async do({ plan, signal }) {
      if (plan.wwn !== undefined) await ctx.connector(backend).detach(plan.wwn, signal);
      await ctx.journal.removeMount(plan.attachment.volume);
    },
    undo: nothingToUndo,
  };
}

function unexportStep(ctx: DriverContext, backend: Backend): UnmountStep {
  return {
    name: 'remove the export',
    async do({ plan, signal }) {
      const { side, host, volume } = plan.attachment;
      try {
        await backend.array(side).removeVluns(plan.arrayName, host, signal);
      } catch (thrown) {
        const cause = asDriverError(thrown);
        if (cause.code !== 'unavailable' && cause.code !== 'unknown-outcome') throw cause;
        await deferUnexport(ctx, plan);
        ctx.logger.warn('the export stays until the array answers again', { volume, side, reason: cause.message });
      }
    },
    undo: nothingToUndo,
  };
}

/** Puts the removal of the export on this node's own record; the recovery round does it when the array is back. */
export async function deferUnexport(ctx: DriverContext, plan: UnmountPlan): Promise<void> {
  const { side, host, volume } = plan.attachment;
  await ctx.journal.saveDeferredRemoval({
    id: randomUUID(),
    volume,
    backend: plan.backend,
    side,
    arrayName: plan.arrayName,
    host,
  });
}
