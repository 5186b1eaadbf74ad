import { randomUUID } from 'node:crypto';
import type { IRequestOp } from 'etcd3';
import type { Logger } from '../contracts/log.js';
import type { Fence, Found, MetadataStore, Named, RecordKind, Records, Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import type { Volume } from '../domain/volume.js';
import { asNamed } from './as-named.js';
import { EtcdArchive } from './etcd-archive.js';
import { EtcdClient, type EtcdTls } from './etcd-client.js';
import { EtcdLocks } from './etcd-locks.js';
import { pagesBelow, textsOf, type Entry } from './etcd-pages.js';
import { GuardedEtcd, rangeOp } from './etcd-root.js';
import { EtcdVolumeIndex } from './etcd-volume-index.js';
import { EtcdWatch } from './etcd-watch.js';
import { errorText } from './failure.js';
import { Listeners } from './listeners.js';
import { EtcdFence } from './lock.js';
import { Neighbours } from './neighbours.js';
import { EtcdPassphrases } from './passphrases.js';
import { Presence } from './presence.js';
import { checkWriteCount, decodeRecord, encodeRecord } from './records.js';
import { copiesOf, membersOf, NOTABLE, type Selection } from './volume-index.js';

const DEFAULT_PREFIX = '/hpe-volume-plugin/v1/';
/** Seconds that a lease lives without being renewed. The locks of a dead node are free after twice that time. */
const DEFAULT_LEASE_TTL = 10;
/** Once, for metadata of before there was one; with 100,000 volumes a few seconds. */
const BUILD_MS = 120_000;

export interface EtcdStoreOptions {
  /** `address:port` of each member. */
  hosts: readonly string[];
  tls?: EtcdTls;
  /** Before all our keys; ends in `/`. */
  prefix?: string;
  node: { id: string; name: string };
  /** Keeps `metadata-identity.json`. */
  stateDir: string;
  /** Seconds. */
  leaseTtl?: number;
  logger: Logger;
}

/** Records of a page that are decoded at once, so that a reader who pauses after each part keeps nobody waiting for long. */
const MOST_DECODED = 100;

/** The metadata in etcd. Returns at once, whether etcd is there or not; every call then says for itself that it is not. */
export function openEtcdStore(options: EtcdStoreOptions): MetadataStore {
  return new EtcdStore(options);
}

class EtcdStore implements MetadataStore {
  readonly kind = 'etcd';
  readonly archive: EtcdArchive;
  readonly passphrases: EtcdPassphrases;
  readonly #options: EtcdStoreOptions;
  readonly #prefix: string;
  readonly #client: EtcdClient;
  readonly #etcd: GuardedEtcd;
  readonly #locks: EtcdLocks;
  readonly #listeners = new Listeners();
  readonly #watches = new Map<RecordKind, EtcdWatch>();
  readonly #neighbours: Neighbours;
  readonly #index: EtcdVolumeIndex;
  #presence: Presence | undefined;
  #rounds: NodeJS.Timeout | undefined;

  constructor(options: EtcdStoreOptions) {
    this.#options = options;
    this.#prefix = options.prefix ?? DEFAULT_PREFIX;
    this.#client = new EtcdClient(options.hosts, options.tls);
    this.#etcd = new GuardedEtcd(this.#client, this.#prefix, options.stateDir);
    this.passphrases = new EtcdPassphrases(this.#etcd);
    const site = { etcd: this.#etcd, prefix: this.#prefix, node: options.node, life: randomUUID() };
    this.#locks = new EtcdLocks({ site, ttl: this.#leaseTtl, logger: options.logger });
    this.#index = new EtcdVolumeIndex(this.#etcd, this.#prefix);
    this.#neighbours = new Neighbours(2 * this.#leaseTtl * 1_000);
    this.archive = new EtcdArchive({
      etcd: this.#etcd,
      prefix: this.#prefix,
      nodeName: options.node.name,
      below: async (prefix, signal) => this.#below(prefix, signal),
    });
  }

  async find<K extends RecordKind>(kind: K, key: string, signal: AbortSignal): Promise<Records[K] | undefined> {
    const answer = await this.#etcd.txn({ success: [rangeOp(this.#recordKey(kind, key))] }, signal);
    const found = answer.responses[0]?.response_range.kvs[0];
    return found === undefined ? undefined : decodeRecord(kind, key, found.value.toString());
  }

  async findAll<const W extends readonly Named[]>(wanted: W, signal: AbortSignal): Promise<Found<W>> {
    const keys = wanted.map(([kind, key]) => this.#recordKey(kind, key));
    return asNamed(wanted, await textsOf(this.#etcd, keys, signal));
  }

  async list<K extends RecordKind>(kind: K, signal: AbortSignal): Promise<Records[K][]> {
    const found = await this.#below(this.#recordKey(kind, ''), signal);
    return found.map(({ rest, value }) => decodeRecord(kind, rest, value.toString()));
  }

  async *pages<K extends RecordKind>(kind: K, signal: AbortSignal): AsyncGenerator<Records[K][]> {
    const prefix = this.#recordKey(kind, '');
    for await (const page of pagesBelow(this.#etcd, prefix, { signal })) {
      for (let at = 0; at < page.length; at += MOST_DECODED) {
        yield page.slice(at, at + MOST_DECODED).map(({ rest, value }) => decodeRecord(kind, rest, value.toString()));
      }
    }
  }

  async keys(kind: RecordKind, signal: AbortSignal): Promise<string[]> {
    const found: string[] = [];
    for await (const page of pagesBelow(this.#etcd, this.#recordKey(kind, ''), { signal, keysOnly: true })) {
      found.push(...page.map(({ rest }) => rest));
    }
    return found;
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

  async lock(keys: readonly string[], signal: AbortSignal): Promise<Fence> {
    return (await this.#locks.take(keys, [], signal)).fence;
  }

  async lockAndFind<const W extends readonly Named[]>(
    keys: readonly string[],
    wanted: W,
    signal: AbortSignal,
  ): Promise<{ fence: Fence; found: Found<W> }> {
    const reads = wanted.map(([kind, key]) => this.#recordKey(kind, key));
    const { fence, texts } = await this.#locks.take(keys, reads, signal);
    try {
      return { fence, found: asNamed(wanted, texts) };
    } catch (error) {
      await fence.release();
      throw error;
    }
  }

  async commit(fence: Fence, writes: readonly Write[]): Promise<void> {
    checkWriteCount(writes);
    if (!(fence instanceof EtcdFence)) throw new DriverError('internal', 'a fence of another store');
    const leases: string[] = [];
    try {
      const operations: IRequestOp[] = [];
      for (const write of writes) operations.push(await this.#operation(write, leases));
      operations.push(...(await this.#index.operations(fence, writes)));
      await fence.commit(operations);
    } catch (error) {
      // If the commit was applied after all, its answer lost, its record is gone with the lease: the caller heard of a failure.
      for (const id of leases) await this.#revoke(id);
      throw error;
    }
  }

  watch(kind: RecordKind, listener: (key: string | undefined) => void): () => void {
    const remove = this.#listeners.add(kind, listener);
    if (!this.#watches.has(kind)) {
      const tell = (key: string | undefined): void => this.#listeners.tell(kind, key);
      this.#watches.set(kind, new EtcdWatch(this.#client, this.#recordKey(kind, ''), tell));
    }
    return () => {
      remove();
      if (this.#listeners.has(kind)) return;
      this.#watches.get(kind)?.close();
      this.#watches.delete(kind);
    };
  }

  async livingNodes(signal: AbortSignal): Promise<Set<string>> {
    const others = await this.#below(`${this.#prefix}node/`, signal);
    const self = this.#presence === undefined ? [] : [this.#options.node.id];
    return this.#neighbours.living([...others.map(({ rest }) => rest), ...self]);
  }

  announce(): void {
    const { node, logger } = this.#options;
    if (this.#presence !== undefined) return;
    this.#presence = new Presence({
      etcd: this.#etcd,
      key: `${this.#prefix}node/${node.id}`,
      value: JSON.stringify({ name: node.name }),
      ttl: this.#leaseTtl,
      logger,
    });
    this.#rounds = setInterval(() => void this.#lookAround(), this.#leaseTtl * 1_000).unref();
    void this.#lookAround();
  }

  async close(): Promise<void> {
    clearInterval(this.#rounds);
    for (const watch of this.#watches.values()) watch.close();
    await Promise.all([this.#presence?.end(), this.#locks.close()]);
    this.#client.close();
  }

  get #leaseTtl(): number {
    return this.#options.leaseTtl ?? DEFAULT_LEASE_TTL;
  }

  /** What each node does now and then while it is announced. */
  async #lookAround(): Promise<void> {
    const signal = AbortSignal.timeout(this.#leaseTtl * 1_000);
    try {
      await this.livingNodes(signal);
      await this.#locks.sweep(signal);
    } catch (error) {
      this.#options.logger.debug('etcd was not asked for nodes and locks that are gone', { reason: errorText(error) });
    }
    try {
      await this.#index.ensureBuilt(AbortSignal.timeout(BUILD_MS));
    } catch (error) {
      this.#options.logger.debug('the index of the volumes is not built yet', { reason: errorText(error) });
    }
  }

  /** All keys below the prefix, which ends in `/`, sorted, each without it, as of one moment. */
  async #below(prefix: string, signal: AbortSignal): Promise<Entry[]> {
    const entries: Entry[] = [];
    for await (const page of pagesBelow(this.#etcd, prefix, { signal })) entries.push(...page);
    return entries;
  }

  /** All volumes are looked at while there is no index. */
  async #select({ isMeant, ...selection }: Selection, signal: AbortSignal): Promise<Volume[]> {
    const found = await this.#index.find(selection, signal);
    const selected: Volume[] = [];
    for await (const page of found === undefined ? this.pages('volume', signal) : [found]) {
      selected.push(...page.filter(isMeant));
    }
    return selected;
  }

  async #revoke(lease: string): Promise<void> {
    try {
      await this.#client.revokeLease(lease);
    } catch (error) {
      this.#options.logger.debug('etcd did not hear that a lease was given up; it ends by its time', {
        reason: errorText(error),
      });
    }
  }

  /** A record that ends by itself hangs on a lease of its own, whose id is added to `leases`. */
  async #operation(write: Write, leases: string[]): Promise<IRequestOp> {
    if ('remove' in write) {
      return { request_delete_range: { key: Buffer.from(this.#recordKey(write.remove, write.key)) } };
    }
    const text = encodeRecord(write.put, write.key, write.value);
    const request = { key: Buffer.from(this.#recordKey(write.put, write.key)), value: Buffer.from(text) };
    if (write.ttlSeconds === undefined) return { request_put: request };
    const lease = await this.#client.grantLease(write.ttlSeconds);
    leases.push(lease);
    return { request_put: { ...request, lease } };
  }

  #recordKey(kind: RecordKind, key: string): string {
    return `${this.#prefix}${kind}/${key}`;
  }
}
