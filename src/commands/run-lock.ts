import { randomUUID } from 'node:crypto';
import type { Fence, MetadataStore, Write } from '../contracts/store.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { GroupRun } from '../domain/group-run.js';

/** The lock of a run that died ends within half a minute. */
const GLANCE_MS = 2_000;
const PATIENCE_MS = 28_000;
/** A run that dies is on record for so long, and its order in force. */
export const RUN_TTL_SECONDS = 30;
const RENEW_MS = 10_000;
const READ_MS = 5_000;

type Order = NonNullable<GroupRun['order']>;

/** One run for a group in the whole cluster, and what it asks of the other nodes. */
export interface RunLock {
  readonly id: string;
  /** Nobody else runs now. A lock that was lost is taken again. @throws `busy`, or `unavailable` */
  ensure(): Promise<void>;
  /** What the other nodes are to do from now on; undefined: nothing. */
  give(order: Order | undefined): Promise<void>;
  commit(writes: readonly Write[]): Promise<void>;
  release(): Promise<void>;
}

/** Where there are no other nodes. */
export const soleRun: RunLock = {
  id: '',
  ensure: async () => Promise.resolve(),
  give: async () => Promise.resolve(),
  commit: async () => Promise.resolve(),
  release: async () => Promise.resolve(),
};

/** A run, and its group as the arrays have it (`groupOnArrays`), which another backend may move as well. */
type About = Omit<GroupRun, 'id' | 'order' | 'startedAt'> & { arrays: readonly string[] };

/** @throws `busy`, naming who runs it */
export async function lockRun(store: MetadataStore, about: About, say: (line: string) => void): Promise<RunLock> {
  const lock = new SharedRunLock(store, about, say);
  await lock.ensure();
  return lock;
}

class SharedRunLock implements RunLock {
  readonly id = randomUUID();
  readonly #store: MetadataStore;
  readonly #say: (line: string) => void;
  #record: GroupRun;
  readonly #keys: readonly string[];
  #fence: Fence | undefined;
  #renewal: NodeJS.Timeout | undefined;
  /** One commit after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: MetadataStore, { arrays, ...about }: About, say: (line: string) => void) {
    this.#store = store;
    this.#say = say;
    this.#record = { ...about, id: this.id, startedAt: new Date().toISOString() };
    this.#keys = [this.#key, ...arrays].map((each) => `run:${each}`);
  }

  async ensure(): Promise<void> {
    if (this.#fence !== undefined && !this.#fence.signal.aborted) return;
    if (this.#fence !== undefined) {
      this.#say('the lock of this run was lost (etcd was away); taking it again');
      await this.#fence.release();
    }
    this.#fence = await this.#take();
    // An order of before does not come to life again.
    await this.give(undefined);
    this.#renewal ??= setInterval(() => void this.#put().catch(() => undefined), RENEW_MS).unref();
  }

  async give(order: Order | undefined): Promise<void> {
    const { order: _before, ...rest } = this.#record;
    this.#record = order === undefined ? rest : { ...rest, order };
    await this.#put();
  }

  async commit(writes: readonly Write[]): Promise<void> {
    const mine = this.#last.then(async () => {
      if (this.#fence === undefined)
        throw new DriverError('fenced', 'this run does not hold its lock', { next: 'type the same command again' });
      return this.#store.commit(this.#fence, writes);
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** Never throws: what is left ends by itself. */
  async release(): Promise<void> {
    clearInterval(this.#renewal);
    await this.commit([{ remove: 'run', key: this.#key }]).catch(() => undefined);
    await this.#fence?.release().catch(() => undefined);
    this.#fence = undefined;
  }

  get #key(): string {
    return `${this.#record.backend}/${this.#record.group}`;
  }

  async #put(): Promise<void> {
    await this.commit([{ put: 'run', key: this.#key, value: this.#record, ttlSeconds: RUN_TTL_SECONDS }]);
  }

  async #take(): Promise<Fence> {
    const lock = async (ms: number): Promise<Fence> => this.#store.lock(this.#keys, AbortSignal.timeout(ms));
    try {
      return await lock(GLANCE_MS);
    } catch (thrown) {
      if (asDriverError(thrown).code !== 'busy') throw thrown;
      const run = await this.#findOther();
      if (run !== undefined && (run.node !== this.#record.node || run.backend !== this.#record.backend))
        throw underWay(run, thrown);
      // This node has one run at a time (run-journal.ts), and this is it.
      this.#say('an earlier run has died a moment ago; waiting until its lock ends');
      return lock(PATIENCE_MS);
    }
  }

  /** Of this backend, or of another one that has the group. */
  async #findOther(): Promise<GroupRun | undefined> {
    const { backend, group } = this.#record;
    const named = (await this.#store.list('run', AbortSignal.timeout(READ_MS))).filter((each) => each.group === group);
    return named.find((each) => each.backend === backend) ?? named[0];
  }
}

const underWay = ({ goal, backend, group, nodeName, by, startedAt }: GroupRun, cause: unknown): DriverError =>
  new DriverError(
    'busy',
    `a ${goal} of group ${group} is under way on node ${nodeName} (backend ${backend}), typed by ${by}, since ${startedAt}; nothing was done`,
    { cause, next: 'wait for it, or end it there; if that node is dead, type the same again in half a minute' },
  );
