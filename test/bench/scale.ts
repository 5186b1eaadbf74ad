import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startEtcd, type Etcd } from '../etcd.js';
import { rowOf, type Limit, type Row } from './rows.js';
import { fillEtcd, nameOf } from './scale-records.js';
import { startBare, type BareDaemon } from './start.js';

const SIZES = [1_000, 100_000];
const GETS = 4_000;
/** Until the code that answers them is compiled, as in a daemon that has run for an hour. */
const FIRST_GETS = 1_000;
const LISTS = 10;
const STARTS = 3;
/** What the daemon says when it has read all. */
const FILLED = 'all volumes were read';
const FILL_MS = 180_000;
const INDEX = '/hpe-volume-plugin/v1/volume-index';
/** So long the daemon is left alone before its memory is looked at once more; 180 is worth a look. */
const IDLE_SECONDS = Number(process.env['SCALE_IDLE_SECONDS'] ?? 5);

/** The daemon with many volumes on record in an etcd of their own, its arrays dead. */
export async function measureScale(signal: AbortSignal): Promise<Row[]> {
  const rows: Row[] = [];
  for (const volumes of SIZES) rows.push(...(await measureSize(volumes, signal)));
  return rows;
}

async function measureSize(volumes: number, signal: AbortSignal): Promise<Row[]> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'bench-scale-'));
  const etcd = await startEtcd();
  const rows: Row[] = [];
  let daemon: BareDaemon | undefined;
  const add = (name: string, values: number[], limits: Limit[] = [], unit = 'ms'): void => {
    rows.push(rowOf({ name, latencyMs: 0, clients: 1, volumes }, values, { limits, unit }));
  };
  const most = (figure: number, of: Limit['of'] = 'median'): Limit[] => [{ of, most: figure }];
  const memoryLimit = most(volumes > 1_000 ? 250 : 130);
  const ask = async (times: number, method: string): Promise<number[]> => {
    const taken: number[] = [];
    for (let i = 0; i < times; i += 1) {
      signal.throwIfAborted();
      const began = performance.now();
      const answer = await daemon?.docker.call(method, { Name: nameOf(Math.floor(Math.random() * volumes)) });
      taken.push(performance.now() - began);
      if (answer?.Volume === undefined && answer?.Volumes?.length !== volumes)
        throw new Error(`${method} of ${volumes} volumes answered ${answer?.Volumes?.length} of them: ${answer?.Err}`);
    }
    return taken;
  };
  try {
    await fillEtcd(etcd.host, volumes);
    const [activated, ready]: [number[], number[]] = [[], []];
    for (let i = 0; i < STARTS; i += 1) {
      await daemon?.stop();
      daemon = await startBare(dir, etcd.host);
      activated.push(daemon.activatedMs);
      ready.push(daemon.activatedMs + ((await ask(1, 'VolumeDriver.Get'))[0] ?? NaN));
    }
    add('start to Activate', activated, most(400));
    add('start to the first answer of Get', ready, most(3_000));
    const waits: number[] = [];
    const filling = performance.now();
    while (!(await hasFilled(dir))) {
      if (performance.now() - filling > FILL_MS) throw new Error('the daemon has not read all volumes');
      const began = performance.now();
      await daemon?.docker.call('Plugin.Activate');
      waits.push(performance.now() - began);
      await pause(5);
    }
    if (waits.length > 0) add('Activate while all volumes are read', waits, most(20, 'p99'));
    add('until all volumes are read', [performance.now() - filling]);
    const indexing = performance.now();
    while (!(await isIndexed(etcd))) {
      if (performance.now() - indexing > FILL_MS) throw new Error('the daemon has not built its index');
      await pause(100, undefined, { signal });
    }
    add('until the index is built, once', [performance.now() - filling]);
    await ask(FIRST_GETS, 'VolumeDriver.Get');
    add('Get', await ask(GETS, 'VolumeDriver.Get'), most(2));
    add('List', await ask(LISTS, 'VolumeDriver.List'), most(1_500));
    add('memory', [(await daemon?.memoryMiB()) ?? NaN], memoryLimit, 'MiB');
    await pause(IDLE_SECONDS * 1_000, undefined, { signal });
    add(`memory after ${IDLE_SECONDS} s idle`, [(await daemon?.memoryMiB()) ?? NaN], memoryLimit, 'MiB');
    add('peak of memory', [(await daemon?.peakMiB()) ?? NaN], [], 'MiB');
    await daemon?.stop();
    await etcd.kill();
    daemon = await startBare(dir, etcd.host);
    await ask(1, 'VolumeDriver.Get');
    add('Get, started without etcd', await ask(20, 'VolumeDriver.Get'));
    add('List, started without etcd', await ask(LISTS, 'VolumeDriver.List'));
    return rows;
  } finally {
    await daemon?.stop();
    await etcd.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Metadata that were not written by the plugin have none, and are given one by the first daemon. */
const isIndexed = async ({ ctl }: Etcd): Promise<boolean> =>
  /^\d+$/.test((await ctl('get', '--print-value-only', INDEX)).trim());

/** The last daemon that was started there. */
async function hasFilled(dir: string): Promise<boolean> {
  const lives = (await readFile(path.join(dir, 'daemon.log'), 'utf8')).split('"serving"').slice(1);
  return lives.length === STARTS && (lives.at(-1) ?? '').includes(FILLED);
}
