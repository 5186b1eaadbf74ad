import { mkdir, readdir, rmdir } from 'node:fs/promises';
import path from 'node:path';
import type { Filesystems, MountEntry } from '../contracts/host.js';
import type { BlockDevice } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { errorCode } from './error-code.js';
import { findDeviceNumber, findMountsEverywhere, findUserPids } from './device-users.js';
import { formatDevice } from './format.js';
import { readMounts } from './mountinfo.js';
import { probeDevice } from './probe.js';
import { CommandError, type Run } from './run.js';

const TIMEOUT_MS = 30_000;

interface FilesystemOptions {
  run: Run;
  /** Mounts are made and taken away only below this directory. */
  mountRoot: string;
}

/** File systems and mounts of this host. */
export function createFilesystems({ run, mountRoot }: FilesystemOptions): Filesystems {
  return {
    probe: async (device, signal) => probeDevice(run, device, signal),
    make: async (device, options, signal) => formatDevice({ run, device, options }, signal),
    async mount(device, target, signal) {
      checkTarget(mountRoot, target);
      await mountDevice(run, { device, target }, signal);
    },
    async unmount(target, signal) {
      checkTarget(mountRoot, target);
      await unmount(run, target, signal);
    },
    mounts: readMounts,
    async usersElsewhere(device, ownTarget) {
      const uses = await findMountsEverywhere(device.path);
      return uses.filter((use) => !(use.own && use.target === ownTarget)).map(({ pid, target }) => ({ pid, target }));
    },
  };
}

function checkTarget(mountRoot: string, target: string): void {
  if (path.resolve(target) === target && target.startsWith(`${path.resolve(mountRoot)}/`)) return;
  throw new DriverError('internal', `${target} is not below ${mountRoot}, where this plugin mounts volumes`);
}

interface Mount {
  device: BlockDevice;
  target: string;
}

async function mountDevice(run: Run, { device, target }: Mount, signal: AbortSignal): Promise<void> {
  if (await isMounted({ device, target })) return;
  await mkdir(target, { recursive: true, mode: 0o700 });
  const content = await readdir(target);
  if (content.length > 0) {
    throw new DriverError(
      'refused',
      `${target} is not mounted and not empty (${content.slice(0, 3).join(', ')}); a mount would hide that`,
      {
        next: `move the content of ${target} away`,
      },
    );
  }
  await run('mount', ['-t', 'ext4', device.path, target], { timeoutMs: TIMEOUT_MS, signal });
  if (await isMounted({ device, target })) return;
  throw new DriverError('unavailable', `mount ended without error, but ${target} is not in the mount table`, {
    next: 'look for file system errors with dmesg',
  });
}

/** Whether exactly this device is mounted there, as a whole and once. @throws `refused` when anything else is */
async function isMounted({ device, target }: Mount): Promise<boolean> {
  const [entries, number] = await Promise.all([mountsAt(target), findDeviceNumber(device.path)]);
  if (entries.length === 0) return false;
  const [only] = entries;
  if (entries.length === 1 && only !== undefined && only.device === number && only.root === '/') return true;
  throw new DriverError(
    'refused',
    `something else is mounted at ${target} already: ${entries.map((each) => `${each.source} (${each.fsType})`).join(', ')}; expected ${device.path}`,
    { next: `find out who mounted it, then: umount ${target}` },
  );
}

async function unmount(run: Run, target: string, signal: AbortSignal): Promise<void> {
  const entries = await mountsAt(target);
  const foreign = entries.filter((each) => each.device !== entries[0]?.device);
  if (foreign.length > 0) throw mountedOver(target, foreign);
  for (const entry of entries.toReversed()) {
    try {
      await run('umount', [target], { timeoutMs: TIMEOUT_MS, signal });
    } catch (error) {
      if (error instanceof CommandError && error.stderr.includes('busy')) throw await busy(entry);
      throw error;
    }
  }
  if ((await mountsAt(target)).length > 0) {
    throw new DriverError('unavailable', `umount ended without error, but ${target} is still in the mount table`, {
      next: `findmnt ${target}`,
    });
  }
  await removeDirectory(target);
}

/** Rule 15: ours is the lowest; what lies on it belongs to somebody else, with whatever was written there. */
function mountedOver(target: string, foreign: MountEntry[]): DriverError {
  const what = foreign.map((each) => `${each.source} (${each.fsType})`).join(', ');
  return new DriverError('refused', `something else is mounted over ${target}: ${what}; nothing was unmounted`, {
    next: `find out who mounted it, then: umount ${target}`,
  });
}

async function busy({ device, target }: MountEntry): Promise<DriverError> {
  const [pids, mounts] = await Promise.all([findUserPids(device), readMounts()]);
  const below = mounts.filter((each) => each.target.startsWith(`${target}/`)).map((each) => each.target);
  const users = [
    ...(pids.length === 0 ? [] : [`process ${pids.join(', ')}`]),
    ...(below.length === 0 ? [] : [`the mount ${below.join(', ')}`]),
  ];
  return new DriverError(
    'busy',
    `${target} is still used by ${users.length === 0 ? 'something unseen' : users.join(' and ')}`,
    {
      next: 'stop it, then try again; nothing was unmounted or taken away',
    },
  );
}

/** Rule 28: plain rmdir, so that files that a mount had hidden survive. */
async function removeDirectory(target: string): Promise<void> {
  try {
    await rmdir(target);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') {
      throw new DriverError(
        'refused',
        `${target} is unmounted, but the directory below holds files; they were left there`,
        {
          cause: error,
          next: `move the content of ${target} away`,
        },
      );
    }
    throw new DriverError('unavailable', `the mount directory ${target} cannot be removed`, { cause: error });
  }
}

async function mountsAt(target: string): Promise<MountEntry[]> {
  const wanted = path.resolve(target);
  return (await readMounts()).filter((each) => each.target === wanted);
}
