import type { ClassicLevel } from 'classic-level';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from '../contracts/log.js';
import type { RecordCache } from '../contracts/record-cache.js';
import type { RecordKind, Records } from '../contracts/store.js';
import { errorCode, errorText } from './failure.js';
import { decodeRecord, schemaOf } from './records.js';

/** Keys of the cache's own, before all records. */
const IDENTITY = '!identity';
const WHOLE = '!whole';
/** One that could not be used is not tried again before. */
const RETRY_MS = 5 * 60_000;
/** Bytes: whoever reads it reads it once, so that nothing is gained by more. */
const MEMORY = { cacheSize: 1024 * 1024, writeBufferSize: 2 * 1024 * 1024 };

/** The cache in `<stateDir>/cache`; opened, and its library loaded, by its first use. */
export function recordCacheIn(stateDir: string, logger: Logger): RecordCache {
  return new LevelRecordCache(path.join(stateDir, 'cache'), logger);
}

class LevelRecordCache implements RecordCache {
  readonly #folder: string;
  readonly #logger: Logger;
  #level: ClassicLevel | undefined;
  #identity: string | undefined;
  /** Openings and throwings away follow each other. */
  #turn: Promise<unknown> = Promise.resolve();
  #failedAt = -Infinity;
  #life = 0;
  #isClosed = false;

  constructor(folder: string, logger: Logger) {
    this.#folder = folder;
    this.#logger = logger;
  }

  get life(): number {
    return this.#life;
  }

  async open(identity: string): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#level !== undefined && this.#identity === identity) return true;
      if (this.#isClosed || performance.now() - this.#failedAt < RETRY_MS) return false;
      try {
        this.#level ??= await this.#openLevel();
        if ((await this.#level.get(IDENTITY)) !== identity) await this.#beginAnew(this.#level, identity);
        this.#identity = identity;
        return true;
      } catch (error) {
        await this.#throwAway(error);
        return false;
      }
    });
  }

  async find<K extends RecordKind>(kind: K, key: string): Promise<Records[K] | undefined> {
    const text = await this.#attempt(async (level) => level.get(`${kind}/${key}`));
    if (text === undefined) return undefined;
    try {
      return decodeRecord(kind, key, text);
    } catch {
      // Of another release.
      return undefined;
    }
  }

  async keys(kind: RecordKind): Promise<string[]> {
    const found = await this.#attempt(async (level) => level.keys({ gte: `${kind}/`, lt: `${kind}0` }).all());
    return (found ?? []).map((each) => each.slice(kind.length + 1));
  }

  async keep<K extends RecordKind>(
    kind: K,
    entries: readonly (readonly [string, Records[K] | undefined])[],
  ): Promise<void> {
    await this.#attempt(async (level) => {
      const before = await level.getMany(entries.map(([key]) => `${kind}/${key}`));
      const changes = entries.map(([key, record], at) => {
        const text = record === undefined ? undefined : JSON.stringify({ schema: schemaOf(kind), record });
        if (text === before[at]) return undefined;
        const place = `${kind}/${key}`;
        return text === undefined
          ? ({ type: 'del', key: place } as const)
          : ({ type: 'put', key: place, value: text } as const);
      });
      await level.batch(changes.filter((each) => each !== undefined));
    });
  }

  async setWhole(): Promise<void> {
    await this.#attempt(async (level) => level.put(WHOLE, 'yes'));
  }

  async isWhole(): Promise<boolean> {
    return (await this.#attempt(async (level) => level.get(WHOLE))) !== undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#inTurn(async () => {
      await this.#level?.close().catch(() => undefined);
      this.#level = undefined;
    });
  }

  async #openLevel(): Promise<ClassicLevel> {
    const { ClassicLevel: Level } = await import('classic-level');
    const open = async (): Promise<ClassicLevel> => {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      const level = new Level(this.#folder, { keyEncoding: 'utf8', valueEncoding: 'utf8', ...MEMORY });
      await level.open();
      return level;
    };
    try {
      return await open();
    } catch (error) {
      const cause = error instanceof Error ? (error.cause ?? error) : error;
      if (errorCode(cause) === 'LEVEL_LOCKED') throw cause;
      await rm(this.#folder, { recursive: true, force: true });
      return open();
    }
  }

  async #beginAnew(level: ClassicLevel, identity: string): Promise<void> {
    this.#life += 1;
    await level.clear();
    await level.put(IDENTITY, identity);
  }

  /** Undefined when it is not open, or not usable any more. */
  async #attempt<T>(work: (level: ClassicLevel) => Promise<T>): Promise<T | undefined> {
    const level = this.#level;
    if (level === undefined) return undefined;
    try {
      return await work(level);
    } catch (error) {
      if (!this.#isClosed) await this.#inTurn(async () => this.#throwAway(error, level));
      return undefined;
    }
  }

  /** It is made anew by the next opening. */
  async #throwAway(cause: unknown, broken = this.#level): Promise<void> {
    // Somebody was quicker.
    if (broken !== this.#level) return;
    this.#logger.warn('what was last known of the volumes is forgotten, and read again', {
      folder: this.#folder,
      reason: errorText(cause),
    });
    this.#failedAt = performance.now();
    this.#life += 1;
    this.#level = undefined;
    await broken?.close().catch(() => undefined);
    if (errorCode(cause) === 'LEVEL_LOCKED') return;
    await rm(this.#folder, { recursive: true, force: true }).catch(() => undefined);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}
