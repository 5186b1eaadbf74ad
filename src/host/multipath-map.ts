import { stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { DriverError } from '../domain/errors.js';
import { CommandError, type Run } from './run.js';
import { listEntries, readAttribute, SECTOR_BYTES, type HostAccess } from './sysfs.js';

const TIMEOUT_MS = 10_000;
const SETTLE_SECONDS = 3;
const REMOVE_PATIENCE_MS = 9_000;
const REMOVE_PAUSE_MS = 500;

/** A multipath map, as the kernel has it. */
export interface MultipathMap {
  /** The WWID, or an alias of the administrator's. */
  name: string;
  /** E.g. `dm-0`. */
  kernelName: string;
  /** `/dev/mapper/<name>` */
  path: string;
  wwn: string;
  sizeBytes: number;
  /** Kernel names of its paths, e.g. `sdb`. */
  paths: string[];
  /** What is built on the map: LVM, partitions. */
  holders: string[];
}

/** All multipath maps of SCSI devices with an NAA identity. */
export async function listMaps({ sysRoot, devRoot }: HostAccess): Promise<MultipathMap[]> {
  const names = (await listEntries(path.join(sysRoot, 'block'))).filter((name) => /^dm-\d+$/.test(name));
  const maps = await Promise.all(
    names.map(async (kernelName) => {
      const folder = path.join(sysRoot, 'block', kernelName);
      const [uuid, name, size, paths, holders] = await Promise.all([
        readAttribute(path.join(folder, 'dm/uuid')),
        readAttribute(path.join(folder, 'dm/name')),
        readAttribute(path.join(folder, 'size')),
        listEntries(path.join(folder, 'slaves')),
        listEntries(path.join(folder, 'holders')),
      ]);
      const wwn = /^mpath-3([0-9a-f]+)$/i.exec(uuid ?? '')?.[1]?.toLowerCase();
      if (wwn === undefined || name === undefined || name === '' || size === undefined) return undefined;
      const sizeBytes = Number(size) * SECTOR_BYTES;
      return { name, kernelName, path: path.join(devRoot, 'mapper', name), wwn, sizeBytes, paths, holders };
    }),
  );
  return maps.filter((each) => each !== undefined);
}

/** The map of that WWN, by its WWID: whatever its name is, it is neither a partition nor anybody else's. */
export async function findMap(access: HostAccess, wwn: string): Promise<MultipathMap | undefined> {
  return (await listMaps(access)).find((map) => map.wwn === wwn);
}

/** Whether udev has made the device node; a name that is opened too early becomes a plain file. */
export async function hasNode(map: MultipathMap): Promise<boolean> {
  return (await stat(map.path).catch(() => undefined))?.isBlockDevice() ?? false;
}

/** Which paths (`major:minor`) of the map device-mapper would send I/O to; none when the map has gone. */
export async function readActivePaths(run: Run, map: MultipathMap, signal: AbortSignal): Promise<Set<string>> {
  try {
    const { stdout } = await run('dmsetup', ['status', '--target', 'multipath', map.name], {
      timeoutMs: TIMEOUT_MS,
      signal,
    });
    return parseActivePaths(stdout);
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === 1) return new Set();
    throw error;
  }
}

/** The output of `dmsetup status` for one map: each path is `major:minor A|F failures`. */
export function parseActivePaths(status: string): Set<string> {
  return new Set([...status.matchAll(/ (\d+:\d+) A /g)].map(([, number]) => number ?? ''));
}

/** Makes I/O fail when no path is left, instead of waiting for one (rule 29); multipathd does not switch it on again. */
export async function stopQueueing(run: Run, map: MultipathMap, signal: AbortSignal): Promise<void> {
  const options = { timeoutMs: 5_000, signal };
  const told = await Promise.allSettled([
    run('multipathd', ['disablequeueing', 'map', map.name], options),
    run('dmsetup', ['message', map.name, '0', 'fail_if_no_path'], options),
  ]);
  signal.throwIfAborted();
  // One of the two is enough: without multipathd nobody switches it on again either.
  if (told.some(({ status }) => status === 'fulfilled')) return;
  for (const each of told) if (each.status === 'rejected') throw each.reason;
}

/** As multipath.conf says, for who goes on using the map; what its failure leaves is a map that fails sooner. */
export async function restoreQueueing(run: Run, map: MultipathMap): Promise<void> {
  await run('multipathd', ['restorequeueing', 'map', map.name], { timeoutMs: 5_000 }).catch(() => undefined);
}

/**
 * Writes out what is cached for the device, and asks whether it has taken everything so far: umount and `blockdev --flushbufs` end
 * well when it has not. The kernel tells it once. @throws when anything was not written
 */
export async function flushBuffers(run: Run, devicePath: string, signal: AbortSignal): Promise<void> {
  await run('sync', [devicePath], { timeoutMs: TIMEOUT_MS, signal }).catch((thrown: unknown) => {
    throw thrown instanceof CommandError && !signal.aborted ? notWritten(thrown, devicePath) : thrown;
  });
}

function notWritten(error: CommandError, devicePath: string): DriverError {
  return new DriverError(error.code, `${error.message}; what was written last to ${devicePath} may be lost`, {
    cause: error,
    next: 'dmesg | tail; see whether the array has space for it (showvv -s, showcpg); check the newest files when the volume is mounted again',
  });
}

/** Takes the map away; gone already is success. @throws `busy` when it is open somewhere */
export async function removeMap(access: HostAccess, map: MultipathMap, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + REMOVE_PATIENCE_MS;
  for (;;) {
    const failure = await tryRemove(access.run, map, signal);
    if ((await findMap(access, map.wwn)) === undefined) return;
    if (performance.now() > deadline) throw mapStays(map, failure);
    // Right after an umount or a change of paths udev looks at the map, and it is in use for a moment.
    await settle(access.run, signal);
    await pause(REMOVE_PAUSE_MS, undefined, { signal });
  }
}

async function tryRemove(run: Run, map: MultipathMap, signal: AbortSignal): Promise<CommandError | undefined> {
  try {
    await run('multipath', ['-f', map.name], { timeoutMs: TIMEOUT_MS, signal });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandError) || signal.aborted) throw error;
    return error;
  }
}

/** Never longer than given: a map without a usable path keeps udev waiting. */
async function settle(run: Run, signal: AbortSignal): Promise<void> {
  await run('udevadm', ['settle', `--timeout=${SETTLE_SECONDS}`], { timeoutMs: TIMEOUT_MS, signal }).catch(
    (error: unknown) => {
      if (!(error instanceof CommandError) || signal.aborted) throw error;
    },
  );
}

function mapStays(map: MultipathMap, cause: CommandError | undefined): DriverError {
  return new DriverError('busy', `multipath -f does not take ${map.path} away: ${cause?.message ?? 'it comes back'}`, {
    cause,
    next: `find out who has it open with: fuser -v ${map.path}; dmsetup info ${map.name}`,
  });
}
