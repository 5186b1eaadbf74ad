import type { Operation } from '../saga/operation.js';
import { planOf, undoLate } from '../saga/saga.js';
import { cloneSaga, type ClonePlan } from './clone.js';
import type { DriverContext } from './context.js';
import { createSaga, type CreatePlan } from './create.js';
import { importSaga, releaseSaga, type ImportPlan } from './import.js';
import { mountSaga } from './mount.js';
import { FOREIGN_LOCK_WAIT_MS, type Held, type Operations } from './operations.js';
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
      await this.#look(operation, held);
      if (isLast) await held.commit([{ remove: 'late', key: id }]);
    });
    if (isLast) this.#waits.end(id);
  }

  async #look(operation: Operation, { signal }: Held): Promise<void> {
    const { store, backends, groups } = this.#ctx;
    if (operation.kind === 'create') {
      const plan = planOf<CreatePlan>(operation);
      const { volume } = plan;
      // On record it is somebody's, as after metadata were restored.
      if ((await store.find('volume', volume.name, signal))?.id === volume.id) return;
      await undoLate(createSaga(backends.get(volume.spec.backend), plan, { groups }), operation, signal);
    }
    if (operation.kind === 'clone') {
      const plan = planOf<ClonePlan>(operation);
      const { name, id, spec } = plan.volume;
      if ((await store.find('volume', name, signal))?.id === id) return;
      await undoLate(cloneSaga(backends.get(spec.backend), plan), operation, signal);
    }
    if (operation.kind === 'import') {
      const plan = planOf<ImportPlan>(operation);
      const { name, id, spec } = plan.volume;
      if ((await store.find('volume', name, signal))?.id === id) return;
      await undoLate(importSaga(backends.get(spec.backend), plan), operation, signal);
    }
    if (operation.kind === 'release') {
      const plan = planOf<ImportPlan>(operation);
      const { name, id, spec } = plan.volume;
      // A late release takes a volume away that is still on record.
      if ((await store.find('volume', name, signal))?.id !== id) return;
      await undoLate(releaseSaga(backends.get(spec.backend), plan), operation, signal);
    }
    if (operation.kind === 'snapshot') {
      const plan = planOf<SnapshotPlan>(operation);
      const { name, id, spec } = plan.volume;
      if ((await store.find('volume', name, signal))?.id === id) return;
      const own = await this.#withoutTakenSchedule(plan, signal);
      await undoLate(snapshotSaga(backends.get(spec.backend), own), operation, signal);
    }
    if (operation.kind === 'mount') {
      const plan = planOf<MountPlan>(operation);
      await undoLate(mountSaga(this.#ctx, backends.get(plan.volume.spec.backend), plan), operation, signal);
    }
  }

  /** One that was begun again meanwhile is somebody's. Its step comes after that of the snapshot, which keeps its place. */
  async #withoutTakenSchedule(plan: SnapshotPlan, signal: AbortSignal): Promise<SnapshotPlan> {
    const { schedule, ...rest } = plan;
    if (schedule === undefined) return plan;
    const owner = await findScheduleOwner(this.#ctx.store, { side: plan.side, schedule }, signal);
    return owner === undefined ? plan : rest;
  }
}
