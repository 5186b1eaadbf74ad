import { randomUUID } from 'node:crypto';
import type { Backend } from '../backend/backend.js';
import type { Write } from '../contracts/store.js';
import { exportSides, type Attachment, type ExportSide } from '../domain/attachment.js';
import { asDriverError } from '../domain/errors.js';
import type { Side } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import { atOnce } from '../saga/at-once.js';
import type { Saga, Step } from '../saga/saga.js';
import type { DriverContext } from './context.js';

/*
 * States that a crash can leave, and what redo makes of each:
 * - still mounted                → unmounted
 * - unmounted, device there      → detached by its WWN
 * - detached, still exported     → unexported, read back, of a pair from both arrays; on a dead one recorded and done when it
 *                                  returns (rule 29)
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
    steps: [unmountStep(ctx, backend), detachStep(ctx, backend), ...unexportSteps(ctx, backend, attachment)],
    result: () => [{ remove: 'attachment', key: attachment.volume }],
    undone: () => [{ put: 'attachment', key: attachment.volume, value: attachment }],
  };
}

/** What the removal of the exports goes by is asked beside it: this host lets go of the disk meanwhile. */
function unmountStep(ctx: DriverContext, backend: Backend): UnmountStep {
  return {
    name: 'unmount the file system',
    async do({ plan: { attachment, arrayName }, signal }) {
      const { device, mountpoint } = attachment;
      for (const { side, host } of exportSides(attachment))
        backend.array(side).lookBeforeRemoval(arrayName, host, signal);
      if (device !== undefined) await ctx.filesystems.unmount(device, mountpoint, signal);
    },
  };
}

function detachStep(ctx: DriverContext, backend: Backend): UnmountStep {
  return {
    name: 'detach the device',
    noWayBack: true,
    async do({ plan, signal }) {
      if (plan.wwn !== undefined) await ctx.connector(backend).detach(plan.wwn, signal);
      await ctx.journal.removeMount(plan.attachment.volume);
    },
  };
}

/** Of a pair from both arrays at once; neither has to wait for the other, or for its silence. */
function unexportSteps(ctx: DriverContext, backend: Backend, attachment: Attachment): UnmountStep[] {
  const steps = exportSides(attachment).map((from) => unexportStep(ctx, backend, from));
  return steps.length > 1 ? [atOnce('remove the export from both arrays', steps)] : steps;
}

function unexportStep(ctx: DriverContext, backend: Backend, { side, host }: ExportSide): UnmountStep {
  return {
    name: `remove the export from ${backend.array(side).label}`,
    async do({ plan: { attachment, arrayName }, signal }) {
      await unexport({ ctx, backend }, { volume: attachment.volume, arrayName, side, host }, signal);
    },
  };
}

interface ExportOf {
  volume: string;
  arrayName: string;
  side: Side;
  host: string;
}

/**
 * Removes an export and reads back that it is gone. On an array that does not answer it goes on this node's own record,
 * and the recovery round does it when the array is back (rule 29).
 */
export async function unexport(
  { ctx, backend }: { ctx: DriverContext; backend: Backend },
  { volume, arrayName, side, host }: ExportOf,
  signal: AbortSignal,
): Promise<void> {
  try {
    await backend.array(side).removeVluns(arrayName, host, signal);
  } catch (thrown) {
    const cause = asDriverError(thrown);
    if (cause.code !== 'unavailable' && cause.code !== 'unknown-outcome') throw cause;
    const isKnown = ctx.journal
      .deferredRemovals()
      .some((each) => each.arrayName === arrayName && each.side === side && each.host === host);
    if (isKnown) return;
    const work = { id: randomUUID(), volume, backend: backend.name, side, arrayName, host };
    await ctx.journal.saveDeferredRemoval(work);
    ctx.logger.warn('the export stays until the array answers again', { volume, side, reason: cause.message });
  }
}
