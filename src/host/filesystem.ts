import { mkdir, readdir, rmdir } from 'node:fs/promises';
import path from 'node:path';
import type { DeviceUse, Filesystems, MountAt, MountEntry } from '../contracts/host.js';
import type { Logger } from '../contracts/log.js';
import type { BlockDevice } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import type { FilesystemType } from '../domain/volume.js';
import { failingWhenDead } from './dead-map.js';
import { errorCode } from './error-code.js';
import {
  findCopies,
  findDeviceNumber,
  findMountsElsewhere,
  findMountsEverywhere,
  matchDevice,
} from './device-users.js';
import { formatDevice } from './format.js';
import { growFilesystem } from './grow-filesystem.js';
import { readMounts, type MountinfoEntry } from './mountinfo.js';
import { renewUuid } from './new-uuid.js';
import { probeDevice } from './probe.js';
import { setRootDirectory } from './root-directory.js';
import { CommandError, type Run } from './run.js';
import { cameTrue, readAttribute, resolveLink } from './sysfs.js';
import { findUserPids } from './user-pids.js';

const TIMEOUT_MS = 30_000;
const PASSING_USE_MS = 3_000;

interface FilesystemOptions {
  run: Run;
  /** Mounts are made and taken away only below this directory. */
  mountRoot: string;
  /** Docker runs us in a mount namespace of our own, and sees of our mounts what propagation shows it. */
  managed?: boolean;
  logger: Logger;
}

/** File systems and mounts of this host. */
export function createFilesystems({ run, mountRoot, managed, logger }: FilesystemOptions): Filesystems {
  return {
    probe: async (device, signal) => probeDevice(run, device, signal),
    make: async (device, options, signal) => formatDevice({ run, device, options }, signal),
    async renewUuid(device, change, signal) {
      const { target, type } = change;
      checkTarget(mountRoot, target);
      const replay = async (): Promise<void> => {
        // xfs mounts no second file system with the uuid of one that is mounted already.
        const options = type === 'xfs' ? { options: 'nouuid' } : {};
        await mountDevice({ run, logger }, { device, target, type, ...options }, signal);
        await unmountDevice({ run, logger }, { device, target }, signal);
        await proveMountedNowhere(device, signal);
      };
      await renewUuid({ run, device, change, replay }, signal);
    },
    async mount(device, at, signal) {
      checkTarget(mountRoot, at.target);
      await mountDevice({ run, logger }, { device, ...at }, signal);
    },
    async proveShown(device, target) {
      if (managed !== true || (await findCopies(device.path, target)).length > 0) return;
      throw new DriverError(
        'refused',
        `nobody outside of this plugin sees what it mounts below ${mountRoot}: Docker would give containers an empty directory of this host's disk instead of the volume`,
        {
          next: 'docker plugin disable -f PLUGIN; docker plugin enable --timeout 120 PLUGIN; then start the container again',
        },
      );
    },
    async setRoot(target, root, signal) {
      checkTarget(mountRoot, target);
      await setRootDirectory(run, { target, root }, signal);
    },
    async grow(device, { target, type }, signal) {
      checkTarget(mountRoot, target);
      if (await isMounted({ device, target })) await growFilesystem(run, { device, target, type }, signal);
      else throw new DriverError('unavailable', `${target} is not mounted, so its file system cannot be grown`);
    },
    async unmount(device, target, signal) {
      checkTarget(mountRoot, target);
      await unmountDevice({ run, logger }, { device, target }, signal);
    },
    mounts: readMounts,
    usersElsewhere: async (device, ownTarget) => findMountsElsewhere(device.path, ownTarget),
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

async function mountDevice(
  { run, logger }: Tools,
  { device, target, type, options }: Mount & MountAt,
  signal: AbortSignal,
): Promise<void> {
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
  await proveMountedNowhere(device, signal);
  const asked = options === undefined ? [] : ['-o', options];
  await run('mount', ['-t', type, ...asked, device.path, target], { timeoutMs: TIMEOUT_MS, signal }).catch(
    (thrown: unknown) => {
      throw thrown instanceof CommandError ? notMountable(thrown, type) : thrown;
    },
  );
  if (await isMounted({ device, target })) return tellDamage(logger, device);
  throw new DriverError('unavailable', `mount ended without error, but ${target} is not in the mount table`, {
    next: 'look for file system errors with dmesg',
  });
}

/** Rule 12. A use that passes is none: a container that starts holds a copy of every mount for a moment. */
async function proveMountedNowhere(device: BlockDevice, signal: AbortSignal): Promise<void> {
  let uses: DeviceUse[] = [];
  const isFree = async (): Promise<boolean> => {
    uses = await findMountsEverywhere(device.path);
    return uses.length === 0;
  };
  if (await cameTrue(isFree, PASSING_USE_MS, signal)) return;
  const where = uses.map(({ pid, target }) => `${target} (seen by pid ${pid})`).join(', ');
  throw new DriverError('refused', `${device.path} (WWN ${device.wwn}) is mounted already, at ${where}`, {
    next: `find out who mounted it (findmnt -S ${device.path}), end that, then try again`,
  });
}

/** Rule 20: a damaged file system is for a person to look at. */
function notMountable(error: CommandError, type: FilesystemType): DriverError {
  const check = type === 'xfs' ? 'xfs_repair -n' : 'e2fsck -n';
  const next = `the kernel's reason: dmesg | tail; on a copy or with the volume exported to a host by hand, ${check} DEVICE checks it and changes nothing`;
  return new DriverError(error.code, `${error.message}; nothing was repaired`, { cause: error, next });
}

/** ext4 mounts a file system that it has found damage in before, and says so nowhere but here and in the kernel's log. */
async function tellDamage(logger: Logger, { path: devicePath, wwn }: BlockDevice): Promise<void> {
  const kernelName = path.basename((await resolveLink(devicePath)) ?? devicePath);
  const count = Number((await readAttribute(`/sys/fs/ext4/${kernelName}/errors_count`)) ?? 0);
  if (count === 0) return;
  logger.error(
    `the file system on ${devicePath} (WWN ${wwn}) has ${count} errors on record, and is mounted all the same; next: dmesg | tail; stop its containers, then on a copy or with the volume exported to a host by hand, e2fsck -n DEVICE checks it and changes nothing`,
    { wwn, device: devicePath },
  );
}

/** Whether exactly this device is mounted there, as a whole and once. @throws `refused` when anything else is */
async function isMounted({ device, target }: Mount): Promise<boolean> {
  const [entries, number] = await Promise.all([mountsAt(target), findDeviceNumber(device.path)]);
  if (entries.length === 0) return false;
  const [only] = entries;
  if (entries.length === 1 && only !== undefined && only.device === number && only.root === '/') return true;
  throw new DriverError(
    'refused',
    `something else is mounted at ${target} already: ${entries.map(describe).join(', ')}; expected ${device.path}`,
    { next: `find out who mounted it, then: umount ${target}` },
  );
}

type Tools = Pick<FilesystemOptions, 'run' | 'logger'>;

async function unmountDevice(tools: Tools, { device, target }: Mount, signal: AbortSignal): Promise<void> {
  const isOurs = await matchDevice(device.path);
  let entries = await mountsAt(target);
  while (entries.some(isOurs)) {
    const top = topOf(entries);
    if (top === undefined || !isOurs(top)) throw mountedOver(target, top);
    await unmountTop(tools, top, signal);
    const left = await mountsAt(target);
    if (left.some(({ id }) => id === top.id)) throw stillMounted(target);
    entries = left;
  }
  if (entries.length > 0) return;
  // In another mount namespace rmdir would take a mount off that directory lazily, from under its users.
  if ((await findMountsEverywhere(device.path)).length === 0) await removeDirectory(target);
}

async function unmountTop({ run, logger }: Tools, top: MountEntry, signal: AbortSignal): Promise<void> {
  const access = { run, sysRoot: '/sys', devRoot: '/dev' };
  const umount = async (): Promise<void> => {
    await run('umount', [top.target], { timeoutMs: TIMEOUT_MS, signal });
  };
  try {
    await failingWhenDead(access, { devicePath: top.source, target: top.target, logger, umount }, signal);
  } catch (error) {
    if (error instanceof CommandError && error.stderr.includes('busy')) throw await busy(top);
    throw error;
  }
}

/** Of the mounts at one target, the one that is seen and that umount takes. */
function topOf(entries: MountinfoEntry[]): MountinfoEntry | undefined {
  return entries.findLast(({ id }) => !entries.some((each) => each.parentId === id));
}

/** Rule 15: what lies on ours belongs to somebody else, with whatever was written there. */
function mountedOver(target: string, top: MountEntry | undefined): DriverError {
  const what = top === undefined ? 'unknown' : describe(top);
  return new DriverError('refused', `something else is mounted over ${target}: ${what}; it was left alone`, {
    next: `find out who mounted it, then: umount ${target}`,
  });
}

function stillMounted(target: string): DriverError {
  return new DriverError('unavailable', `umount ended without error, but ${target} is still in the mount table`, {
    next: `findmnt ${target}`,
  });
}

function describe({ source, fsType }: MountEntry): string {
  return `${source} (${fsType})`;
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

/** Rule 28: plain rmdir, so that files that a mount had hidden survive; the next mount refuses, and names them. */
async function removeDirectory(target: string): Promise<void> {
  try {
    await rmdir(target);
  } catch (error) {
    if (['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(String(errorCode(error)))) return;
    throw new DriverError('unavailable', `the mount directory ${target} cannot be removed`, {
      cause: error,
      next: `rmdir ${target} says why; ls -ld ${path.dirname(target)}`,
    });
  }
}

async function mountsAt(target: string): Promise<MountinfoEntry[]> {
  const wanted = path.resolve(target);
  return (await readMounts()).filter((each) => each.target === wanted);
}
