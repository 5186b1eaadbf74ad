import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { LocalUsers } from '../../../src/driver/local-users.js';
import { openNodeJournal } from '../../../src/store/node-journal.js';

const MINUTE = 60_000;
const mount = {
  volume: 'v',
  backend: 'plain',
  wwn: 'aa',
  device: { path: '/dev/loop3', wwn: 'aa', sizeBytes: 1 },
  mountpoint: '/mnt/v',
  side: 'primary',
  host: 'node1',
} as const;

describe('the users of a volume on this node', () => {
  let dir: string;
  let users: LocalUsers;
  let now = 0;
  beforeEach(async () => {
    now = 1_000;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    dir = await mkdtemp(path.join(os.tmpdir(), 'users-'));
    users = new LocalUsers(await openNodeJournal(dir));
    await users.join(mount, 'a');
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await rm(dir, { recursive: true });
  });

  it('an id counts although the kernel does not show it yet: its container may be about to start', () => {
    users.noteKernel('v', false);
    now += 4 * MINUTE;
    users.noteKernel('v', false);
    expect(users.areThere('v')).toBe(true);
  });

  it('an id that the kernel has not shown for more than five minutes in a row counts no more: its Unmount was lost', () => {
    users.noteKernel('v', false);
    now += 3 * MINUTE;
    users.noteKernel('v', true);
    users.noteKernel('v', false);
    now += 4 * MINUTE;
    expect(users.areThere('v')).toBe(true);
    now += 2 * MINUTE;
    expect(users.areThere('v')).toBe(false);
  });

  it('none that leaves is lost while its exports go on record anew', async () => {
    const peer = { host: 'node1-there' };
    await Promise.all([users.noteExports('v', { host: 'node1', peer }), users.leave('v', 'a')]);
    await users.join(mount, 'b');
    expect(await users.leave('v', 'b')).toMatchObject({ host: 'node1', peer, ids: [] });
  });

  it('a new Mount begins that time anew', async () => {
    users.noteKernel('v', false);
    now += 4 * MINUTE;
    await users.join(mount, 'b');
    now += 2 * MINUTE;
    expect(users.areThere('v')).toBe(true);
  });

  it('what the kernel said of an earlier mount does not count against a new one', () => {
    users.noteKernel('v', false);
    now += 6 * MINUTE;
    users.begin('v');
    expect(users.areThere('v')).toBe(true);
  });

  it('ids of an older life of dockerd count for five minutes', () => {
    users.beginLife();
    now += 4 * MINUTE;
    expect(users.areThere('v')).toBe(true);
    now += 2 * MINUTE;
    expect(users.areThere('v')).toBe(false);
  });
});
