import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { proveUnused, provePathUnused } from '../../../src/host/exclusive.js';

let dir: string;
let waiting: string[];
const signal = (): AbortSignal => AbortSignal.timeout(60_000);

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'exclusive-'));
  // The open of a FIFO that nobody writes to waits, as that of a disk in error recovery does.
  waiting = ['a', 'b', 'c', 'd', 'e'].map((name) => path.join(dir, name));
  execFileSync('mkfifo', waiting);
});

afterEach(() => {
  for (const fifo of waiting) {
    try {
      closeSync(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK));
    } catch {
      // Nobody waits any more.
    }
  }
  rmSync(dir, { recursive: true });
});

describe('a device whose open waits', () => {
  it('keeps nothing else of the daemon waiting, and is given up', async () => {
    const opens = Promise.allSettled(waiting.map(async (fifo) => proveUnused(fifo, signal())));
    // libuv has four threads for all files and names of hosts.
    expect(await readFile('/proc/self/comm', 'utf8')).not.toBe('');
    for (const { status } of await opens) expect(status).toBe('rejected');
  });

  it('is no reason to refuse a dead path: who has it exclusively is seen before the device is asked', async () => {
    const [fifo = ''] = waiting;
    await expect(proveUnused(fifo, signal())).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('does not open within'),
    });
    await provePathUnused(fifo, signal());
  });

  it('what was not opened for another reason is not taken for unused', async () => {
    const file = path.join(dir, 'plain');
    await writeFile(file, '');
    await proveUnused(file, signal());
    await provePathUnused(path.join(dir, 'gone'), signal());
    await expect(provePathUnused(path.join(file, 'below'), signal())).rejects.toMatchObject({ code: 'unavailable' });
    const aborted = AbortSignal.abort(new Error('no time'));
    await expect(provePathUnused(file, aborted)).rejects.toThrow('gave up');
  });
});

describe('a host without Perl', () => {
  it('is asked by Node', async () => {
    const { PATH } = process.env;
    const tools = path.join(dir, 'tools');
    await mkdir(tools);
    await writeFile(path.join(tools, 'perl'), '#!/bin/sh\nexit 127\n', { mode: 0o755 });
    process.env['PATH'] = `${tools}:${PATH}`;
    try {
      const file = path.join(dir, 'plain');
      await writeFile(file, '');
      await proveUnused(file, signal());
      await expect(provePathUnused(path.join(file, 'below'), signal())).rejects.toMatchObject({
        message: expect.stringContaining('(ENOTDIR)'),
      });
    } finally {
      process.env['PATH'] = PATH;
    }
  });
});
