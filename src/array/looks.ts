/** How long an answer may serve what follows it, in ms. */
const KEPT_MS = 5_000;

/** What was asked of the array in time for what comes next, by what it is about: it serves once, and soon. */
export class Looks<T> {
  readonly #kept = new Map<string, { answer: T; at: number }>();

  /** @param at when it was asked, on the monotonic clock, in ms */
  keep(about: string, answer: T, at: number): void {
    for (const [key, kept] of this.#kept) if (!isFresh(kept)) this.#kept.delete(key);
    this.#kept.set(about, { answer, at });
  }

  /** Undefined when nobody has asked lately. */
  take(about: string): { answer: T } | undefined {
    const kept = this.#kept.get(about);
    this.#kept.delete(about);
    return kept !== undefined && isFresh(kept) ? kept : undefined;
  }

  /** It may be as it was no longer. */
  forget(about: string): void {
    this.#kept.delete(about);
  }

  forgetAll(): void {
    this.#kept.clear();
  }
}

const isFresh = ({ at }: { at: number }): boolean => performance.now() - at < KEPT_MS;
