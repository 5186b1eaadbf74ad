import { expect, it } from '@jest/globals';
import type { Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects, arrayOutline } from '../simulator-state.js';
import type { ArrayCall, Effect } from './array-calls.js';
import { eachCall, strike, type Outcomes } from './each-call.js';

/** The ways in which an array call can fail. */
export const EFFECTS: Effect[] = ['error', 'reset', 'lost-reply', 'done-but-error', 'ok-not-done'];

/** One call of a verb that fails. The volume that the verb is about is made for the trial, and gone after it. */
export interface Trial {
  node: Node;
  call: ArrayCall;
  effect: Effect;
  /** The arrays without the volume. */
  without: string[];
}

type Verb = (node: Node) => Promise<string>;

/** To who reads, a lost answer is the same as a reset, and an error after the read as one before it. */
export const differs = (effect: Effect) => (call: ArrayCall) =>
  call.changes || effect === 'error' || effect === 'reset';

/** What each node's arrays hold. */
export async function outlinesOf(nodes: Node[]): Promise<Map<Node, string[]>> {
  return new Map(await Promise.all(nodes.map(async (node) => [node, await arrayOutline(node.control)] as const)));
}

export const volumeNames = async ({ docker }: Node): Promise<string[]> =>
  ((await docker.call('VolumeDriver.List')).Volumes ?? []).map((each) => each.Name);

/** Not even what Docker does not get to see: the record of a volume that was not finished, and of its operation. */
export async function expectNoRecord(node: Node, volume: string): Promise<void> {
  expect(await node.records('operation')).toEqual([]);
  expect((await node.records('volume')).map((each) => each.name)).not.toContain(volume);
}

/** What the trials of a verb have to do with. */
interface Verbed {
  volume: string;
  outcomes: Outcomes;
  /** As `beforeAll` has left it. */
  stage(): { nodes: Node[]; calls: (effect: Effect) => ArrayCall[]; without: Map<Node, string[]> };
  /** What became of it. @throws when something is as it must not be */
  attempt(trial: Trial): Promise<string>;
}

/** A test for each effect: every call of the verb fails once with it, each on whichever node is free. */
export function itAtEachCall(title: string, { volume, outcomes, stage, attempt }: Verbed): void {
  it.each(EFFECTS)(
    title,
    async (effect) => {
      const { nodes, calls, without } = stage();
      await eachCall({ nodes, calls: calls(effect), ways: EFFECTS.length }, async (node, call) => {
        const trial = { node, call, effect, without: without.get(node) ?? [] };
        outcomes.add(call.title, effect, await attempt(trial));
      });
      for (const node of nodes) await expectNoRecord(node, volume);
    },
    120_000,
  );
}

interface WayBack {
  volume: string;
  make: Verb;
  unmake: Verb;
  /** Of a volume that is still there, and whole on the arrays. */
  proveTurnedBack?: (trial: Trial) => Promise<void>;
}

/** One way back under one fault, and what became of it: done, turned back, or finished by the same command again. */
export async function tryWayBack(trial: Trial, { volume, make, unmake, proveTurnedBack }: WayBack): Promise<string> {
  const { node, without } = trial;
  expect(await make(node)).toBe('');
  const whole = await arrayOutline(node.control);
  const error = await strike(trial, unmake);
  if (error === '') {
    await expectGone(trial, volume);
    return 'done';
  }
  const turnedBack = (await node.docker.status(volume))['state'] === 'ready';
  if (turnedBack) {
    expect(await arrayOutline(node.control)).toEqual(whole);
    await proveTurnedBack?.(trial);
  } else {
    expect(error).toMatch(/finished later, or by the same command again|the way back stopped: .* is gone from/);
  }
  expect(await unmake(node)).toBe('');
  await expectGone({ node, without }, volume);
  return turnedBack ? 'turned back' : 'finished again';
}

/** The arrays are as without the volume, and Docker does not know it. */
export async function expectGone({ node, without }: Pick<Trial, 'node' | 'without'>, volume: string): Promise<void> {
  expect(await arrayOutline(node.control)).toEqual(without);
  expect(await volumeNames(node)).not.toContain(volume);
  expect((await node.docker.call('VolumeDriver.Get', { Name: volume })).Err).toMatch(`there is no volume ${volume}`);
}

/** Ends the nodes after `tidy`; nothing may be left of them, neither on their arrays nor on this host. */
export async function endNodes(nodes: Node[], tidy: (node: Node) => Promise<void>): Promise<void> {
  const left: string[] = [];
  for (const node of nodes) {
    await tidy(node);
    left.push(...(await arrayObjects(node.control)));
    await node.close();
    left.push(...(await hostLeftovers(node.dir)));
  }
  expect(left).toEqual([]);
}
