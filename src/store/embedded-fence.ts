import type { Fence } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';

/** Locks of one process cannot be lost before the process is. */
export class EmbeddedFence implements Fence {
  readonly keys: readonly string[];
  readonly #lost = new AbortController();
  readonly #giveBack: () => void;

  constructor(keys: readonly string[], giveBack: () => void) {
    this.keys = keys;
    this.#giveBack = giveBack;
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    this.#giveBack();
  }

  /** The store was closed under its holder. */
  lose(): void {
    this.#giveBack();
    const next = 'start the daemon again; what was begun is then finished or rolled back';
    this.#lost.abort(
      new DriverError('fenced', `the metadata was closed while ${this.keys.join(', ')} were locked`, { next }),
    );
  }
}
