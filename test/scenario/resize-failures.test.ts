import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import path from 'node:path';
import { askDaemon } from '../../src/commands/daemon-client.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayVolumes, stateOf } from '../simulator-state.js';
import { arrayCalls, type ArrayCall, type Effect } from './array-calls.js';
import { canFail, eachCall, Outcomes, strike } from './each-call.js';

/* One failure at each array call of a grow, in each way that a call can fail. Each try grows the same volume a little more. */

const EFFECTS: Effect[] = ['error', 'reset', 'lost-reply', 'done-but-error', 'ok-not-done'];
const NODES = 3;

async function resize(node: Node, gib: number): Promise<string> {
  const asked = askDaemon(path.join(node.dir, 'state'), '/resize', { volume: 'v', gib });
  return asked.then(
    () => '',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

/** GiB of each copy. */
const sizes = async (node: Node): Promise<number[]> =>
  (await arrayVolumes(node.control, 'v')).map(({ sizeMiB }) => sizeMiB / 1024);

async function groupStates(node: Node): Promise<string[]> {
  const { arrays } = await stateOf(node.control);
  return arrays.flatMap(({ groups }) => groups.map(({ state }) => String(state)));
}

interface Trial {
  node: Node;
  call: ArrayCall;
  effect: Effect;
}

/** One grow under one fault, and what became of it. */
async function tryGrow(trial: Trial, states: string[]): Promise<string> {
  const { node } = trial;
  const before = Math.max(...(await sizes(node)));
  const error = await strike(trial, async () => resize(node, before + 1));
  const after = await sizes(node);
  if (error.includes('as before') || error.includes('nothing was changed')) {
    expect(new Set(after)).toEqual(new Set([before]));
  }
  if (error === '') expect(new Set(after)).toEqual(new Set([before + 1]));
  expect(await resize(node, before + 1)).toBe('');
  expect(new Set(await sizes(node))).toEqual(new Set([before + 1]));
  expect(await groupStates(node)).toEqual(states);
  if (error === '') return 'done';
  return new Set(after).has(before + 1) ? 'finished again' : 'done again';
}

describe.each([
  { kind: 'plain', options: { size: '1', backend: 'plain' }, states: [] },
  { kind: 'replicated', options: { size: '1', replicationGroup: 'g' }, states: ['started', 'started'] },
])('rules 31, 38 and 39: resize of a $kind volume', ({ kind, options, states }) => {
  const outcomes = new Outcomes(`Resize of a ${kind} volume`, EFFECTS);
  let nodes: Node[] = [];
  let calls: ArrayCall[] = [];

  beforeAll(async () => {
    nodes = await Promise.all(Array.from({ length: NODES }, async () => startNode()));
    for (const { docker } of nodes) expect(await docker.create('v', options)).toBe('');
    const [node] = nodes;
    if (node === undefined) throw new Error('no node');
    calls = await arrayCalls(node, async () => expect(await resize(node, 2)).toBe(''));
    expect(calls.filter(({ changes }) => changes).length).toBeGreaterThanOrEqual(kind === 'plain' ? 1 : 4);
  });

  afterAll(async () => {
    outcomes.print();
    const left: string[] = [];
    for (const node of nodes) {
      expect(await node.records('operation')).toEqual([]);
      expect((await node.records('volume')).map(({ growth }) => growth)).toEqual([undefined]);
      left.push(await node.docker.remove('v'));
      await node.close();
      left.push(...(await hostLeftovers(node.dir)));
    }
    expect(left.filter((each) => each !== '')).toEqual([]);
  });

  it.each(EFFECTS)(
    'is done, or as before, or finished by the same command, when any one call fails with "%s"',
    async (effect) => {
      await eachCall({ nodes, calls: calls.filter(canFail(effect)), ways: EFFECTS.length }, async (node, call) => {
        outcomes.add(call.title, effect, await tryGrow({ node, call, effect }, states));
      });
      for (const node of nodes) expect(await groupStates(node)).toEqual(states);
    },
    120_000,
  );
});
