import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayOf, operator } from '../pair-client.js';
import { arrayObjects, arrayOutline, stateOf } from '../simulator-state.js';
import { arrayCalls, type ArrayCall, type Effect } from './array-calls.js';
import { canFail, eachCall, Outcomes, strike } from './each-call.js';

/*
 * One failure at each array call of a verb, in each way that a call can fail. Most of the time goes into waiting for an
 * array that might still be at it, so several nodes, each with a pair of its own, share the calls.
 */

const NODES = 4;
const GROUP = 'g1';
const OPTIONS = { size: '1', replicationGroup: GROUP };
const VOLUME = 'v';
const KEEPER = 'keeper';
const EFFECTS: Effect[] = ['error', 'reset', 'lost-reply', 'done-but-error', 'ok-not-done'];

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

const volumeNames = async ({ docker }: Node): Promise<string[]> =>
  ((await docker.call('VolumeDriver.List')).Volumes ?? []).map((each) => each.Name);

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

async function expectNothingOf(node: Node, before: string[]): Promise<void> {
  expect(await arrayOutline(node.control)).toEqual(before);
  expect(await volumeNames(node)).not.toContain(VOLUME);
  expect((await node.docker.call('VolumeDriver.Get', { Name: VOLUME })).Err).toMatch(/there is no volume v/);
}

/** Not even what Docker does not get to see: the record of a volume that was not finished, and of its operation. */
async function expectNoRecord(node: Node): Promise<void> {
  expect(await node.records('operation')).toEqual([]);
  expect((await node.records('volume')).map((each) => each.name)).not.toContain(VOLUME);
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

/** Ends the nodes; nothing may be left of them, neither on their arrays nor on this host. */
async function endNodes(nodes: Node[]): Promise<void> {
  const left: string[] = [];
  for (const node of nodes) {
    left.push(await node.docker.remove(KEEPER), ...(await arrayObjects(node.control)));
    await node.close();
    left.push(...(await hostLeftovers(node.dir)));
  }
  expect(left.filter((each) => each !== '')).toEqual([]);
}

/** The calls of one good run of the verb. */
async function goodCalls(node: Node, verb: (node: Node) => Promise<string>): Promise<ArrayCall[]> {
  const calls = await arrayCalls(node, async () => expect(await verb(node)).toBe(''));
  expect(calls.filter((call) => call.changes).length).toBeGreaterThan(2);
  return calls;
}

/** As above, without what is the same to a reader: a lost answer as a reset, an error after the read as one before it. */
const differs = (effect: Effect) => (call: ArrayCall) => call.changes || effect === 'error' || effect === 'reset';

interface Trial {
  node: Node;
  scene: Scene;
  call: ArrayCall;
  effect: Effect;
  /** The arrays without the volume. */
  without: string[];
}

const create = async ({ docker }: Node): Promise<string> => docker.create(VOLUME, OPTIONS);
const remove = async ({ docker }: Node): Promise<string> => docker.remove(VOLUME);

/** Whether anything but a login was sent that changes something. */
const hasChanged = async ({ control }: Node): Promise<boolean> =>
  (await control.log()).some(({ method, path = '' }) => method !== 'GET' && !path.endsWith('/credentials'));

/** One Create under one fault, and what became of it. */
async function tryCreate(trial: Trial): Promise<string> {
  const { node, scene, without } = trial;
  if (scene.afterStart) await node.restart();
  await node.control.clearLog();
  const error = await strike(trial, create);
  // Asked of the array: a look for late changes of an earlier trial may have met the fault's call in Create's place.
  const begun = await hasChanged(node);
  if (error !== '') {
    expect(error).toMatch(begun ? /^cannot .+: .*array of backend DEFAULT / : /array of backend DEFAULT /);
    expect(error).not.toContain('not finished');
    expect(error.includes('everything was rolled back')).toBe(begun);
    await expectNothingOf(node, without);
    await expectNoRecord(node);
    expect(await create(node)).toBe('');
  }
  await expectComplete(node, scene.state);
  expect(await remove(node)).toBe('');
  await expectNothingOf(node, without);
  if (error === '') return 'recovered';
  return begun ? 'rolled back' : 'not begun';
}

/** One Remove under one fault, and what became of it. */
async function tryRemove(trial: Trial): Promise<string> {
  const { node, scene, call, without } = trial;
  expect(await create(node)).toBe('');
  const whole = await arrayOutline(node.control);
  const error = await strike(trial, remove);
  if (error === '') {
    await expectNothingOf(node, without);
    return 'done';
  }
  const turnedBack = (await node.docker.status(VOLUME))['state'] === 'ready';
  if (turnedBack) {
    expect(await arrayOutline(node.control)).toEqual(whole);
    await expectComplete(node, scene.state);
    // A failed read has changed nothing; after a change the volume has to prove itself.
    if (call.changes) await expectMountable(node);
  } else {
    expect(error).toContain('finished later, or by the same command again');
  }
  expect(await remove(node)).toBe('');
  await expectNothingOf(node, without);
  return turnedBack ? 'turned back' : 'finished again';
}

async function withoutVolume(nodes: Node[]): Promise<Map<Node, string[]>> {
  const outlines = new Map<Node, string[]>();
  for (const node of nodes) outlines.set(node, await arrayOutline(node.control));
  return outlines;
}

describe.each(SCENES)('rules 31, 35 and 39: Create in $name', (scene) => {
  const outcomes = new Outcomes(`Create in ${scene.name}`, EFFECTS);
  let nodes: Node[] = [];
  let calls: ArrayCall[] = [];
  let without = new Map<Node, string[]>();

  beforeAll(async () => {
    nodes = await startNodes(scene);
    without = await withoutVolume(nodes);
    const node = firstOf(nodes);
    if (scene.afterStart) await node.restart();
    calls = await goodCalls(node, create);
    await expectComplete(node, scene.state);
    expect(await remove(node)).toBe('');
  });

  afterAll(async () => {
    outcomes.print();
    await endNodes(nodes);
  });

  it.each(EFFECTS)(
    'recovers, or leaves nothing behind, when any one call fails with "%s"',
    async (effect) => {
      await eachCall(nodes, calls.filter(canFail(effect)), async (node, call) => {
        const trial = { node, scene, call, effect, without: without.get(node) ?? [] };
        outcomes.add(call.title, effect, await tryCreate(trial));
      });
      for (const node of nodes) await expectNoRecord(node);
    },
    120_000,
  );
});

describe.each(SCENES)('rules 31, 33 and 39: Remove from $name', (scene) => {
  const outcomes = new Outcomes(`Remove from ${scene.name}`, EFFECTS);
  let nodes: Node[] = [];
  let calls: ArrayCall[] = [];
  let without = new Map<Node, string[]>();

  beforeAll(async () => {
    nodes = await startNodes(scene);
    without = await withoutVolume(nodes);
    const node = firstOf(nodes);
    expect(await create(node)).toBe('');
    calls = await goodCalls(node, remove);
  });

  afterAll(async () => {
    outcomes.print();
    await endNodes(nodes);
  });

  it.each(EFFECTS)(
    'rule 35: is done, turned back, or finished by the same command, when any one call fails with "%s"',
    async (effect) => {
      await eachCall(nodes, calls.filter(differs(effect)), async (node, call) => {
        const trial = { node, scene, call, effect, without: without.get(node) ?? [] };
        outcomes.add(call.title, effect, await tryRemove(trial));
      });
      for (const node of nodes) await expectNoRecord(node);
    },
    120_000,
  );
});

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

  afterAll(async () => endNodes([node]));

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
    await expectNoRecord(node);
  }, 60_000);
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
