import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { DriverError } from '../domain/errors.js';
import { majorMinor } from './device-users.js';
import { errorCode } from './error-code.js';
import type { Run } from './run.js';
import { SECTOR_BYTES } from './sysfs.js';

const TIMEOUT_MS = 10_000;

/** What makes a file the same file, whatever it is called now. */
export interface FileIdentity {
  inode: number;
  /** `major:minor` of the file system that it lies on. */
  device: string;
}

/** One loop device that is in use. */
export interface LoopDevice extends FileIdentity {
  /** E.g. `/dev/loop3`. */
  path: string;
  /** Grows with every use that is made of any loop device since boot, so that a reused number is noticed. */
  diskSequence: string;
}

/** A device that somebody frees at that moment is listed with nothing behind it, and is not listed a moment later. */
const LOOKS = 5;
const LOOK_PAUSE_MS = 20;

const losetupSchema = z.object({
  loopdevices: z.array(
    z.object({
      name: z.string().startsWith('/dev/loop'),
      // A number, or a string before util-linux 2.37.
      'back-ino': z.union([z.number(), z.string()]).pipe(z.coerce.number()),
      'back-maj:min': z.string(),
    }),
  ),
});
type Listed = z.infer<typeof losetupSchema>['loopdevices'];

/** All loop devices of the host that have a backing file. */
export async function listLoopDevices(run: Run, signal: AbortSignal): Promise<LoopDevice[]> {
  const devices = await listWhole(run, signal);
  return Promise.all(
    devices.map(async (each) => ({
      path: each.name,
      inode: each['back-ino'],
      device: each['back-maj:min'].trim(),
      diskSequence: await readDiskSequence(each.name),
    })),
  );
}

async function listWhole(run: Run, signal: AbortSignal): Promise<Listed> {
  const args = ['--list', '--json', '--output', 'NAME,BACK-INO,BACK-MAJ:MIN'];
  for (let looks = 1; ; looks += 1) {
    const { stdout } = await run('losetup', args, { timeoutMs: TIMEOUT_MS, signal });
    if (stdout.trim() === '') return [];
    try {
      return losetupSchema.parse(JSON.parse(stdout)).loopdevices;
    } catch (error) {
      if (looks === LOOKS) throw incomprehensible(error);
    }
    await pause(LOOK_PAUSE_MS, undefined, { signal });
  }
}

/** A new loop device on the file. */
export async function addLoopDevice(run: Run, file: string, signal: AbortSignal): Promise<string> {
  const { stdout } = await run('losetup', ['--find', '--show', file], { timeoutMs: TIMEOUT_MS, signal });
  return stdout.trim();
}

/** Has the device take the size that its file has by now. */
export async function resizeLoopDevice(run: Run, devicePath: string, signal: AbortSignal): Promise<void> {
  await run('losetup', ['--set-capacity', devicePath], { timeoutMs: TIMEOUT_MS, signal });
}

/** Writes out what is cached and frees the device; while somebody has it open, the kernel only marks it for later. */
export async function freeLoopDevice(run: Run, devicePath: string, signal: AbortSignal): Promise<void> {
  await run('blockdev', ['--flushbufs', devicePath], { timeoutMs: TIMEOUT_MS, signal });
  await run('losetup', ['--detach', devicePath], { timeoutMs: TIMEOUT_MS, signal });
}

/** @throws `unavailable` when there is no such file */
export async function identifyFile(file: string): Promise<FileIdentity> {
  try {
    const found = await stat(file);
    return { inode: found.ino, device: majorMinor(found.dev) };
  } catch (error) {
    throw new DriverError('unavailable', `the volume's data file ${file} cannot be read`, { cause: error });
  }
}

/** Bytes, from sysfs: every Mount and Unmount waits for this, and a tool would have to be started. */
export async function readLoopSize(devicePath: string): Promise<number> {
  try {
    return Number(await readFile(sysFile(devicePath, 'size'), 'utf8')) * SECTOR_BYTES;
  } catch (error) {
    throw new DriverError('unavailable', `the size of ${devicePath} cannot be read`, { cause: error });
  }
}

/** Differs after every boot. */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

function incomprehensible(cause: unknown): DriverError {
  return new DriverError('unavailable', 'the list of loop devices cannot be understood', {
    cause,
    next: 'losetup --list --json (util-linux 2.35 or newer is needed)',
  });
}

/** Empty before Linux 5.15, which has no such number. */
async function readDiskSequence(devicePath: string): Promise<string> {
  return (await readFile(sysFile(devicePath, 'diskseq'), 'utf8').catch(() => '')).trim();
}

/**
 * Whether the device is still in the very use that has this number; without a tool, because every Mount and Unmount waits for
 * it. The kernel counts the number up when a device is attached and when it is freed.
 * @throws `unavailable` when that cannot be read
 */
export async function hasSequence(loop: Pick<LoopDevice, 'path' | 'diskSequence'>): Promise<boolean> {
  const [sequence, file] = await Promise.all([
    readIfThere(sysFile(loop.path, 'diskseq')),
    // Missing while nothing is behind the device.
    readIfThere(sysFile(loop.path, 'loop/backing_file')),
  ]);
  return file !== undefined && sequence?.trim() === loop.diskSequence;
}

/** How a file of sysfs is missed, also while it is going. */
const ABSENT: readonly unknown[] = ['ENOENT', 'ENODEV', 'ENXIO'];

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (ABSENT.includes(errorCode(error))) return undefined;
    throw new DriverError('unavailable', `${file} cannot be read`, { cause: error });
  }
}

function sysFile(devicePath: string, name: string): string {
  return path.join('/sys/class/block', path.basename(devicePath), name);
}
