/** Someone who waits for a key. */
type Waiter = () => void;

/** The caller gave up while another caller of this process held the key. */
export class LocallyBusy extends Error {
  readonly key: string;

  constructor(key: string) {
    super(`${key} is held by another call in this process`);
    this.key = key;
  }
}

/** The keys in the one order in which everybody takes them, each once; so nobody waits in a circle. */
export const lockOrder = (keys: readonly string[]): string[] => [...new Set(keys)].toSorted();

/** Exclusion between the callers of one process; first come, first served on each key. */
export class LocalLocks {
  /** A key that is there is held; its value are those who wait, in order. */
  readonly #held = new Map<string, Waiter[]>();

  /** Takes all keys, which are in `lockOrder`. Returns the way to give them back. @throws LocallyBusy when the signal fires first, holding nothing */
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
        reject(new LocallyBusy(key));
      };
      const wake: Waiter = () => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      if (signal.aborted) {
        reject(new LocallyBusy(key));
        return;
      }
      waiters.push(wake);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** Hands the key to the first who waits; it is never free in between. */
  #release(key: string): void {
    const next = this.#held.get(key)?.shift();
    if (next === undefined) this.#held.delete(key);
    else next();
  }
}
