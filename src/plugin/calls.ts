import { setTimeout as pause } from 'node:timers/promises';

/** The requests that are being worked on, so that a stop can wait for them and then cut them short. */
export class Calls {
  readonly #running = new Map<AbortController, Promise<void>>();

  /** Runs the work; its controller also fires when the daemon stops. */
  async run(controller: AbortController, work: () => Promise<void>): Promise<void> {
    const done = work().finally(() => this.#running.delete(controller));
    this.#running.set(controller, done);
    await done;
  }

  /** Whether everything ended within that time. */
  async wait(ms: number): Promise<boolean> {
    const timer = new AbortController();
    const ended = Promise.allSettled(this.#running.values()).then(() => true);
    const late = pause(ms, false, { signal: timer.signal }).catch(() => false);
    try {
      return await Promise.race([ended, late]);
    } finally {
      timer.abort();
    }
  }

  abort(reason: Error): void {
    for (const controller of this.#running.keys()) controller.abort(reason);
  }
}
