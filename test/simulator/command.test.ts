import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseCommandLine, UsageError } from '../../src/simulator/command-line.js';
import { startPair } from '../../src/simulator/pair.js';

// On a busy machine.

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const COMMAND = [join(root, 'node_modules/tsx/dist/cli.mjs'), join(root, 'src/simulator/main.ts')];

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sim-command-'));
});
afterAll(async () => rm(dir, { recursive: true, force: true }));

/** The first argument of the event. */
async function firstEvent(emitter: EventEmitter, name: string): Promise<unknown> {
  const values: unknown[] = await once(emitter, name, { signal: AbortSignal.timeout(30_000) });
  return values[0];
}

describe('hpe-3par-sim', () => {
  it('is used by a stranger as its README says, and leaves nothing when it is ended', async () => {
    const pairDir = join(dir, 'pair');
    const readme = await readFile(join(root, 'src/simulator/README.md'), 'utf8');
    const blocks = [...readme.matchAll(/^```(?:ba)?sh\n(.*?)^```$/gms)].map((match) => match[1] ?? '');
    expect(blocks).toHaveLength(8);
    // All of it as pasted, but with the sources in place of what `npm run build` makes of them.
    const pasted = blocks
      .join('\n')
      .replace('npm ci\nnpm run build\n', '')
      .replace('node dist/simulator/main.js', [process.execPath, ...COMMAND].join(' '))
      .replace('/tmp/pair', pairDir);
    const script = `set -euo pipefail
      trap 'kill %1 || true; wait' EXIT
      ${pasted}
      echo all blocks done
      trap - EXIT
      kill %1
      wait %1`;
    const env = { PATH: process.env['PATH'], HOME: dir };
    const { stdout } = await run('bash', ['-c', script], { env, cwd: dir, timeout: 50_000 });
    expect(stdout).toContain('no answer, as ordered');
    expect(stdout).toContain('retained, as ordered');
    expect(stdout).toContain('all blocks done');
    expect(existsSync(pairDir)).toBe(false);
  });

  it.each([
    [[]],
    [['single', '--dir', 'x']],
    [['pair']],
    [['pair', '--dir', 'x', '--fabric', 'san']],
    [['pair', '--dir', 'x', '--latency', 'much']],
    [['pair', '--dir', 'x', '--addresses', '127.0.0.1,127.0.0.1']],
    [['pair', '--dir', 'x', '--wsapi-port', '70000']],
    [['pair', '--dir', 'x', '--seed', '/nowhere/seed.json']],
    [['pair', '--dir', 'x', '--colour', 'red']],
  ])('%j is a usage error', async (args) => {
    await expect(parseCommandLine(args)).rejects.toBeInstanceOf(UsageError);
  });

  it('ends with code 2 on a usage error and prints nothing on standard output', async () => {
    const failed = run(process.execPath, [...COMMAND, 'pair', '--fabric', 'san', '--dir', dir]);
    await expect(failed).rejects.toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('--fabric is one of none, loopback, lio'),
    });
  });

  it('names everything that is wrong with a seed', async () => {
    const seed = { arrays: [{ systemId: 'x' }], colour: 'red' };
    await expect(startPair({ dir: join(dir, 'bad'), seed })).rejects.toThrow(/bad seed: .*arrays\.0\.systemId.*colour/);
    expect(existsSync(join(dir, 'bad'))).toBe(false);
  });

  it('refuses a directory that another pair uses, and leaves that pair as it is', async () => {
    const shared = join(dir, 'shared');
    const first = await startPair({ dir: shared, fabric: 'loopback' });
    const caFile = first.ready.arrays[0].caFile;
    const certificate = await readFile(caFile, 'utf8');
    await writeFile(join(shared, 'image'), Buffer.alloc(1024 * 1024));
    const device = (await run('losetup', ['--find', '--show', join(shared, 'image')])).stdout.trim();
    const message = `${shared} is used by process ${process.pid}`;
    await expect(startPair({ dir: shared, fabric: 'loopback' })).rejects.toThrow(message);
    const command = run(process.execPath, [...COMMAND, 'pair', '--dir', shared, '--fabric', 'loopback']);
    await expect(command).rejects.toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
    expect(await readFile(caFile, 'utf8')).toBe(certificate);
    expect((await run('losetup', ['--list', '--noheadings', '--output', 'NAME'])).stdout).toContain(device);
    await first.close();
    expect(existsSync(shared)).toBe(false);
  });

  it('takes over the directory of a pair that was killed, with a fabric that shows nothing of it', async () => {
    const options = { dir: join(dir, 'killed'), fabric: 'loopback' as const };
    const stale = join(options.dir, 'fabric', 'iqn.2020-01.test:gone');
    await mkdir(stale, { recursive: true });
    const killed = spawn('true');
    await firstEvent(killed, 'close');
    for (const pid of [killed.pid, process.pid, 'garbage']) {
      await writeFile(join(options.dir, '.pid'), `${pid}\n`);
      const pair = await startPair(options);
      expect(await readFile(join(options.dir, '.pid'), 'utf8')).toBe(`${process.pid}\n`);
      expect(existsSync(stale)).toBe(false);
      await pair.close();
      expect(existsSync(join(options.dir, '.pid'))).toBe(false);
    }
  });

  it('a second close leaves the next pair on the directory alone', async () => {
    const options = { dir: join(dir, 'twice') };
    const first = await startPair(options);
    await first.close();
    const next = await startPair(options);
    await first.close();
    expect(existsSync(next.ready.arrays[0].caFile)).toBe(true);
    await expect(startPair(options)).rejects.toThrow('is used by process');
    await next.close();
  });

  it('keeps a directory that was there, and takes ports that are given', async () => {
    const options = { dir, addresses: ['127.0.0.3', '127.0.0.4'] as [string, string] };
    const first = await startPair({ ...options, os: '3.3.1', user: 'u', password: 'p' });
    const [a, b] = first.ready.arrays;
    const port = Number(new URL(a.apiUrl).port);
    expect([new URL(a.apiUrl).hostname, b.sshHost, b.user]).toEqual(['127.0.0.3', '127.0.0.4', 'u']);
    expect([Number(new URL(b.apiUrl).port), b.sshPort]).toEqual([port, a.sshPort]);
    const second = { ...options, dir: join(dir, 'second'), wsapiPort: port };
    await expect(startPair(second)).rejects.toThrow('EADDRINUSE');
    await first.close();
    expect(existsSync(dir)).toBe(true);
  });
});
