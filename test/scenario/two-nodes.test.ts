import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startEtcd, type Etcd } from '../etcd.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects } from '../simulator-state.js';

let etcd: Etcd;
let first: Node;
let second: Node;

beforeAll(async () => {
  etcd = await startEtcd();
  first = await startNode({ etcd: etcd.host });
  second = await first.secondNode();
});

afterEach(async () => {
  expect(await arrayObjects(first.control)).toEqual([]);
});

afterAll(async () => {
  await second.close();
  await first.close();
  await etcd.stop();
  expect(await hostLeftovers(first.dir)).toEqual([]);
});

async function done(answer: Promise<string>): Promise<void> {
  expect(await answer).toBe('');
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
});
