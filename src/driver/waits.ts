/** Since when this daemon has known of each; no clock is compared with another one's, and a restart begins anew (rule 43). */
export class Waits {
  readonly #ms: number;
  readonly #since = new Map<string, number>();

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** The first call begins the wait. */
  isOver(key: string): boolean {
    const since = this.#since.get(key) ?? performance.now();
    this.#since.set(key, since);
    return performance.now() - since > this.#ms;
  }

  end(key: string): void {
    this.#since.delete(key);
  }
}
