/** Random numbers that are the same for the same seed (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, and without, 1. */
  roll(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to, and without, the limit. */
  below(limit: number): number {
    return Math.floor(this.roll() * limit);
  }

  happens(chance: number): boolean {
    return this.roll() < chance;
  }

  /** One of them, each as likely as its weight says. @throws when there is nothing to choose from */
  choose<T>(weighted: readonly Weighted<T>[]): T {
    const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
    let left = this.roll() * total;
    for (const { weight, what } of weighted) {
      left -= weight;
      if (left < 0) return what;
    }
    throw new Error('nothing to choose from');
  }
}

export interface Weighted<T> {
  weight: number;
  what: T;
}
