import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { MetadataStore } from '../../src/contracts/store.js';
import { EtcdClient } from '../../src/store/etcd-client.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import { startEtcdCluster, type EtcdCluster, type EtcdMember } from '../etcd.js';
import { aVolume } from './store-records.js';
import { Heard } from './store-suite.js';

const silence = (): void => undefined;
const logger = { debug: silence, info: silence, warn: silence, error: silence };
const soon = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms);

/** Callers that lock, commit and read without end, until they are told to stop. */
class Load {
  done = 0;
  readonly failures: string[] = [];
  readonly #store: MetadataStore;
  readonly #workers: Promise<void>[];
  #isOver = false;

  constructor(store: MetadataStore) {
    this.#store = store;
    this.#workers = Array.from({ length: 8 }, async (_, i) => this.#work(i));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#workers);
  }

  async #work(worker: number): Promise<void> {
    while (!this.#isOver) {
      try {
        await (worker % 2 === 0 ? this.#change(`v${worker}`) : this.#read());
        this.done += 1;
      } catch (error) {
        this.failures.push(String(error));
      }
      await pause(20);
    }
  }

  async #change(name: string): Promise<void> {
    const fence = await this.#store.lock([`volume/${name}`], soon());
    try {
      await this.#store.commit(fence, [{ put: 'volume', key: name, value: aVolume(name) }]);
    } finally {
      await fence.release();
    }
  }

  async #read(): Promise<void> {
    await this.#store.list('volume', soon());
    await this.#store.find('volume', 'v0', soon());
    await this.#store.livingNodes(soon());
  }
}

describe('the metadata store on a cluster of three etcd members', () => {
  let etcd: EtcdCluster;
  let dir: string;
  let store: MetadataStore;

  const open = (node: string, hosts = etcd.hosts.split(',')): MetadataStore =>
    openEtcdStore({ hosts, node: { id: node, name: node }, stateDir: path.join(dir, node), leaseTtl: 10, logger });

  const follower = async (): Promise<EtcdMember> => {
    const leader = await etcd.leader();
    const found = etcd.members.find((member) => member !== leader);
    if (found === undefined) throw new Error('no follower');
    return found;
  };

  beforeAll(async () => {
    etcd = await startEtcdCluster();
  });
  afterAll(() => etcd.stop());
  beforeEach(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'store-'));
    await etcd.ctl('del', '--prefix', '/');
    store = open('one');
  });
  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true });
  });

  it.each([
    ['a follower is killed', follower, 'kill'],
    ['the leader is killed', async () => etcd.leader(), 'kill'],
    ['a follower hangs', follower, 'pause'],
  ] as const)(
    '%s: no call fails, no lock is lost, and nothing is missed',
    async (_what, choose, harm) => {
      const other = open('two');
      other.announce();
      const heard = new Heard(store, 'pin');
      const held = await store.lock(['held'], soon());
      const load = new Load(store);
      await pause(500);
      const victim = await choose();
      await victim[harm]();
      await pause(6_000);
      const before = load.done;
      await pause(1_000);
      expect(load.done).toBeGreaterThan(before);
      await store.commit(held, [{ put: 'pin', key: 'p', value: { peer: 'p', fingerprint: 'x' } }]);
      await heard.something('p');
      expect(await store.livingNodes(soon())).toEqual(new Set(['two']));
      await (harm === 'kill' ? victim.start() : victim.resume());
      await pause(1_000);
      await load.stop();
      expect(load.failures).toEqual([]);
      expect(held.signal.aborted).toBe(false);
      await held.release();
      heard.stop();
      await other.close();
    },
    40_000,
  );

  it('two members dead: every call fails within 5 s, also the first of a daemon, and a lock is given up at once', async () => {
    const held = await store.lock(['held'], soon());
    const [survivor, ...dead] = etcd.members;
    await Promise.all(dead.map(async (member) => member.kill()));
    const began = performance.now();
    const [first, alone] = [open('first'), open('alone', [survivor?.host ?? ''])];
    const calls = [store, first, alone].flatMap((each) => [
      each.find('volume', 'x', soon()),
      each.list('volume', soon()),
      each.lock(['volume/b'], soon()),
      each.livingNodes(soon()),
    ]);
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { name: 'DriverError', code: 'unavailable' } });
    }
    expect(performance.now() - began).toBeLessThan(5_000);
    const releasing = performance.now();
    await held.release();
    expect(performance.now() - releasing).toBeLessThan(1_000);
    await Promise.all(dead.map(async (member) => member.start()));
    for (const each of [store, first, alone]) {
      const fence = await each.lock(['volume/b', 'held'], soon());
      await fence.release();
    }
    await Promise.all([first.close(), alone.close()]);
  });

  it('a watch leaves a member that has lost the others, and says so when they are back', async () => {
    const [survivor, ...dead] = etcd.members;
    const watcher = open('watcher', [survivor?.host ?? '']);
    const attempts = jest.spyOn(EtcdClient.prototype, 'watch');
    try {
      const heard = new Heard(watcher, 'volume');
      await heard.something('first contact');
      await Promise.all(dead.map(async (member) => member.kill()));
      await pause(8_000);
      expect(attempts.mock.calls.length).toBeGreaterThan(1);
      const before = heard.all.length;
      await Promise.all(dead.map(async (member) => member.start()));
      await heard.something('the gap', before);
      heard.stop();
    } finally {
      attempts.mockRestore();
      await watcher.close();
    }
  });
});
