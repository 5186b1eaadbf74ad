import { DriverError } from './errors.js';

export { ownershipTag } from './tag.js';

/** Longest remote copy group name that still leaves room for the peer's `.r<system id>` (reference 4.7). */
const GROUP_NAME_LIMIT = 22;
/** Longest host name on the array. */
const HOST_NAME_LIMIT = 31;
/** dockerd makes 64 hex digits for anonymous volumes; more than a file name's 255 bytes cannot be a mount directory. */
const VOLUME_NAME_LIMIT = 200;

/** The Docker name, if it can be used as a directory name and be typed. @throws `invalid` */
export function checkVolumeName(name: string): string {
  if (name.length === 0) throw new DriverError('invalid', 'the volume name is empty');
  if (name.length > VOLUME_NAME_LIMIT) {
    throw new DriverError(
      'invalid',
      `the volume name has ${name.length} characters; at most ${VOLUME_NAME_LIMIT} are possible`,
    );
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) {
    throw new DriverError(
      'invalid',
      `the volume name ${JSON.stringify(name)} cannot be used: letters, digits, '_', '.' and '-' are allowed, starting with a letter or digit`,
    );
  }
  return name;
}

/** A remote copy group name that fits both arrays. @throws `invalid` */
export function checkGroupName(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name) || name.length > GROUP_NAME_LIMIT) {
    throw new DriverError(
      'invalid',
      `replicationGroup ${JSON.stringify(name)} cannot be used: 1 to ${GROUP_NAME_LIMIT} letters, digits, '_', '.' or '-', starting with a letter or digit`,
    );
  }
  return name;
}

/** `dcv-` and the 16 bytes of the uuid in the array's base64 alphabet, 26 characters (reference 10.1). */
export const arrayVolumeName = (uuid: string): string => `dcv-${encodeUuid(uuid)}`;

/** The same for a snapshot, which begins with `dcs-`. */
export const arraySnapshotName = (uuid: string): string => `dcs-${encodeUuid(uuid)}`;

/** Of the volume set with flash cache that belongs to the volume with that id, 26 characters. */
export const cachedSetName = (uuid: string): string => `vvs-${encodeUuid(uuid)}`;

function encodeUuid(uuid: string): string {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  if (bytes.length !== 16) throw new DriverError('internal', `not a uuid: ${uuid}`);
  return bytes.toString('base64').replaceAll('+', '.').replaceAll('/', '-').replaceAll('=', '');
}

/** The array's name for this host: up to the first dot, the allowed characters, at most 31. */
export function arrayHostName(hostname: string): string {
  const name = (hostname.split('.')[0] ?? '').replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, HOST_NAME_LIMIT);
  return /^[A-Za-z0-9]/.test(name) ? name : `h${name}`.slice(0, HOST_NAME_LIMIT);
}

/** How an operator takes away the exports of a volume to a host: each port has its own. */
export const removeExportsCommand = (arrayName: string, host: string): string =>
  `removevlun -f ${arrayName} LUN ${host} PORT, for each line of: showvlun -t -v ${arrayName}`;
