import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import path from 'node:path';
import { release } from '../../src/commands/release.js';
import { createVolume } from '../../src/simulator/volumes.js';
import { startNode, type Node } from '../harness.js';
import { arrayOutline } from '../simulator-state.js';
import { arrayCalls, type ArrayCall, type Effect } from './array-calls.js';
import { Outcomes, strike } from './each-call.js';
import {
  differs,
  EFFECTS,
  endNodes,
  expectGone,
  expectNoRecord,
  itAtEachCall,
  outlinesOf,
  tryWayBack,
  volumeNames,
  type Trial,
} from './trials.js';

/* One failure at each array call of cloning, importing and their ways back, in each way that a call can fail. */

const NODES = 4;
const SOURCE = 'source';
const VOLUME = 'v';
const OLD = 'old_data';

interface Scene {
  name: string;
  /** Makes what there is before. */
  prepare(node: Node): Promise<void>;
  make(node: Node): Promise<string>;
  unmake(node: Node): Promise<string>;
  tidy(node: Node): Promise<void>;
}

const makeSource =
  (options: Record<string, string>, isHeld: boolean) =>
  async ({ docker, control }: Node): Promise<void> => {
    expect(await docker.create(SOURCE, { size: '1', ...options })).toBe('');
    await docker.mount(SOURCE);
    expect(await docker.unmount(SOURCE)).toBe('');
    await control.holdCopies(isHeld);
  };
const removeSource = async ({ docker }: Node): Promise<void> => expect(await docker.remove(SOURCE)).toBe('');
const clone = async ({ docker }: Node): Promise<string> => docker.create(VOLUME, { cloneOf: SOURCE });
const remove = async ({ docker }: Node): Promise<string> => docker.remove(VOLUME);

const SCENES: Scene[] = [
  {
    name: 'a clone that is being copied',
    prepare: makeSource({ backend: 'plain' }, true),
    make: clone,
    unmake: remove,
    tidy: removeSource,
  },
  {
    name: 'a clone of a replicated volume',
    prepare: makeSource({ replicationGroup: 'g1' }, false),
    make: clone,
    unmake: remove,
    tidy: removeSource,
  },
  {
    name: 'an imported volume',
    async prepare({ simulator: { pair } }) {
      const shape = { cpg: 'cpg-a', snapCpg: 'cpg-a-snap', tpvv: true, tdvv: false, compression: false };
      const [array] = pair.arrays;
      if (array === undefined) throw new Error('no array');
      await pair.exclusive(async () => createVolume(array, { ...shape, name: OLD, sizeMiB: 1024, comment: 'theirs' }));
    },
    make: async ({ docker }) => docker.create(VOLUME, { importVol: OLD, backend: 'plain' }),
    unmake: async ({ dir }) =>
      release([VOLUME, '--state-dir', path.join(dir, 'state')]).then(
        () => '',
        (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown)),
      ),
    async tidy(node) {
      expect(await node.docker.create(VOLUME, { importVol: OLD, backend: 'plain' })).toBe('');
      expect(await remove(node)).toBe('');
    },
  },
];

/** One making under one fault, and what became of it. */
async function tryMake(trial: Trial, { make, unmake }: Scene): Promise<string> {
  const { node } = trial;
  const error = await strike(trial, make);
  if (error !== '') {
    expect(error).toContain('array of backend ');
    expect(error).not.toContain('not finished');
    await expectGone(trial, VOLUME);
    await expectNoRecord(node, VOLUME);
    expect(await make(node)).toBe('');
  }
  expect(await volumeNames(node)).toContain(VOLUME);
  expect(await arrayOutline(node.control)).toContainEqual(expect.stringContaining(`"display_name":"${VOLUME}"`));
  expect(await unmake(node)).toBe('');
  await expectGone(trial, VOLUME);
  if (error === '') return 'recovered';
  return error.includes('everything was rolled back') ? 'rolled back' : 'not begun';
}

/** That an array says to have ended a task that goes on is waited for 20 s: see unit/array/clones.test.ts. */
const isShort = (effect: Effect) => (call: ArrayCall) => effect !== 'ok-not-done' || !call.title.includes('PUT tasks');

describe.each(SCENES)('rules 31 and 39: $name', (scene) => {
  const outcomes = {
    make: new Outcomes(`The making of ${scene.name}`, EFFECTS),
    unmake: new Outcomes(`The way back of ${scene.name}`, EFFECTS),
  };
  let nodes: Node[] = [];
  let calls: Record<'make' | 'unmake', ArrayCall[]> = { make: [], unmake: [] };
  let without = new Map<Node, string[]>();

  beforeAll(async () => {
    nodes = await Promise.all(Array.from({ length: NODES }, async () => startNode()));
    for (const node of nodes) await scene.prepare(node);
    without = await outlinesOf(nodes);
    const [node] = nodes;
    if (node === undefined) throw new Error('no node');
    // Without the logins.
    for (const each of nodes) expect([await scene.make(each), await scene.unmake(each)]).toEqual(['', '']);
    const make = await arrayCalls(node, async () => expect(await scene.make(node)).toBe(''));
    calls = { make, unmake: await arrayCalls(node, async () => expect(await scene.unmake(node)).toBe('')) };
  });

  afterAll(async () => {
    outcomes.make.print();
    outcomes.unmake.print();
    await endNodes(nodes, scene.tidy);
  });

  itAtEachCall('leaves nothing behind, or is there, when any one call fails with "%s"', {
    volume: VOLUME,
    outcomes: outcomes.make,
    stage: () => ({ nodes, without, calls: (effect) => calls.make.filter(differs(effect)) }),
    attempt: async (trial) => tryMake(trial, scene),
  });

  itAtEachCall('goes, or stays as it was, when any one call fails with "%s"', {
    volume: VOLUME,
    outcomes: outcomes.unmake,
    stage: () => ({
      nodes,
      without,
      calls: (effect) => calls.unmake.filter(differs(effect)).filter(isShort(effect)),
    }),
    attempt: async (trial) => tryWayBack(trial, { ...scene, volume: VOLUME }),
  });
});
