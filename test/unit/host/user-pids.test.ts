import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { majorMinor } from '../../../src/host/device-users.js';
import { findUserPids } from '../../../src/host/user-pids.js';
import { hungMount } from '../../hung-mount.js';

let dir: string;
let end: (() => Promise<void>) | undefined;
let user: ChildProcess | undefined;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'user-pids-'));
});

afterEach(async () => {
  user?.kill('SIGKILL');
  await end?.();
  await rm(dir, { recursive: true });
});

it('finds who uses a device in bounded time, also while the file system of another process hangs', async () => {
  end = await hungMount(dir);
  user = spawn('sleep', ['1000'], { cwd: tmpdir(), stdio: 'ignore' });
  const began = performance.now();
  const pids = await findUserPids(majorMinor((await stat(tmpdir())).dev));
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(pids).toContain(user.pid);
});
