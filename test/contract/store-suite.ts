import { expect, it, jest } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import type { Volume } from '../../src/domain/volume.js';
import type { Fence, MetadataStore, RecordKind, Write } from '../../src/contracts/store.js';
import { measureLocks } from '../../src/commands/status-listener.js';
import type { Metrics } from '../../src/status/metrics.js';
import { aGroup, anAttachment, anOperation, anOverride, aVolume } from './store-records.js';

/** A store under test, empty at the start. */
export interface StoreSubject {
  store: MetadataStore;
  /** Who competes with it for locks: another node, or another caller in the same process. */
  rival: MetadataStore;
  /** Takes the locks away from their holder. */
  lose: (fence: Fence) => Promise<void>;
}

/** Id of the node whose store is under test. */
export const NODE_ID = 'id-node-one';

/** The wall clock of the host, and nothing else, is what a test shifts. */
const EVERYTHING_BUT_DATE = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const;

const soon = (ms = 5_000): AbortSignal => AbortSignal.timeout(ms);

/** Runs the work under a lock on the keys. */
async function under<T>(store: MetadataStore, keys: string[], work: (fence: Fence) => Promise<T>): Promise<T> {
  const fence = await store.lock(keys, soon());
  try {
    return await work(fence);
  } finally {
    await fence.release();
  }
}

const write = (store: MetadataStore, writes: Write[]): Promise<void> =>
  under(store, ['test'], (fence) => store.commit(fence, writes));

const putVolume = (name: string): Write => ({ put: 'volume', key: name, value: aVolume(name) });

/** What every metadata store promises, whatever it keeps its records in. */
export function storeContract(name: string, start: () => StoreSubject): void {
  recordContract(name, start);
  lockContract(name, start);
  fenceContract(name, start);
  watchContract(name, start);
}

function recordContract(name: string, start: () => StoreSubject): void {
  it(`${name}: finds what was committed, in every kind, and nothing else`, async () => {
    const { store } = start();
    expect(await store.find('volume', 'one', soon())).toBeUndefined();
    const pin = { peer: 'ssh:10.0.0.1:22', fingerprint: 'SHA256:abc' };
    await write(store, [
      putVolume('one'),
      { put: 'group', key: 'DEFAULT/g', value: aGroup('DEFAULT', 'g') },
      { put: 'attachment', key: 'one', value: anAttachment('one') },
      { put: 'operation', key: 'one', value: anOperation('one') },
      { put: 'pin', key: pin.peer, value: pin },
      { put: 'override', key: 'one', value: anOverride('one'), ttlSeconds: 60 },
    ]);
    expect(await store.find('volume', 'one', soon())).toEqual(aVolume('one'));
    expect(await store.find('group', 'DEFAULT/g', soon())).toEqual(aGroup('DEFAULT', 'g'));
    expect(await store.find('attachment', 'one', soon())).toEqual(anAttachment('one'));
    expect(await store.find('operation', 'one', soon())).toEqual(anOperation('one'));
    expect(await store.find('pin', pin.peer, soon())).toEqual(pin);
    expect(await store.find('override', 'one', soon())).toEqual(anOverride('one'));
    expect(await store.list('override', soon())).toEqual([anOverride('one')]);
    expect(await store.find('volume', 'on', soon())).toBeUndefined();
    expect(await store.find('volume', 'one/x', soon())).toBeUndefined();
    expect(await store.find('attachment', 'DEFAULT/g', soon())).toBeUndefined();
  });

  it(`${name}: finds several in the order in which they are named, of any kind and any number`, async () => {
    const { store } = start();
    const names = Array.from({ length: 120 }, (_, at) => `v${at}`);
    for (let at = 0; at < names.length; at += 20) await write(store, names.slice(at, at + 20).map(putVolume));
    await write(store, [{ put: 'attachment', key: 'v7', value: anAttachment('v7') }]);
    const wanted = [
      ['attachment', 'v7'],
      ['volume', 'v7'],
      ['operation', 'v7'],
    ] as const;
    expect(await store.findAll(wanted, soon())).toEqual([anAttachment('v7'), aVolume('v7'), undefined]);
    const many = ['none', ...names.toReversed()].map((each) => ['volume', each] as const);
    const found = await store.findAll(many, soon());
    expect(found.map((volume) => volume?.name)).toEqual([undefined, ...names.toReversed()]);
    expect(await store.findAll([], soon())).toEqual([]);
  });

  it(`${name}: lists one kind, sorted by key, without what was removed; names of any script survive`, async () => {
    const { store } = start();
    const names = ['b', 'B', 'a-1', 'a', 'a.2', 'a0', 'Zürich', '東京', 'a/x'];
    await write(store, [...names, 'gone'].map(putVolume));
    await write(store, [
      { remove: 'volume', key: 'gone' },
      { remove: 'volume', key: 'never-there' },
    ]);
    const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect((await store.list('volume', soon())).map((volume) => volume.name)).toEqual(sorted);
    expect(await store.keys('volume', soon())).toEqual(sorted);
    expect(await store.list('group', soon())).toEqual([]);
    expect(await store.find('volume', '東京', soon())).toEqual(aVolume('東京'));
  });

  it(`${name}: tells more records than one page has, each once, in pages too`, async () => {
    const { store } = start();
    const names = Array.from({ length: 1_201 }, (_, at) => `v${String(at).padStart(5, '0')}`);
    for (let at = 0; at < names.length; at += 30) await write(store, names.slice(at, at + 30).map(putVolume));
    const sizes: number[] = [];
    const told: string[] = [];
    for await (const page of store.pages('volume', soon())) {
      sizes.push(page.length);
      told.push(...page.map((volume) => volume.name));
    }
    expect(sizes.length).toBeGreaterThan(2);
    expect(sizes.every((size) => size > 0 && size <= 500)).toBe(true);
    expect(told).toEqual(names);
    expect((await store.list('volume', soon())).map((volume) => volume.name)).toEqual(names);
    expect(await store.keys('volume', soon())).toEqual(names);
  });

  it(`${name}: tells the volumes that stem from another one or have to grow, and no other`, async () => {
    const { store } = start();
    const side = 'primary';
    const changes: Record<string, Partial<Volume>> = {
      clone: { origin: { kind: 'clone', of: 'plain', ofId: aVolume('plain').id, side } },
      grows: { growth: { toGiB: 2 } },
      import: { origin: { kind: 'import', formerName: 'old' } },
      plain: {},
      snapshot: { origin: { kind: 'snapshot', of: 'plain', ofId: aVolume('plain').id, side } },
    };
    const put = (key: string, change: Partial<Volume>): Write => ({ put: 'volume', key, value: aVolume(key, change) });
    await write(
      store,
      Object.entries(changes).map(([key, change]) => put(key, change)),
    );
    const notable = async () => (await store.listNotable(soon())).map((volume) => volume.name);
    expect(await notable()).toEqual(['clone', 'grows', 'snapshot']);
    await write(store, [put('grows', {}), put('plain', { growth: { toGiB: 2 } }), { remove: 'volume', key: 'clone' }]);
    expect(await notable()).toEqual(['plain', 'snapshot']);
    expect(await store.find('volume', 'plain', soon())).toEqual(aVolume('plain', { growth: { toGiB: 2 } }));
  });

  it(`${name}: rule 43: an override ends after its seconds, whatever the clock of the host says; a new one begins anew`, async () => {
    const { store } = start();
    const put = (key: string, ttlSeconds: number): Write => ({
      put: 'override',
      key,
      value: anOverride(key),
      ttlSeconds,
    });
    await write(store, [put('short', 2), put('long', 60), put('again', 2)]);
    await write(store, [put('again', 60)]);
    const day = 24 * 60 * 60 * 1_000;
    const now = Date.now();
    jest.useFakeTimers({ now: now - day, doNotFake: [...EVERYTHING_BUT_DATE] });
    try {
      expect(await store.find('override', 'short', soon())).toEqual(anOverride('short'));
      // etcd looks for leases that are over twice a second, and takes none of less than two seconds.
      const gone = async (): Promise<boolean> => (await store.find('override', 'short', soon())) === undefined;
      for (let i = 0; i < 40 && !(await gone()); i += 1) await new Promise((resolve) => setTimeout(resolve, 250));
      jest.setSystemTime(now + day);
      expect((await store.list('override', soon())).map((each) => each.volume)).toEqual(['again', 'long']);
    } finally {
      jest.useRealTimers();
    }
    await write(store, [{ remove: 'override', key: 'long' }]);
    expect(await store.find('override', 'long', soon())).toBeUndefined();
  }, 30_000);

  it(`${name}: replaces a record as a whole`, async () => {
    const { store } = start();
    await write(store, [putVolume('one')]);
    const { device: _, ...detached } = anAttachment('one');
    await write(store, [{ put: 'attachment', key: 'one', value: anAttachment('one') }]);
    await write(store, [{ put: 'attachment', key: 'one', value: detached }]);
    expect(await store.find('attachment', 'one', soon())).toEqual(detached);
  });

  it(`${name}: commits 30 writes at once, and refuses 31 or a record under a wrong key, writing none`, async () => {
    const { store } = start();
    const many = (count: number): Write[] => Array.from({ length: count }, (_, i) => putVolume(`v${i}`));
    await expect(write(store, many(31))).rejects.toMatchObject({ code: 'internal' });
    const crossed: Write = { put: 'volume', key: 'other', value: aVolume('one') };
    await expect(write(store, [putVolume('one'), crossed])).rejects.toMatchObject({ code: 'internal' });
    expect(await store.list('volume', soon())).toEqual([]);
    await write(store, many(30));
    expect(await store.list('volume', soon())).toHaveLength(30);
  });

  it(`${name}: lists 2,000 records`, async () => {
    const { store } = start();
    const names = Array.from({ length: 2_000 }, (_, i) => `v${String(i).padStart(4, '0')}`);
    await under(store, ['test'], async (fence) => {
      for (let i = 0; i < names.length; i += 30) {
        await store.commit(fence, names.slice(i, i + 30).map(putVolume));
      }
    });
    expect((await store.list('volume', soon())).map((volume) => volume.name)).toEqual(names);
  }, 20_000);

  it(`${name}: throws only driver errors, also when the caller gave up before`, async () => {
    const { store } = start();
    const gone = AbortSignal.abort();
    await expect(store.find('volume', 'one', gone)).rejects.toMatchObject({ name: 'DriverError', code: 'unavailable' });
    await expect(store.list('volume', gone)).rejects.toMatchObject({ name: 'DriverError', code: 'unavailable' });
  });
}

function lockContract(name: string, start: () => StoreSubject): void {
  it(`${name}: one holder at a time, also under a storm of callers on overlapping keys`, async () => {
    const { store, rival } = start();
    const inside = new Map<string, number>();
    let overlaps = 0;
    const work = async (by: MetadataStore, keys: string[]): Promise<void> => {
      const fence = await by.lock(keys, soon(20_000));
      for (const key of keys) inside.set(key, (inside.get(key) ?? 0) + 1);
      await new Promise((resolve) => setTimeout(resolve, 3));
      for (const key of keys) {
        if (inside.get(key) !== 1) overlaps += 1;
        inside.set(key, (inside.get(key) ?? 0) - 1);
      }
      await fence.release();
    };
    const keySets = [['a', 'b'], ['b', 'a'], ['c', 'b'], ['a'], ['c', 'a']];
    const all = Array.from({ length: 20 }, (_, i) =>
      work(i % 2 === 0 ? store : rival, keySets[i % keySets.length] ?? []),
    );
    await Promise.all(all);
    expect(overlaps).toBe(0);
  }, 30_000);

  it(`${name}: a repeated key is taken once, and the keys are sorted`, async () => {
    const { store } = start();
    await under(store, ['b', 'a', 'b'], async (fence) => {
      expect(fence.keys).toEqual(['a', 'b']);
    });
  });

  it(`${name}: who locks and asks is told how it is under the lock, in the order of the names`, async () => {
    const { store, rival } = start();
    await write(store, [putVolume('one'), putVolume('two')]);
    const fence = await store.lock(['a', 'b'], soon());
    const names = [
      ['volume', 'two'],
      ['operation', 'two'],
      ['volume', 'one'],
    ] as const;
    const waiting = rival.lockAndFind(['c', 'b'], names, soon());
    await new Promise((resolve) => setTimeout(resolve, 100));
    await store.commit(fence, [{ remove: 'volume', key: 'one' }]);
    await fence.release();
    const { fence: next, found } = await waiting;
    expect(next.keys).toEqual(['b', 'c']);
    expect(found).toEqual([aVolume('two'), undefined, undefined]);
    await rival.commit(next, [putVolume('three')]);
    await next.release();
  });

  it(`${name}: how long locks are waited for is told to the metrics, once for each`, async () => {
    const { store, rival } = start();
    const told: string[] = [];
    const fence = await store.lock(['a'], soon());
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    measureLocks(rival, { lock: (outcome: string) => told.push(outcome) } as unknown as Metrics);
    await expect(rival.lock(['a'], soon(50))).rejects.toMatchObject({ code: 'busy' });
    await expect(rival.lockAndFind(['a'], [], soon(50))).rejects.toMatchObject({ code: 'busy' });
    await fence.release();
    await (await rival.lock(['a'], soon())).release();
    await (await rival.lockAndFind(['a'], [], soon())).fence.release();
    expect(told).toEqual(['refused', 'refused', 'held', 'held']);
  });

  it(`${name}: many names can be asked for with many locks`, async () => {
    const { store } = start();
    await write(store, [putVolume('v99')]);
    const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
    const names = Array.from({ length: 100 }, (_, i) => ['volume', `v${i}`] as const);
    const { fence, found } = await store.lockAndFind(keys, names, soon());
    expect(found.map((each) => each?.name)).toEqual([...Array.from({ length: 99 }, () => undefined), 'v99']);
    await fence.release();
  });

  it(`${name}: who waits gets the lock soon after its release`, async () => {
    const { store, rival } = start();
    const fence = await store.lock(['a'], soon());
    let got = false;
    const waiting = rival.lock(['a'], soon()).then((next) => {
      got = true;
      return next;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(got).toBe(false);
    const released = performance.now();
    await fence.release();
    const next = await waiting;
    expect(performance.now() - released).toBeLessThan(1_500);
    await next.release();
  });

  it(`${name}: who gives up waiting is told the holder's node, and holds nothing`, async () => {
    const { store, rival } = start();
    const fence = await store.lock(['b'], soon());
    const refusal = rival.lock(['a', 'b', 'c'], soon(400));
    await expect(refusal).rejects.toMatchObject({ code: 'busy', message: expect.stringContaining('node-one') });
    for (const free of ['a', 'c']) await under(store, [free], async () => undefined);
    await fence.release();
    await under(rival, ['a', 'b', 'c'], async () => undefined);
  });
}

function fenceContract(name: string, start: () => StoreSubject): void {
  it(`${name}: a commit under lost locks is fenced and writes nothing, and release still succeeds`, async () => {
    const { store, rival, lose } = start();
    const fence = await store.lock(['a', 'b'], soon());
    await store.commit(fence, [putVolume('before')]);
    await lose(fence);
    const next = await rival.lock(['b'], soon());
    await rival.commit(next, [putVolume('rival')]);
    await expect(store.commit(fence, [putVolume('after')])).rejects.toMatchObject({ code: 'fenced' });
    await fence.release();
    await fence.release();
    await rival.commit(next, [putVolume('rival-2')]);
    await next.release();
    const names = (await store.list('volume', soon())).map((volume) => volume.name);
    expect(names).toEqual(['before', 'rival', 'rival-2']);
  });

  it(`${name}: a released fence commits nothing`, async () => {
    const { store } = start();
    const fence = await store.lock(['a'], soon());
    await fence.release();
    await expect(store.commit(fence, [putVolume('late')])).rejects.toMatchObject({ code: 'fenced' });
    expect(await store.find('volume', 'late', soon())).toBeUndefined();
  });
}

/** What a watch has told so far. */
export class Heard {
  readonly all: (string | undefined)[] = [];
  readonly stop: () => void;

  constructor(store: MetadataStore, kind: RecordKind) {
    this.stop = store.watch(kind, (key) => void this.all.push(key));
  }

  /** Waits until it has told of the key, or of changes that may have been missed, since it had told so much. */
  async something(key: string, since = 0): Promise<void> {
    const until = performance.now() + 15_000;
    while (!this.all.slice(since).some((told) => told === key || told === undefined)) {
      if (performance.now() > until) throw new Error(`nothing was heard of ${key}, but: ${this.all.join(', ')}`);
      await pause(10);
    }
  }
}

function watchContract(name: string, start: () => StoreSubject): void {
  it(`${name}: a watch tells what was put and removed by whomever, in its own kind, until it is stopped`, async () => {
    const { store, rival } = start();
    const [volumes, also, groups] = [new Heard(store, 'volume'), new Heard(store, 'volume'), new Heard(store, 'group')];
    await write(rival, [putVolume('first')]);
    await volumes.something('first');
    await also.something('first');
    // From here on nothing is missed any more.
    await pause(500);
    const before = volumes.all.length;
    groups.all.length = 0;
    await write(rival, [putVolume('Zürich/x'), { put: 'group', key: 'DEFAULT/g', value: aGroup('DEFAULT', 'g') }]);
    await volumes.something('Zürich/x', before);
    await write(store, [{ remove: 'volume', key: 'first' }]);
    await volumes.something('first', before + 1);
    await also.something('first', before + 1);
    also.stop();
    also.stop();
    await write(rival, [putVolume('last')]);
    await volumes.something('last', before + 2);
    expect(volumes.all.slice(before)).toEqual(['Zürich/x', 'first', 'last']);
    expect(also.all.slice(before)).toEqual(['Zürich/x', 'first']);
    expect(groups.all).toEqual(['DEFAULT/g']);
    volumes.stop();
    const again = new Heard(store, 'volume');
    await write(rival, [putVolume('again')]);
    await again.something('again');
    expect(volumes.all.slice(before)).toEqual(['Zürich/x', 'first', 'last']);
    again.stop();
    groups.stop();
  }, 30_000);

  it(`${name}: whoever heard of a change reads it`, async () => {
    const { store, rival } = start();
    const seen: Promise<unknown>[] = [];
    const stop = store.watch('volume', (key) => {
      if (key !== undefined) seen.push(store.find('volume', key, soon()));
    });
    for (let i = 0; i < 20 || seen.length === 0; i += 1) await write(rival, [putVolume(`v${i}`)]);
    stop();
    expect((await Promise.all(seen)).every((volume) => volume !== undefined)).toBe(true);
  });

  it(`${name}: this node lives from when it is announced`, async () => {
    const { store } = start();
    expect(await store.livingNodes(soon())).toEqual(new Set());
    store.announce();
    store.announce();
    expect(await store.livingNodes(soon())).toEqual(new Set([NODE_ID]));
    await expect(store.livingNodes(AbortSignal.abort())).rejects.toMatchObject({
      name: 'DriverError',
      code: 'unavailable',
    });
  });
}
