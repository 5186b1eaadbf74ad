import { DriverError } from '../domain/errors.js';
import { withEachLook } from '../domain/overdue-timers.js';
import type { EtcdClient } from './etcd-client.js';

/** Renewals in the life of a lease, and how soon a failed one is repeated. */
const RENEWALS_PER_TTL = 3;
const RETRY_MS = 500;
/** This part of the time to live is kept as a distance between our own end and etcd's. */
const MARGIN = 0.2;

/** A lease in etcd that is kept alive, and that ends here before it can end there. */
export class Lease {
  readonly id: string;
  readonly #client: EtcdClient;
  readonly #ttlMs: number;
  readonly #lost = new AbortController();
  /** Monotonic, in ms. */
  #deadline: number;
  #renewal: NodeJS.Timeout;
  #end: NodeJS.Timeout;
  readonly #unwatch: () => void;

  private constructor(client: EtcdClient, lease: { id: string; ttlMs: number; sent: number }) {
    this.id = lease.id;
    this.#client = client;
    this.#ttlMs = lease.ttlMs;
    this.#deadline = this.#deadlineFrom(lease.sent);
    this.#renewal = this.#renewIn(this.#ttlMs / RENEWALS_PER_TTL);
    this.#end = this.#endAtDeadline();
    this.#unwatch = withEachLook(() => this.#endIfOver());
  }

  /** @param ttl seconds */
  static async grant(client: EtcdClient, ttl: number, signal: AbortSignal): Promise<Lease> {
    const sent = performance.now();
    const id = await client.grantLease(ttl, signal);
    return new Lease(client, { id, ttlMs: ttl * 1_000, sent });
  }

  /** Fires when the lease may be over soon. */
  get signal(): AbortSignal {
    this.#endIfOver();
    return this.#lost.signal;
  }

  /** Declares the lease lost; nothing renews it any more. */
  lose(reason: string): void {
    clearTimeout(this.#renewal);
    clearTimeout(this.#end);
    this.#unwatch();
    if (this.#lost.signal.aborted) return;
    const next = 'check etcd; the operation is finished or rolled back when it is seen again';
    this.#lost.abort(new DriverError('fenced', `this node's locks are lost: ${reason}`, { next }));
  }

  get ttlSeconds(): number {
    return this.#ttlMs / 1_000;
  }

  /** Ends the lease here and in etcd; if etcd does not hear it, it ends there by its time. */
  async end(): Promise<void> {
    this.lose('they were given up');
    await this.#client.revokeLease(this.id);
  }

  /** A process that was stopped runs other work before its overdue timers. */
  #endIfOver(): void {
    if (performance.now() >= this.#deadline) this.lose('etcd did not answer in time');
  }

  #deadlineFrom(sent: number): number {
    return sent + this.#ttlMs * (1 - MARGIN);
  }

  #renewIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => void this.#renew(), ms).unref();
  }

  #endAtDeadline(): NodeJS.Timeout {
    return setTimeout(() => this.lose('etcd did not answer in time'), this.#deadline - performance.now()).unref();
  }

  async #renew(): Promise<void> {
    const sent = performance.now();
    let left: number | undefined;
    try {
      left = await this.#client.keepLeaseAlive(this.id);
    } catch {
      // etcd is away; its absence shows at the deadline, and in the caller's own calls.
    }
    if (this.signal.aborted) return;
    if (left === 0) {
      this.lose('they ended in etcd');
      return;
    }
    if (left !== undefined) {
      this.#deadline = this.#deadlineFrom(sent);
      clearTimeout(this.#end);
      this.#end = this.#endAtDeadline();
    }
    this.#renewal = this.#renewIn(left === undefined ? RETRY_MS : this.#ttlMs / RENEWALS_PER_TTL);
  }
}
