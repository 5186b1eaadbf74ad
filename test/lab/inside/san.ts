import { readdirSync, readFileSync } from 'node:fs';
import { run } from './command.js';

/** A SCSI disk of this host. */
export interface ScsiDisk {
  /** `sdb` */
  name: string;
  /** `naa.60002ac…`, as the kernel learnt it. */
  wwid: string;
}

export function scsiDisks(): ScsiDisk[] {
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('sd'))
    .map((name) => ({ name, wwid: read(`/sys/block/${name}/device/wwid`) }));
}

/** A device-mapper device and the disks below it. */
export interface MultipathMap {
  wwid: string;
  device: string;
  paths: string[];
}

export function multipathMaps(): MultipathMap[] {
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('dm-'))
    .map((device) => ({
      device,
      wwid: read(`/sys/block/${device}/dm/name`),
      paths: readdirSync(`/sys/block/${device}/slaves`),
    }));
}

/** One line for each iSCSI session: target and portal, and the number that a new login would change. */
export async function iscsiSessions(): Promise<string[]> {
  const text = await run('iscsiadm', ['-m', 'session']).catch((error: unknown) => {
    if (String(error).includes('No active sessions')) return '';
    throw error;
  });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/ \(.*/, ''));
}

/** Target and portal of each record in open-iscsi's database. */
export function iscsiNodes(): string[] {
  const root = '/etc/iscsi/nodes';
  return list(root).flatMap((target) => list(`${root}/${target}`).map((portal) => `${target} ${portal}`));
}

/** Mounts of block devices, except the root image. */
export function deviceMounts(): string[] {
  return read('/proc/self/mounts')
    .split('\n')
    .filter((line) => /^\/dev\/(?!vda )/.test(line))
    .map((line) => line.split(' ').slice(0, 3).join(' '));
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** What a device or file that may vanish at any time says, or nothing. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
