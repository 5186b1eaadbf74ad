import type { Logger } from '../contracts/log.js';
import { asDriverError } from '../domain/errors.js';
import { within } from '../domain/signals.js';

const LOOK_TIMEOUT_MS = 20_000;

interface Parts {
  /** `findProblems` of the connector of the backend of that name. */
  find(backend: string, signal: AbortSignal): Promise<string[]>;
  logger: Logger;
}

/**
 * What of this host's settings is wrong for the volumes of a backend, told in the log: at the start, and after a device could
 * not be attached. Looks in the background; nobody waits for it.
 */
export class HostProblems {
  readonly #parts: Parts;
  readonly #stopped = new AbortController();
  /** One look at a time for each backend. */
  readonly #looks = new Map<string, Promise<void>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  look(backend: string): void {
    if (this.#stopped.signal.aborted || this.#looks.has(backend)) return;
    const looking = this.#tell(backend).finally(() => this.#looks.delete(backend));
    this.#looks.set(backend, looking);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#looks.values());
  }

  async #tell(backend: string): Promise<void> {
    const { logger } = this.#parts;
    try {
      const signal = within(LOOK_TIMEOUT_MS, this.#stopped.signal);
      const problems = await this.#parts.find(backend, signal);
      for (const problem of problems) logger.warn(`this host: ${problem}`, { backend });
    } catch (thrown) {
      if (this.#stopped.signal.aborted) return;
      const reason = asDriverError(thrown).message;
      logger.warn('the settings of this host could not be looked at', { backend, reason });
    }
  }
}
