import { ClassicLevel } from 'classic-level';
import { mkdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import type { MetadataArchive, StoredRecord } from '../contracts/archive.js';
import type { Fence, Found, MetadataStore, Named, RecordKind, Records, Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { clusterOf } from '../domain/tag.js';
import type { Volume } from '../domain/volume.js';
import { asNamed } from './as-named.js';
import { EmbeddedFence } from './embedded-fence.js';
import { EmbeddedVolumeIndex } from './embedded-volume-index.js';
import { errorCode, errorText, throwIfAborted } from './failure.js';
import { Listeners } from './listeners.js';
import { textIfAlive, withLifetime } from './lifetime.js';
import { LocalLocks, lockOrder } from './local-locks.js';
import { checkWriteCount, decodeRecord, encodeRecord, isRecordKind, storedRecord } from './records.js';
import { copiesOf, membersOf, NOTABLE, type Selection } from './volume-index.js';

/** Records read at a time. */
const PAGE = 500;

const recordKey = (kind: RecordKind, key: string): string => `${kind}/${key}`;
/** '0' follows '/'. */
const rangeOf = (kind: RecordKind) => ({ gte: recordKey(kind, ''), lt: `${kind}0` });

/**
 * Folders that this process has open. LevelDB's own check of that comes too late: it opens and closes the lock file, and
 * the close ends this process's POSIX lock, so that other processes may come in.
 */
const openFolders = new Set<string>();

/**
 * Opens the metadata of a single host in `<stateDir>/metadata`. @throws `unavailable` when they are open already, in
 * whatever process, or cannot be read
 */
export async function openEmbeddedStore(stateDir: string, node: { id: string; name: string }): Promise<MetadataStore> {
  const folder = await attempt('opened', stateDir, async () => {
    await mkdir(path.join(stateDir, 'metadata'), { recursive: true, mode: 0o700 });
    return realpath(path.join(stateDir, 'metadata'));
  });
  if (openFolders.has(folder)) {
    throw new DriverError('unavailable', `this process has the metadata in ${folder} open already`);
  }
  openFolders.add(folder);
  try {
    const level = new ClassicLevel(folder, { keyEncoding: 'utf8', valueEncoding: 'utf8' });
    await level.open();
    return new EmbeddedStore(level, { node, index: await openIndex(level) });
  } catch (error) {
    openFolders.delete(folder);
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    if (errorCode(cause) !== 'LEVEL_LOCKED') throw unusable('opened', folder, cause);
    throw new DriverError('unavailable', `another process has the metadata in ${folder} open`, {
      cause: error,
      next: 'see that only one daemon runs on this host with this state directory: pgrep -af hpe-volume-plugin',
    });
  }
}

async function openIndex(level: ClassicLevel): Promise<EmbeddedVolumeIndex> {
  const index = new EmbeddedVolumeIndex(level);
  try {
    await index.ensureBuilt();
    return index;
  } catch (error) {
    await level.close();
    throw error;
  }
}

class EmbeddedStore implements MetadataStore {
  readonly kind = 'embedded';
  readonly archive: MetadataArchive;
  readonly #level: ClassicLevel;
  readonly #index: EmbeddedVolumeIndex;
  readonly #locks: LocalLocks;
  readonly #fences = new Set<EmbeddedFence>();
  readonly #listeners = new Listeners();
  readonly #nodeId: string;
  #announced = false;

  constructor(level: ClassicLevel, parts: { node: { id: string; name: string }; index: EmbeddedVolumeIndex }) {
    const { node, index } = parts;
    this.#level = level;
    this.#index = index;
    this.#nodeId = node.id;
    this.#locks = new LocalLocks(node.name);
    this.archive = {
      dump: async (signal) => ({ root: undefined, records: await this.#dump(signal) }),
      // Nobody else has them: what is not there is not there.
      isGone: async () => Promise.resolve(false),
      identity: async () => Promise.resolve(undefined),
      cluster: async () => Promise.resolve(clusterOf(node.id)),
      renew: async () => Promise.reject(new DriverError('internal', 'embedded metadata are never gone')),
    };
  }

  async find<K extends RecordKind>(kind: K, key: string, signal: AbortSignal): Promise<Records[K] | undefined> {
    throwIfAborted(signal);
    const text = await this.#attempt('read', async () => {
      const stored = await this.#level.get(recordKey(kind, key));
      return stored === undefined ? undefined : textIfAlive(stored);
    });
    return text === undefined ? undefined : decodeRecord(kind, key, text);
  }

  async findAll<const W extends readonly Named[]>(wanted: W, signal: AbortSignal): Promise<Found<W>> {
    throwIfAborted(signal);
    const keys = wanted.map(([kind, key]) => recordKey(kind, key));
    const stored = await this.#attempt('read', async () => this.#level.getMany(keys));
    const texts = await Promise.all(stored.map(async (each) => (each === undefined ? undefined : textIfAlive(each))));
    return asNamed(wanted, texts);
  }

  async list<K extends RecordKind>(kind: K, signal: AbortSignal): Promise<Records[K][]> {
    const records: Records[K][] = [];
    for await (const page of this.pages(kind, signal)) records.push(...page);
    return records;
  }

  async *pages<K extends RecordKind>(kind: K, signal: AbortSignal): AsyncGenerator<Records[K][]> {
    throwIfAborted(signal);
    const start = recordKey(kind, '');
    const iterator = this.#level.iterator(rangeOf(kind));
    try {
      for (;;) {
        const entries = await this.#attempt('read', async () => iterator.nextv(PAGE));
        if (entries.length === 0) return;
        const records: Records[K][] = [];
        for (const [key, stored] of entries) {
          const text = await textIfAlive(stored);
          if (text !== undefined) records.push(decodeRecord(kind, key.slice(start.length), text));
        }
        yield records;
      }
    } finally {
      await iterator.close();
    }
  }

  async keys(kind: RecordKind, signal: AbortSignal): Promise<string[]> {
    throwIfAborted(signal);
    const keys = await this.#attempt('read', async () => this.#level.keys(rangeOf(kind)).all());
    return keys.map((key) => key.slice(recordKey(kind, '').length));
  }

  async listNotable(signal: AbortSignal): Promise<Volume[]> {
    return this.#select(NOTABLE, signal);
  }

  async listCopies(id: string, signal: AbortSignal): Promise<Volume[]> {
    return this.#select(copiesOf(id), signal);
  }

  async listMembers(group: string, signal: AbortSignal, except?: string): Promise<Volume[]> {
    return this.#select(membersOf(group, except), signal);
  }

  async #take(keys: readonly string[], signal: AbortSignal): Promise<Fence> {
    const sorted = lockOrder(keys);
    const giveBack = await this.#locks.take(sorted, signal);
    const fence: EmbeddedFence = new EmbeddedFence(sorted, () => {
      this.#fences.delete(fence);
      giveBack();
    });
    this.#fences.add(fence);
    return fence;
  }

  async #select({ beginning, isMeant }: Selection, signal: AbortSignal): Promise<Volume[]> {
    throwIfAborted(signal);
    const found = await this.#attempt('read', async () => this.#index.find(beginning));
    const volumes = found?.map(({ name, text }) => decodeRecord('volume', name, text));
    return (volumes ?? (await this.list('volume', signal))).filter(isMeant);
  }

  async #dump(signal: AbortSignal): Promise<StoredRecord[]> {
    throwIfAborted(signal);
    const records: StoredRecord[] = [];
    for (const [stored, value] of await this.#attempt('read', () => this.#level.iterator().all())) {
      const slash = stored.indexOf('/');
      const kind = stored.slice(0, slash);
      const text = isRecordKind(kind) ? await textIfAlive(value) : undefined;
      if (isRecordKind(kind) && text !== undefined) records.push(storedRecord(kind, stored.slice(slash + 1), text));
    }
    return records;
  }

  async lock(keys: readonly string[], signal: AbortSignal): Promise<Fence> {
    return this.#take(keys, signal);
  }

  async lockAndFind<const W extends readonly Named[]>(
    keys: readonly string[],
    wanted: W,
    signal: AbortSignal,
  ): Promise<{ fence: Fence; found: Found<W> }> {
    const fence = await this.#take(keys, signal);
    try {
      return { fence, found: await this.findAll(wanted, signal) };
    } catch (error) {
      await fence.release();
      throw error;
    }
  }

  async commit(fence: Fence, writes: readonly Write[]): Promise<void> {
    checkWriteCount(writes);
    this.#refuseIfLost(fence);
    const indexed = await this.#attempt('read', async () => this.#index.changes(writes));
    const batch = [...(await Promise.all(writes.map(changeOf))), ...indexed];
    // From here to the write nothing is waited for, in which a lock could be given up.
    this.#refuseIfLost(fence);
    try {
      await this.#attempt('written', () => this.#level.batch(batch, { sync: true }));
    } finally {
      for (const write of writes) this.#listeners.tell('put' in write ? write.put : write.remove, write.key);
    }
  }

  watch(kind: RecordKind, listener: (key: string | undefined) => void): () => void {
    return this.#listeners.add(kind, listener);
  }

  /** Nobody else has these metadata. */
  async livingNodes(signal: AbortSignal): Promise<Set<string>> {
    throwIfAborted(signal);
    return new Set(this.#announced ? [this.#nodeId] : []);
  }

  announce(): void {
    this.#announced = true;
  }

  async close(): Promise<void> {
    for (const fence of this.#fences) fence.lose();
    await this.#level.close();
    openFolders.delete(this.#level.location);
  }

  #refuseIfLost(fence: Fence): void {
    if (fence instanceof EmbeddedFence && this.#fences.has(fence)) return;
    throw new DriverError(
      'fenced',
      `the locks of ${fence.keys.join(', ')} were given up before this change; nothing was written`,
      { next: 'try again' },
    );
  }

  async #attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
    return attempt(what, this.#level.location, work);
  }
}

async function changeOf(write: Write) {
  if ('remove' in write) return { type: 'del', key: recordKey(write.remove, write.key) } as const;
  const text = encodeRecord(write.put, write.key, write.value);
  const value = write.ttlSeconds === undefined ? text : await withLifetime(text, write.ttlSeconds);
  return { type: 'put', key: recordKey(write.put, write.key), value } as const;
}

async function attempt<T>(what: string, folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unusable(what, folder, error);
  }
}

function unusable(what: string, folder: string, error: unknown): DriverError {
  return new DriverError('unavailable', `the metadata in ${folder} cannot be ${what}: ${errorText(error)}`, {
    cause: error,
    next: `check the file system of ${folder} (df, dmesg)`,
  });
}
