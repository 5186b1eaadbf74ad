import { expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { flushBuffers } from '../../src/host/multipath-map.js';
import { run } from '../../src/host/run.js';

/* What only a real kernel knows: what becomes of writes that a device does not take. */

const MIB = 1 << 20;
const tool = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8' }).trim();

/** A device that answers, and takes 3 MiB of the 64 that it has: like a thin volume whose CPG is full. */
async function withFullDevice(work: (device: string, dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(path.join(tmpdir(), 'flush-'));
  const undo: string[][] = [];
  try {
    for (const name of ['pool', 'mounted']) await mkdir(path.join(dir, name));
    tool('mount', '-t', 'tmpfs', '-o', 'size=3m', 'none', path.join(dir, 'pool'));
    undo.unshift(['umount', path.join(dir, 'pool')]);
    await writeFile(path.join(dir, 'pool', 'data'), '');
    await truncate(path.join(dir, 'pool', 'data'), 64 * MIB);
    const device = tool('losetup', '--find', '--show', path.join(dir, 'pool', 'data'));
    undo.unshift(['losetup', '--detach', device]);
    await work(device, path.join(dir, 'mounted'));
  } finally {
    for (const [command = '', ...args] of undo) tool(command, ...args);
    await rm(dir, { recursive: true });
  }
}

it('rule 27: what a live device did not take is seen by the flush, although the umount ends well', async () => {
  await withFullDevice(async (device, mounted) => {
    tool('mkfs.ext4', '-q', '-E', 'nodiscard', '-O', '^has_journal', device);
    tool('mount', '-t', 'ext4', device, mounted);
    await writeFile(path.join(mounted, 'file'), Buffer.alloc(12 * MIB, 'x'));
    tool('umount', mounted);
    const flush = async (): Promise<void> => flushBuffers(run, device, AbortSignal.timeout(20_000));
    await expect(flush()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/Input\/output error.*may be lost/),
      next: expect.stringContaining('showcpg'),
    });
    // The kernel tells it once, so the detach that is tried again comes to its end.
    await flush();
  });
});
