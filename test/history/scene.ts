import { Ledger, type LedgerVolume } from './ledger.js';
import type { NodeName, Verb } from './steps.js';
import type { World } from './world.js';

/** A verb that its daemon has not answered yet. */
export interface OpenCall {
  what: Verb['do'];
  node: NodeName;
  volume: string;
  /** Somebody else did something with the same volume meanwhile. */
  overlapped: boolean;
  /** Waits for the answer and takes note of it. */
  finish(): Promise<void>;
}

/** One history in its world: what is running, and what must be true. */
export interface Scene {
  world: World;
  ledger: Ledger;
  daemons: Record<NodeName, 'up' | 'paused' | 'dead'>;
  etcdRuns: boolean;
  /** Something was in trouble since the last time that everything was settled: a verb may fail. */
  unsettled: boolean;
  /** Verbs of which the machine was so busy that their daemon lost its lease. */
  starved: number;
  openCalls: Set<OpenCall>;
  /** Text that no other write has. */
  nextLine(id: string): string;
}

export function openScene(world: World): Scene {
  const ledger = new Ledger(world.simulator.arrays);
  const { pair } = world;
  const prototype = Object.getPrototypeOf(pair) as typeof pair;
  const original = prototype.exclusive.bind(pair);
  // The ledger sees every change on the arrays, before anybody else can act on it.
  pair.exclusive = async (work) =>
    original(async () => {
      const result = await work();
      ledger.observe();
      return result;
    });
  let lines = 0;
  return {
    world,
    ledger,
    daemons: { node1: 'up', node2: 'up' },
    etcdRuns: true,
    unsettled: false,
    starved: 0,
    openCalls: new Set(),
    nextLine: (id) => `${(lines += 1)} of ${id}`,
  };
}

/** Whether everything runs, answers and is connected. */
export function isHealthy({ world, daemons, etcdRuns }: Scene): boolean {
  const { pair } = world;
  return etcdRuns && pair.connected && daemons.node1 === 'up' && daemons.node2 === 'up';
}

/** Its name on the arrays, by our tag; it is drawn anew for each life of the volume. */
export function findArrayName({ world }: Scene, { name }: LedgerVolume): string | undefined {
  const tagged = [...world.simulator.arrays[0].volumes.values()].find((each) =>
    each.comment.includes(`"display_name":"${name}"`),
  );
  return tagged?.name;
}
