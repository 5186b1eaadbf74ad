import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Filesystems } from '../../src/contracts/host.js';
import type { BlockDevice } from '../../src/domain/attachment.js';
import type { FilesystemType } from '../../src/domain/volume.js';
import { createFilesystems } from '../../src/host/filesystem.js';
import { run, type Run } from '../../src/host/run.js';
import { HAS_XFS } from '../has-xfs.js';

const MIB = 1024 * 1024;
/** Drawn anew: this kernel has one mount of an XFS at a time, and other files of tests mount theirs beside this one. */
const [FROM, TO] = [randomUUID(), randomUUID()];
const SIZE: Record<FilesystemType, number> = { ext4: 64 * MIB, xfs: 320 * MIB };
const CHECK: Record<FilesystemType, string[]> = { ext4: ['e2fsck', '-f', '-n'], xfs: ['xfs_repair', '-n'] };
/** How the type's checker calls a log that has still to be replayed. */
const DIRTY: Record<FilesystemType, string> = {
  ext4: 'skipping journal recovery',
  xfs: 'valuable metadata changes in a log',
};

const types: FilesystemType[] = HAS_XFS ? ['ext4', 'xfs'] : ['ext4'];

let dir: string;
let filesystems: Filesystems;
let source: BlockDevice;
let copy: BlockDevice;
/** Command lines of every tool that ran. */
let ran: string[];
/** The tool that is killed before it has done anything; with `after`, when it is done. */
let killed: { tool: string; after: boolean } | undefined;

const signal = (): AbortSignal => AbortSignal.timeout(30_000);
const sh = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' });
const target = (name: string): string => path.join(dir, 'mounts', name);

const tools: Run = async (command, args, options) => {
  ran.push([command, ...args].join(' '));
  const strike = killed?.tool === command ? killed : undefined;
  if (strike?.after === false) throw new Error('killed');
  const result = await run(command, args, options);
  if (strike !== undefined) throw new Error('killed');
  return result;
};

async function loopOf(file: string): Promise<BlockDevice> {
  const device = sh('losetup', '--find', '--show', file).trim();
  return { path: device, wwn: file, sizeBytes: Number(sh('blockdev', '--getsize64', device)) };
}

/** A mounted source, and what a copy of it holds that the array makes at this moment: its log has to be replayed. */
async function copyOfMounted(type: FilesystemType): Promise<void> {
  const [data, copied] = [path.join(dir, 'source'), path.join(dir, 'copy')];
  await writeFile(data, '');
  await truncate(data, SIZE[type]);
  source = await loopOf(data);
  await filesystems.make(source, { type, uuid: FROM, repeat: false }, signal());
  await filesystems.mount(source, { target: target('source'), type }, signal());
  await writeFile(path.join(target('source'), 'file'), 'x');
  sh('sync', '--file-system', path.join(target('source'), 'file'));
  await cp(data, copied);
  copy = await loopOf(copied);
}

const renew = async (type: FilesystemType): Promise<void> =>
  filesystems.renewUuid(copy, { type, from: FROM, to: TO, target: target('copy') }, signal());

/** Source and copy are mounted on one host, each with its own uuid, and the copy is whole. */
async function expectOwnIdentity(type: FilesystemType): Promise<void> {
  expect(await filesystems.probe(copy, signal())).toEqual({ content: 'filesystem', type, uuid: TO });
  const [check = '', ...args] = CHECK[type];
  sh(check, ...args, copy.path);
  await filesystems.mount(copy, { target: target('copy'), type }, signal());
  expect(await readFile(path.join(target('copy'), 'file'), 'utf8')).toBe('x');
  expect((await filesystems.mounts()).map((each) => each.target)).toEqual(
    expect.arrayContaining([target('source'), target('copy')]),
  );
}

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'new-uuid-'));
  await mkdir(path.join(dir, 'mounts'));
  ran = [];
  killed = undefined;
  const quiet = (): void => undefined;
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  filesystems = createFilesystems({ run: tools, mountRoot: path.join(dir, 'mounts'), logger });
});

afterEach(async () => {
  for (const entry of (await filesystems.mounts()).filter((each) => each.target.startsWith(dir)))
    sh('umount', entry.target);
  const listed = sh('losetup', '--list', '--noheadings', '--output', 'NAME,BACK-FILE').split('\n');
  for (const line of listed.filter((each) => each.includes(dir))) sh('losetup', '-d', line.split(/\s+/)[0] ?? '');
  await rm(dir, { recursive: true });
});

describe.each(types)('a copy of a mounted %s', (type) => {
  const tool = type === 'xfs' ? 'xfs_admin' : 'tune2fs';

  it('gets a uuid of its own, and is then mounted beside its source; its log was replayed by the kernel', async () => {
    await copyOfMounted(type);
    const [check = '', ...args] = CHECK[type];
    const { stdout, stderr } = spawnSync(check, [...args, copy.path], { encoding: 'utf8' });
    expect(stdout + stderr).toContain(DIRTY[type]);
    await renew(type);
    await expectOwnIdentity(type);
  });

  it.each([
    { tool: 'mount', after: true },
    { tool, after: false },
    { tool, after: true },
  ])('gets it also when $tool was killed (when it was done: $after)', async (strike) => {
    await copyOfMounted(type);
    killed = strike;
    await expect(renew(type)).rejects.toThrow('killed');
    killed = undefined;
    await filesystems.unmount(copy, target('copy'), signal());
    await renew(type);
    await expectOwnIdentity(type);
  });

  it('rule 20: no tool repairs it or throws its log away', async () => {
    await copyOfMounted(type);
    ran = [];
    await renew(type);
    const allowed = /^(mount|umount|blkid|dd|blockdev|dumpe2fs -h|tune2fs (-O metadata_csum_seed )?-U|xfs_admin -U) /;
    expect(ran.filter((line) => !allowed.test(`${line} `) && !line.includes('O_EXCL'))).toEqual([]);
  });

  it('rule 18: is left as it is when it holds another file system than its source', async () => {
    await copyOfMounted(type);
    ran = [];
    const change = { type, from: TO, to: 'b1946ac9-2d5c-4f0e-9a1d-6f0d1c7d2a33', target: target('copy') };
    await expect(filesystems.renewUuid(copy, change, signal())).rejects.toThrow(
      `should hold a file system ${type} with uuid ${TO}`,
    );
    expect(ran.filter((line) => /^(mount|tune2fs|xfs_admin)/.test(line))).toEqual([]);
  });

  it('rule 12: is left as it is while anything uses it', async () => {
    await copyOfMounted(type);
    sh('mkdir', target('other'));
    sh('mount', '-o', type === 'xfs' ? 'nouuid' : 'defaults', copy.path, target('other'));
    await expect(renew(type)).rejects.toThrow('is in use: it is mounted at');
    expect(await filesystems.probe(copy, signal())).toEqual({ content: 'filesystem', type, uuid: FROM });
  });

  it('is left as it is when it is blank', async () => {
    await copyOfMounted(type);
    sh('losetup', '-d', copy.path);
    await writeFile(path.join(dir, 'blank'), '');
    await truncate(path.join(dir, 'blank'), SIZE[type]);
    copy = await loopOf(path.join(dir, 'blank'));
    await expect(renew(type)).rejects.toThrow('but holds nothing (all zero)');
  });
});
