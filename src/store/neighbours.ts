/**
 * The nodes that live, as one node knows them. That a presence is gone from etcd does not prove that its node is dead: like a
 * lock's, its lease can end too early (abandoned-locks.ts), and the node takes it again. So a node counts for a while longer.
 */
export class Neighbours {
  readonly #graceMs: number;
  /** Monotonic, ms. */
  readonly #seen = new Map<string, number>();

  /** @param graceMs how long a node counts after it was last seen; longer than the time between two looks */
  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** @param present ids of the nodes whose presence is in etcd now */
  living(present: readonly string[]): Set<string> {
    const now = performance.now();
    for (const node of present) this.#seen.set(node, now);
    for (const [node, at] of this.#seen) if (now - at >= this.#graceMs) this.#seen.delete(node);
    return new Set(this.#seen.keys());
  }
}
