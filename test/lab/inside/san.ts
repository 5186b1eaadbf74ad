import { readdirSync, readFileSync, realpathSync } from 'node:fs';
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

/** A path as multipathd sees it. */
export interface PathState {
  disk: string;
  /** What its checker said last: `ready`, `ghost`, `faulty`, … */
  checker: string;
  isActive: boolean;
  priority: number;
  /** Name of the target port that it leads to: IQN, or WWPN as 16 hex digits. */
  target: string;
}

/** The paths of the map of a WWID; none when there is no such map. */
export async function pathStates(wwid: string): Promise<PathState[]> {
  const text = await run('multipathd', ['show', 'paths', 'raw', 'format', '%w|%d|%t|%T|%p']);
  return text
    .split('\n')
    .map((line) => line.split('|').map((each) => each.trim()))
    .filter(([map]) => map === wwid)
    .map(([, disk = '', state, checker = '', priority]) => ({
      disk,
      checker,
      isActive: state === 'active',
      priority: Number(priority),
      target: targetOf(disk),
    }));
}

/** Paths of one priority: those of one array, if the arrays say their roles by ALUA. */
export interface PathGroup {
  /** `active` for the one in use. */
  state: string;
  priority: number;
  paths: { disk: string; checker: string; target: string }[];
}

/** A map as multipathd shows it. @throws when it has none of that WWID */
export async function pathGroups(wwid: string): Promise<{ vendor: string; product: string; groups: PathGroup[] }> {
  const { map } = JSON.parse(await run('multipathd', ['show', 'map', wwid, 'json'])) as { map: ShownMap };
  const groups = map.path_groups.map(({ dm_st: state, pri: priority, paths }) => ({
    state,
    priority,
    paths: paths.map(({ dev, chk_st: checker }) => ({ disk: dev, checker, target: targetOf(dev) })),
  }));
  return { vendor: map.vend, product: map.prod, groups };
}

interface ShownMap {
  vend: string;
  prod: string;
  path_groups: { dm_st: string; pri: number; paths: { dev: string; chk_st: string }[] }[];
}

function targetOf(disk: string): string {
  const device = resolved(`/sys/block/${disk}/device`);
  const session = /\/(session\d+)\//.exec(device)?.[1];
  if (session !== undefined) return read(`/sys/class/iscsi_session/${session}/targetname`);
  const port = /\/(rport-[\d:-]+)\//.exec(device)?.[1];
  return port === undefined ? '' : read(`/sys/class/fc_remote_ports/${port}/port_name`).slice(2);
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

function resolved(link: string): string {
  try {
    return realpathSync(link);
  } catch {
    return '';
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
