/**
 * The nodes that live, as one node knows them. That a presence is gone from etcd does not prove that its node is dead: like a
 * lock's, its lease can end too early (abandoned-locks.ts), and the node takes it again. So a node counts for a while longer,
 * from the first look that missed it: while etcd was away, or this process was stopped, nobody looked.
 */
export class Neighbours {
  readonly #graceMs: number;
  /** Nodes that were seen, and since when they are missed (monotonic, ms). */
  readonly #missedSince = new Map<string, number | undefined>();

  /** @param graceMs how long a node counts after it was first missed */
  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** @param present ids of the nodes whose presence is in etcd now */
  living(present: readonly string[]): Set<string> {
    const now = performance.now();
    for (const [node, since = now] of this.#missedSince) {
      if (now - since >= this.#graceMs) this.#missedSince.delete(node);
      else this.#missedSince.set(node, since);
    }
    for (const node of present) this.#missedSince.set(node, undefined);
    return new Set(this.#missedSince.keys());
  }
}
