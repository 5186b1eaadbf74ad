import { DriverError } from '../domain/errors.js';

/** Someone who waits for a key. */
type Waiter = () => void;

/** The keys in the one order in which everybody takes them, each once. @throws `internal` when there is none */
export function lockOrder(keys: readonly string[]): string[] {
  if (keys.length === 0) throw new DriverError('internal', 'a lock on no key protects nothing');
  return [...new Set(keys)].toSorted();
}

/** Exclusion between the callers of one process; first come, first served on each key. */
export class LocalLocks {
  /** A key that is there is held; its value are those who wait, in order. */
  readonly #held = new Map<string, Waiter[]>();
  readonly #nodeName: string;

  constructor(nodeName: string) {
    this.#nodeName = nodeName;
  }

  /** Takes all keys, which are in `lockOrder`. Returns the way to give them back. @throws `busy` when the signal fires first, holding nothing */
  async take(keys: readonly string[], signal: AbortSignal): Promise<() => void> {
    const taken: string[] = [];
    const giveBack = (): void => {
      for (const key of taken.splice(0)) this.#release(key);
    };
    try {
      for (const key of keys) {
        await this.#takeOne(key, signal);
        taken.push(key);
      }
    } catch (error) {
      giveBack();
      throw error;
    }
    return giveBack;
  }

  async #takeOne(key: string, signal: AbortSignal): Promise<void> {
    const waiters = this.#held.get(key);
    if (waiters === undefined) {
      this.#held.set(key, []);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const giveUp = (): void => {
        waiters.splice(waiters.indexOf(wake), 1);
        reject(this.#busy(key));
      };
      const wake: Waiter = () => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      if (signal.aborted) {
        reject(this.#busy(key));
        return;
      }
      waiters.push(wake);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  #busy(key: string): DriverError {
    const next = 'try again when that request is done';
    return new DriverError('busy', `${key} is in use by another request on this node (${this.#nodeName})`, { next });
  }

  /** Hands the key to the first who waits; it is never free in between. */
  #release(key: string): void {
    const next = this.#held.get(key)?.shift();
    if (next === undefined) this.#held.delete(key);
    else next();
  }
}
