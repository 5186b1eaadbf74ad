import type { Connection } from '../contracts/host.js';
import { DriverError } from '../domain/errors.js';
import { lunAtPort, portNames } from './halves.js';
import { removeDevice } from './device-removal.js';
import { provePathUnused, proveUnused } from './exclusive.js';
import { listMaps, removeMap, stopQueueing } from './multipath-map.js';
import { identify } from './scsi-identity.js';
import { deletePath, describe, isAt, listScsiPaths, lunOf, nodeOf, type Place, type ScsiPath } from './scsi-paths.js';
import type { HostAccess } from './sysfs.js';

interface Wanted {
  connection: Connection;
  /** Where the LUN is to be, on either array. */
  places: Place[];
}

/**
 * Takes away what would be mistaken for the wanted LUN, or would get into its map: entries of an earlier volume at its address,
 * paths of its WWN that lead elsewhere, and the device of the passive copy. Only what nothing uses goes.
 * @throws `busy` or `refused`, and then nothing of it may be used
 */
export async function removeWrongPaths(access: HostAccess, wanted: Wanted, signal: AbortSignal): Promise<void> {
  const { wwn, passive } = wanted.connection;
  if (passive !== undefined && passive.wwn !== wwn) {
    await removeDevice(access, { wwn: passive.wwn, flush: false }, signal);
  }
  const [stray] = await findStrays(access, wanted);
  // Its good paths go, too, and are scanned again: a map that was built with a wrong one is built anew.
  if (stray !== undefined) {
    await removeDevice(access, { wwn, flush: false }, signal).catch((error: unknown) => {
      throw error instanceof DriverError && error.code === 'busy' ? strayInUse(stray, error) : error;
    });
  }
  await removeStale(access, wanted, signal);
}

/**
 * The same for a device that is in use: its paths stay, and nothing but what is at the wanted addresses is judged.
 * @throws `busy` or `refused`, and then no path may be added
 */
export async function removeStalePaths(access: HostAccess, wanted: Wanted, signal: AbortSignal): Promise<void> {
  await findStrays(access, wanted);
  await removeStale(access, wanted, signal);
}

/** Paths of the wanted WWN to the passive array, or at another LUN number. @throws `refused` for a target port that nobody knows */
async function findStrays(access: HostAccess, { connection }: Wanted): Promise<ScsiPath[]> {
  const { wwn, passive } = connection;
  const strays: ScsiPath[] = [];
  for (const each of await listScsiPaths(access.sysRoot)) {
    if (each.wwn !== wwn) continue;
    const lun = lunAtPort(connection, each.port);
    const isPassive = each.port !== undefined && passive?.targetNames.includes(each.port) === true;
    if (lun === undefined && !isPassive) throw unknownPort(each, connection);
    if (isPassive || lunOf(each) !== lun) strays.push(each);
  }
  return strays;
}

/** Rule 13: entries at the wanted addresses that are known as something that is not there any more. */
async function removeStale(access: HostAccess, { connection, places }: Wanted, signal: AbortSignal): Promise<void> {
  const there = (await listScsiPaths(access.sysRoot)).filter((each) => isAt(each, places));
  const judged = await Promise.all(
    there.map(async (each) => ((await isStale(access, { path: each, connection }, signal)) ? each : undefined)),
  );
  const stale = judged.filter((each) => each !== undefined);
  await removeStaleMaps(access, stale, signal);
  await Promise.all(stale.map(async (each) => removeStalePath(access, each, signal)));
}

async function isStale(
  access: HostAccess,
  { path: known, connection }: { path: ScsiPath; connection: Connection },
  signal: AbortSignal,
): Promise<boolean> {
  const now = await identify(access.run, nodeOf(access, known), signal);
  if (known.wwn === connection.wwn) return now !== undefined && now.wwn !== connection.wwn;
  if (now === undefined || now.wwn !== known.wwn) return true;
  throw new DriverError(
    'refused',
    `${describe(known)} is volume ${now.wwn}, alive and well, where the array has put volume ${connection.wwn}`,
    { next: `compare with: showvlun -a; LUN ${lunOf(known)} belongs to two volumes` },
  );
}

/** A map goes only when all its paths are stale and nothing uses it; what it has cached is written to nobody. */
async function removeStaleMaps(access: HostAccess, stale: ScsiPath[], signal: AbortSignal): Promise<void> {
  const names = stale.map(({ name }) => name);
  for (const map of await listMaps(access)) {
    const inIt = stale.filter(({ name }) => map.paths.includes(name));
    const [first] = inIt;
    if (first === undefined) continue;
    if (map.holders.length > 0 || !map.paths.every((name) => names.includes(name))) throw inUse(first, map.path);
    await proveUnused(map.path, signal).catch((error: unknown) => {
      throw error instanceof DriverError && error.code === 'busy' ? inUse(first, map.path) : error;
    });
    await stopQueueing(access.run, map, signal);
    await removeMap(access, map, signal);
  }
}

async function removeStalePath(access: HostAccess, gone: ScsiPath, signal: AbortSignal): Promise<void> {
  const now = (await listScsiPaths(access.sysRoot)).find(({ address }) => address === gone.address);
  if (now === undefined || now.wwn !== gone.wwn) return;
  const [holder] = now.holders;
  if (holder !== undefined) throw inUse(now, holder);
  await provePathUnused(nodeOf(access, now), signal);
  await deletePath(access, now, signal);
}

function unknownPort(stray: ScsiPath, connection: Connection): DriverError {
  const { wwn } = connection;
  return new DriverError(
    'refused',
    `${describe(stray)} also shows volume ${wwn}, but its target port is none of ${portNames(connection).join(', ')}, nor known of the other array; which copy it leads to is not proven`,
    {
      next: `add that port to hpe.conf if it is the array's; or, if nothing uses it: echo 1 > /sys/block/${stray.name}/device/delete`,
    },
  );
}

function strayInUse(stray: ScsiPath, cause: DriverError): DriverError {
  const what = `${describe(stray)} does not lead to the active copy of volume ${stray.wwn ?? 'unknown'}, and cannot be taken away: ${cause.message}`;
  return new DriverError('busy', what, {
    cause,
    next: `stop the containers that use it; what they wrote through that path is on the other copy (multipath -ll)`,
  });
}

function inUse(stale: ScsiPath, by: string): DriverError {
  return new DriverError(
    'busy',
    `${describe(stale)} was volume ${stale.wwn ?? 'unknown'}, which is not there any more, and ${by} still uses it; what is written there may reach another volume`,
    {
      next: `find out who uses it with: lsblk /dev/${stale.name}; fuser -v /dev/${stale.name}; end that, then try again`,
    },
  );
}
