import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import path from 'node:path';
import { release } from '../../src/commands/release.js';
import { createVolume } from '../../src/simulator/volumes.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects, arrayOutline } from '../simulator-state.js';
import { arrayCalls, type ArrayCall, type Effect } from './array-calls.js';
import { eachCall, Outcomes, strike } from './each-call.js';

/* One failure at each array call of cloning, importing and their ways back, in each way that a call can fail. */

const NODES = 4;
const SOURCE = 'source';
const VOLUME = 'v';
const OLD = 'old_data';
const EFFECTS: Effect[] = ['error', 'reset', 'lost-reply', 'done-but-error', 'ok-not-done'];

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

const volumeNames = async ({ docker }: Node): Promise<string[]> =>
  ((await docker.call('VolumeDriver.List')).Volumes ?? []).map((each) => each.Name);

async function expectNoRecord(node: Node): Promise<void> {
  expect(await node.records('operation')).toEqual([]);
  expect((await node.records('volume')).map((each) => each.name)).not.toContain(VOLUME);
}

interface Trial {
  node: Node;
  scene: Scene;
  call: ArrayCall;
  effect: Effect;
  without: string[];
}

/** One making under one fault, and what became of it. */
async function tryMake(trial: Trial): Promise<string> {
  const { node, scene, without } = trial;
  const error = await strike(trial, scene.make);
  if (error !== '') {
    expect(error).toContain('array of backend ');
    expect(error).not.toContain('not finished');
    expect(await arrayOutline(node.control)).toEqual(without);
    expect(await volumeNames(node)).not.toContain(VOLUME);
    await expectNoRecord(node);
    expect(await scene.make(node)).toBe('');
  }
  expect(await volumeNames(node)).toContain(VOLUME);
  expect(await arrayOutline(node.control)).toContainEqual(expect.stringContaining(`"display_name":"${VOLUME}"`));
  expect(await scene.unmake(node)).toBe('');
  expect(await arrayOutline(node.control)).toEqual(without);
  if (error === '') return 'recovered';
  return error.includes('everything was rolled back') ? 'rolled back' : 'not begun';
}

/** One way back under one fault, and what became of it. */
async function tryUnmake(trial: Trial): Promise<string> {
  const { node, scene, without } = trial;
  expect(await scene.make(node)).toBe('');
  const whole = await arrayOutline(node.control);
  const error = await strike(trial, scene.unmake);
  if (error === '') {
    expect(await arrayOutline(node.control)).toEqual(without);
    return 'done';
  }
  const turnedBack = (await node.docker.status(VOLUME))['state'] === 'ready';
  if (turnedBack) expect(await arrayOutline(node.control)).toEqual(whole);
  else expect(error).toMatch(/finished later, or by the same command again|the way back stopped: .* is gone from/);
  expect(await scene.unmake(node)).toBe('');
  expect(await arrayOutline(node.control)).toEqual(without);
  return turnedBack ? 'turned back' : 'finished again';
}

/** That an array says to have ended a task that goes on is waited for 20 s: see unit/array/clones.test.ts. */
const isShort = (effect: Effect) => (call: ArrayCall) => effect !== 'ok-not-done' || !call.title.includes('PUT tasks');

/** To who reads, a lost answer is the same as a reset, and an error after the read as one before it. */
const differs = (effect: Effect) => (call: ArrayCall) => call.changes || effect === 'error' || effect === 'reset';

async function endNodes(nodes: Node[], scene: Scene): Promise<void> {
  const left: string[] = [];
  for (const node of nodes) {
    await scene.tidy(node);
    left.push(...(await arrayObjects(node.control)));
    await node.close();
    left.push(...(await hostLeftovers(node.dir)));
  }
  expect(left).toEqual([]);
}

describe.each(SCENES)('rules 31 and 39: $name', (scene) => {
  const outcomes = {
    make: new Outcomes(`The making of ${scene.name}`, EFFECTS),
    unmake: new Outcomes(`The way back of ${scene.name}`, EFFECTS),
  };
  let nodes: Node[] = [];
  let calls: Record<'make' | 'unmake', ArrayCall[]> = { make: [], unmake: [] };
  let without: string[][] = [];

  beforeAll(async () => {
    nodes = await Promise.all(Array.from({ length: NODES }, async () => startNode()));
    for (const node of nodes) await scene.prepare(node);
    without = await Promise.all(nodes.map(async (node) => arrayOutline(node.control)));
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
    await endNodes(nodes, scene);
  });

  const trial = (node: Node, call: ArrayCall, effect: Effect): Trial => ({
    node,
    scene,
    call,
    effect,
    without: without[nodes.indexOf(node)] ?? [],
  });

  it.each(EFFECTS)('leaves nothing behind, or is there, when any one call fails with "%s"', async (effect) => {
    await eachCall(nodes, calls.make.filter(differs(effect)), async (node, call) => {
      outcomes.make.add(call.title, effect, await tryMake(trial(node, call, effect)));
    });
    for (const node of nodes) await expectNoRecord(node);
  });

  it.each(EFFECTS)('goes, or stays as it was, when any one call fails with "%s"', async (effect) => {
    await eachCall(nodes, calls.unmake.filter(differs(effect)).filter(isShort(effect)), async (node, call) => {
      outcomes.unmake.add(call.title, effect, await tryUnmake(trial(node, call, effect)));
    });
    for (const node of nodes) await expectNoRecord(node);
  });
});
