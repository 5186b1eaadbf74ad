import { setTimeout as pause } from 'node:timers/promises';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { GroupReport } from '../domain/group-report.js';
import type { GroupName } from '../driver/group-report.js';
import type { Audit } from './audit.js';
import type { Reports } from './reports.js';
import type { Terminal } from './terminal.js';

/** Between two looks at a state that is waited for. */
const POLL_MS = 1_000;

export interface ProgressParts {
  group: GroupName;
  reports: Pick<Reports, 'group'>;
  audit: Audit;
  terminal: Terminal;
}

/** What a run shows, asks, waits for and writes to the audit log. */
export class RunProgress {
  readonly #parts: ProgressParts;
  /** So that a wait does not repeat itself. */
  #said = '';

  constructor(parts: ProgressParts) {
    this.#parts = parts;
  }

  say(text: string): void {
    if (text === this.#said) return;
    this.#said = text;
    this.#parts.terminal.say(`${new Date().toISOString().slice(11, 19)}  ${text}`);
  }

  /** What others have done. */
  async note(what: string, event: 'done' | 'failed' = 'done'): Promise<void> {
    this.say(what);
    await this.#parts.audit.write({ event, what });
  }

  /** Waits until nothing is open any more. @throws `unavailable` when it takes too long; a look that fails does not end the wait */
  async wait(what: string, patienceMs: number, open: (report: GroupReport) => string[]): Promise<void> {
    const until = performance.now() + patienceMs;
    for (;;) {
      const left = await this.#openNow(open);
      if (left.length === 0) return;
      this.say(`waiting until ${what}: ${left.join(', ')}`);
      if (performance.now() > until) {
        throw new DriverError('unavailable', `waited in vain until ${what}: ${left.join(', ')}`, {
          next: 'see hpe-volume-plugin status; the same command goes on from here',
        });
      }
      await pause(POLL_MS);
    }
  }

  async #openNow(open: (report: GroupReport) => string[]): Promise<string[]> {
    try {
      return open(await this.#parts.reports.group(this.#parts.group));
    } catch (thrown) {
      return [asDriverError(thrown).message];
    }
  }

  /** @throws `refused` without a yes */
  async confirm(what: string): Promise<void> {
    const isYes = await this.#parts.terminal.ask(what);
    await this.#parts.audit.write({ event: 'answer', what, reason: isYes ? 'yes' : 'no' });
    if (isYes) return;
    throw new DriverError('refused', `nobody said yes to: ${what}; what was done before stays`, {
      next: 'type the same command again, which goes on from here (--yes answers all questions)',
    });
  }

  /** On record before it is done, and with its outcome after. */
  async deed(what: string, work: () => Promise<void>): Promise<void> {
    const { audit } = this.#parts;
    this.say(what);
    await audit.write({ event: 'about-to', what });
    try {
      await work();
    } catch (thrown) {
      const failure = asDriverError(thrown);
      this.say(`${what}: ${failure.message}`);
      await audit.write({ event: 'failed', what, reason: failure.toUserText() });
      throw failure;
    }
    await audit.write({ event: 'done', what });
  }
}
