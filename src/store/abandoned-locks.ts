import { endOf } from './etcd-root.js';
import { heldKeyIn, lockPath, sessionPath, type HeldKey, type LockSite } from './lock-key.js';

/**
 * Removes locks that their holders have not given up. That a lease is gone from etcd does not prove yet that its holder has
 * stopped: a leader that was stopped and goes on revokes leases that were renewed with its successor (etcd before 3.4.29 and
 * 3.5.11), and the holder hears of it only at its next renewal. So whoever finds a lease gone waits once more for all
 * of its time, by its own clock, before it removes the lock; but for one of an earlier run of this node.
 */
export class AbandonedLocks {
  readonly #site: LockSite;
  readonly #isInUse: (lease: string) => boolean;
  /** Tokens of locks whose lease was seen to be gone, and since when (monotonic, ms). It never comes back. */
  #goneSince = new Map<string, number>();

  /** @param isInUse whether a lease of this process belongs to a fence that was not given up */
  constructor(site: LockSite, isInUse: (lease: string) => boolean) {
    this.#site = site;
    this.#isInUse = isInUse;
  }

  /** Removes the lock if nobody can believe in it any more; returns whether it did. */
  async removeIfAbandoned(held: HeldKey, signal: AbortSignal): Promise<boolean> {
    const { holder } = held;
    const isAbandoned =
      holder !== undefined && this.#mayGo(held, await this.#sessions(signal, sessionPath(this.#site, holder.lease)));
    if (isAbandoned) await removeLock(this.#site, held, signal);
    return isAbandoned;
  }

  /** Removes every lock in which nobody can believe any more, so that whoever wants it later need not wait. */
  async sweep(signal: AbortSignal): Promise<void> {
    const { etcd, prefix } = this.#site;
    const locks = `${prefix}lock/`;
    // The locks first: the session of a lock that was taken in between is there.
    const answer = await etcd.txn(
      { success: [{ request_range: { key: Buffer.from(locks), range_end: endOf(locks) } }] },
      signal,
    );
    const held = (answer.responses[0]?.response_range.kvs ?? []).map((kv) =>
      heldKeyIn(kv.key.toString().slice(locks.length), kv),
    );
    const tokens = new Set(held.map(({ token }) => token));
    this.#goneSince = new Map([...this.#goneSince].filter(([token]) => tokens.has(token)));
    if (held.length === 0) return;
    const sessions = await this.#sessions(signal, Buffer.from(`${prefix}session/`), endOf(`${prefix}session/`));
    for (const each of held) if (this.#mayGo(each, sessions)) await removeLock(this.#site, each, signal);
  }

  /** Also notes since when a lease is gone. */
  #mayGo({ token, holder }: HeldKey, sessions: ReadonlySet<string>): boolean {
    if (holder === undefined) return false;
    const { node, life } = this.#site;
    const isOurs = holder.node === node.id;
    if (isOurs && holder.life === life) return !this.#isInUse(holder.lease);
    if (sessions.has(sessionPath(this.#site, holder.lease).toString())) return false;
    // An earlier run of this node's daemon has ended: it gave up the state directory last (commands/serve.ts).
    if (isOurs) return true;
    const since = this.#goneSince.get(token) ?? performance.now();
    this.#goneSince.set(token, since);
    return performance.now() - since >= holder.ttl * 1_000;
  }

  async #sessions(signal: AbortSignal, key: Buffer, end?: Buffer): Promise<Set<string>> {
    const range = end === undefined ? { key } : { key, range_end: end };
    const answer = await this.#site.etcd.txn({ success: [{ request_range: { ...range, keys_only: true } }] }, signal);
    return new Set((answer.responses[0]?.response_range.kvs ?? []).map((kv) => kv.key.toString()));
  }
}

/** Removes that lock, and not one that was taken since. */
export async function removeLock(
  site: LockSite,
  { key, token }: Pick<HeldKey, 'key' | 'token'>,
  signal?: AbortSignal,
): Promise<void> {
  const path = lockPath(site, key);
  await site.etcd.txn(
    {
      compare: [{ key: path, target: 'Create', result: 'Equal', create_revision: token }],
      success: [{ request_delete_range: { key: path } }],
    },
    signal,
  );
}
