import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { startNode, type Node } from '../harness.js';
import { arrayOf } from '../pair-client.js';
import { arrayOutline } from '../simulator-state.js';
import { arrayCalls, type ArrayCall } from './array-calls.js';
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

/* One failure at each array call of the making and the removal of a snapshot, in each way that a call can fail. */

const NODES = 3;
const PARENT = 'parent';
const VOLUME = 's';
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

/** A snapshot that the array retains can be removed after that time only. */
async function endRetention({ control, pair }: Node, { options }: Scene): Promise<void> {
  if (options['retentionHours'] === undefined) return;
  await control.clock(arrayOf(pair, 'primary').name, RETENTION_HOURS + 0.1);
}

const createRemovable =
  (scene: Scene) =>
  async (node: Node): Promise<string> => {
    const answer = await createWith(scene)(node);
    await endRetention(node, scene);
    return answer;
  };

/** One Create under one fault, and what became of it. */
async function tryCreate(trial: Trial, scene: Scene): Promise<string> {
  const { node, without } = trial;
  const create = createWith(scene);
  const error = await strike(trial, create);
  const isLeftOpen = error.includes('finished later, or by the same command again');
  if (error !== '') {
    expect(error).toContain('array of backend ');
    if (!isLeftOpen) {
      await expectGone(trial, VOLUME);
      await expectNoRecord(node, VOLUME);
    }
    expect(await create(node)).toBe('');
  }
  expect(await volumeNames(node)).toContain(VOLUME);
  const made = (await arrayOutline(node.control)).filter((each) => !without.includes(each));
  expect(made).toContainEqual(expect.stringContaining(`"display_name":"${VOLUME}"`));
  expect(made).toHaveLength(scene.options['scheduleName'] === undefined ? 1 : 2);
  await endRetention(node, scene);
  expect(await remove(node)).toBe('');
  await expectGone(trial, VOLUME);
  if (error === '') return 'recovered';
  if (isLeftOpen) return 'finished again';
  return error.includes('everything was rolled back') ? 'rolled back' : 'not begun';
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
    without = await outlinesOf(nodes);
    const [node] = nodes;
    if (node === undefined) throw new Error('no node');
    const create = await arrayCalls(node, async () => expect(await createWith(scene)(node)).toBe(''));
    await endRetention(node, scene);
    calls = { create, remove: await arrayCalls(node, async () => expect(await remove(node)).toBe('')) };
    for (const each of Object.values(calls)) expect(each.some((call) => call.changes)).toBe(true);
  });

  afterAll(async () => {
    outcomes.create.print();
    outcomes.remove.print();
    await endNodes(nodes, async ({ docker }) => expect(await docker.remove(PARENT)).toBe(''));
  });

  itAtEachCall('is made, or nothing is left of it, when any one call fails with "%s"', {
    volume: VOLUME,
    outcomes: outcomes.create,
    stage: () => ({ nodes, without, calls: (effect) => calls.create.filter(differs(effect)) }),
    attempt: async (trial) => tryCreate(trial, scene),
  });

  itAtEachCall('is removed, kept, or removed by the same command, when any one call fails with "%s"', {
    volume: VOLUME,
    outcomes: outcomes.remove,
    stage: () => ({ nodes, without, calls: (effect) => calls.remove.filter(differs(effect)) }),
    attempt: async (trial) => tryWayBack(trial, { volume: VOLUME, make: createRemovable(scene), unmake: remove }),
  });
});
