import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '../../src/contracts/log.js';
import type { Fence, MetadataStore } from '../../src/contracts/store.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import { startEtcd, type Etcd } from '../etcd.js';
import { startChild } from './child.js';
import { aVolume } from './store-records.js';
import { storeContract } from './store-suite.js';

const PREFIX = '/hpe-volume-plugin/v1/';
const LEASE_TTL = 3;
const silence = (): void => undefined;
const logger: Logger = { debug: silence, info: silence, warn: silence, error: silence };

describe('the metadata store in etcd', () => {
  let etcd: Etcd;
  let dir: string;
  let stores: MetadataStore[];
  let one: MetadataStore;
  let two: MetadataStore;

  const soon = (ms = 10_000): AbortSignal => AbortSignal.timeout(ms);
  const open = (node: string, hosts = [etcd.host]): MetadataStore => {
    const stateDir = path.join(dir, node);
    const store = openEtcdStore({
      hosts,
      node: { id: `id-${node}`, name: node },
      stateDir,
      leaseTtl: LEASE_TTL,
      logger,
    });
    stores.push(store);
    return store;
  };
  const identityFile = (): string => path.join(dir, 'node-one', 'metadata-identity.json');
  const put = async (store: MetadataStore, fence: Fence, name: string): Promise<void> =>
    await store.commit(fence, [{ put: 'volume', key: name, value: aVolume(name) }]);
  const names = async (store: MetadataStore): Promise<string[]> =>
    (await store.list('volume', soon())).map((volume) => volume.name);
  const leaseOf = async (key: string): Promise<string> => {
    const found = await etcd.ctl('get', `${PREFIX}lock/${key}`, '-w', 'json');
    // The lease's id is larger than a number of JSON can be.
    return BigInt(/"lease":(\d+)/.exec(found)?.[1] ?? '0').toString(16);
  };

  beforeAll(async () => {
    etcd = await startEtcd();
  }, 20_000);
  afterAll(async () => await etcd.stop());

  beforeEach(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'store-'));
    await etcd.ctl('del', '--prefix', '/');
    stores = [];
    one = open('node-one');
    two = open('node-two');
  });

  afterEach(async () => {
    etcd.resume();
    await Promise.all(stores.map((store) => store.close()));
    await rm(dir, { recursive: true });
  });

  storeContract('etcd', () => ({
    store: one,
    rival: two,
    lose: async (fence) => void (await etcd.ctl('lease', 'revoke', await leaseOf(fence.keys[0] ?? ''))),
  }));

  it('keeps a lock as long as it is used, and leaves nothing of it behind', async () => {
    const fence = await one.lock(['volume/a', 'group/b'], soon());
    await expect(two.lock(['group/b'], soon(LEASE_TTL * 2_000))).rejects.toMatchObject({ code: 'busy' });
    expect(fence.signal.aborted).toBe(false);
    await put(one, fence, 'a');
    await fence.release();
    expect(fence.signal.aborted).toBe(true);
    const keys = (await etcd.ctl('get', '--prefix', '--keys-only', '/')).split('\n').filter((key) => key !== '');
    expect(keys).toEqual([`${PREFIX}root`, `${PREFIX}volume/a`]);
  }, 20_000);

  it('gives the lock of a killed node to the next after its time to live', async () => {
    await one.list('volume', soon());
    const holder = await startChild('hold-lock.ts', [etcd.host, path.join(dir, 'child'), 'volume/a']);
    expect(holder.line).toBe('locked');
    await expect(one.lock(['volume/a'], soon(300))).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining('child-node'),
    });
    await holder.kill();
    const killed = performance.now();
    const fence = await one.lock(['volume/a'], soon());
    expect(performance.now() - killed).toBeLessThan((LEASE_TTL + 2) * 1_000);
    await put(one, fence, 'a');
    await fence.release();
  }, 20_000);

  it('stops in time when etcd is silent, before anybody else can have the lock', async () => {
    const fence = await one.lock(['volume/a'], soon());
    const pausedAt = performance.now();
    etcd.pause();
    await new Promise((resolve) => fence.signal.addEventListener('abort', resolve));
    expect(performance.now() - pausedAt).toBeLessThan(LEASE_TTL * 1_000);
    expect(fence.signal.reason).toMatchObject({ code: 'fenced' });
    await expect(put(one, fence, 'late')).rejects.toMatchObject({ code: 'fenced' });
    const releasing = performance.now();
    await fence.release();
    expect(performance.now() - releasing).toBeLessThan(4_000);
    etcd.resume();
    expect(await names(one)).toEqual([]);
  }, 20_000);

  it('fails soon while etcd is silent or gone, and works again by itself', async () => {
    const fence = await one.lock(['volume/a'], soon());
    await put(one, fence, 'before');
    await fence.release();
    const allFail = async (): Promise<void> => {
      const began = performance.now();
      const calls = [one.find('volume', 'x', soon()), one.list('volume', soon()), one.lock(['volume/b'], soon())];
      for (const result of await Promise.allSettled(calls)) {
        expect(result).toMatchObject({ status: 'rejected', reason: { name: 'DriverError', code: 'unavailable' } });
      }
      expect(performance.now() - began).toBeLessThan(5_000);
    };
    etcd.pause();
    await allFail();
    etcd.resume();
    expect(await names(one)).toEqual(['before']);
    await etcd.kill();
    await allFail();
    await etcd.start();
    const after = await one.lock(['volume/b'], soon());
    await put(one, after, 'later');
    await after.release();
    expect(await names(two)).toEqual(['before', 'later']);
  }, 40_000);

  it('is opened while etcd is away', async () => {
    const lonely = open('lonely', ['127.0.0.1:1']);
    const began = performance.now();
    await expect(lonely.find('volume', 'x', soon())).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('127.0.0.1:1'),
    });
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('goes on with one of two members dead', async () => {
    const store = open('node-three', ['127.0.0.1:1', etcd.host]);
    for (let i = 0; i < 10; i += 1) expect(await names(store)).toEqual([]);
  });

  it('is not fooled by a commit whose answer was lost', async () => {
    const fence = await one.lock(['volume/a'], soon());
    etcd.pause();
    const inDoubt = put(one, fence, 'doubt').then(
      () => 'applied',
      (error: { code: string }) => error.code,
    );
    expect(await Promise.race([inDoubt, pause(4_000)])).toMatch(/unavailable|fenced/);
    etcd.resume();
    await fence.release();
    const next = await two.lock(['volume/a'], soon());
    const before = await names(two);
    await put(two, next, 'next');
    await pause(500);
    expect(await names(two)).toEqual([...before, 'next'].toSorted());
    await next.release();
  }, 20_000);
});
