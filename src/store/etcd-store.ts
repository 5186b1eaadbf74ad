import type { IKeyValue, IRequestOp } from 'etcd3';
import type { Logger } from '../contracts/log.js';
import type { Fence, MetadataStore, RecordKind, Records, Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { EtcdClient, type EtcdTls } from './etcd-client.js';
import { endOf, GuardedEtcd, rangeOp } from './etcd-root.js';
import { EtcdWatch } from './etcd-watch.js';
import { errorText } from './failure.js';
import { Lease } from './lease.js';
import { Listeners } from './listeners.js';
import { LocalLocks, lockOrder } from './local-locks.js';
import { EtcdFence, takeInEtcd, type Claim } from './lock.js';
import { Presence } from './presence.js';
import { checkWriteCount, decodeRecord, encodeRecord } from './records.js';

const DEFAULT_PREFIX = '/hpe-volume-plugin/v1/';
/** Seconds after which a dead node's locks are free. */
const DEFAULT_LEASE_TTL = 15;
/** Records of one answer. */
const PAGE = 500;

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

/** The metadata in etcd. Returns at once, whether etcd is there or not; every call then says for itself that it is not. */
export function openEtcdStore(options: EtcdStoreOptions): MetadataStore {
  return new EtcdStore(options);
}

class EtcdStore implements MetadataStore {
  readonly kind = 'etcd';
  readonly #options: EtcdStoreOptions;
  readonly #prefix: string;
  readonly #client: EtcdClient;
  readonly #etcd: GuardedEtcd;
  readonly #locks: LocalLocks;
  readonly #fences = new Set<EtcdFence>();
  readonly #listeners = new Listeners();
  readonly #watches = new Map<RecordKind, EtcdWatch>();
  #presence: Presence | undefined;

  constructor(options: EtcdStoreOptions) {
    this.#options = options;
    this.#prefix = options.prefix ?? DEFAULT_PREFIX;
    this.#client = new EtcdClient(options.hosts, options.tls);
    this.#etcd = new GuardedEtcd(this.#client, this.#prefix, options.stateDir);
    this.#locks = new LocalLocks(options.node.name);
  }

  async find<K extends RecordKind>(kind: K, key: string, signal: AbortSignal): Promise<Records[K] | undefined> {
    const answer = await this.#etcd.txn({ success: [rangeOp(this.#recordKey(kind, key))] }, signal);
    const found = answer.responses[0]?.response_range.kvs[0];
    return found === undefined ? undefined : decodeRecord(kind, key, found.value.toString());
  }

  async list<K extends RecordKind>(kind: K, signal: AbortSignal): Promise<Records[K][]> {
    const found = await this.#below(this.#recordKey(kind, ''), signal);
    return found.map(({ rest, value }) => decodeRecord(kind, rest, value.toString()));
  }

  async lock(keys: readonly string[], signal: AbortSignal): Promise<Fence> {
    const sorted = lockOrder(keys);
    const giveBack = await this.#locks.take(sorted, signal);
    try {
      return await this.#lockInEtcd(sorted, giveBack, signal);
    } catch (error) {
      giveBack();
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
    return new Set([...others.map(({ rest }) => rest), ...self]);
  }

  announce(): void {
    const { node, logger } = this.#options;
    this.#presence ??= new Presence({
      etcd: this.#etcd,
      key: `${this.#prefix}node/${node.id}`,
      value: JSON.stringify({ name: node.name }),
      ttl: this.#leaseTtl,
      logger,
    });
  }

  async close(): Promise<void> {
    for (const watch of this.#watches.values()) watch.close();
    await Promise.all([this.#presence?.end(), ...[...this.#fences].map((fence) => fence.release())]);
    this.#client.close();
  }

  get #leaseTtl(): number {
    return this.#options.leaseTtl ?? DEFAULT_LEASE_TTL;
  }

  async #lockInEtcd(keys: string[], giveBack: () => void, signal: AbortSignal): Promise<Fence> {
    const lease = await Lease.grant(this.#client, this.#leaseTtl, signal);
    const claim: Claim = { etcd: this.#etcd, lease, prefix: `${this.#prefix}lock/`, node: this.#options.node };
    try {
      const tokens = await takeInEtcd(claim, keys, signal);
      const fence: EtcdFence = new EtcdFence(claim, tokens, async () => {
        await this.#end(lease);
        this.#fences.delete(fence);
        giveBack();
      });
      this.#fences.add(fence);
      return fence;
    } catch (error) {
      await this.#end(lease);
      throw error;
    }
  }

  async #end(lease: Lease): Promise<void> {
    try {
      await lease.end();
    } catch (error) {
      this.#options.logger.debug('etcd did not hear that locks were given up; they end by their time', {
        reason: errorText(error),
      });
    }
  }

  /** All keys below the prefix, which ends in `/`, sorted, each without it. All pages are of the first one's revision: of one moment. */
  async #below(prefix: string, signal: AbortSignal): Promise<{ rest: string; value: Buffer }[]> {
    const entries: { rest: string; value: Buffer }[] = [];
    let next: PageRange | undefined = { key: Buffer.from(prefix), end: endOf(prefix) };
    while (next !== undefined) {
      const page: Page = await this.#page(next, signal);
      entries.push(...page.found.map(({ key, value }) => ({ rest: key.toString().slice(prefix.length), value })));
      next = page.next;
    }
    return entries;
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

  async #page(range: PageRange, signal: AbortSignal): Promise<Page> {
    const { key, end, revision } = range;
    const request = { key, range_end: end, limit: PAGE, ...(revision === undefined ? {} : { revision }) };
    const answer = await this.#etcd.txn({ success: [{ request_range: request }] }, signal);
    const found = answer.responses[0]?.response_range;
    if (found === undefined) throw new DriverError('internal', 'etcd answered a list without a list');
    const last = found.kvs.at(-1);
    if (!found.more || last === undefined) return { found: found.kvs, next: undefined };
    const next = { key: Buffer.concat([last.key, Buffer.of(0)]), end, revision: revision ?? answer.header.revision };
    return { found: found.kvs, next };
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

interface PageRange {
  key: Buffer;
  end: Buffer;
  /** As of the first page. */
  revision?: string;
}

interface Page {
  found: IKeyValue[];
  next: PageRange | undefined;
}
