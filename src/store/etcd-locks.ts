import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import { AbandonedLocks } from './abandoned-locks.js';
import { textsOf } from './etcd-pages.js';
import { briefly, isLeaseGone } from './failure.js';
import { Lease } from './lease.js';
import { LocalLocks, lockOrder } from './local-locks.js';
import type { Claim, LockSite } from './lock-key.js';
import { EtcdFence, giveUpInEtcd, releaseInEtcd, takeInEtcd } from './lock.js';

interface Parts {
  site: LockSite;
  /** Seconds that a lease lives without being renewed. */
  ttl: number;
  logger: Logger;
}

/** What is locked, and what stood under the keys that were to be read at that moment, or a later one. */
interface Locked {
  fence: EtcdFence;
  texts: (string | undefined)[];
}

/** The locks that this process takes and gives up: among its own callers first, then in etcd. */
export class EtcdLocks {
  readonly #site: LockSite;
  readonly #ttl: number;
  readonly #logger: Logger;
  readonly #local: LocalLocks;
  readonly #fences = new Set<EtcdFence>();
  /** Of locks that were not given up. */
  readonly #leases = new Set<string>();
  readonly #abandoned: AbandonedLocks;
  #isClosed = false;

  constructor({ site, ttl, logger }: Parts) {
    this.#site = site;
    this.#ttl = ttl;
    this.#logger = logger;
    this.#local = new LocalLocks(site.node.name);
    this.#abandoned = new AbandonedLocks(site, (lease) => this.#leases.has(lease));
  }

  /** @param reads whole keys of etcd @throws `busy` with the holder's node name, holding nothing */
  async take(keys: readonly string[], reads: readonly string[], signal: AbortSignal): Promise<Locked> {
    const sorted = lockOrder(keys);
    const giveBack = await this.#local.take(sorted, signal);
    try {
      return await this.#takeInEtcd({ keys: sorted, reads }, giveBack, signal);
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  /** Removes the locks in which nobody can believe any more. */
  async sweep(signal: AbortSignal): Promise<void> {
    await this.#abandoned.sweep(signal);
  }

  /** Gives up all of them, and takes none any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#fences].map(async (fence) => fence.release()));
  }

  async #takeInEtcd(
    wanted: { keys: string[]; reads: readonly string[] },
    giveBack: () => void,
    signal: AbortSignal,
  ): Promise<Locked> {
    for (;;) {
      const lease = await Lease.grant(this.#site.etcd.client, this.#ttl, signal);
      const claim: Claim = { ...this.#site, lease };
      this.#leases.add(lease.id);
      try {
        const { tokens, texts } = await takeInEtcd({ claim, abandoned: this.#abandoned }, wanted, signal);
        const read = texts ?? (await textsOf(this.#site.etcd, wanted.reads, signal));
        if (this.#isClosed) throw new DriverError('unavailable', 'this daemon is stopping');
        const fence: EtcdFence = new EtcdFence(claim, tokens, async () => {
          await this.#giveUp(lease, releaseInEtcd(claim, tokens));
          this.#fences.delete(fence);
          giveBack();
        });
        this.#fences.add(fence);
        return { fence, texts: read };
      } catch (error) {
        const isLeaseLost = lease.signal.aborted || isLeaseGone(error);
        await this.#giveUp(lease, giveUpInEtcd(claim, wanted.keys));
        // It can end too early while its owner waits (abandoned-locks.ts); nothing was done under it.
        if (!isLeaseLost || signal.aborted || this.#isClosed) throw error;
      }
    }
  }

  async #giveUp(lease: Lease, work: Promise<void>): Promise<void> {
    this.#leases.delete(lease.id);
    await briefly(work, (reason) =>
      this.#logger.debug('etcd did not hear that locks were given up; they end by their time', { reason }),
    );
  }
}
