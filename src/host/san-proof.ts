import type { Connection } from '../contracts/host.js';
import { DriverError } from '../domain/errors.js';
import { lunAtPort, portNames } from './halves.js';
import type { MultipathMap } from './multipath-map.js';
import { identify, PRODUCT, VENDOR, type ScsiIdentity } from './scsi-identity.js';
import { describe, listScsiPaths, nodeOf, type ScsiPath } from './scsi-paths.js';
import type { HostAccess } from './sysfs.js';

/**
 * Asks every path of the map who it is; each has to be the expected volume, on a port of an array that shows it (rules 9 and 10).
 * @returns the paths that answered @throws `refused` when one is anything else
 */
export async function proveMap(
  access: HostAccess,
  { map, connection }: { map: MultipathMap; connection: Connection },
  signal: AbortSignal,
): Promise<ScsiPath[]> {
  const { wwn, sizeBytes } = connection;
  if (map.sizeBytes !== sizeBytes) {
    throw new DriverError('refused', `${map.path} has ${map.sizeBytes} bytes, but volume ${wwn} has ${sizeBytes}`, {
      next: `compare with showvv on the array; multipath -ll ${map.name}`,
    });
  }
  if (map.holders.length > 0) {
    throw new DriverError('refused', `${map.path} is in use: it is part of ${map.holders.join(', ')}`, {
      next: `lsblk ${map.path} shows what is built on it; only the whole volume is mounted`,
    });
  }
  const paths = (await listScsiPaths(access.sysRoot)).filter(({ name }) => map.paths.includes(name));
  const proven = await Promise.all(
    paths.map(async (each) => ((await provePath(access, { path: each, connection, map }, signal)) ? each : undefined)),
  );
  return proven.filter((each) => each !== undefined);
}

/** @returns whether the path answered @throws `refused` when it is anything but the expected volume */
export async function provePath(
  access: HostAccess,
  { path, connection, map }: { path: ScsiPath; connection: Connection; map?: MultipathMap },
  signal: AbortSignal,
): Promise<boolean> {
  const { wwn, sizeBytes } = connection;
  const ports = portNames(connection);
  const now = await identify(access.run, nodeOf(access, path), signal);
  const isKnown = path.wwn === wwn && path.sizeBytes === sizeBytes && path.vendor === VENDOR && path.model === PRODUCT;
  const isWanted = now === undefined || (now.wwn === wwn && now.vendor === VENDOR && now.product === PRODUCT);
  const isHeld = path.holders.some((holder) => holder !== map?.kernelName);
  if (isKnown && isWanted && !isHeld && path.port !== undefined && ports.includes(path.port)) return now !== undefined;
  throw notTheVolume(path, now, connection);
}

function notTheVolume(path: ScsiPath, now: ScsiIdentity | undefined, connection: Connection): DriverError {
  const { wwn, sizeBytes, lun } = connection;
  const held = path.holders.length === 0 ? '' : `, part of ${path.holders.join(', ')}`;
  const seen = `WWN ${now?.wwn ?? path.wwn ?? 'unknown'}${now !== undefined && now.wwn !== path.wwn ? ` (when scanned ${path.wwn ?? 'unknown'})` : ''}, ${path.sizeBytes} bytes, ${now?.vendor ?? path.vendor} ${now?.product ?? path.model}${held}`;
  return new DriverError(
    'refused',
    `${describe(path)} is not the expected volume at LUN ${lunAtPort(connection, path.port) ?? lun}: seen ${seen}; expected WWN ${wwn}, ${sizeBytes} bytes, ${VENDOR} ${PRODUCT}, target port ${portNames(connection).join(' or ')}, in no other device`,
    { next: 'compare with showvlun -a and showvv -showcols Name,VV_WWN on the array; nothing was mounted' },
  );
}
