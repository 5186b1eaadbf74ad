import type { ICompare, IKeyValue, IRequestOp, IResponseOp } from 'etcd3';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { Fence } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { rangeOp, type GuardedEtcd } from './etcd-root.js';
import type { Lease } from './lease.js';

/*
 * INVARIANTS
 * 1. Who holds a lock in etcd is whose lease its key is attached to. The create revision of that key is the token: the
 *    next holder's is another one, always.
 * 2. `signal` fires at the latest at: the own monotonic time at which the last answered renewal was *sent*, plus the time to
 *    live, less a margin. etcd counts from when it got the renewal, so it gives the key to nobody before. Wall clocks have
 *    no part in it.
 * 3. A monotonic clock can stand still (a frozen virtual machine). So every commit compares the tokens of all keys in the
 *    same transaction as its writes: whoever lost a lock writes nothing, whatever his clock says.
 * 4. Every commit also compares and raises the version of the first lock key, and leaves its own id there. So a commit whose
 *    answer was lost is recognised when the client repeats it, and one that is under way for long can never be applied
 *    after a later one of the same fence.
 * 5. Keys are taken in one order, first among the callers of this process, then in etcd; so nobody waits in a circle.
 * 6. `release` never fails: the work that was done under the lock stays done, and the lease ends by itself.
 */

/** How often a key that another node holds is asked for. */
const POLL_MS = 250;

/** What stands in a lock key: for people, and for the error of those who wait. */
const holderValue = z.looseObject({ node: z.string(), name: z.string(), commit: z.string().optional() });

/** What all keys of one fence share. */
export interface Claim {
  etcd: GuardedEtcd;
  lease: Lease;
  /** Before the lock keys, e.g. `/hpe-volume-plugin/v1/lock/`. */
  prefix: string;
  node: { id: string; name: string };
}

/** Takes the keys, which are in lock order, for the lease. @throws `busy` with the holder's node when the signal fires */
export async function takeInEtcd(
  claim: Claim,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const tokens = new Map<string, string>();
  let wanted = [...keys];
  let blocked: { key: string; holder: string } | undefined;
  for (;;) {
    if (claim.lease.signal.aborted)
      throw new DriverError('unavailable', 'etcd did not answer while a lock was waited for');
    try {
      blocked = await takeOnce(claim, wanted, tokens, signal);
      if (tokens.size === keys.length) return tokens;
      const missing = keys.filter((key) => !tokens.has(key));
      const free = blocked === undefined ? missing : missing.slice(0, missing.indexOf(blocked.key));
      wanted = free.length > 0 ? free : missing;
      if (free.length === 0) await pause(POLL_MS, undefined, { signal });
    } catch (error) {
      if (!signal.aborted || blocked === undefined) throw error;
      const next = 'try again when that node is done; if it is dead, its lock ends by itself within seconds';
      throw new DriverError('busy', `${blocked.key} is in use by node ${blocked.holder}`, { cause: error, next });
    }
  }
}

/** Takes all of the wanted keys or none, and notes the tokens of those that are ours; returns the first that is another's. */
async function takeOnce(claim: Claim, wanted: string[], tokens: Map<string, string>, signal: AbortSignal) {
  const answer = await claim.etcd.txn(
    {
      compare: wanted.map((key) => ({
        key: Buffer.from(claim.prefix + key),
        target: 'Create',
        result: 'Equal',
        create_revision: 0,
      })),
      success: wanted.map((key) => putLockKey(claim, key)),
      failure: wanted.map((key) => rangeOp(claim.prefix + key)),
    },
    signal,
  );
  if (answer.succeeded) {
    for (const key of wanted) tokens.set(key, answer.header.revision);
    return undefined;
  }
  let blocked: { key: string; holder: string } | undefined;
  for (const [i, key] of wanted.entries()) {
    const seen = keyIn(answer.responses[i]);
    // Ours already: the client repeated a transaction whose answer was lost.
    if (seen?.lease === claim.lease.id) tokens.set(key, seen.create_revision);
    else if (seen !== undefined) blocked ??= { key, holder: holderIn(seen).name };
  }
  return blocked;
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
        success: [...operations, putLockKey(this.#claim, this.#firstKey, id)],
        failure: this.keys.map((key) => rangeOp(this.#claim.prefix + key)),
      });
      if (answer.succeeded) {
        this.#version = String(BigInt(this.#version) + 1n);
        return;
      }
      const seen = this.keys.map((_, i) => keyIn(answer.responses[i]));
      const first = seen[0];
      const held = this.keys.every((key, i) => seen[i]?.create_revision === this.#tokens.get(key));
      if (first === undefined || !held) throw this.#lost();
      this.#version = first.version;
      if (holderIn(first).commit === id) return;
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
      key: Buffer.from(this.#claim.prefix + key),
      target: 'Create',
      result: 'Equal',
      create_revision: token,
    }));
  }

  #nothingSince(): ICompare {
    const key = Buffer.from(this.#claim.prefix + this.#firstKey);
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

function putLockKey(claim: Claim, key: string, commit?: string): IRequestOp {
  const value = JSON.stringify({ node: claim.node.id, name: claim.node.name, commit });
  return { request_put: { key: Buffer.from(claim.prefix + key), value: Buffer.from(value), lease: claim.lease.id } };
}

const keyIn = (response: IResponseOp | undefined): IKeyValue | undefined => response?.response_range.kvs[0];

function holderIn(key: IKeyValue): z.infer<typeof holderValue> {
  try {
    return holderValue.parse(JSON.parse(key.value.toString()));
  } catch {
    return { node: 'unknown', name: 'unknown' };
  }
}
