import type { Backend } from '../backend/backend.js';
import type { Logger } from '../contracts/log.js';
import type { DeferredRemoval } from '../contracts/node-journal.js';
import { asDriverError } from '../domain/errors.js';
import { planOf, settle } from '../saga/saga.js';
import type { Attachments } from './attachments.js';
import type { DriverContext } from './context.js';
import { createSaga, type CreatePlan } from './create.js';
import { mountSaga } from './mount.js';
import type { Operations, Settler } from './operations.js';
import type { MountPlan } from './plan-mount.js';
import { settleRemove, type RemovePlan } from './remove.js';
import { unmountSaga, type UnmountPlan } from './unmount.js';

const ROUND_INTERVAL_MS = 60_000;
const STEP_TIMEOUT_MS = 90_000;

/** How each kind of unfinished operation goes on. The plans are our own records, read back. */
export function settlersOf(ctx: DriverContext): Record<string, Settler> {
  const backendOf = (name: string): Backend => ctx.backends.get(name);
  return {
    create: async (operation, run) => {
      const plan = planOf<CreatePlan>(operation);
      await settle(createSaga(backendOf(plan.volume.spec.backend), plan), operation, run);
    },
    remove: async (operation, run) => {
      const plan = planOf<RemovePlan>(operation);
      await settleRemove(backendOf(plan.volume.spec.backend), operation, run);
    },
    mount: async (operation, run) => {
      const plan = planOf<MountPlan>(operation);
      await settle(mountSaga(ctx, backendOf(plan.volume.spec.backend), plan), operation, run);
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
  readonly #stopped = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();

  constructor(ctx: DriverContext, parts: { operations: Operations; attachments: Attachments }) {
    this.#ctx = ctx;
    this.#operations = parts.operations;
    this.#attachments = parts.attachments;
  }

  start(): void {
    this.#timer = setInterval(() => this.trigger(), ROUND_INTERVAL_MS);
    this.trigger();
  }

  /** Another round, after the one that may be under way. */
  trigger(): void {
    this.#round = this.#round.then(async () => this.#runRound());
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopped.abort();
    await this.#round;
  }

  async #runRound(): Promise<void> {
    await this.#attempt('settle operations', async () => this.#settleOperations());
    await this.#attempt('release what nobody uses', async () => this.#releaseAttachments());
    for (const work of this.#ctx.journal.deferredRemovals()) {
      await this.#attempt(`remove the export of ${work.volume}`, async () => this.#removeExport(work));
    }
  }

  async #settleOperations(): Promise<void> {
    const { store, node } = this.#ctx;
    for (const operation of await store.list('operation', this.#signal())) {
      if (operation.node !== node.id) continue;
      const { volume, keys } = operation;
      await this.#attempt(`settle ${operation.kind} of ${volume}`, async () => {
        await this.#operations.withVolume({ volume, keys }, this.#signal(), async () => Promise.resolve());
      });
    }
  }

  /** Attachments of this node without any user: after a reboot, or an Unmount that could not be finished. */
  async #releaseAttachments(): Promise<void> {
    const { store, node } = this.#ctx;
    for (const { volume, node: owner } of await store.list('attachment', this.#signal())) {
      if (owner !== node.id) continue;
      await this.#attempt(`release ${volume}`, async () => {
        await this.#attachments.releaseUnused(volume, this.#signal());
      });
    }
  }

  async #removeExport(work: DeferredRemoval): Promise<void> {
    const { store, backends, journal } = this.#ctx;
    await this.#operations.withVolume({ volume: work.volume, keys: [] }, this.#signal(), async (held) => {
      const attachment = await store.find('attachment', work.volume, held.signal);
      const usedAgain = attachment?.side === work.side && attachment.host === work.host;
      if (!usedAgain) {
        await backends.get(work.backend).array(work.side).removeVluns(work.arrayName, work.host, held.signal);
      }
      await journal.removeDeferredRemoval(work.id);
    });
  }

  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    try {
      await work();
    } catch (thrown) {
      const cause = asDriverError(thrown);
      const log: Logger = this.#ctx.logger;
      log.warn(`recovery: cannot ${what} now, trying again later`, { code: cause.code, reason: cause.message });
    }
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(STEP_TIMEOUT_MS)]);
  }
}
