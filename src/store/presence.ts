import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '../contracts/log.js';
import type { GuardedEtcd } from './etcd-root.js';
import { briefly, errorText } from './failure.js';
import { Lease } from './lease.js';
import { firstOf } from '../domain/signals.js';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

export interface PresenceOptions {
  etcd: GuardedEtcd;
  key: string;
  /** For people. */
  value: string;
  /** Seconds after which a dead node is gone. */
  ttl: number;
  logger: Logger;
}

/** A key on a lease that says that this node's daemon runs; it is taken again whenever it was lost. */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #ended = new AbortController();
  readonly #kept: Promise<void>;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#kept = this.#keep();
  }

  /** The key is gone when this returns, or goes with its lease when etcd does not answer. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#kept;
  }

  async #keep(): Promise<void> {
    const { logger } = this.#options;
    let isKnownToFail = false;
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#ended.signal.aborted) {
      try {
        const lease = await this.#take();
        if (isKnownToFail) logger.info('this node is seen by the others again');
        [isKnownToFail, pauseMs] = [false, FIRST_PAUSE_MS];
        await this.#lossOf(lease);
      } catch (error) {
        if (!isKnownToFail && !this.#ended.signal.aborted) {
          logger.warn('the other nodes may take this one for dead', { reason: errorText(error) });
        }
        isKnownToFail = true;
      }
      await pause(pauseMs, undefined, { ref: false, signal: this.#ended.signal }).catch(() => undefined);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }

  async #take(): Promise<Lease> {
    const { etcd, key, value, ttl } = this.#options;
    const { signal } = this.#ended;
    const lease = await Lease.grant(etcd.client, ttl, signal);
    const put = { key: Buffer.from(key), value: Buffer.from(value), lease: lease.id };
    try {
      await etcd.txn({ success: [{ request_put: put }] }, signal);
      return lease;
    } catch (error) {
      await briefly(lease.end(), () => undefined);
      throw error;
    }
  }

  /** Returns when this presence has ended, throws when its lease was lost. */
  async #lossOf(lease: Lease): Promise<void> {
    const isOver = firstOf(lease.signal, this.#ended.signal);
    if (!isOver.aborted) await once(isOver, 'abort');
    if (!this.#ended.signal.aborted) throw lease.signal.reason;
    await briefly(lease.end(), () => undefined);
  }
}
