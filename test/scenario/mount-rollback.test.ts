import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects, arrayOutline } from '../simulator-state.js';
import { arrayCalls, type ArrayCall, type Effect } from './array-calls.js';
import { canFail, eachCall, Outcomes, strike } from './each-call.js';
import { waitFor } from './site.js';

/*
 * One failure at each array call of Mount and Unmount, in each way that a call can fail, the death of the array included.
 * Afterwards the volume is mounted and on record, or nothing is left of the attempt.
 */

const NODES = 3;
const VOLUME = 'v';
const EFFECTS: Effect[] = ['error', 'reset', 'lost-reply', 'done-but-error', 'ok-not-done', 'power-off'];

const FEW_EFFECTS: Effect[] = ['error'];

interface Scene {
  name: string;
  options: Record<string, string>;
  /** The verb is the first one after the daemon's start, so that its calls include the logins. */
  afterStart?: true;
  /** Peer persistence. The ways to fail are the same on both arrays, so that one of them is enough. */
  hasWitness?: true;
}

const SCENES: Scene[] = [
  { name: 'a plain volume', options: { size: '1', backend: 'plain' } },
  { name: 'a replicated volume', options: { size: '1', replicationGroup: 'g1' }, afterStart: true },
  { name: 'a volume with peer persistence', options: { size: '1', replicationGroup: 'g1' }, hasWitness: true },
];

const mount = async ({ docker }: Node): Promise<string> =>
  docker.mount(VOLUME).then(
    () => '',
    (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown)),
  );
const unmount = async ({ docker }: Node): Promise<string> => docker.unmount(VOLUME);

/** The host entry is mere tidiness: one that could not be looked at or removed goes with the next export. */
const outlineOf = async ({ control }: Node): Promise<string[]> =>
  (await arrayOutline(control)).filter((each) => !each.endsWith(': host node1'));

/** Both arrays have power, and the recovery round has done what it can. */
async function converge(node: Node, wanted: string[]): Promise<void> {
  for (const { name } of node.pair.arrays) await node.control.power(name, true);
  await node.restart();
  await waitFor(async () => JSON.stringify(await outlineOf(node)) === JSON.stringify(wanted));
}

async function expectNothingAttached(node: Node): Promise<void> {
  expect(await hostLeftovers(node.dir)).toEqual([]);
  expect(await node.docker.status(VOLUME)).toMatchObject({ holder: null, mounts: 0, state: 'ready' });
  expect(await node.records('attachment')).toEqual([]);
  expect(await node.records('operation')).toEqual([]);
}

async function expectAttached(node: Node): Promise<void> {
  expect((await hostLeftovers(node.dir)).length).toBe(2);
  expect(await node.docker.status(VOLUME)).toMatchObject({ holder: { state: 'attached' }, mounts: 1 });
}

interface Trial {
  node: Node;
  scene: Scene;
  call: ArrayCall;
  effect: Effect;
  /** The arrays while the volume is not mounted. */
  detached: string[];
}

async function tryMount(trial: Trial): Promise<string> {
  const { node, scene, effect, detached } = trial;
  if (scene.afterStart) await node.restart();
  const error = await strike(trial, mount);
  if (error === '') {
    await expectAttached(node);
    expect(await unmount(node)).toBe('');
    if (effect === 'power-off') await converge(node, detached);
    expect(await outlineOf(node)).toEqual(detached);
    await expectNothingAttached(node);
    return 'mounted';
  }
  expect(error).toMatch(/array of backend (DEFAULT|plain) /);
  expect(error).toContain('; next: ');
  expect(await hostLeftovers(node.dir)).toEqual([]);
  if (effect === 'power-off') await converge(node, detached);
  expect(await outlineOf(node)).toEqual(detached);
  await expectNothingAttached(node);
  expect(await mount(node)).toBe('');
  expect(await unmount(node)).toBe('');
  return 'nothing left';
}

async function tryUnmount(trial: Trial): Promise<string> {
  const { node, effect, detached } = trial;
  expect(await mount(node)).toBe('');
  const error = await strike(trial, unmount);
  // A container has to be able to stop, whatever the array does; what is left to do there is done later.
  expect(error).toBe('');
  expect(await hostLeftovers(node.dir)).toEqual([]);
  const atOnce = JSON.stringify(await outlineOf(node)) === JSON.stringify(detached);
  if (!atOnce || effect === 'power-off') await converge(node, detached);
  await expectNothingAttached(node);
  return atOnce ? 'done' : 'done later';
}

describe.each(SCENES)('$name', (scene) => {
  let nodes: Node[] = [];
  const detached = new Map<Node, string[]>();
  const hasWitness = scene.hasWitness === true ? ({ hasWitness: true } as const) : {};
  let mountCalls: ArrayCall[] = [];
  let unmountCalls: ArrayCall[] = [];

  beforeAll(async () => {
    nodes = await Promise.all(Array.from({ length: NODES }, async () => startNode(hasWitness)));
    for (const node of nodes) {
      // The roles stay, also when an array dies.
      await node.control.witness(false);
      expect(await node.docker.create(VOLUME, scene.options)).toBe('');
      // The first mount makes the file system; its array calls are those of any other.
      expect(await mount(node)).toBe('');
      expect(await unmount(node)).toBe('');
      detached.set(node, await outlineOf(node));
    }
    const [node] = nodes;
    if (node === undefined) throw new Error('no node');
    if (scene.afterStart) await node.restart();
    mountCalls = await arrayCalls(node, async () => expect(await mount(node)).toBe(''));
    unmountCalls = await arrayCalls(node, async () => expect(await unmount(node)).toBe(''));
    expect(mountCalls.some((call) => call.changes)).toBe(true);
    expect(unmountCalls.some((call) => call.changes)).toBe(true);
  });

  afterAll(async () => {
    const left: string[] = [];
    for (const node of nodes) {
      left.push(await mount(node), await unmount(node));
      left.push(await node.docker.remove(VOLUME), ...(await arrayObjects(node.control)));
      await node.close();
      left.push(...(await hostLeftovers(node.dir)));
    }
    expect(left.filter((each) => each !== '')).toEqual([]);
  });

  const sweep = async (
    title: string,
    calls: ArrayCall[],
    attempt: (trial: Trial) => Promise<string>,
  ): Promise<void> => {
    const effects = scene.hasWitness === true ? FEW_EFFECTS : EFFECTS;
    const outcomes = new Outcomes(`${title} of ${scene.name}`, effects);
    try {
      for (const effect of effects) {
        await eachCall({ nodes, calls: calls.filter(canFail(effect)), ways: effects.length }, async (node, call) => {
          const trial = { node, scene, call, effect, detached: detached.get(node) ?? [] };
          outcomes.add(call.title, effect, await attempt(trial));
        });
      }
    } finally {
      outcomes.print();
    }
  };

  it('is mounted, or nothing is left, when any one call of Mount fails in any way', async () => {
    await sweep('Mount', mountCalls, tryMount);
  }, 240_000);

  it('is let go by the host at once, and by the array as soon as it can, when any one call of Unmount fails in any way', async () => {
    await sweep('Unmount', unmountCalls, tryUnmount);
  }, 240_000);
});
