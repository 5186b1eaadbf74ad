import type { ClassicLevel } from 'classic-level';
import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import type { Volume } from '../domain/volume.js';
import { decodeRecord } from './records.js';
import { findReadable, INDEX_MARKER, INDEX_VERSION, indexChanges, indexKeys, removedVolumes } from './volume-index.js';

/** Records read at a time. */
const PAGE = 500;

type Change = { type: 'put'; key: string; value: string } | { type: 'del'; key: string };

/** All keys with that beginning, which ends in '/'; '0' follows it. */
const below = (beginning: string) => ({ gte: beginning, lt: `${beginning.slice(0, -1)}0` });

const putOf = (key: string, value = ''): Change => ({ type: 'put', key, value });

/** The keys of volume-index.ts in the state directory. */
export class EmbeddedVolumeIndex {
  readonly #level: ClassicLevel;
  #isThere = false;

  constructor(level: ClassicLevel) {
    this.#level = level;
  }

  /** Makes the keys of metadata of before there were any, while nobody changes them. Records that cannot be read leave them without an index. */
  async ensureBuilt(): Promise<void> {
    this.#isThere = (await this.#level.get(INDEX_MARKER)) === INDEX_VERSION;
    if (this.#isThere) return;
    const iterator = this.#level.iterator(below('volume/'));
    try {
      for (;;) {
        const page = await iterator.nextv(PAGE);
        if (page.length === 0) break;
        const keys = page.flatMap(([key, text]) =>
          indexKeys(decodeRecord('volume', key.slice('volume/'.length), text)),
        );
        // The marker, written after them, may reach the disk before what is not on it.
        await this.#level.batch(
          keys.map((key) => putOf(key)),
          { sync: true },
        );
      }
      await this.#level.batch([putOf(INDEX_MARKER, INDEX_VERSION)], { sync: true });
      this.#isThere = true;
    } catch (error) {
      if (!(error instanceof DriverError)) throw error;
    } finally {
      await iterator.close();
    }
  }

  /** The records that the keys with that beginning lead to, sorted, of one moment; undefined without an index. */
  async find(beginning: string): Promise<{ name: string; text: string }[] | undefined> {
    if (!this.#isThere) return undefined;
    const snapshot = this.#level.snapshot();
    try {
      const keys = await this.#level.keys({ ...below(beginning), snapshot }).all();
      const names = keys.map((key) => key.slice(beginning.length));
      const texts = await this.#level.getMany(
        names.map((name) => `volume/${name}`),
        { snapshot },
      );
      return names.flatMap((name, i) => {
        const text = texts[i];
        return text === undefined ? [] : [{ name, text }];
      });
    } finally {
      await snapshot.close();
    }
  }

  /** What has to be written with the writes. */
  async changes(writes: readonly Write[]): Promise<Change[]> {
    const formers = await this.#formers(removedVolumes(writes));
    return writes.flatMap((write) => {
      const { put, remove } = indexChanges(write, formers.get(write.key));
      return [...put.map((key) => putOf(key)), ...remove.map((key): Change => ({ type: 'del', key }))];
    });
  }

  async #formers(names: string[]): Promise<Map<string, Volume | undefined>> {
    const texts = await this.#level.getMany(names.map((name) => `volume/${name}`));
    return new Map(names.map((name, i) => [name, findReadable(name, texts[i])]));
  }
}
