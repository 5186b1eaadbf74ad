import type { Backend } from '../backend/backend.js';
import type { Volume } from '../domain/volume.js';
import { planOf, type Operation } from '../saga/operation.js';
import { undoLate } from '../saga/saga.js';
import { cloneSaga, type ClonePlan } from './clone.js';
import type { DriverContext } from './context.js';
import { createSaga } from './create.js';
import type { CreatePlan } from './plan-create.js';
import { importSaga, releaseSaga, type ImportPlan } from './import.js';
import { mountSaga } from './mount.js';
import { FOREIGN_LOCK_WAIT_MS, type Operations } from './operations.js';
import { peerExportSaga, type PeerPlan } from './peer-export.js';
import type { MountPlan } from './plan-mount.js';
import { snapshotSaga, type SnapshotPlan } from './snapshot.js';
import { findScheduleOwner } from './snapshots-of.js';
import { Waits } from './waits.js';

/**
 * Longer than any request lives. A kernel goes on sending what a dead or paused process has left to it for about half an
 * hour (`tcp_retries2` with the longest time-out of each try); as long again is for the array itself.
 */
const LATE_MS = 60 * 60_000;

/**
 * What an array makes of a call after the operation that sent it was undone: it is looked for in each round, by the node that
 * undid it, or by any while that one is away, and removed by the step that knows its name and tag (rules 15, 36).
 */
export class LateChanges {
  readonly #ctx: DriverContext;
  readonly #operations: Operations;
  readonly #waits = new Waits(LATE_MS);

  constructor(ctx: DriverContext, operations: Operations) {
    this.#ctx = ctx;
    this.#operations = operations;
  }

  /** Those that this node has to look for now. */
  async list(signal: AbortSignal): Promise<Operation[]> {
    const { store, node } = this.#ctx;
    const all = await store.list('late', signal);
    if (all.every((each) => each.node === node.id)) return all;
    const living = await store.livingNodes(signal);
    return all.filter((each) => each.node === node.id || !living.has(each.node));
  }

  /** One more look; the last one takes the record along. @throws why it cannot be looked for */
  async undo(operation: Operation, signal: AbortSignal): Promise<void> {
    const { id, volume, node } = operation;
    const patience = node === this.#ctx.node.id ? {} : { lockWaitMs: FOREIGN_LOCK_WAIT_MS };
    const isLast = this.#waits.isOver(id);
    // Its schedule is told from the next one by what is on record, and that stays so under the lock of the volume that both are of.
    const keys = operation.kind === 'snapshot' ? operation.keys : [];
    await this.#operations.withVolume({ volume, keys, ...patience }, signal, async (held) => {
      await LOOKS[operation.kind]?.(this.#ctx, operation, held.signal);
      if (isLast) await held.commit([{ remove: 'late', key: id }]);
    });
    if (isLast) this.#waits.end(id);
  }
}

type Look = (ctx: DriverContext, operation: Operation, signal: AbortSignal) => Promise<void>;

/** What a late call of each kind of operation can have made, removed by its saga; other kinds leave nothing to look for. */
const LOOKS: Record<string, Look> = {
  async create(ctx, operation, signal) {
    const plan = planOf<CreatePlan>(operation);
    if (await isOnRecord(ctx, plan.volume, signal)) return;
    await undoLate(createSaga(backendOf(ctx, plan), plan, { groups: ctx.groups }), operation, signal);
  },
  async clone(ctx, operation, signal) {
    const plan = planOf<ClonePlan>(operation);
    if (await isOnRecord(ctx, plan.volume, signal)) return;
    await undoLate(cloneSaga(backendOf(ctx, plan), plan), operation, signal);
  },
  async import(ctx, operation, signal) {
    const plan = planOf<ImportPlan>(operation);
    if (await isOnRecord(ctx, plan.volume, signal)) return;
    await undoLate(importSaga(backendOf(ctx, plan), plan), operation, signal);
  },
  async release(ctx, operation, signal) {
    const plan = planOf<ImportPlan>(operation);
    // The other way round: it takes a volume away that has to be on record.
    if (!(await isOnRecord(ctx, plan.volume, signal))) return;
    await undoLate(releaseSaga(backendOf(ctx, plan), plan), operation, signal);
  },
  async snapshot(ctx, operation, signal) {
    const plan = planOf<SnapshotPlan>(operation);
    if (await isOnRecord(ctx, plan.volume, signal)) return;
    await undoLate(
      snapshotSaga(backendOf(ctx, plan), await withoutTakenSchedule(ctx, plan, signal)),
      operation,
      signal,
    );
  },
  async mount(ctx, operation, signal) {
    const plan = planOf<MountPlan>(operation);
    await undoLate(mountSaga(ctx, backendOf(ctx, plan), plan), operation, signal);
  },
  async 'peer-export'(ctx, operation, signal) {
    const plan = planOf<PeerPlan>(operation);
    await undoLate(peerExportSaga(ctx, backendOf(ctx, plan), plan), operation, signal);
  },
};

const backendOf = (ctx: DriverContext, { volume }: { volume: Volume }): Backend =>
  ctx.backends.get(volume.spec.backend);

/** A volume on record is somebody's, as after metadata were restored. */
async function isOnRecord({ store }: DriverContext, { name, id }: Volume, signal: AbortSignal): Promise<boolean> {
  return (await store.find('volume', name, signal))?.id === id;
}

/** A schedule that was begun again meanwhile is somebody's. Its step comes after that of the snapshot, which keeps its place. */
async function withoutTakenSchedule(
  { store }: DriverContext,
  plan: SnapshotPlan,
  signal: AbortSignal,
): Promise<SnapshotPlan> {
  const { schedule, ...rest } = plan;
  if (schedule === undefined) return plan;
  const owner = await findScheduleOwner(store, { side: plan.side, schedule }, signal);
  return owner === undefined ? plan : rest;
}
