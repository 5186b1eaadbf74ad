import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { KVClient } from 'etcd3';
import { generate } from 'selfsigned';
import type { Logger } from '../../src/contracts/log.js';
import type { Fence, MetadataStore } from '../../src/contracts/store.js';
import { EtcdClient, type EtcdTls } from '../../src/store/etcd-client.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import { startEtcd, type Etcd } from '../etcd.js';
import { startChild, type Child } from './child.js';
import { aVolume } from './store-records.js';
import { Heard, storeContract } from './store-suite.js';

const PREFIX = '/hpe-volume-plugin/v1/';
const LEASE_TTL = 3;
const silence = (): void => undefined;
const logger: Logger = { debug: silence, info: silence, warn: silence, error: silence };
const soon = (ms = 10_000): AbortSignal => AbortSignal.timeout(ms);
const put = (store: MetadataStore, fence: Fence, name: string): Promise<void> =>
  store.commit(fence, [{ put: 'volume', key: name, value: aVolume(name) }]);
const names = async (store: MetadataStore): Promise<string[]> =>
  (await store.list('volume', soon())).map((volume) => volume.name);

describe('the metadata store in etcd', () => {
  let etcd: Etcd;
  let dir: string;
  let stores: MetadataStore[];
  let one: MetadataStore;
  let two: MetadataStore;
  let child: Child | undefined;

  const open = (node: string, hosts = [etcd.host], leaseTtl = LEASE_TTL): MetadataStore => {
    const stateDir = path.join(dir, node);
    const store = openEtcdStore({
      hosts,
      node: { id: `id-${node}`, name: node },
      stateDir,
      leaseTtl,
      logger,
    });
    stores.push(store);
    return store;
  };
  const identityFile = (): string => path.join(dir, 'node-one', 'metadata-identity.json');
  const leaseOf = async (key: string): Promise<string> => {
    const found = await etcd.ctl('get', `${PREFIX}${key}`, '-w', 'json');
    // The lease's id is larger than a number of JSON can be.
    return BigInt(/"lease":(\d+)/.exec(found)?.[1] ?? '0').toString(16);
  };
  /** Of the lock's holder: the lock key itself hangs on no lease. */
  const leaseOfLock = async (key: string): Promise<string> => {
    const held = await etcd.ctl('get', '--print-value-only', `${PREFIX}lock/${key}`);
    return BigInt((JSON.parse(held) as { lease: string }).lease).toString(16);
  };

  /** Waits until the store says that just those nodes live. */
  const livesWith = async (store: MetadataStore, nodes: string[]): Promise<void> => {
    const until = performance.now() + 15_000;
    for (;;) {
      const living = [...(await store.livingNodes(soon()))].toSorted();
      if (living.join() === nodes.toSorted().join()) return;
      if (performance.now() > until) throw new Error(`living: ${living.join()}, not ${nodes.join()}`);
      await pause(50);
    }
  };

  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.stop());

  beforeEach(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'store-'));
    await etcd.ctl('del', '--prefix', '/');
    stores = [];
    one = open('node-one');
    two = open('node-two');
  });

  afterEach(async () => {
    etcd.resume();
    await child?.kill();
    await Promise.all(stores.map((store) => store.close()));
    await rm(dir, { recursive: true });
  });

  storeContract('etcd', () => ({
    store: one,
    rival: two,
    lose: async (fence) => void (await etcd.ctl('lease', 'revoke', await leaseOfLock(fence.keys[0] ?? ''))),
  }));

  it('keeps a lock as long as it is used, and leaves nothing of it behind', async () => {
    const fence = await one.lock(['volume/a', 'group/b'], soon());
    await expect(two.lock(['group/b'], soon(LEASE_TTL * 2_000))).rejects.toMatchObject({ code: 'busy' });
    expect(fence.signal.aborted).toBe(false);
    await put(one, fence, 'a');
    await fence.release();
    expect(fence.signal.aborted).toBe(true);
    const keys = (await etcd.ctl('get', '--prefix', '--keys-only', '/')).split('\n').filter((key) => key !== '');
    expect(keys).toEqual([`${PREFIX}root`, `${PREFIX}volume-index`, `${PREFIX}volume/a`]);
  });

  it('leaves no lock behind when it is closed while locks are being given up', async () => {
    const fence = await one.lock(['volume/a', 'group/b'], soon());
    void fence.release();
    await one.close();
    expect(await etcd.ctl('get', '--prefix', '--keys-only', `${PREFIX}lock/`)).toBe('');
    expect(await etcd.ctl('get', '--prefix', '--keys-only', `${PREFIX}session/`)).toBe('');
  });

  it('sends no call that was given up before its turn came', async () => {
    await names(one);
    const sent = jest.spyOn(KVClient.prototype, 'txn');
    const giveUp = new AbortController();
    const others = Array.from({ length: 20 }, async () => one.find('volume', 'x', soon()));
    const late = one.find('volume', 'x', giveUp.signal);
    setImmediate(() => giveUp.abort());
    await expect(late).rejects.toMatchObject({ code: 'unavailable' });
    await Promise.all(others);
    // By now its turn has come, too.
    await one.find('volume', 'x', soon());
    expect(sent).toHaveBeenCalledTimes(others.length + 1);
    sent.mockRestore();
  });

  it('takes any number of first calls at once', async () => {
    const lists = await Promise.all(Array.from({ length: 20 }, async () => one.list('volume', soon())));
    expect(lists.flat()).toEqual([]);
    expect(await readFile(identityFile(), 'utf8')).toContain('"root"');
  });

  it('gives the lock of a killed node to the next after twice its time to live', async () => {
    await one.list('volume', soon());
    child = startChild('hold-lock.ts', [etcd.host, path.join(dir, 'child'), 'volume/a']);
    expect(await child.line()).toBe('locked');
    await expect(one.lock(['volume/a'], soon(300))).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining('child-node'),
    });
    await child.kill();
    const killed = performance.now();
    const fence = await one.lock(['volume/a'], soon());
    expect(performance.now() - killed).toBeLessThan((2 * LEASE_TTL + 2) * 1_000);
    await put(one, fence, 'a');
    await fence.release();
  });

  it('takes no lock before its holder has stopped, even when etcd ends the lease too early', async () => {
    const fence = await one.lock(['volume/a'], soon());
    const over: string[] = [];
    fence.signal.addEventListener('abort', () => over.push('the first has stopped'));
    // As a leader does that was stopped and goes on.
    await etcd.ctl('lease', 'revoke', await leaseOfLock('volume/a'));
    const next = await two.lock(['volume/a'], soon());
    over.push('the second has it');
    expect(over).toEqual(['the first has stopped', 'the second has it']);
    await fence.release();
    await put(two, next, 'a');
    await next.release();
  });

  it('removes the lock of a dead node that nobody wants', async () => {
    child = startChild('hold-lock.ts', [etcd.host, path.join(dir, 'child'), 'volume/a']);
    expect(await child.line()).toBe('locked');
    const fence = await one.lock(['volume/b'], soon());
    one.announce();
    await child.kill();
    const locks = async (): Promise<string> =>
      (await etcd.ctl('get', '--prefix', '--keys-only', `${PREFIX}lock/`)).trim();
    const until = performance.now() + 6 * LEASE_TTL * 1_000;
    while ((await locks()).includes('volume/a') && performance.now() < until) await pause(100);
    expect(await locks()).toBe(`${PREFIX}lock/volume/b`);
    expect(fence.signal.aborted).toBe(false);
    await fence.release();
  });

  it('takes the lock of an earlier run of the same node as soon as its lease is gone', async () => {
    await one.lock(['volume/a'], soon());
    const restarted = open('node-one');
    await expect(restarted.lock(['volume/a'], soon(500))).rejects.toMatchObject({ code: 'busy' });
    await etcd.ctl('lease', 'revoke', await leaseOfLock('volume/a'));
    const fence = await restarted.lock(['volume/a'], soon(LEASE_TTL * 1_000 - 100));
    await fence.release();
  });

  it('takes nothing from a node that was stopped past its lease and goes on', async () => {
    await one.list('volume', soon());
    child = startChild('hold-lock.ts', [etcd.host, path.join(dir, 'child'), 'volume/a']);
    expect(await child.line()).toBe('locked');
    child.tell('commit');
    expect(await child.line()).toBe('committed, signal silent');
    child.signal('SIGSTOP');
    const fence = await one.lock(['volume/a'], soon());
    await one.commit(fence, [{ remove: 'pin', key: 'child' }]);
    child.tell('commit');
    child.signal('SIGCONT');
    expect(await child.line()).toBe('fenced, signal fired');
    await put(one, fence, 'a');
    expect(await one.list('pin', soon())).toEqual([]);
    await fence.release();
  });

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
  });

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
  });

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

  it('a watch goes on by itself after etcd was killed, silent, compacted and wiped, and says that something was missed', async () => {
    const fence = await one.lock(['volume/a'], soon());
    await put(one, fence, 'a');
    await fence.release();
    const heard = new Heard(one, 'volume');
    await heard.something('first contact');
    const putThere = (key: string): Promise<string> => etcd.ctl('put', `${PREFIX}volume/${key}`, 'x');
    await putThere('b');
    await heard.something('b');
    for (const trouble of [
      async () => {
        await etcd.kill();
        await pause(3_000);
        await etcd.start();
      },
      async () => {
        etcd.pause();
        await pause(6_000);
        etcd.resume();
      },
      async () => {
        for (let i = 0; i < 5; i += 1) await putThere('c');
        await etcd.kill();
        await etcd.start();
        const revision = /"revision":(\d+)/.exec(await etcd.ctl('get', 'x', '-w', 'json'))?.[1] ?? '';
        await etcd.ctl('compact', revision);
      },
      () => etcd.wipe(),
    ]) {
      const before = heard.all.length;
      await trouble();
      await heard.something('the gap', before);
      expect(heard.all.slice(before)).toContain(undefined);
      await pause(500);
      const after = heard.all.length;
      await putThere('d');
      await heard.something('d', after);
      expect(heard.all.slice(after)).toContain('d');
    }
    heard.stop();
    await etcd.wipe();
  });

  it('asks a dead etcd for changes ever more seldom', async () => {
    const lonely = open('lonely', ['127.0.0.1:1']);
    const attempts = jest.spyOn(EtcdClient.prototype, 'watch');
    try {
      const heard = new Heard(lonely, 'volume');
      await pause(6_000);
      expect(attempts.mock.calls.length).toBeGreaterThan(2);
      expect(attempts.mock.calls.length).toBeLessThan(8);
      expect(heard.all).toEqual([]);
      heard.stop();
      await pause(5_500);
      const last = attempts.mock.calls.length;
      await pause(500);
      expect(attempts.mock.calls).toHaveLength(last);
    } finally {
      attempts.mockRestore();
    }
  });

  it('nodes live as long as their lease, and count for a while longer', async () => {
    const long = 60;
    const three = open('node-three', [etcd.host], long);
    one.announce();
    three.announce();
    const other = startChild('announce.ts', [etcd.host, path.join(dir, 'other'), 'other', String(long)]);
    child = startChild('announce.ts', [etcd.host, path.join(dir, 'child'), 'child']);
    await livesWith(one, ['id-node-one', 'id-node-three', 'child', 'other']);
    expect(await etcd.ctl('get', '--print-value-only', `${PREFIX}node/child`)).toContain('name of child');
    await three.close();
    other.tell('close');
    await other.end();
    const nodes = async (): Promise<string> => etcd.ctl('get', '--prefix', '--keys-only', `${PREFIX}node/`);
    // Sooner than their leases end: they were given up, of which a busy etcd hears a moment later.
    const ended = performance.now();
    while (/other|node-three/.test(await nodes()) && performance.now() - ended < (long / 3) * 1_000) await pause(50);
    expect(await nodes()).not.toMatch(/other|node-three/);
    await livesWith(one, ['id-node-one', 'child']);
    await child.kill();
    const killed = performance.now();
    await livesWith(one, ['id-node-one']);
    expect(performance.now() - killed).toBeGreaterThan(LEASE_TTL * 1_000);
    await one.close();
    expect(await etcd.ctl('get', '--prefix', '--keys-only', `${PREFIX}node/`)).toBe('');
  });

  it('a node that was stopped past its lease is gone, and is there again by itself when it goes on', async () => {
    child = startChild('announce.ts', [etcd.host, path.join(dir, 'child'), 'child']);
    await livesWith(one, ['child']);
    child.signal('SIGSTOP');
    await livesWith(one, []);
    child.signal('SIGCONT');
    await livesWith(one, ['child']);
    expect(await etcd.ctl('get', '--print-value-only', `${PREFIX}node/child`)).toContain('name of child');
  });

  it('a presence is taken again after its lease, or etcd, was lost; without etcd nothing is said of who lives', async () => {
    two.announce();
    await livesWith(one, ['id-node-two']);
    await etcd.ctl('lease', 'revoke', await leaseOf('node/id-node-two'));
    // As a leader does that was stopped and goes on: the node lives.
    for (let i = 0; i < 20; i += 1, await pause(100)) {
      expect(await one.livingNodes(soon())).toEqual(new Set(['id-node-two']));
    }
    expect(await etcd.ctl('get', `${PREFIX}node/id-node-two`)).toContain('name');
    await etcd.kill();
    await expect(two.livingNodes(soon())).rejects.toMatchObject({ code: 'unavailable' });
    await pause(LEASE_TTL * 1_000);
    await etcd.start();
    await etcd.ctl('lease', 'revoke', await leaseOf('node/id-node-two')).catch(() => undefined);
    await livesWith(one, ['id-node-two']);
    await etcd.wipe();
    await expect(two.livingNodes(soon())).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('wiped'),
    });
    await pause(LEASE_TTL * 1_000);
    expect(await etcd.ctl('get', '--prefix', '/')).toBe('');
  });

  it('refuses a wiped etcd, and changes nothing in it, until it is the known one again', async () => {
    const fence = await one.lock(['volume/a'], soon());
    await put(one, fence, 'a');
    const identity = await readFile(identityFile(), 'utf8');
    await etcd.ctl('del', '--prefix', '/');
    const refusal = {
      code: 'unavailable',
      message: expect.stringContaining('wiped'),
      next: expect.stringContaining(identityFile()),
    };
    await expect(put(one, fence, 'b')).rejects.toMatchObject(refusal);
    const restarted = open('node-one');
    for (const store of [one, restarted]) {
      await expect(store.find('volume', 'a', soon())).rejects.toMatchObject(refusal);
      await expect(store.list('volume', soon())).rejects.toMatchObject(refusal);
      await expect(store.lock(['volume/b'], soon())).rejects.toMatchObject(refusal);
    }
    await fence.release();
    expect(await etcd.ctl('get', '--prefix', '/')).toBe('');
    expect(await readFile(identityFile(), 'utf8')).toBe(identity);

    const root = /[0-9a-f-]{36}/.exec(identity)?.[0] ?? '';
    await etcd.ctl('put', `${PREFIX}root`, root);
    expect(await names(one)).toEqual([]);
  });

  it('refuses an etcd whose data folder is new, and takes it when the operator says so', async () => {
    expect(await names(one)).toEqual([]);
    await etcd.wipe();
    await expect(names(one)).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('wiped') });
    await rm(identityFile());
    expect(await names(one)).toEqual([]);
  });

  it('refuses the etcd of another cluster', async () => {
    expect(await names(one)).toEqual([]);
    await etcd.ctl('put', `${PREFIX}root`, 'ee5b7d0c-6f5b-4c39-9d5c-0f4fb2b6f3a1');
    const refusal = { code: 'unavailable', message: expect.stringContaining('another cluster') };
    await expect(names(one)).rejects.toMatchObject(refusal);
  });

  it('agrees on one root marker when nodes come to an empty etcd at once', async () => {
    const nodes = Array.from({ length: 8 }, (_, i) => `node-${i}`);
    await Promise.all(nodes.map((node) => names(open(node))));
    const root = (await etcd.ctl('get', '--print-value-only', `${PREFIX}root`)).trim();
    for (const node of nodes) {
      expect(await readFile(path.join(dir, node, 'metadata-identity.json'), 'utf8')).toContain(root);
    }
  });

  it('a new node has etcd compare no range of keys where there is a root marker: with many keys etcd stands still meanwhile', async () => {
    await names(one);
    const asked = jest.spyOn(EtcdClient.prototype, 'txn');
    try {
      expect(await names(open('newcomer'))).toEqual([]);
      const ranges = asked.mock.calls.flatMap(([{ compare = [] }]) => compare).filter((each) => 'range_end' in each);
      expect(asked).toHaveBeenCalled();
      expect(ranges).toEqual([]);
    } finally {
      asked.mockRestore();
    }
  });

  it('refuses records without a root marker, and an identity file that is broken', async () => {
    await etcd.ctl('put', `${PREFIX}volume/a`, '{}');
    await expect(names(one)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('no root marker'),
    });
    await etcd.ctl('del', '--prefix', '/');
    await mkdir(path.dirname(identityFile()), { recursive: true });
    await writeFile(identityFile(), '{"schema":1');
    await expect(names(one)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(identityFile()),
    });
    expect(await etcd.ctl('get', '--prefix', '/')).toBe('');
  });

  it('names a broken record and never skips it', async () => {
    expect(await names(one)).toEqual([]);
    await etcd.ctl('put', `${PREFIX}volume/bad`, '{"schema":1,"rec');
    const failure = { code: 'internal', message: expect.stringContaining('volume record bad') };
    await expect(names(one)).rejects.toMatchObject(failure);
    await expect(one.find('volume', 'bad', soon())).rejects.toMatchObject(failure);
    await expect(one.lockAndFind(['a'], [['volume', 'bad']], soon())).rejects.toMatchObject(failure);
    // It holds nothing then.
    await (await one.lock(['a'], soon())).release();
  });
});

it('the metadata store speaks TLS with etcd, with a certificate of its own, and says why it cannot', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'store-'));
  const pem = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  });
  const files = { ca: path.join(dir, 'cert'), cert: path.join(dir, 'cert'), key: path.join(dir, 'key') };
  await writeFile(files.cert, pem.cert);
  await writeFile(files.key, pem.private);
  const etcd = await startEtcd(files);
  const [cert, key] = [Buffer.from(pem.cert), Buffer.from(pem.private)];
  const read = async (tls?: EtcdTls): Promise<string> => {
    const options = { hosts: [etcd.host], node: { id: 'id', name: 'one' }, stateDir: dir, logger };
    const store = openEtcdStore(tls === undefined ? options : { ...options, tls });
    try {
      return `${(await store.list('volume', soon())).length} volumes`;
    } catch (error) {
      return String(error);
    } finally {
      await store.close();
    }
  };
  try {
    expect(await read({ ca: cert, client: { cert, key } })).toBe('0 volumes');
    for (const tls of [undefined, { ca: cert }, { client: { cert, key } }]) {
      expect(await read(tls)).toContain(`etcd at ${etcd.host} does not answer`);
    }
    expect(await read({ client: { cert, key } })).toContain('certificate');
  } finally {
    await etcd.stop();
    await rm(dir, { recursive: true });
  }
});
