import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Conflict, DeferredRemoval, NodeJournal, NodeMount } from '../contracts/node-journal.js';
import { DriverError } from '../domain/errors.js';
import type { MountId } from '../domain/mount-ids.js';
import { readIfThere, removeDurably, writeDurably } from './durable-file.js';
import { errorText } from './failure.js';
import { apart, blockDevice } from './records.js';

const side = z.enum(['primary', 'secondary']);
const mountId: z.ZodType<MountId> = z.strictObject({ id: z.string(), count: z.number(), life: z.string() });

const mount: z.ZodType<NodeMount> = z.preprocess(
  withWwn,
  z.strictObject({
    volume: z.string(),
    backend: z.string(),
    wwn: z.string(),
    device: blockDevice.exactOptional(),
    mountpoint: z.string(),
    side,
    host: z.string(),
    peer: z.strictObject({ host: z.string() }).exactOptional(),
    apart: apart.exactOptional(),
    generation: z.number().exactOptional(),
    ids: z.array(mountId),
  }),
);

/** Records of the first release name the WWN in the device only. */
function withWwn(record: unknown): unknown {
  const old = z.looseObject({ device: z.looseObject({ wwn: z.string() }) }).safeParse(record);
  return old.success ? { wwn: old.data.device.wwn, ...old.data } : record;
}

const deferredRemoval: z.ZodType<DeferredRemoval> = z.strictObject({
  id: z.string(),
  volume: z.string(),
  backend: z.string(),
  side,
  arrayName: z.string(),
  host: z.string(),
});

const nanoseconds = z.string().regex(/^\d+$/);
const conflictFile = z.strictObject({
  volume: z.string(),
  node: z.string(),
  generation: z.number(),
  bootId: z.string(),
  sinceNs: nanoseconds,
  lastNs: nanoseconds,
});
type ConflictFile = z.infer<typeof conflictFile>;

/** Raised when the shape of a file changes. */
const SCHEMA = 1;

/**
 * Opens this node's memory: `<stateDir>/node-id`, and one file per record below `mounts`, `deferred-removals` and `conflicts`.
 * @throws `unavailable` naming the file that cannot be read or understood
 */
export async function openNodeJournal(stateDir: string): Promise<NodeJournal> {
  return attempt(stateDir, async () => {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const [nodeId, bootId, mounts, removals, conflicts] = await Promise.all([
      nodeIdIn(path.join(stateDir, 'node-id')),
      readBootId(),
      RecordFolder.open(path.join(stateDir, 'mounts'), mount),
      RecordFolder.open(path.join(stateDir, 'deferred-removals'), deferredRemoval),
      RecordFolder.open(path.join(stateDir, 'conflicts'), conflictFile),
    ]);
    return {
      nodeId,
      mounts: () => mounts.all(),
      findMount: (volume) => mounts.find(volume),
      saveMount: (record) => mounts.save(record.volume, record),
      removeMount: (volume) => mounts.remove(volume),
      deferredRemovals: () => removals.all(),
      saveDeferredRemoval: (record) => removals.save(record.id, record),
      removeDeferredRemoval: (id) => removals.remove(id),
      conflicts: () => conflicts.all().map(fromFile),
      findConflict(volume) {
        const found = conflicts.find(volume);
        return found?.bootId === bootId ? fromFile(found) : undefined;
      },
      saveConflict: (record) => conflicts.save(record.volume, toFile(record, bootId)),
      removeConflict: (volume) => conflicts.remove(volume),
    };
  });
}

function toFile({ sinceNs, lastNs, ...conflict }: Conflict, bootId: string): ConflictFile {
  return { ...conflict, bootId, sinceNs: String(sinceNs), lastNs: String(lastNs) };
}

function fromFile({ volume, node, generation, sinceNs, lastNs }: ConflictFile): Conflict {
  return { volume, node, generation, sinceNs: BigInt(sinceNs), lastNs: BigInt(lastNs) };
}

/** Differs after every boot. */
async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

async function nodeIdIn(file: string): Promise<string> {
  const text = await readIfThere(file);
  if (text === undefined) {
    const fresh = randomUUID();
    await writeDurably(file, `${fresh}\n`);
    return fresh;
  }
  const known = z.uuid().safeParse(text.trim());
  if (known.success) return known.data;
  // A new id would make this node a stranger to its own attachments.
  throw broken(file, 'it holds no uuid');
}

/** Records in memory, each with a file of its own; the file is on disk before the memory changes. */
class RecordFolder<T> {
  readonly #folder: string;
  readonly #records: Map<string, T>;
  /** Changes of one folder follow each other, so that memory and disk never disagree on which was the last. */
  #last: Promise<void> = Promise.resolve();

  private constructor(folder: string, records: Map<string, T>) {
    this.#folder = folder;
    this.#records = records;
  }

  static async open<T>(folder: string, shape: z.ZodType<T>): Promise<RecordFolder<T>> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const envelope = z.strictObject({ schema: z.literal(SCHEMA), key: z.string(), record: shape });
    const records = new Map<string, T>();
    for (const name of (await readdir(folder)).toSorted()) {
      const file = path.join(folder, name);
      // A write that was cut off before it was acknowledged.
      if (name.endsWith('.new')) await rm(file, { force: true });
      else {
        const { key, record } = parseFile(file, (await readIfThere(file)) ?? '', envelope);
        if (fileName(key) !== name) throw broken(file, `it is the record of ${key}`);
        records.set(key, record);
      }
    }
    return new RecordFolder(folder, records);
  }

  all(): T[] {
    return [...this.#records.values()].map((record) => structuredClone(record));
  }

  find(key: string): T | undefined {
    return structuredClone(this.#records.get(key));
  }

  async save(key: string, record: T): Promise<void> {
    const own = structuredClone(record);
    const text = JSON.stringify({ schema: SCHEMA, key, record: own }, undefined, 2);
    await this.#next(key, async (file) => {
      await writeDurably(file, `${text}\n`);
      this.#records.set(key, own);
    });
  }

  async remove(key: string): Promise<void> {
    await this.#next(key, async (file) => {
      await removeDurably(file);
      this.#records.delete(key);
    });
  }

  async #next(key: string, change: (file: string) => Promise<void>): Promise<void> {
    const file = path.join(this.#folder, fileName(key));
    const mine = this.#last.then(() => attempt(file, () => change(file)));
    this.#last = mine.catch(() => undefined);
    await mine;
  }
}

/** Names that no file system minds: what is not a plain letter stands as `%` and its hex code. */
function fileName(key: string): string {
  return `${key.replaceAll(/[^A-Za-z0-9._-]/g, (letter) => [...Buffer.from(letter)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''))}.json`;
}

function parseFile<T>(file: string, text: string, shape: z.ZodType<T>): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw broken(file, 'it is not JSON');
  }
  const parsed = shape.safeParse(json);
  if (parsed.success) return parsed.data;
  throw broken(file, z.prettifyError(parsed.error).replaceAll(/\s*\n\s*/g, ', '));
}

function broken(file: string, what: string): DriverError {
  return new DriverError('unavailable', `the file ${file} of this node's journal is broken: ${what}`, {
    next: 'compare it with what is mounted (findmnt) and correct it, or move it away if nothing of it is mounted or exported any more; then start the daemon again',
  });
}

async function attempt<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DriverError) throw error;
    throw new DriverError('unavailable', `this node's journal (${file}) cannot be used: ${errorText(error)}`, {
      cause: error,
      next: 'check the file system that it is on (df, dmesg)',
    });
  }
}
