import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayOf } from '../pair-client.js';
import { arrayObjects, stateOf } from '../simulator-state.js';
import { startTwoHosts, waitFor, type TwoHosts } from './site.js';

let first: Node;
let second: Node;
let close: TwoHosts['close'];

beforeAll(async () => {
  ({ first, second, close } = await startTwoHosts());
});

afterEach(async () => {
  expect(await arrayObjects(first.control)).toEqual([]);
});

afterAll(async () => {
  await close();
  expect(await hostLeftovers(first.dir)).toEqual([]);
});

async function done(...answers: Promise<string>[]): Promise<void> {
  expect((await Promise.all(answers)).filter((each) => each !== '')).toEqual([]);
}

const create = async (node: Node, name: string): Promise<string> =>
  node.docker.create(name, { size: '1', replicationGroup: 'g' });

async function groupStates(): Promise<string[]> {
  const { arrays } = await stateOf(first.control);
  return arrays.flatMap(({ groups }) => groups.map(({ state, members }) => `${state}, ${members.length} members`));
}

describe('Two nodes on one etcd', () => {
  it('see the same volumes, and one mounts what the other has made', async () => {
    await done(first.docker.create('shared', { size: '1', replicationGroup: 'g' }));
    expect(await second.docker.mount('shared')).toMatch(/node2\/.*shared$/);
    expect(await first.docker.status('shared')).toMatchObject({ holder: { node: 'node2' } });
    await done(second.docker.unmount('shared'));
    await done(second.docker.remove('shared'));
    expect(await first.records('volume')).toEqual([]);
  });

  it('create in the same new group at once: both succeed, and the group is made once', async () => {
    for (let round = 0; round < 5; round += 1) {
      await done(create(first, 'one'), create(second, 'two'));
      expect(await groupStates()).toEqual(['started, 2 members', 'started, 2 members']);
      expect(await first.records('group')).toEqual([
        { backend: 'DEFAULT', name: 'g', remoteName: 'g.r46750', createdByUs: true, epoch: 0 },
      ]);
      await done(first.docker.remove('two'), second.docker.remove('one'));
      expect(await first.records('group')).toEqual([]);
      expect(await arrayObjects(first.control)).toEqual([]);
    }
  });

  it('create and remove four volumes each in one group at once: all succeed', async () => {
    const names = (node: Node): string[] => [1, 2, 3, 4].map((index) => `${node.name}-${index}`);
    await done(...[first, second].flatMap((node) => names(node).map(async (name) => create(node, name))));
    expect(await groupStates()).toEqual(['started, 8 members', 'started, 8 members']);
    await done(...names(first).map(async (name) => second.docker.remove(name)), create(first, 'last'));
    expect(await groupStates()).toEqual(['started, 5 members', 'started, 5 members']);
    await done(...names(second).map(async (name) => first.docker.remove(name)), second.docker.remove('last'));
  });

  it('rule 35: a group that a dead node left stopped is started by the other one with its next volume', async () => {
    await done(create(first, 'keeper'));
    const primary = arrayOf(first.pair, 'primary').name;
    const admission = { method: 'PUT', pathRegex: 'remotecopygroups/g$', nth: 2 };
    await first.control.fault({ array: primary, match: admission, effect: 'hang' });
    const cut = create(first, 'cut').catch(() => 'no answer');
    await waitFor(() => first.simulator.pair.faults.list().length === 0);
    expect(await groupStates()).toEqual(['stopped, 1 members', 'stopped, 1 members']);
    await first.stopDaemon();
    expect(await cut).not.toBe('');
    expect(await second.records('group')).toMatchObject([{ name: 'g', owesStart: 'stopped' }]);
    await done(create(second, 'next'));
    expect(await groupStates()).toEqual(['started, 2 members', 'started, 2 members']);
    expect(await second.records('group')).toEqual([expect.not.objectContaining({ owesStart: expect.anything() })]);
    await first.restart();
    await done(create(first, 'cut'));
    await done(first.docker.remove('cut'), first.docker.remove('next'), second.docker.remove('keeper'));
  });

  it('rule 39: whichever node is there removes what an array makes late of a Create that the other one has undone', async () => {
    const primary = arrayOf(first.pair, 'primary').name;
    const make = { method: 'POST', pathRegex: '/volumes$' };
    await first.control.fault({ array: primary, match: make, effect: 'late', ms: 2_500 });
    expect(await first.docker.create('cut', { size: '1', backend: 'plain' })).toContain('everything was rolled back');
    await waitFor(async () => (await arrayObjects(first.control)).length === 1);
    await first.stopDaemon();
    await second.restart();
    await waitFor(async () => (await arrayObjects(first.control)).length === 0);
    await first.restart();
  });

  it('whichever node is there undoes what the other one has left of a Create', async () => {
    await done(create(first, 'keeper'));
    const secondary = arrayOf(first.pair, 'secondary').name;
    const copies = { method: 'GET', pathRegex: '/volumes/dcv-' };
    await first.control.fault({ array: secondary, match: copies, effect: 'error', times: 1_000 });
    expect(await create(first, 'cut')).toContain('the rollback is not finished yet');
    await first.stopDaemon();
    await first.control.clearFaults();
    await second.restart();
    await waitFor(async () => (await second.records('operation')).length === 0);
    expect(await groupStates()).toEqual(['started, 1 members', 'started, 1 members']);
    expect((await second.records('volume')).map((each) => each.name)).toEqual(['keeper']);
    await first.restart();
    await done(first.docker.remove('keeper'));
  });
});
