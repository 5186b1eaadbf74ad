import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { lockRun } from '../../src/commands/run-lock.js';
import type { MetadataStore } from '../../src/contracts/store.js';
import type { ContainerOrder } from '../../src/domain/group-run.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import { startEtcd, type Etcd } from '../etcd.js';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const about = (node: string) =>
  ({
    backend: 'DEFAULT',
    group: 'RCG1',
    goal: 'failover',
    by: `root of ${node}`,
    node,
    nodeName: node,
    arrays: ['array:7/RCG1'],
  }) as const;
const soon = (): AbortSignal => AbortSignal.timeout(5000);
const order: ContainerOrder = { id: 'o1', verb: 'stop', nodes: ['n2'], volumes: ['v1'] };

let etcd: Etcd;
let dir: string;
let stores: MetadataStore[];
let said: string[];

/** The metadata as the run of that node has them. */
function open(node: string): MetadataStore {
  const at = { hosts: [etcd.host], stateDir: dir, leaseTtl: 2, logger: silent };
  const store = openEtcdStore({ ...at, node: { id: `run-of-${node}`, name: node } });
  stores.push(store);
  return store;
}
const say = (line: string): void => void said.push(line);

beforeAll(async () => {
  etcd = await startEtcd();
  dir = await mkdtemp(path.join(tmpdir(), 'hpe-run-lock-'));
});
afterAll(async () => {
  await etcd.stop();
  await rm(dir, { recursive: true });
});
beforeEach(() => {
  stores = [];
  said = [];
});
afterEach(async () => {
  await Promise.all(stores.map(async (each) => each.close()));
});

describe('the lock of a run', () => {
  it('is one in the cluster: the second one hears at once who runs it, and has it after the end', async () => {
    const first = await lockRun(open('n1'), about('n1'), say);
    await expect(lockRun(open('n2'), about('n2'), say)).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining(
        'a failover of group RCG1 is under way on node n1 (backend DEFAULT), typed by root of n1, since 20',
      ),
    });
    await first.release();
    const second = await lockRun(open('n2'), about('n2'), say);
    await second.release();
    expect(await open('n3').list('run', soon())).toEqual([]);
  });

  it('is one for two backends that have the group, whichever array is silent meanwhile', async () => {
    const first = await lockRun(open('n1'), { ...about('n1'), arrays: ['array:7/RCG1', 'array:8/RCG1.r7'] }, say);
    const other = { backend: 'GOLD', arrays: ['array:8/RCG1.r7'] };
    for (const node of ['n1', 'n2']) {
      await expect(lockRun(open(node), { ...about(node), ...other }, say)).rejects.toMatchObject({
        code: 'busy',
        message: expect.stringContaining('group RCG1 is under way on node n1 (backend DEFAULT)'),
      });
    }
    // Another group of that name, on another pair.
    await (await lockRun(open('n2'), { ...about('n2'), backend: 'FAR', arrays: ['array:9/RCG1'] }, say)).release();
    await first.release();
    await (await lockRun(open('n2'), { ...about('n2'), ...other }, say)).release();
  });

  it('that an earlier run of the same node has left is waited for', async () => {
    const dead = open('n1');
    const lock = await lockRun(dead, about('n1'), say);
    await lock.give(order);
    // Its record stays, as of one that was killed; its lock ends while the next one waits.
    const coming = lockRun(open('n1'), about('n1'), say);
    await pause(3000);
    await dead.close();
    const next = await coming;
    expect(said).toEqual([expect.stringContaining('an earlier run has died a moment ago')]);
    // Its order is not the new run's.
    expect(await open('n3').find('run', 'DEFAULT/RCG1', soon())).not.toHaveProperty('order');
    await next.release();
  });

  it('that was lost is taken again, without the order of before; nothing is written while it is not held', async () => {
    const store = open('n1');
    const lock = await lockRun(store, about('n1'), say);
    await lock.give(order);
    etcd.pause();
    await pause(2500);
    etcd.resume();
    await expect(lock.commit([])).rejects.toThrow(/hold/);
    await lock.ensure();
    expect(said).toEqual([expect.stringContaining('was lost')]);
    expect(await store.find('run', 'DEFAULT/RCG1', soon())).not.toHaveProperty('order');
    await lock.release();
  });

  it('has a record that ends by itself, and is gone at the end', async () => {
    const lock = await lockRun(open('n1'), about('n1'), say);
    await lock.give(order);
    const found = await etcd.ctl('get', '/hpe-volume-plugin/v1/run/DEFAULT/RCG1', '-w', 'json');
    const lease = /"lease":(\d+)/.exec(found)?.[1] ?? '0';
    expect(await etcd.ctl('lease', 'timetolive', BigInt(lease).toString(16))).toContain('granted with TTL(30s)');
    await lock.release();
    expect(await open('n2').list('run', soon())).toEqual([]);
  });
});
