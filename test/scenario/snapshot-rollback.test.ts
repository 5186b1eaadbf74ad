import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayOf } from '../pair-client.js';
import { arrayObjects, arrayOutline } from '../simulator-state.js';
import { arrayCalls, type ArrayCall, type Effect } from './array-calls.js';
import { eachCall, Outcomes, strike } from './each-call.js';

/* One failure at each array call of the making and the removal of a snapshot, in each way that a call can fail. */

const NODES = 3;
const PARENT = 'parent';
const VOLUME = 's';
const EFFECTS: Effect[] = ['error', 'reset', 'lost-reply', 'done-but-error', 'ok-not-done'];
const RETENTION_HOURS = 1;

interface Scene {
  name: string;
  parent: Record<string, string>;
  options: Record<string, string>;
}

const SCENES: Scene[] = [
  { name: 'that expires', parent: { backend: 'plain' }, options: { expirationHours: '9' } },
  {
    name: 'of a replicated volume that is retained, with a schedule',
    parent: { replicationGroup: 'g1' },
    options: {
      retentionHours: String(RETENTION_HOURS),
      scheduleName: 'sched',
      scheduleFrequency: '10 2 1 1 *',
      snapshotPrefix: 'pre',
      expHrs: '1',
    },
  },
];

const createWith =
  ({ options }: Scene) =>
  async ({ docker }: Node): Promise<string> =>
    docker.create(VOLUME, { virtualCopyOf: PARENT, ...options });
const remove = async ({ docker }: Node): Promise<string> => docker.remove(VOLUME);

const volumeNames = async ({ docker }: Node): Promise<string[]> =>
  ((await docker.call('VolumeDriver.List')).Volumes ?? []).map((each) => each.Name);

async function startNodes({ parent }: Scene): Promise<Node[]> {
  return Promise.all(
    Array.from({ length: NODES }, async () => {
      const node = await startNode();
      expect(await node.docker.create(PARENT, { size: '1', ...parent })).toBe('');
      await node.docker.mount(PARENT);
      expect(await node.docker.unmount(PARENT)).toBe('');
      return node;
    }),
  );
}

async function endNodes(nodes: Node[]): Promise<void> {
  const left: string[] = [];
  for (const node of nodes) {
    left.push(await node.docker.remove(PARENT), ...(await arrayObjects(node.control)));
    await node.close();
    left.push(...(await hostLeftovers(node.dir)));
  }
  expect(left.filter((each) => each !== '')).toEqual([]);
}

async function expectNoRecord(node: Node): Promise<void> {
  expect(await node.records('operation')).toEqual([]);
  expect((await node.records('volume')).map((each) => each.name)).toEqual([PARENT]);
}

/** A snapshot that the array retains can be removed after that time only. */
async function endRetention({ control, pair }: Node, { options }: Scene): Promise<void> {
  if (options['retentionHours'] === undefined) return;
  await control.clock(arrayOf(pair, 'primary').name, RETENTION_HOURS + 0.1);
}

/** To who reads, a lost answer is the same as a reset, and an error after the read as one before it. */
const differs = (effect: Effect) => (call: ArrayCall) => call.changes || effect === 'error' || effect === 'reset';

interface Trial {
  node: Node;
  scene: Scene;
  call: ArrayCall;
  effect: Effect;
  without: string[];
}

/** One Create under one fault, and what became of it. */
async function tryCreate(trial: Trial): Promise<string> {
  const { node, scene, without } = trial;
  const create = createWith(scene);
  const error = await strike(trial, create);
  const isLeftOpen = error.includes('finished later, or by the same command again');
  if (error !== '') {
    expect(error).toContain('array of backend ');
    if (!isLeftOpen) {
      expect(await arrayOutline(node.control)).toEqual(without);
      expect(await volumeNames(node)).not.toContain(VOLUME);
      await expectNoRecord(node);
    }
    expect(await create(node)).toBe('');
  }
  expect(await volumeNames(node)).toContain(VOLUME);
  const made = (await arrayOutline(node.control)).filter((each) => !without.includes(each));
  expect(made).toContainEqual(expect.stringContaining(`"display_name":"${VOLUME}"`));
  expect(made).toHaveLength(scene.options['scheduleName'] === undefined ? 1 : 2);
  await endRetention(node, scene);
  expect(await remove(node)).toBe('');
  expect(await arrayOutline(node.control)).toEqual(without);
  if (error === '') return 'recovered';
  if (isLeftOpen) return 'finished again';
  return error.includes('everything was rolled back') ? 'rolled back' : 'not begun';
}

/** One Remove under one fault, and what became of it. */
async function tryRemove(trial: Trial): Promise<string> {
  const { node, scene, without } = trial;
  expect(await createWith(scene)(node)).toBe('');
  await endRetention(node, scene);
  const whole = await arrayOutline(node.control);
  const error = await strike(trial, remove);
  if (error === '') {
    expect(await arrayOutline(node.control)).toEqual(without);
    return 'done';
  }
  const turnedBack = (await node.docker.status(VOLUME))['state'] === 'ready';
  if (turnedBack) expect(await arrayOutline(node.control)).toEqual(whole);
  else expect(error).toMatch(/finished later, or by the same command again|the way back stopped: .* is gone from/);
  expect(await remove(node)).toBe('');
  expect(await arrayOutline(node.control)).toEqual(without);
  return turnedBack ? 'turned back' : 'finished again';
}

async function outlines(nodes: Node[]): Promise<Map<Node, string[]>> {
  return new Map(await Promise.all(nodes.map(async (node) => [node, await arrayOutline(node.control)] as const)));
}

describe.each(SCENES)('rules 31 and 39: a snapshot $name', (scene) => {
  const outcomes = {
    create: new Outcomes(`Create of a snapshot ${scene.name}`, EFFECTS),
    remove: new Outcomes(`Remove of a snapshot ${scene.name}`, EFFECTS),
  };
  let nodes: Node[] = [];
  let calls: Record<'create' | 'remove', ArrayCall[]> = { create: [], remove: [] };
  let without = new Map<Node, string[]>();

  beforeAll(async () => {
    nodes = await startNodes(scene);
    without = await outlines(nodes);
    const [node] = nodes;
    if (node === undefined) throw new Error('no node');
    const create = await arrayCalls(node, async () => expect(await createWith(scene)(node)).toBe(''));
    await endRetention(node, scene);
    calls = { create, remove: await arrayCalls(node, async () => expect(await remove(node)).toBe('')) };
    for (const each of Object.values(calls)) expect(each.some((call) => call.changes)).toBe(true);
  }, 60_000);

  afterAll(async () => {
    outcomes.create.print();
    outcomes.remove.print();
    await endNodes(nodes);
  });

  it.each(EFFECTS)(
    'is made, or nothing is left of it, when any one call fails with "%s"',
    async (effect) => {
      await eachCall(nodes, calls.create.filter(differs(effect)), async (node, call) => {
        const trial = { node, scene, call, effect, without: without.get(node) ?? [] };
        outcomes.create.add(call.title, effect, await tryCreate(trial));
      });
      for (const node of nodes) await expectNoRecord(node);
    },
    120_000,
  );

  it.each(EFFECTS)(
    'is removed, kept, or removed by the same command, when any one call fails with "%s"',
    async (effect) => {
      await eachCall(nodes, calls.remove.filter(differs(effect)), async (node, call) => {
        const trial = { node, scene, call, effect, without: without.get(node) ?? [] };
        outcomes.remove.add(call.title, effect, await tryRemove(trial));
      });
      for (const node of nodes) await expectNoRecord(node);
    },
    120_000,
  );
});
