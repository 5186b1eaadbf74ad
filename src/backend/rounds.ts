import { AsyncLocalStorage } from 'node:async_hooks';

/** Work that is repeated at an interval and on request: one round at a time, and at most one more waiting. */
export class Rounds {
  readonly #work: (signal: AbortSignal) => Promise<void>;
  readonly #intervalMs: number;
  readonly #stopped = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  /** A round is part of what started the rounds, not of a request that asked for one: it is for everybody. */
  #inOurs = AsyncLocalStorage.snapshot();

  /** The work never throws; its signal fires at the stop. */
  constructor(work: (signal: AbortSignal) => Promise<void>, intervalMs: number) {
    this.#work = work;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    this.#inOurs = AsyncLocalStorage.snapshot();
    this.#timer = setInterval(() => this.trigger(), this.#intervalMs);
    this.trigger();
  }

  /** A round from now on: after the one that is running, if one is. Returns at once. */
  trigger(): void {
    this.#again = true;
    this.#running ??= this.#inOurs(async () => this.#run());
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped.signal.aborted) {
      this.#again = false;
      await this.#work(this.#stopped.signal);
    }
    this.#running = undefined;
  }
}
