import type { MetadataStore, Fence, Write } from '../contracts/store.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { firstOf, within, withTimeLimit } from '../domain/signals.js';
import type { Operation } from '../saga/operation.js';
import { run, type Journal, type Saga, type SagaRun } from '../saga/saga.js';
import type { DriverContext } from './context.js';
import { volumeKey } from './keys.js';
import { knownOf, namesOf, readKnown, type Known, type LikelyGroup } from './known.js';

/** The way back and the clean-up have this long, whatever is left of the caller's time. */
const UNDO_TIMEOUT_MS = 60_000;
/** Waiting for a lock leaves the rest of the caller's time for the work itself; members of one group follow each other. */
export const LOCK_WAIT_MS = 60_000;
/** A round of recovery only asks whether the other node is still at work; it comes again. */
export const FOREIGN_LOCK_WAIT_MS = 1_000;

/** Whether the steps of an operation touch its node, so that they can only be settled there. */
export const needsItsNode = (operation: Operation): boolean => ['mount', 'unmount'].includes(operation.kind);

/** Goes on with an operation that was found open; one for each kind of saga. */
export type Settler = (operation: Operation, run: SagaRun<Write>) => Promise<void>;

/** What a verb asks for. */
interface OnVolume {
  volume: string;
  /** Its other lock keys. */
  keys: string[];
  /** Its group is read, too, together with it when it is the likely one. */
  group?: LikelyGroup;
  lockWaitMs?: number;
  robs?: string;
}

/** The locks of one verb, and what may be done under them. */
export interface Held {
  signal: AbortSignal;
  commit(writes: Write[]): Promise<void>;
  /** Runs a saga for the volume under these locks. */
  run<P, F extends object>(saga: Saga<P, F, Write>, start: { plan: P; volume: string; claim: Write[] }): Promise<F>;
}

/** Locks, and the journal that is bound to them. */
export class Operations {
  readonly #ctx: DriverContext;
  readonly #settlers: Record<string, Settler>;

  constructor(ctx: DriverContext, settlers: Record<string, Settler>) {
    this.#ctx = ctx;
    this.#settlers = settlers;
  }

  /**
   * Does the work while the volume's lock and the other keys are held, after an operation that was left open on the volume
   * is settled, with what the metadata say of the volume under its lock; the work's signal also fires when the locks are about to
   * be lost, and whatever it fails with is then `fenced`. What the node `robs` has left open is not settled: the operation that the
   * work begins takes its place.
   */
  async withVolume<T>(on: OnVolume, signal: AbortSignal, work: (held: Held, known: Known) => Promise<T>): Promise<T> {
    const keys = [volumeKey(on.volume), ...on.keys];
    const first = await this.#locked(on, keys, signal, async (held, known) =>
      known.operation === undefined ? { done: await work(held, known) } : { open: known.operation },
    );
    if ('done' in first) return first.done;
    const toSettle = [volumeKey(on.volume), ...first.open.keys];
    // Settling may need the lock of the group itself, which must then not be held here already.
    if (on.keys.length > 0) {
      await this.#locked(on, toSettle, signal, async (held, { operation }, fence) => {
        if (operation !== undefined) await this.#settleOpen(fence, on, operation, held.signal);
      });
    }
    return this.#locked(on, on.keys.length > 0 ? keys : toSettle, signal, async (held, known, fence) => {
      if (known.operation === undefined) return work(held, known);
      await this.#settleOpen(fence, on, known.operation, held.signal);
      return work(held, await readKnown(this.#ctx.store, wantedOf(on), held.signal));
    });
  }

  async #locked<T>(
    on: OnVolume,
    keys: readonly string[],
    signal: AbortSignal,
    work: (held: Held, known: Known, fence: Fence) => Promise<T>,
  ): Promise<T> {
    const { store, logger } = this.#ctx;
    const of = wantedOf(on);
    const { fence, found } = await withTimeLimit(on.lockWaitMs ?? LOCK_WAIT_MS, signal, async (waiting) =>
      store.lockAndFind([...new Set(keys)], namesOf(of), waiting),
    );
    try {
      const held = this.#held(fence, firstOf(signal, fence.signal));
      return await work(held, await knownOf(store, { of, found }, held.signal), fence);
    } catch (thrown) {
      // What a verb runs into after it has lost its locks is a consequence, and blames whoever was to answer next.
      if (!fence.signal.aborted) throw thrown;
      const cause = asDriverError(thrown);
      logger.warn('an operation lost its locks', { volume: on.volume, reason: cause.message });
      throw lockLost(on.volume, fence, cause);
    } finally {
      // What the verb did is on record. Whoever wants the locks next waits for their release, here and elsewhere; who asked for this need not.
      void fence.release();
    }
  }

  #held(fence: Fence, signal: AbortSignal): Held {
    const { store, node } = this.#ctx;
    return {
      signal,
      commit: async (writes) => store.commit(fence, writes),
      run: async (saga, { plan, volume, claim }) =>
        run(saga, { plan, claim, volume, keys: fence.keys, node: node.id }, this.#sagaRun(fence, signal, volume)),
    };
  }

  async #settleOpen(
    fence: Fence,
    { volume, robs }: OnVolume,
    operation: Operation,
    signal: AbortSignal,
  ): Promise<void> {
    if (!operation.keys.every((key) => fence.keys.includes(key))) {
      throw new DriverError('busy', `another operation (${operation.kind}) has just begun on volume ${volume}`, {
        next: 'try again',
      });
    }
    if (operation.node !== this.#ctx.node.id && needsItsNode(operation)) {
      if (operation.node === robs) {
        await this.#rob(fence, operation);
        return;
      }
      throw new DriverError(
        'busy',
        `the ${operation.kind} of volume ${volume} on another node (id ${operation.node}) is not finished`,
        { next: 'see that the plugin runs on that node; it finishes there by itself' },
      );
    }
    await this.#settle(operation, this.#sagaRun(fence, signal, volume));
  }

  /** An export that the old node has asked for may come after those that are removed now. */
  async #rob(fence: Fence, operation: Operation): Promise<void> {
    const { store, node } = this.#ctx;
    if (operation.kind !== 'mount') return;
    const value = { ...operation, node: node.id, unanswered: operation.unanswered ?? operation.next };
    await store.commit(fence, [{ put: 'late', key: operation.id, value }]);
  }

  async #settle(operation: Operation, sagaRun: SagaRun<Write>): Promise<void> {
    const settler = this.#settlers[operation.kind];
    if (settler === undefined) {
      throw new DriverError(
        'internal',
        `nobody can finish an operation of kind ${operation.kind}, left open on ${operation.volume}`,
      );
    }
    this.#ctx.logger.info('settling an unfinished operation', {
      volume: operation.volume,
      operation: operation.id,
      kind: operation.kind,
      phase: operation.phase,
    });
    try {
      await settler(operation, sagaRun);
    } catch (thrown) {
      const cause = asDriverError(thrown);
      // It went back to where it began, and so it is settled: why it failed is no concern of the verb that found it.
      if (cause.rollback === 'done') {
        this.#ctx.logger.warn('an unfinished operation was undone', {
          volume: operation.volume,
          reason: cause.message,
        });
        return;
      }
      throw new DriverError(
        cause.code,
        `an earlier ${operation.kind} of volume ${operation.volume} is not finished, and cannot be now: ${cause.message}`,
        {
          cause,
          next: cause.next ?? 'see that both arrays answer; it then finishes by itself, or with the next command',
        },
      );
    }
  }

  #sagaRun(fence: Fence, signal: AbortSignal, volume: string): SagaRun<Write> {
    return {
      journal: journalOf(this.#ctx.store, fence),
      signal,
      undoSignal: () => within(UNDO_TIMEOUT_MS, fence.signal),
      onStep: ({ id, kind, phase }, step) =>
        this.#ctx.logger.debug(`${phase}: ${step}`, { volume, operation: id, kind }),
    };
  }
}

const wantedOf = ({ volume: name, group }: OnVolume): Parameters<typeof namesOf>[0] =>
  group === undefined ? { name } : { name, group };

function lockLost(volume: string, fence: Fence, cause: DriverError): DriverError {
  // It had gone back to where it began, and the locks lasted to the end of that.
  if (cause.rollback === 'done') return cause;
  const { message } = asDriverError(fence.signal.reason);
  return new DriverError(
    'fenced',
    `fenced: ${message}, in the middle of an operation on volume ${volume}; whether its last step took effect is not known, and nothing more is changed under these locks; what was begun is finished or undone under new ones`,
    {
      cause,
      next: `see that etcd answers, and that this host or its plugin was not suspended; docker volume inspect ${volume} shows what is unfinished; then type the same command again`,
    },
  );
}

function journalOf(store: MetadataStore, fence: Fence): Journal<Write> {
  return {
    save: async (operation, also) =>
      store.commit(fence, [{ put: 'operation', key: operation.volume, value: structuredClone(operation) }, ...also]),
    async finish(operation, also) {
      const late: Write[] =
        operation.phase === 'undo' && operation.unanswered !== undefined
          ? [{ put: 'late', key: operation.id, value: structuredClone(operation) }]
          : [];
      await store.commit(fence, [{ remove: 'operation', key: operation.volume }, ...late, ...also]);
    },
  };
}
