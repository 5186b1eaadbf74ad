import path from 'node:path';
import { DriverError } from '../domain/errors.js';
import { CommandError } from './run.js';
import {
  cameTrue,
  listEntries,
  readAttribute,
  resolveLink,
  SECTOR_BYTES,
  writeAttribute,
  type HostAccess,
} from './sysfs.js';

const GONE_PATIENCE_MS = 5_000;

/** From an initiator port of this host to a target port: where a LUN is scanned. */
export interface Nexus {
  /** Number of the SCSI host. */
  host: number;
  channel: number;
  target: number;
  /** Name of the target port. */
  port: string;
  /** For people: the portal, or the ports at both ends. */
  label: string;
}

/** Where a LUN is looked for: its number may differ between arrays. */
export interface Place extends Nexus {
  lun: number;
}

/** One SCSI disk, as the kernel remembers it from when it was scanned; it may be another volume by now. */
export interface ScsiPath {
  /** E.g. `sdb`. */
  name: string;
  /** `major:minor`. */
  number: string;
  /** `host:channel:target:lun`. */
  address: string;
  /** The WWN (hex, lower case) that it had when it was scanned. */
  wwn: string | undefined;
  vendor: string | undefined;
  model: string | undefined;
  sizeBytes: number;
  /** IQN, or WWPN as 16 hex digits; undefined for any other transport. */
  port: string | undefined;
  /** Devices that are built on it, e.g. `dm-0`. */
  holders: string[];
}

/** Linux shows the bytes of a LUN in flat addressing as they are: LUN 300 as 16684. Arrays may use it for all, and have to from 256 on. */
const FLAT = 0x4000;
const FLAT_FROM = 256;

/** How Linux may number that LUN, the likelier first. */
export const numbersOf = (lun: number): number[] => (lun < FLAT_FROM ? [lun] : [FLAT + lun, lun]);

/** The LUN as the array numbers it. */
export function lunOf({ address }: Pick<ScsiPath, 'address'>): number {
  const number = Number(address.split(':')[3]);
  return number >= FLAT && number < 2 * FLAT ? number - FLAT : number;
}

/** Whether the disk is at one of them. */
export const isAt = (disk: ScsiPath, places: Place[]): boolean =>
  places.some(
    ({ host, channel, target, lun }) => lunOf(disk) === lun && disk.address.startsWith(`${host}:${channel}:${target}:`),
  );

export const nodeOf = ({ devRoot }: HostAccess, { name }: ScsiPath): string => path.join(devRoot, name);

/** For people. */
export const describe = ({ name, address, port }: ScsiPath): string =>
  `${name} (${address}, target port ${port ?? 'unknown'})`;

/** All SCSI disks of this host; sends nothing to any of them. */
export async function listScsiPaths(sysRoot: string): Promise<ScsiPath[]> {
  const names = (await listEntries(path.join(sysRoot, 'block'))).filter((name) => /^sd[a-z]+$/.test(name));
  const found = await Promise.all(names.map(async (name) => readScsiPath(sysRoot, name)));
  return found.filter((each) => each !== undefined);
}

/** Undefined for one that goes at that moment. */
async function readScsiPath(sysRoot: string, name: string): Promise<ScsiPath | undefined> {
  const folder = path.join(sysRoot, 'block', name);
  const device = await resolveLink(path.join(folder, 'device'));
  if (device === undefined) return undefined;
  const attribute = async (file: string): Promise<string | undefined> => readAttribute(path.join(folder, file));
  const [number, size, wwid, vendor, model, port, holders] = await Promise.all([
    attribute('dev'),
    attribute('size'),
    attribute('device/wwid'),
    attribute('device/vendor'),
    attribute('device/model'),
    readTargetPort(sysRoot, device),
    listEntries(path.join(folder, 'holders')),
  ]);
  if (number === undefined || size === undefined) return undefined;
  const sizeBytes = Number(size) * SECTOR_BYTES;
  return {
    name,
    number,
    address: path.basename(device),
    wwn: parseWwid(wwid),
    vendor,
    model,
    sizeBytes,
    port,
    holders,
  };
}

/** Sysfs writes an NAA identity as `naa.` and its digits. */
function parseWwid(wwid: string | undefined): string | undefined {
  return /^naa\.([0-9a-f]+)$/i.exec(wwid ?? '')?.[1]?.toLowerCase();
}

/** The session or the remote port that the device hangs on is a folder above it. */
async function readTargetPort(sysRoot: string, device: string): Promise<string | undefined> {
  const session = /\/(session\d+)\//.exec(device)?.[1];
  if (session !== undefined) {
    return (await readAttribute(path.join(sysRoot, 'class/iscsi_session', session, 'targetname')))?.toLowerCase();
  }
  const remotePort = /\/(rport-[\d:-]+)\//.exec(device)?.[1];
  if (remotePort === undefined) return undefined;
  return parseWwpn(await readAttribute(path.join(sysRoot, 'class/fc_remote_ports', remotePort, 'port_name')));
}

/** `0x20000002ac000101` of sysfs as 16 hex digits. */
export function parseWwpn(text: string | undefined): string | undefined {
  return /^0x([0-9a-f]{16})$/i.exec(text ?? '')?.[1]?.toLowerCase();
}

/** Has the kernel ask for the LUN with this number (`numbersOf`) at this target port, and for nothing else (rule 14). */
export async function scanLun(
  access: HostAccess,
  at: { nexus: Nexus; number: number },
  signal: AbortSignal,
): Promise<void> {
  const { host, channel, target } = at.nexus;
  const file = path.join(access.sysRoot, 'class/scsi_host', `host${host}`, 'scan');
  await writeAttribute(access.run, { file, value: `${channel} ${target} ${at.number}` }, signal);
}

/**
 * Has the kernel forget the device, and waits until it has; gone already is success. Whoever calls has proven that it may go
 * and that nothing uses it. @throws `unavailable` when it stays
 */
export async function deletePath(
  access: HostAccess,
  { address, name, wwn }: Pick<ScsiPath, 'address' | 'name' | 'wwn'>,
  signal: AbortSignal,
): Promise<void> {
  const folder = path.join(access.sysRoot, 'class/scsi_device', address, 'device');
  const isGone = async (): Promise<boolean> => {
    const wwid = await readAttribute(path.join(folder, 'wwid'));
    // What came back at the same address is not what was to go.
    return (await resolveLink(folder)) === undefined || parseWwid(wwid) !== wwn;
  };
  if (await isGone()) return;
  try {
    await writeAttribute(
      access.run,
      { file: path.join(folder, 'delete'), value: '1', timeoutMs: GONE_PATIENCE_MS },
      signal,
    );
  } catch (error) {
    // It may have vanished in between; a device that hangs is told below.
    if (!(error instanceof CommandError)) throw error;
  }
  if (await cameTrue(isGone, GONE_PATIENCE_MS, signal)) return;
  throw new DriverError('unavailable', `the kernel does not let go of ${name} (${address}, WWN ${wwn ?? 'unknown'})`, {
    next: `look for what hangs with: dmesg | tail; it is tried again by itself`,
  });
}
