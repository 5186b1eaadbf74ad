import { randomUUID } from 'node:crypto';
import type { ICompare, IRequestOp } from 'etcd3';
import type { Fence, Write } from '../contracts/store.js';
import type { Volume } from '../domain/volume.js';
import { pagesBelow } from './etcd-pages.js';
import { deleteOp, endOf, putOp, rangeOp, type GuardedEtcd } from './etcd-root.js';
import { decodeRecord, MAX_WRITES } from './records.js';
import {
  findReadable,
  INDEX_MARKER,
  INDEX_VERSION,
  indexChanges,
  indexKeys,
  removedVolumes,
  type Selection,
} from './volume-index.js';

/** etcd takes 128 operations in a transaction. */
const RECORDS_AT_ONCE = 100;
const KEYS_AT_ONCE = 5_000;
/** Before the id of a building that is under way, in the place of the version. */
const BUILDING = 'building ';

/** The keys of volume-index.ts in etcd. */
export class EtcdVolumeIndex {
  readonly #etcd: GuardedEtcd;
  readonly #prefix: string;
  /** Volumes as they were written under locks that are held still, or were to be: then a key too many stays. Undefined: unreadable. */
  readonly #written = new WeakMap<Fence, Map<string, Volume | undefined>>();
  #isThere = false;
  #building: Promise<void> | undefined;

  /** @param prefix ends in `/` */
  constructor(etcd: GuardedEtcd, prefix: string) {
    this.#etcd = etcd;
    this.#prefix = prefix;
  }

  /** The volumes that the keys with that beginning lead to, sorted, of one moment; undefined while not all keys are there. */
  async find({ beginning, except }: Omit<Selection, 'isMeant'>, signal: AbortSignal): Promise<Volume[] | undefined> {
    const prefix = `${this.#prefix}${beginning}`;
    const range = { key: Buffer.from(prefix), range_end: endOf(prefix), limit: KEYS_AT_ONCE, keys_only: true };
    const { responses, header } = await this.#etcd.txn(
      { success: [rangeOp(this.#markerKey), { request_range: range }] },
      signal,
    );
    const [marker, first] = responses.map((each) => each.response_range);
    this.#isThere = marker?.kvs[0]?.value.toString() === INDEX_VERSION;
    if (!this.#isThere) return undefined;
    const { revision } = header;
    const names: string[] = [];
    if (first?.more !== true) names.push(...(first?.kvs ?? []).map(({ key }) => key.toString().slice(prefix.length)));
    else {
      for await (const page of pagesBelow(this.#etcd, prefix, { signal, keysOnly: true, revision })) {
        names.push(...page.map(({ rest }) => rest));
      }
    }
    return this.#read(
      names.filter((name) => name !== except),
      { signal, revision },
    );
  }

  /** What has to be committed with the writes, under these locks. @throws `unavailable` */
  async operations(fence: Fence, writes: readonly Write[]): Promise<IRequestOp[]> {
    const known = this.#written.get(fence) ?? new Map<string, Volume | undefined>();
    this.#written.set(fence, known);
    const unknown = removedVolumes(writes).filter((name) => !known.has(name));
    const texts = unknown.length === 0 ? [] : await this.#texts(unknown);
    for (const { name, text } of texts) known.set(name, findReadable(name, text));
    return writes.flatMap((write) => {
      const { put, remove } = indexChanges(write, known.get(write.key));
      if ('put' in write && write.put === 'volume') known.set(write.key, write.value);
      return [...put.map((key) => putOp(this.#prefix + key)), ...remove.map((key) => deleteOp(this.#prefix + key))];
    });
  }

  /**
   * Makes the keys of metadata of before there were any. Whoever writes a volume meanwhile writes its keys, too; any number of
   * nodes may do this at once. @throws `unavailable`
   */
  async ensureBuilt(signal: AbortSignal): Promise<void> {
    if (this.#isThere) return;
    this.#building ??= this.#build(signal).finally(() => (this.#building = undefined));
    await this.#building;
  }

  get #markerKey(): string {
    return `${this.#prefix}${INDEX_MARKER}`;
  }

  async #build(signal: AbortSignal): Promise<void> {
    const mark = await this.#begin(signal);
    if (mark === undefined) return;
    const prefix = `${this.#prefix}volume/`;
    for await (const page of pagesBelow(this.#etcd, prefix, { signal })) {
      const keys = page.flatMap(({ rest, value }) => indexKeys(decodeRecord('volume', rest, value.toString())));
      for (let at = 0; at < keys.length; at += MAX_WRITES) {
        const puts = keys.slice(at, at + MAX_WRITES).map((key) => putOp(this.#prefix + key));
        if (!(await this.#putUnder(mark, puts, signal))) return;
      }
    }
    await this.#putUnder(mark, [putOp(this.#markerKey, INDEX_VERSION)], signal);
  }

  /** What stands in the marker's place while it is built; undefined when there is nothing to build. */
  async #begin(signal: AbortSignal): Promise<string | undefined> {
    const mine = `${BUILDING}${randomUUID()}`;
    const key = Buffer.from(this.#markerKey);
    const request = {
      compare: [{ key, target: 'Create', result: 'Equal', create_revision: 0 } as const],
      success: [putOp(this.#markerKey, mine)],
      failure: [rangeOp(this.#markerKey)],
    };
    const { succeeded, responses } = await this.#etcd.txn(request, signal);
    if (succeeded) return mine;
    const stands = responses[0]?.response_range.kvs[0]?.value.toString();
    this.#isThere = stands === INDEX_VERSION;
    return stands?.startsWith(BUILDING) === true ? stands : undefined;
  }

  /** Only on the metadata of that building: these may be others by now, restored or made anew. */
  async #putUnder(mark: string, success: IRequestOp[], signal: AbortSignal): Promise<boolean> {
    const same: ICompare = {
      key: Buffer.from(this.#markerKey),
      target: 'Value',
      result: 'Equal',
      value: Buffer.from(mark),
    };
    return (await this.#etcd.txn({ compare: [same], success }, signal)).succeeded;
  }

  async #read(names: string[], at: { signal: AbortSignal; revision: string }): Promise<Volume[]> {
    const volumes: Volume[] = [];
    for (let first = 0; first < names.length; first += RECORDS_AT_ONCE) {
      const found = await this.#texts(names.slice(first, first + RECORDS_AT_ONCE), at);
      volumes.push(...found.map(({ name, text }) => decodeRecord('volume', name, text)));
    }
    return volumes;
  }

  /** Without those that are not there. */
  async #texts(names: string[], at: { signal?: AbortSignal; revision?: string } = {}) {
    const { signal, ...revision } = at;
    const success = names.map((name) => {
      const key = Buffer.from(`${this.#prefix}volume/${name}`);
      return { request_range: { key, ...revision } };
    });
    const { responses } = await this.#etcd.txn({ success }, signal);
    return names.flatMap((name, i) => {
      const text = responses[i]?.response_range.kvs[0]?.value.toString();
      return text === undefined ? [] : [{ name, text }];
    });
  }
}
