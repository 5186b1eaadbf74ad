import type { Backend } from '../backend/backend.js';
import { Rounds } from '../backend/rounds.js';
import type { DeferredRemoval, NodeMount } from '../contracts/node-journal.js';
import { asDriverError } from '../domain/errors.js';
import { isExportedTo, isOwnMount } from '../domain/attachment.js';
import { within } from '../domain/signals.js';
import { planOf } from '../saga/operation.js';
import { settle } from '../saga/saga.js';
import type { Attachments } from './attachments.js';
import { cloneSaga, type ClonePlan } from './clone.js';
import { Conflicts } from './conflicts.js';
import type { DriverContext } from './context.js';
import { createSaga } from './create.js';
import type { CreatePlan } from './plan-create.js';
import { expiringSnapshots, forgetExpired, mayBeGone } from './expiry.js';
import { importSaga, releaseSaga, type ImportPlan } from './import.js';
import { LateChanges } from './late.js';
import { mountSaga } from './mount.js';
import { FOREIGN_LOCK_WAIT_MS, needsItsNode, type Operations, type Settler } from './operations.js';
import { peerExportSaga, type PeerPlan } from './peer-export.js';
import { PeerWatch } from './peer-watch.js';
import type { MountPlan } from './plan-mount.js';
import { resizeSaga } from './resize.js';
import type { Resizes } from './resizes.js';
import type { ResizePlan } from './plan-resize.js';
import type { RemovePlan } from './plan-remove.js';
import { removeSaga, settleRemove } from './remove.js';
import { refuseUnprovenSnapshot } from './snapshots-of.js';
import { settleSnapshot, type SnapshotPlan } from './snapshot.js';
import { unmountSaga, type UnmountPlan } from './unmount.js';

const ROUND_INTERVAL_MS = 60_000;
const STEP_TIMEOUT_MS = 90_000;

/** How each kind of unfinished operation goes on. The plans are our own records, read back. */
export function settlersOf(ctx: DriverContext): Record<string, Settler> {
  const { groups, store } = ctx;
  const backendOf = (name: string): Backend => ctx.backends.get(name);
  return {
    create: async (operation, run) => {
      const plan = planOf<CreatePlan>(operation);
      await settle(createSaga(backendOf(plan.volume.spec.backend), plan, { groups }), operation, run);
    },
    clone: async (operation, run) => {
      const plan = planOf<ClonePlan>(operation);
      await settle(cloneSaga(backendOf(plan.volume.spec.backend), plan), operation, run);
    },
    import: async (operation, run) => {
      const plan = planOf<ImportPlan>(operation);
      await settle(importSaga(backendOf(plan.volume.spec.backend), plan), operation, run);
    },
    release: async (operation, run) => {
      const plan = planOf<ImportPlan>(operation);
      await settle(releaseSaga(backendOf(plan.volume.spec.backend), plan), operation, run);
    },
    snapshot: async (operation, run) => {
      const plan = planOf<SnapshotPlan>(operation);
      await settleSnapshot(backendOf(plan.volume.spec.backend), { plan, operation }, run);
    },
    remove: async (operation, run) => {
      const plan = planOf<RemovePlan>(operation);
      const backend = backendOf(plan.volume.spec.backend);
      // The roles may have changed since; of a volume its group's cycle looks itself.
      if (operation.phase === 'do') await refuseUnprovenSnapshot({ store, backend }, plan.volume, run.signal);
      await settleRemove(removeSaga(backend, plan, { groups }), operation, run);
      if (operation.facts['keptFor'] === undefined) return;
      ctx.logger.warn('a volume was not removed for snapshots that were made meanwhile: it stays, without its group', {
        volume: plan.volume.name,
        snapshots: operation.facts['keptFor'],
      });
    },
    mount: async (operation, run) => {
      const plan = planOf<MountPlan>(operation);
      await settle(mountSaga(ctx, backendOf(plan.volume.spec.backend), plan), operation, run);
    },
    resize: async (operation, run) => {
      const plan = planOf<ResizePlan>(operation);
      await settle(resizeSaga(backendOf(plan.volume.spec.backend), plan), operation, run);
    },
    'peer-export': async (operation, run) => {
      const plan = planOf<PeerPlan>(operation);
      await settle(peerExportSaga(ctx, backendOf(plan.volume.spec.backend), plan), operation, run);
    },
    unmount: async (operation, run) => {
      const plan = planOf<UnmountPlan>(operation);
      await settle(unmountSaga(ctx, backendOf(plan.backend), plan), operation, run);
    },
  };
}

/**
 * Finishes what was left: at start, and then every minute. It removes only what is on record as this node's own and not
 * in use, and nothing at all while the metadata cannot be read (rules 41, 42).
 */
export class Recovery {
  readonly #ctx: DriverContext;
  readonly #operations: Operations;
  readonly #attachments: Attachments;
  readonly #late: LateChanges;
  readonly #resizes: Resizes;
  readonly #peers: PeerWatch;
  readonly #rounds = new Rounds(async (signal) => this.#runRound(signal), ROUND_INTERVAL_MS);
  /** What is mounted here and may have been taken by another node. */
  readonly #losses = new Rounds(async (signal) => this.#releaseRobbed(signal), ROUND_INTERVAL_MS);
  #unwatch: (() => void) | undefined;

  constructor(ctx: DriverContext, parts: { operations: Operations; attachments: Attachments; resizes: Resizes }) {
    this.#ctx = ctx;
    this.#operations = parts.operations;
    this.#attachments = parts.attachments;
    this.#late = new LateChanges(ctx, parts.operations);
    this.#resizes = parts.resizes;
    this.#peers = new PeerWatch(ctx, parts);
  }

  start(): void {
    const { store, journal } = this.#ctx;
    this.#unwatch = store.watch('attachment', (key) => {
      if (key === undefined || journal.findMount(key) !== undefined) this.#losses.trigger();
      // What had to wait for the metadata.
      if (key === undefined) this.#rounds.trigger();
    });
    this.#rounds.start();
    this.#losses.start();
  }

  async stop(): Promise<void> {
    this.#unwatch?.();
    await Promise.all([this.#rounds.stop(), this.#losses.stop()]);
  }

  async #runRound(stopped: AbortSignal): Promise<void> {
    await this.#attempt(stopped, 'settle operations', async () => this.#settleOperations(stopped));
    await this.#attempt(stopped, 'look for late changes', async () => this.#undoLate(stopped));
    await this.#attempt(stopped, 'start groups', async () => this.#startGroups(stopped));
    await this.#attempt(stopped, 'release what nobody uses', async () => this.#releaseAttachments(stopped));
    await this.#attempt(stopped, 'look for expired snapshots', async () => this.#forgetExpired(stopped));
    await this.#attempt(stopped, 'finish what was to grow', async () => this.#resizes.finish(stopped));
    await this.#tidyHost(stopped);
    await this.#attempt(stopped, 'forget old waits', async () => new Conflicts(this.#ctx).forgetOld());
    for (const work of this.#ctx.journal.deferredRemovals()) {
      await this.#attempt(stopped, `remove the export of ${work.volume}`, async (signal) =>
        this.#removeExport(work, signal),
      );
    }
    // Last, since exports of a node that lost the volume are in its way.
    await this.#attempt(stopped, 'look after peer persistence', async () => this.#lookAtPeers(stopped));
  }

  async #settleOperations(stopped: AbortSignal): Promise<void> {
    const { store, node } = this.#ctx;
    for (const operation of await store.list('operation', within(STEP_TIMEOUT_MS, stopped))) {
      const isOurs = operation.node === node.id;
      if (!isOurs && needsItsNode(operation)) continue;
      const { volume } = operation;
      // While its node lives, it holds the locks of what it is doing.
      const patience = isOurs ? {} : { lockWaitMs: FOREIGN_LOCK_WAIT_MS };
      await this.#attempt(stopped, `settle ${operation.kind} of ${volume}`, async (signal) => {
        await this.#operations.withVolume({ volume, keys: [], ...patience }, signal, async () => Promise.resolve());
      });
    }
  }

  async #undoLate(stopped: AbortSignal): Promise<void> {
    for (const operation of await this.#late.list(within(STEP_TIMEOUT_MS, stopped))) {
      const what = `look for what the ${operation.kind} of ${operation.volume} may have left`;
      await this.#attempt(stopped, what, async (signal) => this.#late.undo(operation, signal));
    }
  }

  async #forgetExpired(stopped: AbortSignal): Promise<void> {
    const { store, backends } = this.#ctx;
    const parts = { ctx: this.#ctx, operations: this.#operations };
    const volumes = await store.listNotable(within(STEP_TIMEOUT_MS, stopped));
    for (const volume of expiringSnapshots(volumes, new Date())) {
      const { name, spec } = volume;
      if (!mayBeGone(backends.find(spec.backend), volume)) continue;
      await this.#attempt(stopped, `look whether snapshot ${name} has expired`, async (signal) =>
        forgetExpired(parts, name, signal),
      );
    }
  }

  /** Groups that a crash left stopped between the stop and the start of a cycle. */
  async #startGroups(stopped: AbortSignal): Promise<void> {
    const { groups } = this.#ctx;
    for (const key of await groups.owed(within(STEP_TIMEOUT_MS, stopped))) {
      await this.#attempt(stopped, `start remote copy group ${key}`, async (signal) => groups.pay(key, signal));
    }
  }

  /** Attachments of this node without any user: after a reboot, or an Unmount that could not be finished. */
  async #releaseAttachments(stopped: AbortSignal): Promise<void> {
    for (const { volume } of await this.#attachments.listOwn(within(STEP_TIMEOUT_MS, stopped))) {
      await this.#attempt(stopped, `release ${volume}`, async (signal) => {
        await this.#attachments.releaseUnused(volume, signal);
      });
    }
  }

  /** What is mounted here from two arrays, or should be. */
  async #lookAtPeers(stopped: AbortSignal): Promise<void> {
    for (const volume of await this.#peers.list(within(STEP_TIMEOUT_MS, stopped))) {
      await this.#attempt(stopped, `see that ${volume} is mounted from both arrays`, async (signal) =>
        this.#peers.look(volume, signal),
      );
    }
  }

  /** What an attach or a detach that was cut short has left on this host. */
  async #tidyHost(stopped: AbortSignal): Promise<void> {
    const { store, backends } = this.#ctx;
    for (const backend of backends.all()) {
      await this.#attempt(stopped, `tidy up this host for backend ${backend.name}`, async (signal) => {
        // Rule 42: only while the metadata can be read.
        await store.list('run', signal);
        await this.#ctx.connector(backend).tidy(signal);
      });
    }
  }

  /**
   * What is mounted or attached here without an attachment of ours on record: another node took it over, or a Mount was cut
   * short and then undone elsewhere.
   */
  async #releaseRobbed(stopped: AbortSignal): Promise<void> {
    const { store, journal, node } = this.#ctx;
    for (const mount of journal.mounts()) {
      await this.#attempt(stopped, `clean up ${mount.volume}`, async (signal) => {
        const attachment = await store.find('attachment', mount.volume, signal);
        if (isOwnMount(node.id, mount, attachment)) return;
        if (attachment === undefined && !(await this.#provesLoss(mount, signal))) return;
        await this.#attachments.local.releaseRobbed(mount.volume, signal);
      });
    }
  }

  /** Metadata that are empty, or were restored from before the Mount, prove nothing of it. */
  async #provesLoss({ volume, generation = 0 }: NodeMount, signal: AbortSignal): Promise<boolean> {
    const { store } = this.#ctx;
    const record = await store.find('volume', volume, signal);
    if (record !== undefined) return (record.generation ?? 0) >= generation;
    for await (const { length } of store.pages('volume', signal)) return length > 0;
    return false;
  }

  async #removeExport(work: DeferredRemoval, signal: AbortSignal): Promise<void> {
    const { backends, journal } = this.#ctx;
    await this.#operations.withVolume({ volume: work.volume, keys: [] }, signal, async (held, { attachment }) => {
      if (!isExportedTo(attachment, work)) {
        await this.#detachReturned(work, held.signal);
        await backends.get(work.backend).array(work.side).removeVluns(work.arrayName, work.host, held.signal);
        // What appeared in between.
        await this.#detachReturned(work, held.signal);
      }
      await journal.removeDeferredRemoval(work.id);
    });
  }

  /** Over Fibre Channel the kernel finds the LUN by itself when its array is back; without the export its disks would stay for ever. */
  async #detachReturned({ volume, arrayName, side, backend }: DeferredRemoval, signal: AbortSignal): Promise<void> {
    const { store, backends, journal } = this.#ctx;
    const record = await store.find('volume', volume, signal);
    const wwn = record?.arrayName === arrayName ? record.wwn[side] : undefined;
    if (wwn === undefined || journal.findMount(volume)?.wwn === wwn) return;
    await this.#ctx.connector(backends.get(backend)).detach(wwn, signal);
  }

  async #attempt(stopped: AbortSignal, what: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (stopped.aborted) return;
    try {
      await work(within(STEP_TIMEOUT_MS, stopped));
    } catch (thrown) {
      const { code, message: reason } = asDriverError(thrown);
      this.#ctx.logger.warn(`recovery: cannot ${what} now, trying again later`, { code, reason });
    }
  }
}
