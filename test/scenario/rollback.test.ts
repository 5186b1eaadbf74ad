import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { startNode, type Node } from '../harness.js';
import { arrayOf, operator } from '../pair-client.js';
import { stateOf } from '../simulator-state.js';
import { arrayCalls, type ArrayCall } from './array-calls.js';
import { canFail, Outcomes, strike } from './each-call.js';
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

/*
 * One failure at each array call of a verb, in each way that a call can fail. Most of the time goes into waiting for an
 * array that might still be at it, so several nodes, each with a pair of its own, share the calls.
 */

const NODES = 4;
const GROUP = 'g1';
const OPTIONS = { size: '1', replicationGroup: GROUP };
const VOLUME = 'v';
const KEEPER = 'keeper';

interface Scene {
  name: string;
  /** Makes the group as the verb finds it. */
  prepare(node: Node): Promise<void>;
  /** The group while it has members. */
  state: 'started' | 'stopped';
  /** The verb is the first one after the daemon's start, so that its calls include the logins. */
  afterStart?: true;
  /** Peer persistence. */
  hasWitness?: true;
}

const makeKeeper = async ({ docker }: Node): Promise<void> => expect(await docker.create(KEEPER, OPTIONS)).toBe('');

const removeKeeper = async ({ docker }: Node): Promise<void> => expect(await docker.remove(KEEPER)).toBe('');

const SCENES: Scene[] = [
  {
    // Its calls are those of any new group, and the question for the witness.
    name: 'a new group with peer persistence',
    prepare: async () => Promise.resolve(),
    state: 'started',
    afterStart: true,
    hasWitness: true,
  },
  { name: 'a started group with another member', prepare: makeKeeper, state: 'started' },
  {
    name: 'a group that an administrator stopped',
    async prepare(node) {
      await makeKeeper(node);
      await operator(arrayOf(node.pair, 'primary'), `stoprcopygroup -f ${GROUP}`);
    },
    state: 'stopped',
  },
];

function firstOf(nodes: Node[]): Node {
  const [first] = nodes;
  if (first === undefined) throw new Error('no node');
  return first;
}

/** Both copies, tagged as ours, in a group of that state on both arrays. */
async function expectComplete(node: Node, groupState: string): Promise<void> {
  const { arrays } = await stateOf(node.control);
  expect(await volumeNames(node)).toContain(VOLUME);
  const { arrayVolume } = await node.docker.status(VOLUME);
  for (const { volumes, groups } of arrays) {
    const ours = volumes.filter((each) => each.comment.includes(`"display_name":"${VOLUME}"`));
    expect(ours.map((each) => each.name)).toEqual([arrayVolume]);
    expect(groups.map(({ state }) => state)).toEqual([groupState]);
    expect(groups.flatMap(({ members }) => members.map((each) => each.local))).toContain(arrayVolume);
  }
}

async function startNodes(scene: Scene): Promise<Node[]> {
  return Promise.all(
    Array.from({ length: NODES }, async () => {
      const node = await startNode(scene.hasWitness === true ? { hasWitness: true } : {});
      await scene.prepare(node);
      return node;
    }),
  );
}

/** The calls of one good run of the verb. */
async function goodCalls(node: Node, verb: (node: Node) => Promise<string>): Promise<ArrayCall[]> {
  const calls = await arrayCalls(node, async () => expect(await verb(node)).toBe(''));
  expect(calls.filter((call) => call.changes).length).toBeGreaterThan(2);
  return calls;
}

const create = async ({ docker }: Node): Promise<string> => docker.create(VOLUME, OPTIONS);
const remove = async ({ docker }: Node): Promise<string> => docker.remove(VOLUME);

/** Whether anything but a login was sent that changes something. */
const hasChanged = async ({ control }: Node): Promise<boolean> =>
  (await control.log()).some(({ method, path = '' }) => method !== 'GET' && !path.endsWith('/credentials'));

/** One Create under one fault, and what became of it. */
async function tryCreate(trial: Trial, scene: Scene): Promise<string> {
  const { node } = trial;
  if (scene.afterStart) await node.restart();
  await node.control.clearLog();
  const error = await strike(trial, create);
  // Asked of the array: a look for late changes of an earlier trial may have met the fault's call in Create's place.
  const begun = await hasChanged(node);
  if (error !== '') {
    expect(error).toMatch(begun ? /^cannot .+: .*array of backend DEFAULT / : /array of backend DEFAULT /);
    expect(error).not.toContain('not finished');
    expect(error.includes('everything was rolled back')).toBe(begun);
    await expectGone(trial, VOLUME);
    await expectNoRecord(node, VOLUME);
    expect(await create(node)).toBe('');
  }
  await expectComplete(node, scene.state);
  expect(await remove(node)).toBe('');
  await expectGone(trial, VOLUME);
  if (error === '') return 'recovered';
  return begun ? 'rolled back' : 'not begun';
}

describe.each(SCENES)('rules 31, 35 and 39: Create in $name', (scene) => {
  const outcomes = new Outcomes(`Create in ${scene.name}`, EFFECTS);
  let nodes: Node[] = [];
  let calls: ArrayCall[] = [];
  let without = new Map<Node, string[]>();

  beforeAll(async () => {
    nodes = await startNodes(scene);
    without = await outlinesOf(nodes);
    const node = firstOf(nodes);
    if (scene.afterStart) await node.restart();
    calls = await goodCalls(node, create);
    await expectComplete(node, scene.state);
    expect(await remove(node)).toBe('');
  });

  afterAll(async () => {
    outcomes.print();
    await endNodes(nodes, removeKeeper);
  });

  itAtEachCall('recovers, or leaves nothing behind, when any one call fails with "%s"', {
    volume: VOLUME,
    outcomes,
    stage: () => ({ nodes, without, calls: (effect) => calls.filter(canFail(effect)) }),
    attempt: async (trial) => tryCreate(trial, scene),
  });
});

describe.each(SCENES)('rules 31, 33 and 39: Remove from $name', (scene) => {
  const outcomes = new Outcomes(`Remove from ${scene.name}`, EFFECTS);
  let nodes: Node[] = [];
  let calls: ArrayCall[] = [];
  let without = new Map<Node, string[]>();

  beforeAll(async () => {
    nodes = await startNodes(scene);
    without = await outlinesOf(nodes);
    const node = firstOf(nodes);
    expect(await create(node)).toBe('');
    calls = await goodCalls(node, remove);
  });

  afterAll(async () => {
    outcomes.print();
    await endNodes(nodes, removeKeeper);
  });

  itAtEachCall('rule 35: is done, turned back, or finished by the same command, when any one call fails with "%s"', {
    volume: VOLUME,
    outcomes,
    stage: () => ({ nodes, without, calls: (effect) => calls.filter(differs(effect)) }),
    attempt: async (trial) =>
      tryWayBack(trial, { volume: VOLUME, make: create, unmake: remove, proveTurnedBack: proveComplete(scene) }),
  });
});

/** A failed read has changed nothing; after a change the volume has to prove itself. */
const proveComplete =
  ({ state }: Scene) =>
  async ({ node, call }: Trial): Promise<void> => {
    await expectComplete(node, state);
    if (call.changes) await expectMountable(node);
  };

async function expectMountable({ docker }: Node): Promise<void> {
  expect(await docker.mount(VOLUME)).toMatch(/volumes\/v$/);
  expect(await docker.unmount(VOLUME)).toBe('');
}

describe('A rollback that cannot be finished', () => {
  let node: Node;

  beforeAll(async () => {
    node = await startNode();
    await makeKeeper(node);
  });

  afterAll(async () => endNodes([node], removeKeeper));

  it('stays open and visible, blocks only its own volume, and ends when the array is back', async () => {
    const { docker, control, pair } = node;
    const secondary = arrayOf(pair, 'secondary').name;
    // The first thing that the secondary array is asked after the admission, in time for it to lose power.
    const untagged = { method: 'GET', pathRegex: '/volumes/dcv-' };
    await control.fault({ array: secondary, match: untagged, effect: 'delay', ms: 1_000 });
    const creation = create(node);
    await until(async () => membersOf(node).then((members) => members.length === 2));
    await control.power(secondary, false);
    const error = await creation;

    expect(error).toMatch(/^cannot start remote copy group g1: (primary|secondary) array of backend DEFAULT /);
    expect(error).toContain('and the way back stopped: ');
    expect(error).toContain('the rollback is not finished yet and goes on by itself');
    // To Docker it does not exist, as it was never acknowledged; whoever wants it is told what it waits for.
    expect(await volumeNames(node)).toEqual([KEEPER]);
    expect(await node.records('operation')).toMatchObject([{ kind: 'create', volume: VOLUME, phase: 'undo' }]);
    expect(await create(node)).toMatch(/an earlier create of volume v is not finished, and cannot be now: /);
    expect(await docker.create('third', OPTIONS)).toMatch(/secondary array .* cannot be reached.*nothing was changed/);
    expect(await docker.create('other', { size: '1', backend: 'plain' })).toBe('');
    expect(await docker.remove('other')).toBe('');

    await control.clearFaults();
    await control.power(secondary, true);
    // An operator does not let the other member wait for this rollback, unless the arrays have started the group themselves.
    await operator(arrayOf(pair, 'primary'), `startrcopygroup ${GROUP}`).catch(() => undefined);
    expect(await docker.mount(KEEPER)).toMatch(/keeper$/);
    expect(await docker.unmount(KEEPER)).toBe('');
    expect(await create(node)).toBe('');
    await expectComplete(node, 'started');
    expect(await remove(node)).toBe('');
    await expectNoRecord(node, VOLUME);
  });
});

async function membersOf({ control, pair }: Node): Promise<string[]> {
  const primary = arrayOf(pair, 'primary').name;
  const { arrays } = await stateOf(control);
  const groups = arrays.find((each) => each.name === primary)?.groups ?? [];
  return groups.flatMap(({ members }) => members.map((each) => each.local));
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await pause(20);
}
