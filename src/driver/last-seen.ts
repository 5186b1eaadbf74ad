import { setTimeout as pause } from 'node:timers/promises';
import { Rounds } from '../backend/rounds.js';
import type { Logger } from '../contracts/log.js';
import type { RecordCache } from '../contracts/record-cache.js';
import type { MetadataStore, Records } from '../contracts/store.js';
import { asDriverError } from '../domain/errors.js';
import { within } from '../domain/signals.js';
import { groupKeyOf } from './keys.js';
import { keyOf, Outlines, readOutline, type Outline, type OutlinedKind } from './outlines.js';
import type { VolumeRecords } from './view.js';

const KINDS = ['group', 'attachment', 'volume'] as const;
/** What was missed is looked for at such times, too. */
const INTERVAL_MS = 60_000;
/** Everything is read again at most that often: each reading asks etcd for all that it has. */
const FILL_INTERVAL_MS = 5 * 60_000;
/** A reading that failed is not repeated before, unless a watch begins anew: it may fail of a record that nobody can read. */
const FAILED_INTERVAL_MS = 30_000;
/** Changes come in swarms, and each is read once. */
const GATHER_MS = 200;
const READ_TIMEOUT_MS = 10_000;
/** Keys that are read together. */
const MOST_AT_ONCE = 100;
/** Between two pages: whoever asks for a volume comes first. */
const PAUSE_MS = 1;

type Seen = Pick<VolumeRecords, 'volume' | 'attachment' | 'group'>;

/**
 * What the metadata in etcd said last, of all volumes: the records on this node's disk, for the time that etcd cannot be read, and an
 * outline of them in memory, for people who look at all of them, and for who wants to know which records to ask for. Filled in the
 * background, page by page, and kept up to date by the watch. No decision is made from it (rule 2), and nothing is written for it but the cache (rule 40). Never throws.
 */
export class LastSeen {
  readonly #store: MetadataStore;
  readonly #cache: RecordCache;
  readonly #logger: Logger;
  readonly #rounds = new Rounds(async (signal) => this.#work(signal), INTERVAL_MS);
  readonly #unwatch: (() => void)[] = [];
  readonly #outlines = new Outlines();
  /** Kinds of which changes may have been missed. */
  readonly #missed = new Set<OutlinedKind>();
  /** Keys that may have changed since they were read. */
  readonly #told: Record<OutlinedKind, Set<string>> = { volume: new Set(), attachment: new Set(), group: new Set() };
  readonly #filledAt = new Map<OutlinedKind, number>();
  /** The life of the cache that has all records of a kind. */
  readonly #keptIn = new Map<OutlinedKind, number>();
  #failedAt = -Infinity;
  /** Of the metadata that were read for it. */
  #identity: string | undefined;
  /** Names that a List has answered before all was read. */
  #listed: readonly string[] | undefined;
  /** Volumes that were noted since the last reading was asked for, which may be older. */
  readonly #noted = new Set<string>();
  /** What was noted is being written. */
  #noting: Promise<unknown> = Promise.resolve();
  #gathering: NodeJS.Timeout | undefined;

  constructor({ store, cache, logger }: { store: MetadataStore; cache: RecordCache; logger: Logger }) {
    this.#store = store;
    this.#cache = cache;
    this.#logger = logger;
  }

  start(): void {
    // The watch tells when it has begun: what is read after that misses nothing.
    for (const kind of KINDS) this.#unwatch.push(this.#store.watch(kind, (key) => this.#hear(kind, key)));
    this.#rounds.start();
  }

  async stop(): Promise<void> {
    for (const unwatch of this.#unwatch) unwatch();
    clearTimeout(this.#gathering);
    await this.#rounds.stop();
    await this.#noting;
    await this.#cache.close();
  }

  /** Takes down what somebody was told, if it is not known yet. */
  note({ volume, attachment, group }: Seen): void {
    const known = this.#outlines.findVolume(volume.name);
    if (known !== undefined && known.state !== 'creating') return;
    const noted = [this.#noting, this.#keepNoted({ volume, attachment, group })];
    // Without what they resolve to, which would hold all of before.
    this.#noting = Promise.all(noted).then(() => undefined);
    this.#noted.add(volume.name);
    // It may have changed, or be gone, since it was read.
    this.#gather('volume', volume.name);
    this.#gather('attachment', volume.name);
  }

  /** The same for the names of all volumes. */
  noteNames(names: readonly string[]): void {
    if (!this.#isFilled) {
      this.#listed = names;
      return;
    }
    for (const name of this.#outlines.addNames(names)) this.#gather('volume', name);
  }

  /** Undefined: not known. */
  async find(name: string): Promise<Seen | undefined> {
    if (!(await this.#openCache())) return undefined;
    const [volume, attachment] = await Promise.all([
      this.#cache.find('volume', name),
      this.#cache.find('attachment', name),
    ]);
    if (volume === undefined) return undefined;
    const key = groupKeyOf(volume);
    return { volume, attachment, group: key === undefined ? undefined : await this.#cache.find('group', key) };
  }

  /** Record key of the group that the volume was a member of; undefined: of none, or not known. */
  groupKey(name: string): string | undefined {
    const volume = this.#outlines.findVolume(name);
    return volume === undefined ? undefined : groupKeyOf(volume);
  }

  /** Names of all volumes, sorted; undefined when only a part of them is known. */
  async names(): Promise<string[] | undefined> {
    if (this.#isFilled) return this.#outlines.names();
    if (this.#listed !== undefined) return [...this.#listed];
    if (!(await this.#openCache()) || !(await this.#cache.isWhole())) return undefined;
    return this.#cache.keys('volume');
  }

  /** Of all that there is, a moment old at most; undefined when it may be older, or is not known. */
  outline(): Outline | undefined {
    return this.#isFilled && this.#missed.size === 0 ? this.#outlines.all() : undefined;
  }

  /** The same, read anew when it may be older; undefined before all was read once, rather than to read all twice. */
  async readOutline(signal: AbortSignal): Promise<Outline | undefined> {
    return this.#isFilled ? (this.outline() ?? readOutline(this.#store, signal)) : undefined;
  }

  get #isFilled(): boolean {
    return KINDS.every((kind) => this.#filledAt.has(kind));
  }

  #hear(kind: OutlinedKind, key: string | undefined): void {
    if (key !== undefined) {
      this.#gather(kind, key);
      return;
    }
    this.#missed.add(kind);
    this.#failedAt = -Infinity;
    this.#rounds.trigger();
  }

  #gather(kind: OutlinedKind, key: string): void {
    this.#told[kind].add(key);
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#rounds.trigger();
    }, GATHER_MS).unref();
  }

  async #work(stopped: AbortSignal): Promise<void> {
    try {
      await this.#followMetadata();
      for (const kind of KINDS) if (await this.#isDue(kind)) await this.#fill(kind, stopped);
      if (this.#isFilled) for (const kind of KINDS) await this.#readTold(kind, stopped);
    } catch (thrown) {
      const reason = asDriverError(thrown).message;
      if (!stopped.aborted) this.#logger.debug('what is known of all volumes was not brought up to date', { reason });
    }
  }

  async #isDue(kind: OutlinedKind): Promise<boolean> {
    const filledAt = this.#filledAt.get(kind);
    const now = performance.now();
    if (now - this.#failedAt < FAILED_INTERVAL_MS || now - (filledAt ?? -Infinity) < FILL_INTERVAL_MS) return false;
    // The cache may have been thrown away since, or have had no place then.
    return this.#missed.has(kind) || (filledAt !== undefined && (await this.#openCache()) && !this.#isKept(kind));
  }

  /** Undefined: nothing can be kept. */
  async #openLife(): Promise<number | undefined> {
    return (await this.#openCache()) ? this.#cache.life : undefined;
  }

  #isKept(kind: OutlinedKind): boolean {
    return this.#keptIn.get(kind) === this.#cache.life;
  }

  /** Metadata that were made anew are other ones. */
  async #followMetadata(): Promise<void> {
    const identity = await this.#store.archive.identity();
    if (this.#identity !== undefined && identity !== this.#identity) {
      this.#outlines.clear();
      this.#filledAt.clear();
      this.#listed = undefined;
      for (const kind of KINDS) this.#missed.add(kind);
    }
    this.#identity = identity;
  }

  async #openCache(): Promise<boolean> {
    try {
      const identity = await this.#store.archive.identity();
      return identity !== undefined && (await this.#cache.open(identity));
    } catch {
      return false;
    }
  }

  async #fill(kind: OutlinedKind, stopped: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    let life: number | undefined;
    // What is told from here on is missed by what is read now.
    this.#missed.delete(kind);
    this.#noted.clear();
    try {
      for await (const page of this.#store.pages(kind, stopped)) {
        const entries = page.map((record) => [keyOf(kind, record), record] as const);
        // Of metadata that were never asked before the identity is known from here on.
        if (seen.size === 0) life = await this.#openLife();
        for (const [key] of entries) seen.add(key);
        await this.#takeRead(kind, entries);
        await pause(PAUSE_MS);
        stopped.throwIfAborted();
      }
      if (seen.size === 0) life = await this.#openLife();
      const former = [...this.#outlines.keys(kind), ...(await this.#cache.keys(kind))];
      // What was told meanwhile may be newer than what was read.
      const gone = former.filter((key) => !seen.has(key) && !this.#told[kind].has(key));
      await this.#take(
        kind,
        gone.map((key) => [key, undefined] as const),
      );
    } catch (thrown) {
      this.#missed.add(kind);
      this.#failedAt = performance.now();
      throw thrown;
    }
    const wasFilled = this.#isFilled;
    this.#filledAt.set(kind, performance.now());
    if (life !== undefined) this.#keptIn.set(kind, life);
    if (!this.#isFilled) return;
    if (!wasFilled) this.#logger.info('all volumes were read, for the time that etcd cannot be');
    if (this.#listed !== undefined) this.noteNames(this.#listed);
    this.#listed = undefined;
    if (KINDS.every((each) => this.#isKept(each))) await this.#cache.setWhole();
  }

  async #readTold(kind: OutlinedKind, stopped: AbortSignal): Promise<void> {
    const told = this.#told[kind];
    while (told.size > 0) {
      const keys = [...told].slice(0, MOST_AT_ONCE);
      for (const key of keys) told.delete(key);
      try {
        const wanted = keys.map((key) => [kind, key] as const);
        this.#noted.clear();
        const records = await this.#store.findAll(wanted, within(READ_TIMEOUT_MS, stopped));
        await this.#takeRead(
          kind,
          keys.map((key, at) => [key, records[at]] as const),
        );
      } catch (thrown) {
        for (const key of keys) told.add(key);
        throw thrown;
      }
    }
  }

  /** What was noted meanwhile is read once more, and not overwritten by what may be older. */
  async #takeRead<K extends OutlinedKind>(kind: K, read: readonly Entry<K>[]): Promise<void> {
    const latest = read.filter(([key]) => kind === 'group' || !this.#noted.has(key));
    await this.#take(kind, latest);
  }

  async #take<K extends OutlinedKind>(kind: K, entries: readonly Entry<K>[]): Promise<void> {
    for (const [key, record] of entries) this.#outlines.take(kind, key, record);
    if (!(await this.#openCache())) return;
    await this.#cache.keep(
      kind,
      // One that is being created was acknowledged to nobody.
      entries.map(([key, record]) => [key, isUnacknowledged(record) ? undefined : record] as const),
    );
  }

  async #keepNoted({ volume, attachment, group }: Seen): Promise<void> {
    await this.#take('volume', [[volume.name, volume]]);
    await this.#take('attachment', [[volume.name, attachment]]);
    if (group !== undefined) await this.#take('group', [[keyOf('group', group), group]]);
  }
}

type Entry<K extends OutlinedKind> = readonly [string, Records[K] | undefined];

const isUnacknowledged = (record: Records[OutlinedKind] | undefined): boolean =>
  record !== undefined && 'arrayName' in record && record.state === 'creating';
