import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { NodeMount } from '../../src/contracts/node-journal.js';
import type { MetadataStore, Write } from '../../src/contracts/store.js';
import type { DriverContext } from '../../src/driver/context.js';
import { Inventory } from '../../src/driver/inventory.js';
import { LastSeen } from '../../src/driver/last-seen.js';
import { readOutline, type Outline } from '../../src/driver/outlines.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import { recordCacheIn } from '../../src/store/record-cache.js';
import { startEtcd, type Etcd } from '../etcd.js';
import { aGroup, anAttachment, anOperation, aVolume } from './store-records.js';

const silence = (): void => undefined;
const logger = { debug: silence, info: silence, warn: silence, error: silence };
const soon = (): AbortSignal => AbortSignal.timeout(10_000);

/** One life of a daemon, as far as it reads. */
interface Life {
  store: MetadataStore;
  lastSeen: LastSeen;
  inventory: Inventory;
}

describe('what the metadata in etcd said last', () => {
  let etcd: Etcd;
  let stateDir: string;
  let mounts: NodeMount[];
  let lives: Life[];
  let other: MetadataStore;

  const open = (node: string, dir: string): MetadataStore =>
    openEtcdStore({ hosts: [etcd.host], node: { id: node, name: node }, stateDir: dir, logger });

  const begin = (): Life => {
    const store = open('node-id', stateDir);
    const lastSeen = new LastSeen({ store, cache: recordCacheIn(stateDir, logger), logger });
    const journal = { mounts: () => mounts, findMount: (name: string) => mounts.find(({ volume }) => volume === name) };
    const filesystems = { mounts: async () => Promise.resolve([]) };
    const ctx = { store, lastSeen, journal, filesystems, node: { id: 'node-id' }, mountRoot: '/mnt' };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const inventory = new Inventory(ctx as unknown as DriverContext);
    lastSeen.start();
    const life = { store, lastSeen, inventory };
    lives.push(life);
    return life;
  };
  const end = async ({ store, lastSeen }: Life): Promise<void> => {
    await lastSeen.stop();
    await store.close();
  };
  /** The next life, in which etcd does not answer. */
  const beginWithoutEtcd = async (before: Life): Promise<Life> => {
    await end(before);
    etcd.pause();
    return begin();
  };
  const write = async (writes: Write[]): Promise<void> => {
    const fence = await other.lock(['test'], soon());
    try {
      await other.commit(fence, writes);
    } finally {
      await fence.release();
    }
  };
  const putVolume = (name: string): Write => ({ put: 'volume', key: name, value: aVolume(name) });
  const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
    const patience = performance.now() + 15_000;
    while (!(await condition())) {
      if (performance.now() > patience) throw new Error(`waited in vain for ${condition.toString()}`);
      await pause(10);
    }
  };
  const filled = async ({ lastSeen }: Life): Promise<void> => until(() => lastSeen.outline() !== undefined);
  const listed = async ({ inventory }: Life): Promise<string[]> =>
    (await inventory.list(soon())).map(({ name }) => name);

  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(async () => etcd.stop());
  beforeEach(async () => {
    stateDir = await mkdtemp(path.join(os.tmpdir(), 'hpe-last-seen-'));
    [mounts, lives] = [[], []];
    other = open('other-id', path.join(stateDir, 'other'));
    await write([putVolume('one'), { put: 'attachment', key: 'one', value: anAttachment('one') }]);
  });
  afterEach(async () => {
    etcd.resume();
    for (const life of lives) await end(life).catch(silence);
    await other.close();
    await etcd.ctl('del', '--prefix', '/');
    await rm(stateDir, { recursive: true });
  });

  it('List reads no record but those of volumes that are being worked on, and shows none that is being created', async () => {
    const { store, inventory } = begin();
    const creating = { ...aVolume('creating'), state: 'creating' } as const;
    await write([
      putVolume('two'),
      { put: 'operation', key: 'two', value: anOperation('two') },
      { put: 'volume', key: 'creating', value: creating },
      { put: 'operation', key: 'creating', value: anOperation('creating') },
    ]);
    mounts = [{ ...aMount('one'), generation: 7 }];
    const [list, pages, find] = [jest.spyOn(store, 'list'), jest.spyOn(store, 'pages'), jest.spyOn(store, 'findAll')];
    expect(await inventory.list(soon())).toEqual([
      { name: 'one', mountpoint: '/mnt/one' },
      { name: 'two', mountpoint: '' },
    ]);
    expect(list).not.toHaveBeenCalled();
    expect(pages.mock.calls.filter(([kind]) => kind !== 'volume')).toEqual([]);
    const asked = find.mock.calls.flatMap(([names]) => names).filter(([kind]) => kind === 'volume');
    expect(asked).toEqual([
      ['volume', 'creating'],
      ['volume', 'two'],
    ]);
  });

  it('Get asks once for a volume whose group it has seen, and is right about one that was made anew in another group', async () => {
    const life = begin();
    const volume = aVolume('two');
    const { backend } = volume.spec;
    const inGroup = (group: string): Write[] => [
      { put: 'volume', key: 'two', value: { ...volume, spec: { ...volume.spec, replicationGroup: group } } },
      { put: 'group', key: `${backend}/${group}`, value: aGroup(backend, group) },
    ];
    const groupOf = async (): Promise<string | undefined> => (await life.inventory.get('two', soon())).group?.name;
    await write(inGroup('g'));
    await until(() => life.lastSeen.groupKey('two') === `${backend}/g`);
    const askedAgain = jest.spyOn(life.store, 'find');
    expect(await groupOf()).toBe('g');
    expect(askedAgain).not.toHaveBeenCalled();
    await write(inGroup('h'));
    jest.spyOn(life.lastSeen, 'groupKey').mockReturnValue(`${backend}/g`);
    expect(await groupOf()).toBe('h');
  });

  it('is told, as stale, over a restart without etcd, with its attachment and its group', async () => {
    const spec = { ...aVolume('two').spec, replicationGroup: 'g' };
    await write([
      { put: 'group', key: 'DEFAULT/g', value: aGroup('DEFAULT', 'g') },
      { put: 'volume', key: 'two', value: { ...aVolume('two'), spec } },
    ]);
    const before = begin();
    await filled(before);
    const life = await beginWithoutEtcd(before);
    expect(await listed(life)).toEqual(['one', 'two']);
    expect(await life.inventory.get('one', soon())).toMatchObject({
      volume: aVolume('one'),
      attachment: anAttachment('one'),
      stale: expect.stringContaining('does not answer'),
    });
    expect(await life.inventory.get('two', soon())).toMatchObject({ group: aGroup('DEFAULT', 'g') });
    await expect(life.inventory.get('never-there', soon())).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('shows a mount of this node that is newer than what is known of it, and none that another node has taken since', async () => {
    mounts = [
      { ...aMount('one'), generation: 8 },
      { ...aMount('taken'), generation: 6 },
    ];
    const taken = { ...anAttachment('taken'), node: 'other-id' };
    await write([putVolume('taken'), { put: 'attachment', key: 'taken', value: taken }]);
    const before = begin();
    await filled(before);
    const { inventory } = await beginWithoutEtcd(before);
    expect(await inventory.list(soon())).toEqual([
      { name: 'one', mountpoint: '/mnt/one' },
      { name: 'taken', mountpoint: '' },
    ]);
  });

  it('learns of what other nodes make and remove', async () => {
    const life = begin();
    await filled(life);
    await write([putVolume('two'), { remove: 'volume', key: 'one' }, { remove: 'attachment', key: 'one' }]);
    await until(async () => (await life.lastSeen.names())?.join() === 'two');
    await until(async () => (await life.lastSeen.find('one')) === undefined);
    const byName = (each: Outline | undefined): unknown => [each?.volumes.toSorted(), [...(each?.attachments ?? [])]];
    await until(() => life.lastSeen.outline()?.attachments.size === 0);
    expect(byName(life.lastSeen.outline())).toEqual(byName(await readOutline(life.store, soon())));
    expect(await listed(await beginWithoutEtcd(life))).toEqual(['two']);
  });

  it('tells what List and Get were told, though it has read nothing of it yet', async () => {
    const life = begin();
    jest.spyOn(life.store, 'pages').mockImplementation(() => {
      throw new Error('not yet');
    });
    expect(await listed(life)).toEqual(['one']);
    await life.inventory.get('one', soon());
    etcd.pause();
    expect(await listed(life)).toEqual(['one']);
    expect(await life.inventory.get('one', soon())).toMatchObject({ stale: expect.any(String) });
  });

  it('what List and Get were told while all was being read is not lost when etcd goes away before it is read again', async () => {
    const life = begin();
    const { store, inventory, lastSeen } = life;
    const reading = store.pages.bind(store);
    let isReading = false;
    let goOn: () => void = silence;
    const waits = new Promise<void>((resolve) => (goOn = resolve));
    jest.spyOn(store, 'pages').mockImplementation(async function* (kind, signal) {
      yield* reading(kind, signal);
      if (kind !== 'volume') return;
      isReading = true;
      await waits;
    });
    await until(() => isReading);
    await write(['two', 'three'].map(putVolume));
    expect(await listed(life)).toEqual(['one', 'three', 'two']);
    await inventory.get('two', soon());
    etcd.pause();
    goOn();
    await until(() => lastSeen.outline() !== undefined);
    expect(await listed(life)).toEqual(['one', 'three', 'two']);
    expect(await inventory.get('two', soon())).toMatchObject({ stale: expect.any(String) });
  });

  it('what was removed while the daemon was down does not come back when etcd answers, nor later without it', async () => {
    await write([putVolume('two')]);
    const before = begin();
    await filled(before);
    await end(before);
    await write([
      { remove: 'volume', key: 'one' },
      { remove: 'attachment', key: 'one' },
    ]);
    const life = begin();
    expect(await listed(life)).toEqual(['two']);
    await expect(life.inventory.get('one', soon())).rejects.toMatchObject({ code: 'not-found' });
    await filled(life);
    const last = await beginWithoutEtcd(life);
    expect(await listed(last)).toEqual(['two']);
    await expect(last.inventory.get('one', soon())).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('a part of it is not taken for all: List then says nothing', async () => {
    const first = begin();
    jest.spyOn(first.store, 'pages').mockImplementation(() => {
      throw new Error('cut off');
    });
    await first.inventory.get('one', soon());
    const life = await beginWithoutEtcd(first);
    expect(await life.inventory.get('one', soon())).toMatchObject({ stale: expect.any(String) });
    await expect(life.inventory.list(soon())).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('is thrown away when it is of other metadata', async () => {
    const before = begin();
    await filled(before);
    await end(before);
    await etcd.ctl('del', '--prefix', '/');
    await rm(path.join(stateDir, 'metadata-identity.json'));
    const between = begin();
    expect(await listed(between)).toEqual([]);
    const life = await beginWithoutEtcd(between);
    await expect(life.inventory.get('one', soon())).rejects.toMatchObject({ code: 'unavailable' });
    expect((await life.lastSeen.names()) ?? []).not.toContain('one');
  });

  it.each([
    ['its files are garbage', async (folder: string) => garble(folder)],
    [
      'it is a file',
      async (folder: string) => {
        await rm(folder, { recursive: true });
        await writeFile(folder, 'x');
      },
    ],
  ])('is made anew when %s, and no verb fails of it', async (_what, harm) => {
    const before = begin();
    await filled(before);
    await end(before);
    await harm(path.join(stateDir, 'cache'));
    const life = begin();
    expect(await listed(life)).toEqual(['one']);
    expect(await life.inventory.get('one', soon())).not.toHaveProperty('stale');
    await filled(life);
    expect(await listed(await beginWithoutEtcd(life))).toEqual(['one']);
  });

  it('without a place for it all works, but nothing is known when etcd is away', async () => {
    await writeFile(path.join(stateDir, 'no-folder'), '');
    const store = open('node-id', stateDir);
    const cache = recordCacheIn(path.join(stateDir, 'no-folder'), logger);
    const lastSeen = new LastSeen({ store, cache, logger });
    lastSeen.start();
    await until(() => lastSeen.outline() !== undefined);
    expect(await lastSeen.names()).toEqual(['one']);
    expect(await lastSeen.find('one')).toBeUndefined();
    await lastSeen.stop();
    await store.close();
  });

  it('is readable by root only', async () => {
    const life = begin();
    await filled(life);
    expect((await stat(path.join(stateDir, 'cache'))).mode & 0o777).toBe(0o700);
  });
});

const aMount = (volume: string): NodeMount => ({
  volume,
  backend: 'DEFAULT',
  wwn: '60002ac0000000000000000000000001',
  mountpoint: `/mnt/${volume}`,
  side: 'primary',
  host: 'docker1',
  ids: [{ id: 'a', count: 1, life: 'b' }],
});

async function garble(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await writeFile(path.join(folder, name), 'garbage');
}
