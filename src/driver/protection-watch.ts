import { Rounds } from '../backend/rounds.js';
import { protectionOf, SIDES, type GroupReport, type LastSeen } from '../domain/group-report.js';
import type { Side } from '../domain/replication.js';

/** As often as the arrays are asked. */
const INTERVAL_MS = 15_000;

/** How a group was protected when its arrays last answered, and since when it is as it is now. */
interface Memory {
  isProtected: boolean;
  /** ISO 8601; of the first look, if nothing else is known. */
  since: string;
  seen: Partial<Record<Side, LastSeen>>;
}

/**
 * Remembers, from what StatusPoll hears, since when each group is protected or not, and how it was when each array last answered: an
 * array that is lost tells nothing of the writes that it took alone. For people and plans; in memory, since the start of the daemon.
 */
export class ProtectionWatch {
  readonly #hear: (signal: AbortSignal) => Promise<GroupReport[]>;
  readonly #groups = new Map<string, Memory>();
  readonly #rounds = new Rounds(async (signal) => this.#look(signal), INTERVAL_MS);

  /** @param hear tells what was last heard of all groups, asking no array */
  constructor(hear: (signal: AbortSignal) => Promise<GroupReport[]>) {
    this.#hear = hear;
  }

  start(): void {
    this.#rounds.start();
  }

  async stop(): Promise<void> {
    await this.#rounds.stop();
  }

  async #look(signal: AbortSignal): Promise<void> {
    // The metadata may be away for a while: then nothing is learnt.
    const reports = await this.#hear(signal).catch(() => []);
    for (const report of reports) this.note(report);
  }

  /** Takes what was seen into account. */
  note(report: GroupReport): void {
    const { isProtected, why } = protectionOf(report);
    const before = this.#groups.get(keyOf(report));
    const since = before?.isProtected === isProtected ? before.since : report.at;
    const seen = { ...before?.seen };
    for (const side of SIDES) {
      const { view } = report.sides[side];
      if (view.answer !== 'group') continue;
      const isAlone = view.role === 'primary' && view.state !== 'started';
      seen[side] = { at: report.at, isProtected, isAlone, why };
    }
    this.#groups.set(keyOf(report), { isProtected, since, seen });
  }

  /** The report with what is remembered of the arrays that are silent now. */
  recall(report: GroupReport): GroupReport {
    this.note(report);
    const { since, seen } = this.#groups.get(keyOf(report)) ?? { since: report.at, seen: {} };
    const recalled = { ...report, sides: { ...report.sides }, since };
    for (const side of SIDES) {
      const last = seen[side];
      const here = report.sides[side];
      if (here.view.answer === 'silent' && last !== undefined) recalled.sides[side] = { ...here, lastSeen: last };
    }
    return recalled;
  }
}

const keyOf = ({ backend, name }: GroupReport): string => `${backend}/${name}`;
