import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { startNode, type Node } from '../harness.js';
import { createExamples } from '../options-table.js';
import { arrayOf } from '../pair-client.js';
import { arrayOutline, stateOf } from '../simulator-state.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { arrayCalls, type ArrayCall, type Effect } from './array-calls.js';
import { canFail, eachCall, Outcomes, strike } from './each-call.js';
import { EFFECTS } from './trials.js';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const DOC = readFileSync(path.join(here, '../../docs/options.md'), 'utf8');
const GOLD = 'gold_set';
const VOLUME = 'v';
const SETS = { size: '1', 'qos-name': GOLD, 'flash-cache': 'True' };
/** Most of the time goes into waiting for an array that might still be at it. */
const NODES = 4;

/** An administrator's set with a QoS rule on the primary array, with a volume of his in it. */
async function startSite(): Promise<Node> {
  const node = await startNode();
  const primary = await new WsapiClient(node.simulator.ready.arrays[0]).login();
  const cpg = arrayOf(node.pair, 'primary').cpgs[0];
  const made = [
    await primary.send('POST', '/volumes', { name: 'admins', cpg, sizeMiB: 1024, tpvv: true }),
    await primary.send('POST', '/volumesets', { name: GOLD, setmembers: ['admins'] }),
    await primary.send('POST', '/volumesets', { name: 'lame_set', setmembers: ['admins'] }),
    await primary.send('POST', '/qos', { name: GOLD, type: 1, ioMaxLimit: 1000, enable: true }),
  ];
  expect(made.map(({ status, text }) => [status, text])).toEqual(made.map(() => [201, expect.anything()]));
  return node;
}

interface Scene {
  name: string;
  options: Record<string, string>;
  /** Which calls are struck; those of the group have tests of their own. */
  isOurs(call: ArrayCall): boolean;
  effects: Effect[];
}

const SCENES: Scene[] = [
  { name: 'a plain volume', options: { ...SETS, backend: 'plain' }, isOurs: () => true, effects: EFFECTS },
  {
    name: 'a replicated volume',
    options: { ...SETS, replicationGroup: 'g1' },
    isOurs: ({ title }) => /volumesets|qos|cpgs|system/.test(title),
    effects: ['error'],
  },
];

const create = (scene: Scene) => async (node: Node) => node.docker.create(VOLUME, scene.options);
const remove = async (node: Node): Promise<string> => node.docker.remove(VOLUME);

/** Members of each set of each array, and what else it is. */
async function setsOf(node: Node): Promise<unknown[]> {
  const { arrays } = await stateOf(node.control);
  return arrays.flatMap(({ name, volumeSets }) =>
    volumeSets.map((set) => [name, set.name, set.members.toSorted(), set.flashCache]),
  );
}

async function expectInSets(node: Node): Promise<void> {
  const status = await node.docker.status(VOLUME);
  const volume = String(status['arrayVolume']);
  expect(status).toMatchObject({ state: 'ready', qosName: GOLD, flashCache: true });
  const primary = arrayOf(node.pair, 'primary').name;
  expect(await setsOf(node)).toEqual(
    expect.arrayContaining([
      [primary, GOLD, ['admins', volume].toSorted(), false],
      [primary, volume.replace('dcv-', 'vvs-'), [volume], true],
      [primary, 'lame_set', ['admins'], false],
    ]),
  );
  expect(await setsOf(node)).toHaveLength(3);
}

async function expectNothing(node: Node, before: string[]): Promise<void> {
  expect(await arrayOutline(node.control)).toEqual(before);
  expect((await node.docker.call('VolumeDriver.Get', { Name: VOLUME })).Err).toMatch(/there is no volume v/);
}

/** A read that is lost on its way is the same to a reader, wherever it was lost. */
const differs = (effect: Effect) => (call: ArrayCall) => canFail(effect)(call) && (call.changes || effect === 'error');

describe.each(SCENES)('rules 31 and 39: volume sets of $name', (scene) => {
  const outcomes = new Outcomes(`Create and Remove of ${scene.name} in volume sets`, scene.effects);
  const before = new Map<Node, string[]>();
  let nodes: Node[] = [];

  beforeAll(async () => {
    nodes = await Promise.all(Array.from({ length: NODES }, startSite));
    for (const node of nodes) before.set(node, await arrayOutline(node.control));
  });

  afterAll(async () => {
    outcomes.print();
    await Promise.all(nodes.map(async (node) => node.close()));
  });

  const first = (): Node => {
    const [node] = nodes;
    if (node === undefined) throw new Error('no node');
    return node;
  };

  async function callsOf(verb: (node: Node) => Promise<string>): Promise<ArrayCall[]> {
    const calls = await arrayCalls(first(), async () => expect(await verb(first())).toBe(''));
    return calls.filter(scene.isOurs);
  }

  it('Create joins both, or leaves nothing behind, whichever call fails', async () => {
    // Logins are no part of this.
    expect(await create(scene)(first())).toBe('');
    expect(await remove(first())).toBe('');
    const calls = await callsOf(create(scene));
    await expectInSets(first());
    expect(await remove(first())).toBe('');
    expect(calls.filter(({ changes }) => changes).length).toBeGreaterThanOrEqual(3);
    for (const effect of scene.effects) {
      await eachCall(
        { nodes, calls: calls.filter(differs(effect)), ways: scene.effects.length },
        async (node, call) => {
          const error = await strike({ node, call, effect }, create(scene));
          if (error !== '') {
            expect(error).not.toContain('not finished');
            await expectNothing(node, before.get(node) ?? []);
            expect(await create(scene)(node)).toBe('');
          }
          await expectInSets(node);
          expect(await remove(node)).toBe('');
          await expectNothing(node, before.get(node) ?? []);
          outcomes.add(`Create: ${call.title}`, effect, error === '' ? 'recovered' : 'rolled back');
        },
      );
    }
    for (const node of nodes) expect(await node.records('operation')).toEqual([]);
  });

  it('Remove leaves both first; it is done, turned back, or finished by the same command, whichever call fails', async () => {
    expect(await create(scene)(first())).toBe('');
    const calls = await callsOf(remove);
    expect(calls.filter(({ changes }) => changes).length).toBeGreaterThanOrEqual(2);
    for (const effect of scene.effects) {
      await eachCall(
        { nodes, calls: calls.filter(differs(effect)), ways: scene.effects.length },
        async (node, call) => {
          expect(await create(scene)(node)).toBe('');
          const whole = await arrayOutline(node.control);
          const error = await strike({ node, call, effect }, remove);
          let outcome = 'done';
          if (error !== '') {
            const turnedBack = (await node.docker.status(VOLUME))['state'] === 'ready';
            if (turnedBack) expect(await arrayOutline(node.control)).toEqual(whole);
            else expect(error).toMatch(/finished later, or by the same command again|goes on by itself/);
            outcome = turnedBack ? 'turned back' : 'finished again';
            expect(await remove(node)).toBe('');
          }
          await expectNothing(node, before.get(node) ?? []);
          outcomes.add(`Remove: ${call.title}`, effect, outcome);
        },
      );
    }
    for (const node of nodes) expect(await node.records('operation')).toEqual([]);
  });
});

describe('volume sets', () => {
  let node: Node;
  let before: string[] = [];

  beforeAll(async () => {
    node = await startSite();
    before = await arrayOutline(node.control);
  });

  afterAll(async () => node.close());

  it.each([
    ['that does not exist', 'no_set', 'has no volume set no_set'],
    ['without a QoS rule', 'lame_set', 'volume set lame_set on primary array .* has no QoS rule'],
  ])('one %s takes no volume', async (_what, name, words) => {
    const error = await node.docker.create(VOLUME, { ...SETS, 'qos-name': name, backend: 'plain' });
    expect(error).toMatch(new RegExp(`^qos-name: .*${words}`));
    await expectNothing(node, before);
  });

  it('one that an administrator has removed meanwhile does not hinder the removal', async () => {
    expect(await node.docker.create(VOLUME, { size: '1', 'flash-cache': 'True', backend: 'plain' })).toBe('');
    const { arrayVolume } = await node.docker.status(VOLUME);
    const primary = await new WsapiClient(node.simulator.ready.arrays[0]).login();
    const own = String(arrayVolume).replace('dcv-', 'vvs-');
    expect((await primary.send('DELETE', `/volumesets/${own}`)).status).toBe(200);
    expect(await remove(node)).toBe('');
    await expectNothing(node, before);
  });

  it('rule 36: a volume that an administrator put into a set of his stays, in all its sets, and the error says what to type', async () => {
    expect(await node.docker.create(VOLUME, { ...SETS, backend: 'plain' })).toBe('');
    const { arrayVolume } = await node.docker.status(VOLUME);
    const primary = await new WsapiClient(node.simulator.ready.arrays[0]).login();
    const change = async (action: number): Promise<unknown> =>
      primary.send('PUT', '/volumesets/lame_set', { action, setmembers: [arrayVolume] });
    await change(1);
    const whole = await arrayOutline(node.control);
    expect(await remove(node)).toMatch(/in a volume set .*next: .*removevvset/);
    expect(await arrayOutline(node.control)).toEqual(whole);
    await change(2);
    expect(await remove(node)).toBe('');
    await expectNothing(node, before);
  });

  it('the example of docs/options.md does what it says', async () => {
    const example = createExamples(DOC).find(({ options }) => 'qos-name' in options);
    expect(await node.docker.create(VOLUME, example?.options ?? {})).toBe('');
    await expectInSets(node);
    expect(await remove(node)).toBe('');
  });
});
