import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Fence } from '../../src/contracts/store.js';
import { asDriverError } from '../../src/domain/errors.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import type { LoadEvent } from './load-log.js';

/**
 * One of several nodes that count up the same few counters, each under its lock: `load-node.ts HOSTS DIR NODE SECONDS`.
 * Every grant and every commit goes to `DIR/NODE.log`; a commit that was applied also leaves a pin record with its id.
 */
const [hosts = '', dir = '', id = '', seconds = '0'] = process.argv.slice(2);
const KEYS = ['a', 'b', 'c'];
const LEASE_TTL = 4;
const silence = (): void => undefined;
const log = createWriteStream(path.join(dir, `${id}.log`));
const note = (event: LoadEvent): void => void log.write(`${JSON.stringify(event)}\n`);
/** One clock for all processes of this machine, that nobody sets. */
const now = (): number => Number(process.hrtime.bigint() / 1_000n);

const store = openEtcdStore({
  hosts: hosts.split(','),
  node: { id, name: id },
  stateDir: path.join(dir, id),
  leaseTtl: LEASE_TTL,
  logger: { debug: silence, info: silence, warn: silence, error: silence },
});
let commits = 0;
const startedAt = performance.now();
let hasStoodStill = false;
let asleepSince: number | undefined;
/** Until when a lock was believed in: a process that stands still believes in nothing, and hears of its end when it wakes. */
const untilNow = (): number => asleepSince ?? now();

/** Once, in the middle of the run and with a lock in hand: longer than a lease lives, until whoever started this process wakes it. */
async function standStillOnce(): Promise<void> {
  if (hasStoodStill || performance.now() - startedAt < (Number(seconds) * 1_000) / 6) return;
  hasStoodStill = true;
  process.stdout.write('stands still\n');
  asleepSince = now();
  process.kill(process.pid, 'SIGSTOP');
  // The timers that ran out meanwhile come before this one.
  await pause(1);
  asleepSince = undefined;
}

const read = async (key: string): Promise<number> =>
  (await store.find('group', `load/${key}`, AbortSignal.timeout(5_000)))?.epoch ?? 0;

async function commit(key: string, value: number, fence: Fence): Promise<void> {
  commits += 1;
  const name = `${key}:${id}:${commits}`;
  let outcome = 'done';
  try {
    const group = { backend: 'load', name: key, remoteName: name, createdByUs: true, epoch: value };
    await store.commit(fence, [
      { put: 'group', key: `load/${key}`, value: group },
      { put: 'pin', key: name, value: { peer: name, fingerprint: String(value) } },
    ]);
  } catch (thrown) {
    outcome = asDriverError(thrown).code;
  }
  note({ what: 'commit', commit: name, key, value, outcome });
}

async function use(key: string, fence: Fence, turn: number): Promise<void> {
  const from = now();
  let to: number | undefined;
  fence.signal.addEventListener('abort', () => (to ??= untilNow()));
  try {
    await standStillOnce();
    // Now and then it holds on for longer than a lease lives that is not renewed, without a word with etcd that could tell it so.
    const isQuiet = turn % 8 === 0;
    const [count, wait] = isQuiet ? [60, 100] : [3, 5];
    for (let i = 0; i < count && !fence.signal.aborted; i += 1) {
      const value = isQuiet ? undefined : await read(key).catch(() => undefined);
      if (value !== undefined) await commit(key, value + 1, fence);
      await pause(wait);
    }
    // Who has lost the lock tries all the same.
    if (fence.signal.aborted) await commit(key, -1, fence);
  } finally {
    note({ what: 'grant', node: id, key, from, to: to ?? untilNow() });
  }
}

async function takeTurns(key: string): Promise<void> {
  const until = performance.now() + Number(seconds) * 1_000;
  // Locks are not fair: the others may take them all until they are done.
  const isDone = (): boolean => performance.now() >= until && hasStoodStill;
  for (let turn = 1; !isDone(); turn += 1) {
    try {
      const fence = await store.lock([key], AbortSignal.timeout(8_000));
      try {
        await use(key, fence, turn);
      } finally {
        await fence.release();
      }
    } catch (thrown) {
      note({ what: 'refusal', code: asDriverError(thrown).code });
      await pause(100);
    }
  }
}

await Promise.all(KEYS.map(takeTurns));
await store.close();
log.end(() => process.stdout.write('done\n'));
