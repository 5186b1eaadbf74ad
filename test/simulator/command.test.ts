import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parseCommandLine, UsageError } from '../../src/simulator/command-line.js';
import { startPair } from '../../src/simulator/pair.js';

// On a busy machine.
jest.setTimeout(60_000);

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
    const child = spawn(process.execPath, [...COMMAND, 'pair', '--dir', pairDir, '--fabric', 'loopback'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const lines = createInterface(child.stdout);
      const ready = await firstEvent(lines, 'line');
      const readyFile = join(dir, 'ready.json');
      await writeFile(readyFile, String(ready));
      const readme = await readFile(join(root, 'src/simulator/README.md'), 'utf8');
      const blocks = [...readme.matchAll(/^```bash\n(.*?)^```$/gms)].map((match) => match[1] ?? '');
      expect(blocks.length).toBeGreaterThan(0);
      const script = `set -euo pipefail\n${blocks.join('\n')}\necho all blocks done`;
      const env = { PATH: process.env['PATH'], HOME: dir, READY: readyFile };
      const { stdout } = await run('bash', ['-c', script], { env, cwd: dir, timeout: 60_000 });
      expect(stdout).toContain('no answer, as ordered');
      expect(stdout).toContain('all blocks done');
    } finally {
      const closed = firstEvent(child, 'close');
      child.kill('SIGTERM');
      expect(await closed).toBe(0);
    }
    expect(existsSync(pairDir)).toBe(false);
  });

  it.each([
    [[]],
    [['single', '--dir', 'x']],
    [['pair']],
    [['pair', '--dir', 'x', '--fabric', 'lio']],
    [['pair', '--dir', 'x', '--latency', 'much']],
    [['pair', '--dir', 'x', '--addresses', '127.0.0.1,127.0.0.1']],
    [['pair', '--dir', 'x', '--wsapi-port', '70000']],
    [['pair', '--dir', 'x', '--seed', '/nowhere/seed.json']],
    [['pair', '--dir', 'x', '--colour', 'red']],
  ])('%j is a usage error', async (args) => {
    await expect(parseCommandLine(args)).rejects.toBeInstanceOf(UsageError);
  });

  it('ends with code 2 on a usage error and prints nothing on standard output', async () => {
    const failed = run(process.execPath, [...COMMAND, 'pair', '--fabric', 'lio', '--dir', dir]);
    await expect(failed).rejects.toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('lio does not exist yet'),
    });
  });

  it('names everything that is wrong with a seed', async () => {
    const seed = { arrays: [{ systemId: 'x' }], colour: 'red' };
    await expect(startPair({ dir: join(dir, 'bad'), seed })).rejects.toThrow(/bad seed: .*arrays\.0\.systemId.*colour/);
    expect(existsSync(join(dir, 'bad'))).toBe(false);
  });

  it('keeps a directory that was there, and takes ports that are given', async () => {
    const options = { dir, addresses: ['127.0.0.3', '127.0.0.4'] as [string, string] };
    const first = await startPair({ ...options, os: '3.3.1', user: 'u', password: 'p' });
    const [a, b] = first.ready.arrays;
    const port = Number(new URL(a.apiUrl).port);
    expect([new URL(a.apiUrl).hostname, b.sshHost, b.user]).toEqual(['127.0.0.3', '127.0.0.4', 'u']);
    expect([Number(new URL(b.apiUrl).port), b.sshPort]).toEqual([port, a.sshPort]);
    await expect(startPair({ ...options, wsapiPort: port })).rejects.toThrow('EADDRINUSE');
    await first.close();
    expect(existsSync(dir)).toBe(true);
  });
});
