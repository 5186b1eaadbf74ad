import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ClassicLevel } from 'classic-level';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { RecordCache } from '../../../src/contracts/record-cache.js';
import type { MetadataStore, RecordKind } from '../../../src/contracts/store.js';
import type { Volume } from '../../../src/domain/volume.js';
import { LastSeen } from '../../../src/driver/last-seen.js';
import { recordCacheIn } from '../../../src/store/record-cache.js';
import { aVolume } from '../../contract/store-records.js';

const silence = (): void => undefined;
const debug = jest.fn();
const logger = { debug, info: silence, warn: silence, error: silence };
const KINDS = ['group', 'attachment', 'volume'] as const;

describe('what the metadata in etcd said last, when a reading of them or its cache fails', () => {
  let stateDir: string;
  /** What etcd has. */
  let volumes: string[];
  /** Thrown in place of the end of all volumes. */
  let broken: Error | undefined;
  let lives: LastSeen[];
  /** Of the life that began last. */
  let cache: RecordCache;
  let tell: (kind: RecordKind, key: string | undefined) => void;
  let pages: jest.Mock<(kind: RecordKind) => AsyncGenerator<unknown[]>>;
  let identity: jest.Mock<() => Promise<string>>;
  /** How records that are asked for by their keys arrive. */
  let answer: (records: (Volume | undefined)[]) => Promise<(Volume | undefined)[]>;

  const begin = (): LastSeen => {
    const listeners = new Map<RecordKind, (key: string | undefined) => void>();
    tell = (kind, key) => listeners.get(kind)?.(key);
    const store = {
      pages,
      archive: { identity },
      watch: (kind: RecordKind, listener: (key: string | undefined) => void) => {
        listeners.set(kind, listener);
        return silence;
      },
      findAll: async (wanted: [RecordKind, string][]) =>
        answer(wanted.map(([kind, key]) => (kind === 'volume' && volumes.includes(key) ? aVolume(key) : undefined))),
    };
    cache = recordCacheIn(stateDir, logger);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const parts = { store: store as unknown as MetadataStore, cache, logger };
    const life = new LastSeen(parts);
    lives.push(life);
    life.start();
    return life;
  };
  const beginWatch = (): void => {
    for (const kind of KINDS) tell(kind, undefined);
  };
  const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
    const patience = performance.now() + 10_000;
    while (!(await condition())) {
      if (performance.now() > patience) throw new Error(`waited in vain for ${condition.toString()}`);
      await pause(10);
    }
  };
  const readings = (): number => pages.mock.calls.filter(([kind]) => kind === 'volume').length;
  const haveMinutesPassed = (minutes: number): void => {
    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + minutes * 60_000);
  };
  /** All was read; then the disk fails once, so that the cache is thrown away, and can be opened again. */
  const loseCache = async (life: LastSeen): Promise<void> => {
    beginWatch();
    await until(async () => life.outline() !== undefined && (await life.find('one')) !== undefined);
    const failing = jest.spyOn(ClassicLevel.prototype, 'getMany').mockRejectedValueOnce(new Error('EIO'));
    volumes.push('two');
    tell('volume', 'two');
    await until(async () => (await life.find('one')) === undefined);
    failing.mockRestore();
    haveMinutesPassed(6);
  };

  beforeEach(async () => {
    stateDir = await mkdtemp(path.join(os.tmpdir(), 'hpe-last-seen-'));
    [volumes, broken, lives] = [['one'], undefined, []];
    debug.mockClear();
    pages = jest.fn(async function* (kind: RecordKind) {
      if (kind !== 'volume') return;
      yield volumes.map((name) => aVolume(name));
      await Promise.resolve();
      if (broken !== undefined) throw broken;
    });
    identity = jest.fn(async () => Promise.resolve('these'));
    answer = async (records) => Promise.resolve(records);
  });
  afterEach(async () => {
    for (const life of lives) await life.stop();
    jest.restoreAllMocks();
    await rm(stateDir, { recursive: true });
  });

  it('a volume that did not change is still told without etcd after the disk has failed once', async () => {
    const life = begin();
    await loseCache(life);
    tell('volume', 'two');
    await until(async () => (await life.find('one')) !== undefined && cache.isWhole());
    await life.stop();
    expect((await begin().names())?.toSorted()).toEqual(['one', 'two']);
  });

  it('List leaves no volume out after the disk has failed once and groups alone were read again', async () => {
    const life = begin();
    await loseCache(life);
    broken = new Error('etcd is away again');
    tell('group', undefined);
    const before = pages.mock.calls.length;
    await until(() => pages.mock.calls.length > before);
    await life.stop();
    expect(await begin().names()).toBeUndefined();
  });

  it('a record that cannot be read does not have all volumes read again with each change of one', async () => {
    broken = new Error('the volume record x is broken');
    const life = begin();
    beginWatch();
    await until(() => debug.mock.calls.length > 0);
    const before = identity.mock.calls.length;
    tell('volume', 'two');
    await pause(250);
    await until(() => identity.mock.calls.length > before);
    await life.stop();
    expect(readings()).toBe(1);
  });

  it('protection is learnt of while changes may have been missed, by reading anew, and not before all was read once', async () => {
    const life = begin();
    expect(await life.readOutline(AbortSignal.timeout(10_000))).toBeUndefined();
    expect(readings()).toBe(0);
    beginWatch();
    await until(() => life.outline() !== undefined);
    const before = readings();
    await life.readOutline(AbortSignal.timeout(10_000));
    expect(readings()).toBe(before);
    volumes.push('two');
    tell('volume', undefined);
    expect(life.outline()).toBeUndefined();
    const read = await life.readOutline(AbortSignal.timeout(10_000));
    expect(read?.volumes.map(({ name }) => name)).toEqual(['one', 'two']);
  });

  it('a volume that was shown is known from then on, though it was still being created when it was read', async () => {
    const life = begin();
    beginWatch();
    await until(() => life.outline() !== undefined);
    answer = async () => Promise.resolve([{ ...aVolume('two'), state: 'creating' }]);
    tell('volume', 'two');
    await until(() => life.outline()?.volumes.length === 2);
    answer = async () => Promise.reject(new Error('etcd is away'));
    tell('volume', 'two');
    life.note({ volume: aVolume('two'), attachment: undefined, group: undefined });
    await until(async () => (await life.find('two')) !== undefined);
    await until(() => debug.mock.calls.length > 0);
    expect((await life.find('two'))?.volume).toEqual(aVolume('two'));
  });

  it('a volume that was shown is known from then on, though an older answer arrives late and etcd is away after that', async () => {
    const life = begin();
    beginWatch();
    await until(() => life.outline() !== undefined);
    let arrive: (() => void) | undefined;
    answer = async () => {
      answer = async () => Promise.reject(new Error('etcd is away'));
      await new Promise<void>((resolve) => (arrive = resolve));
      return [{ ...aVolume('two'), state: 'creating' }];
    };
    tell('volume', 'two');
    await until(() => arrive !== undefined);
    life.note({ volume: aVolume('two'), attachment: undefined, group: undefined });
    await until(async () => (await life.find('two')) !== undefined);
    arrive?.();
    await until(() => debug.mock.calls.length > 0);
    expect((await life.find('two'))?.volume).toEqual(aVolume('two'));
  });

  it('a reading that failed is repeated at once when the watch begins anew', async () => {
    broken = new Error('etcd is away');
    const life = begin();
    beginWatch();
    await until(() => debug.mock.calls.length > 0);
    broken = undefined;
    tell('volume', undefined);
    await until(() => life.outline() !== undefined);
    expect(readings()).toBe(2);
  });
});
