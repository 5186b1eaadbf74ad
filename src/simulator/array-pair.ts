import type { SimulatedArray } from './array.js';
import { asFileWork, fileWorkBefore } from './file-work.js';
import type { Fabric } from './fabric.js';
import { Faults } from './faults.js';
import type { Group } from './model.js';
import { RequestLog } from './request-log.js';
import type { Seed } from './seed.js';

interface PairSetup {
  seed: Seed;
  fabric: Fabric;
  /** Absent: they have none. */
  witness?: string | undefined;
  /** @defaultValue 2000 */
  failoverDelayMs?: number;
}

/**
 * Both arrays and what is between them. Everything that changes an array (WSAPI, CLI, control, timers) runs inside
 * `exclusive`; reading needs no lock.
 */
export class ArrayPair {
  readonly arrays: readonly [SimulatedArray, SimulatedArray];
  readonly seed: Seed;
  readonly fabric: Fabric;
  readonly log = new RequestLog();
  readonly faults = new Faults();
  /** Added to every WSAPI request and CLI command. */
  latencyMs = 0;
  /** Remote copy links; change it with `setLink` of outage.ts only. */
  linkUp = true;
  /** While true no synchronisation ends: members stay Syncing at 99 %. */
  syncHold = false;
  /** Seconds that copies and promotions take; 0 = done before the answer. */
  copySeconds: number;
  /** While true none of them ends. */
  copyHold = false;
  /** Address of the quorum witness, and whether both arrays see it. */
  readonly witness: string | undefined;
  witnessUp = true;
  /** Between the loss of an array and the automatic failover to the other. */
  readonly failoverDelayMs: number;
  #queue: Promise<unknown> = Promise.resolve();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(arrays: readonly [SimulatedArray, SimulatedArray], setup: PairSetup) {
    this.arrays = arrays;
    this.seed = setup.seed;
    this.fabric = setup.fabric;
    this.copySeconds = setup.seed.copySeconds;
    this.witness = setup.witness;
    this.failoverDelayMs = setup.failoverDelayMs ?? 2000;
  }

  findArray(name: string): SimulatedArray | undefined {
    return this.arrays.find((array) => array.name === name);
  }

  peerOf(array: SimulatedArray): SimulatedArray {
    return array === this.arrays[0] ? this.arrays[1] : this.arrays[0];
  }

  /** Whether the arrays can talk to each other. */
  get connected(): boolean {
    return this.linkUp && this.arrays.every((array) => array.powered);
  }

  /** The peer's side of a group, reachable or not. */
  findTwin(array: SimulatedArray, group: Group): Group | undefined {
    return this.peerOf(array).groups.get(group.remoteGroupName);
  }

  /** One change at a time on the whole pair. Not to be nested. The fabric shows the result before it returns. */
  exclusive<T>(work: () => Promise<T> | T): Promise<T> {
    const noteTurn = fileWorkBefore();
    const turn = this.#queue.then(async () => {
      noteTurn();
      try {
        return await work();
      } finally {
        await asFileWork(async () => this.fabric.refresh(this.arrays));
      }
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** `exclusive` work after a delay, dropped when the pair is closed. */
  later(ms: number, work: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.exclusive(work).catch((error: unknown) => console.error('background work failed:', error));
    }, ms);
    timer.unref();
    this.#timers.add(timer);
  }

  /** Waits for the work at hand, drops what was planned. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    await this.#queue;
  }
}
