import type { Logger } from '../contracts/log.js';
import { asDriverError } from '../domain/errors.js';
import type { StatusReport } from '../driver/status-report.js';

/** What was last known, and whether it still is. */
export interface Seen {
  /** Undefined: it could never be made yet. */
  report: StatusReport | undefined;
  /** Whole seconds since it was made. */
  ageSeconds: number;
  /** Why there is none newer. */
  problem: string | undefined;
}

/** So long a report serves all who ask: arrays are asked by the clock, however many look at the page. */
const FRESH_MS = 4_000;
/** A silent array must not make the page wait: what is known is shown with its age. */
const PATIENCE_MS = 1_500;
/** For one report. */
const REPORT_TIMEOUT_MS = 20_000;

/** The status as pages and metrics show it: made when somebody asks, at most one at a time. */
export class Snapshot {
  readonly #make: (signal: AbortSignal) => Promise<StatusReport>;
  readonly #logger: Logger;
  #report: StatusReport | undefined;
  #madeAt = -Infinity;
  #problem: string | undefined;
  #making: Promise<void> | undefined;

  constructor(make: (signal: AbortSignal) => Promise<StatusReport>, logger: Logger) {
    this.#make = make;
    this.#logger = logger;
  }

  /** Never throws, and returns within two seconds once there is one. */
  async look(): Promise<Seen> {
    if (performance.now() - this.#madeAt > FRESH_MS) {
      this.#making ??= this.#refresh().finally(() => (this.#making = undefined));
      await (this.#report === undefined ? this.#making : Promise.race([this.#making, patience()]));
    }
    const ageSeconds = this.#report === undefined ? 0 : Math.round((performance.now() - this.#madeAt) / 1000);
    return { report: this.#report, ageSeconds, problem: this.#problem };
  }

  async #refresh(): Promise<void> {
    const began = performance.now();
    try {
      this.#report = await this.#make(AbortSignal.timeout(REPORT_TIMEOUT_MS));
      this.#madeAt = began;
      this.#problem = undefined;
    } catch (thrown) {
      this.#problem = asDriverError(thrown).toUserText();
      this.#logger.debug('the status could not be made', { reason: this.#problem });
    }
  }
}

const patience = async (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref());
