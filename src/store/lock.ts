import type { ICompare, IRequestOp } from 'etcd3';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Fence } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { removeLock, type AbandonedLocks } from './abandoned-locks.js';
import { rangeOp, textIn } from './etcd-root.js';
import { getLock, heldKey, lockPath, putLock, putSession, type Claim, type HeldKey } from './lock-key.js';

/*
 * INVARIANTS
 * 1. Who holds a lock in etcd stands in its key. The create revision of that key is the token: the next holder's is another
 *    one, always.
 * 2. `signal` fires at the latest at: the own monotonic time at which the last answered renewal of the lease was *sent*, plus
 *    the time to live, less a margin. Wall clocks have no part in it.
 * 3. A lock is removed by its holder; by others only when the holder's lease is gone, and then another whole time to live has
 *    passed (abandoned-locks.ts; for an earlier run of the same node, which has ended, the first is enough). So by 2 no
 *    other node has the lock before `signal` has fired, even if etcd ends the lease too early; unless a renewal that was sent
 *    more than a fifth of that time after the end is still answered, which takes two paused leaders in a row.
 * 4. A monotonic clock can stand still (a frozen virtual machine). So every commit compares the tokens of all keys in the
 *    same transaction as its writes: whoever lost a lock writes nothing, whatever his clock says.
 * 5. Every commit also compares and raises the version of the first lock key, and leaves its own id there. So a commit whose
 *    answer was lost is recognised when the client repeats it, and one that is under way for long can never be applied
 *    after a later one of the same fence.
 * 6. Keys are taken in one order, first among the callers of this process, then in etcd; so nobody waits in a circle.
 * 7. `release` never fails: the work that was done under the lock stays done, and the lease ends by itself.
 */

/** How often a key that another node holds is asked for: soon at first, since it may be given up just now. */
const FIRST_POLL_MS = 15;
const POLL_MS = 250;

/** The operations of one transaction that etcd takes (128), less what a transaction of ours has besides keys and reads. */
const MOST_IN_ONE = 120;

/**
 * Takes the keys, which are in lock order, for the claim. What stands under `reads` in the moment in which the last of them was taken
 * is answered, too, unless that moment is not known. @throws `busy` with the holder's node when the signal fires
 */
export async function takeInEtcd(
  { claim, abandoned }: { claim: Claim; abandoned: AbandonedLocks },
  { keys, reads }: { keys: readonly string[]; reads: readonly string[] },
  signal: AbortSignal,
): Promise<{ tokens: Map<string, string>; texts: (string | undefined)[] | undefined }> {
  const tokens = new Map<string, string>();
  const asked = keys.length + reads.length > MOST_IN_ONE ? [] : reads;
  let wanted = [...keys];
  let blocked: HeldKey | undefined;
  let wait = FIRST_POLL_MS;
  for (;;) {
    if (claim.lease.signal.aborted)
      throw new DriverError('unavailable', 'etcd did not answer while a lock was waited for');
    try {
      const taken = await takeOnce(claim, { wanted, reads: asked }, tokens, signal);
      if (tokens.size === keys.length) {
        return { tokens, texts: asked.length === reads.length ? taken.texts : undefined };
      }
      blocked = taken.blocked;
      const missing = keys.filter((key) => !tokens.has(key));
      const free = blocked === undefined ? missing : missing.slice(0, missing.indexOf(blocked.key));
      wanted = free.length > 0 ? free : missing;
      const isFree = blocked !== undefined && (await abandoned.removeIfAbandoned(blocked, signal));
      if (free.length > 0 || isFree) continue;
      await pause(wait, undefined, { signal });
      wait = Math.min(2 * wait, POLL_MS);
    } catch (error) {
      if (!signal.aborted || blocked === undefined) throw error;
      throw busy(claim, blocked, error);
    }
  }
}

function busy(claim: Claim, { key, holder }: HeldKey, cause: unknown): DriverError {
  if (holder !== undefined) {
    const next = 'try again when that node is done; if it is dead, its lock ends by itself within half a minute';
    return new DriverError('busy', `${key} is in use by node ${holder.name}`, { cause, next });
  }
  const path = lockPath(claim, key).toString();
  return new DriverError('busy', `etcd has a lock of ${key} that no node of this plugin has written`, {
    cause,
    next: `look at it (etcdctl get ${path}) and, when all nodes run this release and nothing is under way, remove it: etcdctl del ${path}`,
  });
}

/** Takes all of the wanted keys or none, and notes the tokens of those that are ours; answers the first that is another's, or what was read. */
async function takeOnce(
  claim: Claim,
  { wanted, reads }: { wanted: string[]; reads: readonly string[] },
  tokens: Map<string, string>,
  signal: AbortSignal,
): Promise<{ blocked?: HeldKey | undefined; texts?: (string | undefined)[] }> {
  const answer = await claim.etcd.txn(
    {
      compare: wanted.map((key) => ({
        key: lockPath(claim, key),
        target: 'Create',
        result: 'Equal',
        create_revision: 0,
      })),
      success: [...reads.map(rangeOp), ...wanted.map((key) => putLock(claim, key)), putSession(claim)],
      failure: wanted.map((key) => getLock(claim, key)),
    },
    signal,
  );
  if (answer.succeeded) {
    for (const key of wanted) tokens.set(key, answer.header.revision);
    return { texts: reads.map((_, at) => textIn(answer.responses[at])) };
  }
  let blocked: HeldKey | undefined;
  for (const [i, key] of wanted.entries()) {
    const seen = heldKey(key, answer.responses[i]);
    // Ours already: the client repeated a transaction whose answer was lost.
    if (seen?.holder?.lease === claim.lease.id) tokens.set(key, seen.token);
    else blocked ??= seen;
  }
  return { blocked };
}

/**
 * Gives up what the claim has of keys that it did not get all. First its lease, without which a transaction of it that is
 * still under way takes nothing any more.
 */
export async function giveUpInEtcd(claim: Claim, keys: readonly string[]): Promise<void> {
  // It may have ended by itself.
  await claim.lease.end().catch(() => undefined);
  const answer = await claim.etcd.txn({ success: keys.map((key) => getLock(claim, key)) });
  const held = keys.map((key, i) => heldKey(key, answer.responses[i]));
  const own = held.filter((each) => each?.holder?.lease === claim.lease.id);
  await Promise.all(own.map(async (each) => each !== undefined && removeLock(claim, each)));
}

/** Gives up locks that are held; first their lease, since the client may have repeated the transaction that took them. */
export async function releaseInEtcd(claim: Claim, tokens: ReadonlyMap<string, string>): Promise<void> {
  // It may have ended by itself.
  await claim.lease.end().catch(() => undefined);
  await Promise.all([...tokens].map(async ([key, token]) => removeLock(claim, { key, token })));
}

/** The locks of one caller in etcd. */
export class EtcdFence implements Fence {
  readonly keys: readonly string[];
  readonly #claim: Claim;
  readonly #tokens: ReadonlyMap<string, string>;
  readonly #giveBack: () => Promise<void>;
  /** Version of the first lock key: one for its creation and one for every commit. */
  #version = '1';
  #released: Promise<void> | undefined;

  /** @param giveBack called at the first release, when the locks are given up */
  constructor(claim: Claim, tokens: ReadonlyMap<string, string>, giveBack: () => Promise<void>) {
    this.keys = [...tokens.keys()].toSorted();
    this.#claim = claim;
    this.#tokens = tokens;
    this.#giveBack = giveBack;
  }

  get signal(): AbortSignal {
    return this.#claim.lease.signal;
  }

  release(): Promise<void> {
    this.#released ??= this.#giveBack();
    return this.#released;
  }

  /** Applies all operations, or none. @throws `fenced`, or `unavailable` when it is not known whether they were applied */
  async commit(operations: readonly IRequestOp[]): Promise<void> {
    const id = randomUUID();
    for (;;) {
      if (this.signal.aborted) throw this.#fenced();
      const answer = await this.#claim.etcd.txn({
        compare: [...this.#stillHeld(), this.#nothingSince()],
        success: [...operations, putLock(this.#claim, this.#firstKey, id)],
        failure: this.keys.map((key) => getLock(this.#claim, key)),
      });
      if (answer.succeeded) {
        this.#version = String(BigInt(this.#version) + 1n);
        return;
      }
      const seen = this.keys.map((key, i) => heldKey(key, answer.responses[i]));
      const first = seen[0];
      const held = this.keys.every((key, i) => seen[i]?.token === this.#tokens.get(key));
      if (first === undefined || !held) throw this.#lost();
      this.#version = first.version;
      if (first.holder?.commit === id) return;
      // An earlier commit, of which we heard nothing, was applied after all: this one comes after it.
    }
  }

  get #firstKey(): string {
    const [first] = this.keys;
    if (first === undefined) throw new DriverError('internal', 'a fence without keys');
    return first;
  }

  #stillHeld(): ICompare[] {
    return [...this.#tokens].map(([key, token]) => ({
      key: lockPath(this.#claim, key),
      target: 'Create',
      result: 'Equal',
      create_revision: token,
    }));
  }

  #nothingSince(): ICompare {
    const key = lockPath(this.#claim, this.#firstKey);
    return { key, target: 'Version', result: 'Equal', version: this.#version };
  }

  #lost(): DriverError {
    this.#claim.lease.lose('another node may hold them');
    return this.#fenced();
  }

  #fenced(): DriverError {
    const keys = this.keys.join(', ');
    return new DriverError('fenced', `this node does not hold ${keys} any more; nothing was written`, {
      cause: this.signal.reason,
      next: 'try again; what was begun is finished or rolled back under new locks',
    });
  }
}
