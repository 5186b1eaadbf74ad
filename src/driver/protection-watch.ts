import { Rounds } from '../backend/rounds.js';
import type { ProtectionMemories } from '../contracts/protection-memories.js';
import { protectionOf, SIDES, type GroupReport, type LastSeen, type ProtectionMemory } from '../domain/group-report.js';

/** As often as the arrays are asked. */
const INTERVAL_MS = 15_000;
/** What was protected before nobody looked for so long may not have been so all the time. */
const GAP_MS = 5 * 60_000;
/** A group that nothing was heard of for so long is gone, or is begun anew. */
const KEPT_MS = 7 * 24 * 3_600_000;

/**
 * Remembers, from what StatusPoll hears, since when each group is protected or not, and how it was when each array last answered: an
 * array that is lost tells nothing of the writes that it took alone. For people and plans; as this node has seen it. Kept in the state
 * directory, written by its own rounds when something has changed, and at the stop, never by who asks (rule 40).
 */
export class ProtectionWatch {
  readonly #hear: (signal: AbortSignal) => Promise<GroupReport[]>;
  readonly #memories: ProtectionMemories;
  readonly #groups = new Map<string, ProtectionMemory>();
  readonly #rounds = new Rounds(async (signal) => this.#look(signal), INTERVAL_MS);
  #kept = '';
  /** The time of the report that came last. */
  #latest: string | undefined;

  /** @param hear tells what was last heard of all groups, asking no array */
  constructor(hear: (signal: AbortSignal) => Promise<GroupReport[]>, memories: ProtectionMemories) {
    this.#hear = hear;
    this.#memories = memories;
  }

  /** Of before the last stop. */
  async load(): Promise<void> {
    for (const memory of await this.#memories.load()) this.#groups.set(keyOf(memory), memory);
    this.#kept = this.#essence();
  }

  start(): void {
    this.#rounds.start();
  }

  async stop(): Promise<void> {
    await this.#rounds.stop();
    if (this.#groups.size > 0) await this.#save().catch(() => undefined);
  }

  async #look(signal: AbortSignal): Promise<void> {
    // The metadata may be away for a while: then nothing is learnt.
    const reports = await this.#hear(signal).catch(() => []);
    for (const report of reports) this.note(report);
    if (this.#essence() === this.#kept) return;
    // A full disk is told by everything else; it is tried again.
    await this.#save().catch(() => undefined);
  }

  async #save(): Promise<void> {
    const latest = this.#latest;
    for (const [key, { at }] of this.#groups)
      if (latest !== undefined && Math.abs(gapOf(at, latest)) > KEPT_MS) this.#groups.delete(key);
    const essence = this.#essence();
    await this.#memories.save([...this.#groups.values()]);
    this.#kept = essence;
  }

  /** What is worth a write: all but the time of the last look. */
  #essence(): string {
    const essential = [...this.#groups.values()].map(({ at: _at, seen, ...rest }) => [
      rest,
      SIDES.map((side) => [seen[side]?.isProtected, seen[side]?.isAlone, seen[side]?.missedAt]),
    ]);
    return JSON.stringify(essential);
  }

  /** Takes what was seen into account. */
  note(report: GroupReport): void {
    const { isProtected, why } = protectionOf(report);
    const { backend, name, at } = report;
    const before = this.#groups.get(keyOf(report));
    // What StatusPoll has heard may be older than what somebody has asked since.
    const gap = before === undefined ? 0 : gapOf(before.at, at);
    // Far in the future it is from a time in which the clock was wrong (rule 43).
    const isFromAhead = gap < -GAP_MS;
    if (gap < 0 && !isFromAhead) return;
    this.#latest = at;
    const isUnbroken = before?.isProtected === isProtected && !isFromAhead && !(isProtected && gap > GAP_MS);
    const since = isUnbroken ? before.since : at;
    const seen = { ...before?.seen };
    for (const side of SIDES) {
      const { view } = report.sides[side];
      const last = seen[side];
      if (view.answer === 'silent' && last !== undefined) seen[side] = { missedAt: at, ...last };
      if (view.answer !== 'group') continue;
      const isAlone = view.role === 'primary' && view.state !== 'started';
      seen[side] = { at, isProtected, isAlone, why };
    }
    this.#groups.set(keyOf(report), { backend, name, at, isProtected, since, seen });
  }

  /** The report with what is remembered of the arrays that are silent now. */
  recall(report: GroupReport): GroupReport {
    this.note(report);
    const { since, seen } = this.#groups.get(keyOf(report)) ?? { since: report.at, seen: {} };
    const recalled = { ...report, sides: { ...report.sides }, since };
    for (const side of SIDES) {
      const last: LastSeen | undefined = seen[side];
      const here = report.sides[side];
      if (here.view.answer === 'silent' && last !== undefined) recalled.sides[side] = { ...here, lastSeen: last };
    }
    return recalled;
  }
}

const gapOf = (from: string, to: string): number => Date.parse(to) - Date.parse(from);

const keyOf = ({ backend, name }: Pick<GroupReport, 'backend' | 'name'>): string => `${backend}/${name}`;
