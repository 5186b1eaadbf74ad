import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '../../src/contracts/log.js';
import type { MetadataStore } from '../../src/contracts/store.js';
import { EtcdClient } from '../../src/store/etcd-client.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import { Neighbours } from '../../src/store/neighbours.js';
import { startEtcd, type Etcd } from '../etcd.js';

const PREFIX = '/hpe-volume-plugin/v1/';
const LEASE_TTL = 5;
const silence = (): void => undefined;
const logger: Logger = { debug: silence, info: silence, warn: silence, error: silence };
const soon = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms);

describe('locks and nodes whose leases are gone', () => {
  let etcd: Etcd;
  let dir: string;
  let stores: MetadataStore[];
  const open = (node: string): MetadataStore => {
    const stateDir = path.join(dir, node);
    const of = { id: `id-${node}`, name: node };
    const store = openEtcdStore({ hosts: [etcd.host], node: of, stateDir, leaseTtl: LEASE_TTL, logger });
    stores.push(store);
    return store;
  };
  const leaseOfLock = async (key: string): Promise<string> => {
    const held = await etcd.ctl('get', '--print-value-only', `${PREFIX}lock/${key}`);
    return BigInt((JSON.parse(held) as { lease: string }).lease).toString(16);
  };

  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.stop());
  beforeEach(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'store-'));
    await etcd.ctl('del', '--prefix', '/');
    stores = [];
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    etcd.resume();
    await Promise.all(stores.map((store) => store.close()));
    await rm(dir, { recursive: true });
  });

  it('a node that lives counts as living after an outage of etcd that was longer than the grace', async () => {
    const [one, two] = [open('node-one'), open('node-two')];
    one.announce();
    two.announce();
    for (let i = 0; i < 100 && (await one.livingNodes(soon())).size < 2; i += 1) await pause(100);
    expect(await one.livingNodes(soon())).toEqual(new Set(['id-node-one', 'id-node-two']));
    etcd.pause();
    await pause((3 * LEASE_TTL + 1) * 1_000);
    etcd.resume();
    const seen: string[] = [];
    const until = performance.now() + 12_000;
    while (performance.now() < until) {
      const living = await one.livingNodes(soon(2_000)).catch(() => undefined);
      if (living !== undefined) seen.push([...living].toSorted().join());
      await pause(100);
    }
    expect([...new Set(seen)]).toEqual(['id-node-one,id-node-two']);
  });

  it('who waits while etcd ends his lease too early is not told that etcd is away or wrongly configured', async () => {
    const [one, two] = [open('node-one'), open('node-two')];
    const fence = await one.lock(['a'], soon());
    const waiting = two.lock(['a'], soon()).then(
      () => 'locked',
      (error: unknown) => `${String(error)}; ${String((error as { next?: string }).next)}`,
    );
    await pause(1_000);
    const mine = await leaseOfLock('a');
    const leases = (await etcd.ctl('lease', 'list')).split('\n').filter((line) => /^[0-9a-f]{10,}$/.test(line));
    for (const lease of leases.filter((each) => each !== mine)) await etcd.ctl('lease', 'revoke', lease);
    await fence.release();
    const outcome = await waiting;
    expect(outcome).toBe('locked');
  });

  it('a lock in which something else stands is named with what to do, since it never ends by itself', async () => {
    const one = open('node-one');
    await one.list('volume', soon());
    await etcd.ctl('put', `${PREFIX}lock/a`, 'junk');
    const outcome = await one.lock(['a'], soon(LEASE_TTL * 3_000)).then(
      () => 'locked',
      (error: unknown) => `${String(error)}; ${String((error as { next?: string }).next)}`,
    );
    expect(outcome).not.toContain('ends by itself');
  });

  const locks = async (): Promise<string[]> =>
    (await etcd.ctl('get', '--prefix', '--keys-only', `${PREFIX}lock/`)).split('\n').filter((key) => key !== '');

  it('who gives up waiting leaves none of his own locks', async () => {
    const [one, two] = [open('node-one'), open('node-two')];
    const fence = await one.lock(['b'], soon());
    await expect(two.lock(['a', 'b'], soon(1_500))).rejects.toMatchObject({ code: 'busy' });
    await pause(300);
    expect(await locks()).toEqual([`${PREFIX}lock/b`]);
    await fence.release();
  });

  it('a lock whose release was lost is taken at once by the next caller of the same node', async () => {
    const one = open('node-one');
    const fence = await one.lock(['a'], soon());
    const lost = async (): Promise<never> => Promise.reject(new Error('no answer'));
    jest.spyOn(EtcdClient.prototype, 'txn').mockImplementation(lost);
    jest.spyOn(EtcdClient.prototype, 'revokeLease').mockImplementation(lost);
    await fence.release();
    jest.restoreAllMocks();
    expect(await locks()).toEqual([`${PREFIX}lock/a`]);
    const began = performance.now();
    const next = await one.lock(['a'], soon());
    expect(performance.now() - began).toBeLessThan(LEASE_TTL * 1_000 - 1_000);
    await next.release();
  });

  it('a repeated request for a lock that comes after its release leaves no lock of nobody', async () => {
    const [one, two] = [open('node-one'), open('node-two')];
    const txn = EtcdClient.prototype.txn;
    const revoke = EtcdClient.prototype.revokeLease;
    let take: (() => Promise<unknown>) | undefined;
    const sent = jest.spyOn(EtcdClient.prototype, 'txn').mockImplementation(async function (this: EtcdClient, request) {
      if (request.success?.some((each) => 'request_put' in each)) take ??= async () => txn.call(this, request);
      return txn.call(this, request);
    });
    await one.list('volume', soon());
    take = undefined;
    const fence = await one.lock(['a'], soon());
    sent.mockRestore();
    // A member that was slow: the removal of the lock has arrived, then the copy of the request, then the end of the lease.
    jest.spyOn(EtcdClient.prototype, 'revokeLease').mockImplementation(async function (this: EtcdClient, id) {
      await pause(300);
      await take?.().catch(() => undefined);
      await revoke.call(this, id);
    });
    await fence.release();
    await pause(1_000);
    jest.restoreAllMocks();
    expect(await locks()).toEqual([]);
    await (await two.lock(['a'], soon(1_000))).release();
  });

  it('a holder whose renewals get no answer any more has stopped before another node has its lock', async () => {
    const [one, two] = [open('node-one'), open('node-two')];
    const fence = await one.lock(['a'], soon());
    let stopped: number | undefined;
    fence.signal.addEventListener('abort', () => (stopped = performance.now()));
    const renew = EtcdClient.prototype.keepLeaseAlive;
    const mine = BigInt(`0x${await leaseOfLock('a')}`).toString();
    let renewed: (() => void) | undefined;
    const once = new Promise<void>((resolve) => (renewed = resolve));
    jest.spyOn(EtcdClient.prototype, 'keepLeaseAlive').mockImplementation(async function (this: EtcdClient, id) {
      if (id !== mine) return renew.call(this, id);
      if (renewed === undefined) throw new Error('no answer');
      const left = await renew.call(this, id);
      renewed();
      renewed = undefined;
      return left;
    });
    await once;
    await etcd.ctl('lease', 'revoke', BigInt(mine).toString(16));
    const next = await two.lock(['a'], soon());
    const taken = performance.now();
    expect(stopped).toBeLessThan(taken);
    await fence.release();
    await next.release();
  });
});

it('a neighbour that was not looked for is not dead at the first look that misses it', () => {
  const now = jest.spyOn(performance, 'now').mockReturnValue(0);
  const neighbours = new Neighbours(20_000);
  neighbours.living(['a']);
  now.mockReturnValue(60_000);
  expect(neighbours.living([])).toEqual(new Set(['a']));
  now.mockReturnValue(70_000);
  expect(neighbours.living([])).toEqual(new Set(['a']));
  now.mockReturnValue(80_001);
  expect(neighbours.living([])).toEqual(new Set());
  now.mockRestore();
});
