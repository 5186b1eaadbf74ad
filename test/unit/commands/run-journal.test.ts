import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openAudit } from '../../../src/commands/audit.js';
import { parseGroupOrder } from '../../../src/commands/failover.js';
import { openRunJournal } from '../../../src/commands/run-journal.js';
import { UsageError } from '../../../src/commands/usage.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'runs-'));
});
afterEach(async () => rm(dir, { recursive: true }));

const of = { backend: 'DEFAULT', group: 'RCG1', arrays: ['array:7/RCG1', 'array:8/RCG1.r7'] };
const state = { goal: 'failover' as const, startedAt: '2026-11-28T12:00:00Z', stopped: [] };

describe('the memory of a run', () => {
  it('outlives the run, and is gone with its end', async () => {
    const first = await openRunJournal(dir, of);
    expect(await first.load()).toBeUndefined();
    await first.save(state);
    await first.release();
    const second = await openRunJournal(dir, of);
    expect(await second.load()).toEqual(state);
    await second.remove();
    expect(await second.load()).toBeUndefined();
    await second.release();
  });

  it('lets one run at a time in, and does not wait for a process that has ended', async () => {
    const first = await openRunJournal(dir, of);
    await expect(openRunJournal(dir, of)).rejects.toMatchObject({ code: 'busy' });
    const other = await openRunJournal(dir, { ...of, group: 'RCG2', arrays: ['array:7/RCG2'] });
    await other.release();
    await first.release();
    await (await openRunJournal(dir, of)).release();
  });

  it('lets no run of another backend in that has the group on one of the same arrays', async () => {
    const first = await openRunJournal(dir, of);
    const other = { ...of, backend: 'GOLD', arrays: ['array:8/RCG1.r7'] };
    await expect(openRunJournal(dir, other)).rejects.toMatchObject({ code: 'busy' });
    await first.release();
    await (await openRunJournal(dir, other)).release();
  });

  it('a run that was killed keeps nobody out, whoever has its process number now', async () => {
    const first = await openRunJournal(dir, of);
    await first.release();
    await writeFile(path.join(dir, 'runs', 'DEFAULT.RCG1.pid'), String(process.pid));
    const second = await openRunJournal(dir, of);
    expect(await second.load()).toBeUndefined();
    await second.release();
  });
});

it('the audit log may be rotated while a run goes on: what comes after stands in the new file', async () => {
  const audit = await openAudit(dir, 'failover run RCG1');
  await audit.write({ event: 'begin', what: 'ready' });
  const file = path.join(dir, 'audit.log');
  await rename(file, `${file}.1`);
  await audit.write({ event: 'end', what: 'finished' });
  expect(await readFile(`${file}.1`, 'utf8')).toMatch(/^[^\n]*"begin"[^\n]*\n$/);
  expect(await readFile(file, 'utf8')).toMatch(/^[^\n]*"end"[^\n]*\n$/);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

it('the audit log is appended to, one JSON object a line, for root alone', async () => {
  const audit = await openAudit(dir, 'failover run RCG1');
  await audit.write({ event: 'begin', what: 'ready', reason: 'drill' });
  await audit.write({ event: 'end', what: 'finished' });
  const file = path.join(dir, 'audit.log');
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { event: 'begin', what: 'ready', reason: 'drill', command: 'failover run RCG1' },
    { event: 'end', what: 'finished', command: 'failover run RCG1' },
  ]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

describe('what is typed', () => {
  it.each([
    [['plan'], /name of one remote copy group/],
    [['go', 'RCG1'], /plan or run/],
    [['plan', 'RCG1', 'RCG2'], /name of one/],
    [['plan', 'RCG1', '--yes'], /go with run/],
    [['plan', 'RCG1', '--accept-loss', 'x'], /go with run/],
    [['plan', 'RCG1', '--all-nodes'], /go with run/],
    [['run', 'RCG1', '--json'], /goes with plan/],
    [['run', 'RCG1', '--accept-loss', ' '], /the reason is empty/],
    [['run', 'RCG1', '--force'], /--force/],
  ])('%j is refused', (args, why) => {
    expect(() => parseGroupOrder('failover', args)).toThrow(UsageError);
    expect(() => parseGroupOrder('failover', args)).toThrow(why);
  });
});
