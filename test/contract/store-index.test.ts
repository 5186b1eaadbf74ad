import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ClassicLevel } from 'classic-level';
import type { ITxnRequest } from 'etcd3';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { MetadataStore, Write } from '../../src/contracts/store.js';
import { isNotable, type Origin, type Volume } from '../../src/domain/volume.js';
import { openEmbeddedStore } from '../../src/store/embedded-store.js';
import { EtcdClient } from '../../src/store/etcd-client.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import { startEtcd, startEtcdCluster, type Etcd, type EtcdCluster } from '../etcd.js';
import { volumesTold } from '../volumes-told.js';
import { aGroup, aVolume } from './store-records.js';

const PREFIX = '/hpe-volume-plugin/v1/';
/** Ids. */
const ORIGINS = ['one', 'two'];
const GROUPS = ['g', 'g/h', 'other'];
const silence = (): void => undefined;
const logger = { debug: silence, info: silence, warn: silence, error: silence };
const soon = (): AbortSignal => AbortSignal.timeout(30_000);
const { txn } = EtcdClient.prototype;

const plain = (name: string): Volume => aVolume(name);
const grows = (name: string): Volume => aVolume(name, { growth: { toGiB: 2 } });
/** Of one of two volumes, depending on its name. */
const copy = (name: string): Volume => {
  const i = name.length % 2;
  const kind = name.endsWith('3') ? 'snapshot' : 'clone';
  return aVolume(name, { origin: { kind, of: `origin-${i}`, ofId: ORIGINS[i] ?? '', side: 'primary' } });
};
const isCopy = (origin: Origin | undefined): origin is Extract<Origin, { ofId: string }> =>
  origin?.kind === 'snapshot' || origin?.kind === 'clone';
const inGroup = (volume: Volume, replicationGroup: string): Volume => ({
  ...volume,
  spec: { ...volume.spec, replicationGroup },
});
const put = (value: Volume): Write => ({ put: 'volume', key: value.name, value });

async function write(store: MetadataStore, writes: Write[]): Promise<void> {
  const fence = await store.lock(['test'], soon());
  try {
    await store.commit(fence, writes);
  } finally {
    await fence.release();
  }
}

/** What the store finds, by its keys or without them. */
async function found(store: MetadataStore) {
  const members = GROUPS.map(async (group) => store.listMembers(`DEFAULT/${group}`, soon()));
  const copies = ORIGINS.map(async (id) => store.listCopies(id, soon()));
  return {
    notable: await store.listNotable(soon()),
    members: await Promise.all(members),
    copies: await Promise.all(copies),
  };
}

/** What a look at all records finds. */
async function meant(store: MetadataStore): ReturnType<typeof found> {
  const all = await store.list('volume', soon());
  return {
    notable: all.filter(isNotable),
    members: GROUPS.map((group) => all.filter((volume) => volume.spec.replicationGroup === group)),
    copies: ORIGINS.map((id) => all.filter(({ origin }) => isCopy(origin) && origin.ofId === id)),
  };
}

/** 30 volumes of all sorts. */
const ofAllSorts = (): Volume[] =>
  Array.from({ length: 30 }, (_, i) => {
    const name = `v${String(i).padStart(2, '0')}`;
    const volume = [plain, grows, plain, copy][i % 4]?.(name) ?? plain(name);
    const group = GROUPS[i % 5];
    return group === undefined ? volume : inGroup(volume, group);
  });

function indexContract(name: string, start: () => MetadataStore): void {
  it(`${name}: finds notable volumes and those of a group just as a look at all records does, after each of many changes`, async () => {
    const store = start();
    const names = ['a', 'b', 'h/a', 'a/x', 'Zürich', '東京'];
    for (let i = 0; i < 60; i += 1) {
      const writes = new Map<string, Write>();
      for (let n = 0; n < 3; n += 1) {
        const key = names[(i * 7 + n * 5 + ((i * n) % 4)) % names.length] ?? 'a';
        const volume = [plain, grows, copy][(i + n) % 3]?.(key) ?? plain(key);
        const group = [...GROUPS, undefined][(i * 3 + n) % 4];
        const isRemoval = (i + n) % 5 === 0;
        writes.set(
          key,
          isRemoval ? { remove: 'volume', key } : put(group === undefined ? volume : inGroup(volume, group)),
        );
      }
      await write(store, [...writes.values()]);
      expect(await found(store)).toEqual(await meant(store));
    }
  });

  it(`${name}: tells more volumes by their keys than one answer holds, sorted`, async () => {
    const store = start();
    const volumes = Array.from({ length: 230 }, (_, i) => inGroup(grows(`v${String(i).padStart(3, '0')}`), 'g'));
    for (let at = 0; at < volumes.length; at += 30) await write(store, volumes.slice(at, at + 30).map(put));
    expect(await store.listNotable(soon())).toEqual(volumes);
    expect(await store.listMembers('DEFAULT/g', soon())).toEqual(volumes);
    const others = volumes.filter((volume) => volume.name !== 'v100');
    expect(await store.listMembers('DEFAULT/g', soon(), 'v100')).toEqual(others);
  });

  it(`${name}: nothing leads to volumes that are gone; a backup holds records only`, async () => {
    const store = start();
    const volumes = ofAllSorts();
    await write(store, volumes.map(put));
    const { records } = await store.archive.dump(soon());
    expect(records.map(({ put: kind, key }) => `${kind}/${key}`)).toEqual(volumes.map((each) => `volume/${each.name}`));
    await write(
      store,
      volumes.map((volume) => ({ remove: 'volume', key: volume.name })),
    );
    expect(await found(store)).toEqual({ notable: [], members: [[], [], []], copies: [[], []] });
  });
}

describe('the embedded store', () => {
  const NODE = { id: 'id', name: 'one' };
  let dir: string;
  let store: MetadataStore;

  const opened = async (): Promise<MetadataStore> => (store = await openEmbeddedStore(dir, NODE));
  /** With the metadata closed. */
  const inFolder = async <T>(work: (level: ClassicLevel) => Promise<T>): Promise<T> => {
    await store.close();
    const level = new ClassicLevel(path.join(dir, 'metadata'));
    try {
      return await work(level);
    } finally {
      await level.close();
    }
  };
  const keys = async (level: ClassicLevel): Promise<string[]> =>
    (await level.keys().all()).filter((key) => !key.startsWith('volume/'));

  beforeEach(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'store-'));
    await opened();
  });
  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true });
  });

  indexContract('embedded', () => store);

  it('embedded: keeps no key of a volume that is gone', async () => {
    await write(store, ofAllSorts().map(put));
    await write(
      store,
      ofAllSorts().map((volume) => ({ remove: 'volume', key: volume.name })),
    );
    expect(await inFolder(keys)).toEqual(['volume-index']);
  });

  it.each([
    ['there was none', (): boolean => false],
    ['a daemon was killed while it made them', (_key: string, i: number): boolean => i < 5],
  ])('embedded: makes the keys when it is opened and %s', async (_what, isLeft) => {
    await write(store, ofAllSorts().map(put));
    const before = await meant(store);
    const all = await inFolder(async (level) => {
      const made = await keys(level);
      const gone = made.filter((key, i) => key === 'volume-index' || !isLeft(key, i));
      await level.batch(gone.map((key) => ({ type: 'del', key })));
      return made;
    });
    await opened();
    expect(await found(store)).toEqual(before);
    expect(await inFolder(keys)).toEqual(all);
  });

  it('embedded: opens metadata with a record that cannot be read, without keys, and names it', async () => {
    await inFolder(async (level) => {
      await level.del('volume-index');
      await level.put('volume/bad', '{"schema":1,"record":{}}');
    });
    await opened();
    await expect(store.listNotable(soon())).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('the volume record bad is broken'),
    });
  });
});

describe.each([
  ['etcd', startEtcd],
  ['a cluster of etcd', startEtcdCluster],
] as const)('%s', (kind, startServer) => {
  let etcd: Etcd | EtcdCluster;
  let dir: string;
  let stores: MetadataStore[];

  const open = (node: string): MetadataStore => {
    const hosts = 'hosts' in etcd ? etcd.hosts.split(',') : [etcd.host];
    const stateDir = path.join(dir, node);
    const store = openEtcdStore({ hosts, node: { id: node, name: node }, stateDir, leaseTtl: 10, logger });
    stores.push(store);
    return store;
  };
  const keysBelow = async (below: string): Promise<string[]> =>
    (await etcd.ctl('get', '--prefix', '--keys-only', PREFIX + below)).split('\n').filter((key) => key !== '');
  const marker = async (): Promise<string> =>
    (await etcd.ctl('get', '--print-value-only', `${PREFIX}volume-index`)).trim();
  const built = async (): Promise<void> => {
    const until = performance.now() + 30_000;
    while ((await marker()) !== '1') {
      if (performance.now() > until) throw new Error(`not built: ${await marker()}`);
      await pause(50);
    }
  };
  /** As metadata are that were written before there was an index. */
  const forget = async (): Promise<void> => {
    for (const what of ['volume-index', 'notable/', 'copy/', 'member/'])
      await etcd.ctl('del', '--prefix', PREFIX + what);
  };
  /** Calls that before each transaction which puts keys of the index alone; false loses it. */
  const beforeBuilding = (isToPass: (puts: string[], nth: number) => Promise<boolean>): void => {
    let nth = 0;
    jest.spyOn(EtcdClient.prototype, 'txn').mockImplementation(async function (this: EtcdClient, ...args) {
      const puts = putsOf(args[0]);
      const isBuilding = puts.length > 0 && puts.every((key) => /^(notable\/|copy\/|member\/|volume-index)/.test(key));
      if (isBuilding && !(await isToPass(puts, (nth += 1)))) throw new Error('the daemon was killed');
      return txn.apply(this, args);
    });
  };

  beforeAll(async () => {
    etcd = await startServer();
  });
  afterAll(async () => etcd.stop());
  beforeEach(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'store-'));
    await etcd.ctl('del', '--prefix', '/');
    stores = [];
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await Promise.all(stores.map((store) => store.close()));
    await rm(dir, { recursive: true });
  });

  indexContract(kind, () => open('one'));

  it(`${kind}: reads no record of a volume that is not asked for, and keeps no key of one that is gone`, async () => {
    const store = open('one');
    const volumes = ofAllSorts();
    await write(store, volumes.map(put));
    const told = volumesTold(PREFIX);
    await store.listNotable(soon());
    expect(told.toSorted()).toEqual(volumes.filter(isNotable).map((volume) => volume.name));
    told.length = 0;
    await store.listMembers('DEFAULT/other', soon());
    expect(told).toEqual(['v02', 'v07', 'v12', 'v17', 'v22', 'v27']);
    told.length = 0;
    await store.listMembers('DEFAULT/other', soon(), 'v12');
    expect(told).toEqual(['v02', 'v07', 'v17', 'v22', 'v27']);
    told.length = 0;
    await store.listCopies('two', soon());
    expect(told).toEqual(['v03', 'v07', 'v11', 'v15', 'v19', 'v23', 'v27']);
    await store.listCopies('tw', soon());
    expect(told).toHaveLength(7);
    await write(
      store,
      volumes.map((volume) => ({ remove: 'volume', key: volume.name })),
    );
    expect(await keysBelow('')).toEqual([`${PREFIX}root`, `${PREFIX}volume-index`]);
  });

  it(`${kind}: a volume that is removed under the locks it was written under is not read again, and keeps no key`, async () => {
    const store = open('one');
    const volume = inGroup(grows('v'), 'g');
    await write(store, [put(inGroup(plain('v'), 'other'))]);
    const fence = await store.lock(['test'], soon());
    await store.commit(fence, [{ remove: 'volume', key: 'v' }, put(inGroup(plain('w'), 'other'))]);
    await store.commit(fence, [put(volume)]);
    const told = volumesTold(PREFIX);
    await store.commit(fence, [
      { remove: 'volume', key: 'v' },
      { remove: 'volume', key: 'w' },
    ]);
    expect(told).toEqual([]);
    await fence.release();
    expect(await keysBelow('')).toEqual([`${PREFIX}root`, `${PREFIX}volume-index`]);
  });

  it(`rule 40: ${kind}: reads look at all records while there are no keys, and make none; an announced daemon does`, async () => {
    const store = open('one');
    await write(store, ofAllSorts().map(put));
    const before = await meant(store);
    const made = await keysBelow('');
    await forget();
    const left = await keysBelow('');
    expect(await found(store)).toEqual(before);
    expect(await keysBelow('')).toEqual(left);
    store.announce();
    await built();
    expect((await keysBelow('')).filter((key) => !key.includes('/node/'))).toEqual(made);
    const told = volumesTold(PREFIX);
    expect(await found(store)).toEqual(before);
    expect(new Set(told)).toEqual(
      new Set([...before.notable, ...before.members.flat(), ...before.copies.flat()].map(({ name }) => name)),
    );
  });

  it(`${kind}: a daemon that is killed anywhere while it makes the keys misleads nobody, and the next one goes on`, async () => {
    const store = open('one');
    await write(store, ofAllSorts().map(put));
    await write(
      store,
      Array.from({ length: 30 }, (_, i) => put(grows(`w${i}`))),
    );
    const before = await meant(store);
    const made = await keysBelow('');
    // The mark, the keys in three parts, the version.
    for (const strike of [1, 2, 3, 4, 5]) {
      await forget();
      const victim = open(`victim-${strike}`);
      await new Promise<void>((isDead) => {
        beforeBuilding(async (_puts, nth) => {
          if (nth >= strike) isDead();
          return Promise.resolve(nth < strike);
        });
        victim.announce();
      });
      await victim.close();
      jest.restoreAllMocks();
      expect(await marker()).not.toBe('1');
      expect(await found(store)).toEqual(before);
      let calls = 0;
      beforeBuilding(async (_puts, nth) => Promise.resolve((calls = nth) > 0));
      const next = open(`next-${strike}`);
      next.announce();
      await built();
      // It tries to begin, too.
      expect(calls).toBe(5);
      expect(await found(store)).toEqual(before);
      expect((await keysBelow('')).filter((key) => !key.includes('/node/'))).toEqual(made);
      await next.close();
    }
  }, 180_000);

  it(`${kind}: what other nodes write while the keys are made is found by them`, async () => {
    const store = open('one');
    const other = open('other');
    await write(store, ofAllSorts().map(put));
    await forget();
    const changes: Write[][] = [
      [put(grows('v00')), put(plain('v01')), put(inGroup(plain('v04'), 'g'))],
      [{ remove: 'volume', key: 'v03' }, put(copy('new'))],
      [put(plain('v05')), put(grows('v05x')), { remove: 'volume', key: 'v07' }],
    ];
    beforeBuilding(async () => {
      const writes = changes.shift();
      if (writes !== undefined) await write(other, writes);
      return true;
    });
    store.announce();
    await built();
    expect(changes).toEqual([]);
    expect(await found(store)).toEqual(await meant(store));
  });

  it(`${kind}: nodes that come at once make the keys together`, async () => {
    await write(open('one'), ofAllSorts().map(put));
    await forget();
    const nodes = ['a', 'b', 'c', 'd'].map(open);
    for (const node of nodes) node.announce();
    await built();
    for (const node of nodes) expect(await found(node)).toEqual(await meant(node));
  });

  it(`${kind}: an etcd that is set back to an earlier state while the keys are made is not called whole`, async () => {
    const store = open('one');
    await write(store, ofAllSorts().map(put));
    await forget();
    beforeBuilding(async (_puts, nth) => {
      if (nth === 2) {
        await etcd.ctl('del', `${PREFIX}volume-index`);
        await write(store, [put(grows('earlier'))]);
        await etcd.ctl('del', `${PREFIX}notable/earlier`);
      }
      return true;
    });
    store.announce();
    for (let tries = 0; (await keysBelow('volume/earlier')).length === 0 && tries < 600; tries += 1) await pause(20);
    await pause(500);
    expect(await marker()).toBe('');
    expect(await found(store)).toEqual(await meant(store));
    const next = open('next');
    next.announce();
    await built();
    expect(await found(store)).toEqual(await meant(store));
  });

  it(`${kind}: metadata that were made anew have their keys`, async () => {
    const store = open('one');
    const records = ofAllSorts().map((value) => ({ put: 'volume' as const, key: value.name, value }));
    const group = { put: 'group' as const, key: 'DEFAULT/g', value: aGroup('DEFAULT', 'g') };
    await store.archive.renew({ records: [...records, group] }, soon());
    expect(await marker()).toBe('1');
    expect(await found(store)).toEqual(await meant(store));
    expect((await store.archive.dump(soon())).records).toHaveLength(31);
  });
});

const putsOf = ({ success }: ITxnRequest): string[] =>
  (success ?? []).flatMap(({ request_put: request }) =>
    request === undefined ? [] : [String(request.key).slice(PREFIX.length)],
  );
