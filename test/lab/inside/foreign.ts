import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from './checks.js';
import { eventually, run } from './command.js';
import { arrayNamespace, FOREIGN, portal } from './network.js';

const CONFIG = '/sys/kernel/config/target';
const TARGET = 'iqn.2026-11.example.somebody-else:disks';
const MOUNTED = '/mnt/foreign';
const FILE = path.join(MOUNTED, 'file');
const DISK_BYTES = 64 << 20;
/** The kernel's target makes WWNs of its own number and these. */
const [ISCSI_SERIAL, FC_SERIAL] = ['1111', '2222'];
const MAP = `36001405${ISCSI_SERIAL.padEnd(25, '0')}`;

/**
 * An iSCSI session and a mounted multipath map that are not ours: they have to be as they were at the end of every scenario. What
 * the plugin does to sessions and maps in general would strike them.
 */
export async function bringForeignStorageUp(): Promise<void> {
  const group = path.join(CONFIG, 'iscsi', TARGET, 'tpgt_1');
  const device = makeDisk('foreign-iscsi', ISCSI_SERIAL);
  makeGroup(group, { device, initiator: 'iqn.1993-08.org.debian:01:node1' });
  writeFileSync(path.join(group, 'attrib', 'authentication'), '0');
  const at = `${portal(FOREIGN, 1)}:3260`;
  await run('nsenter', [`--net=/run/netns/${arrayNamespace(FOREIGN)}`, 'mkdir', path.join(group, 'np', at)]);
  writeFileSync(path.join(group, 'enable'), '1');
  await run('iscsiadm', ['-m', 'node', '-T', TARGET, '-p', at, '-o', 'new']);
  await run('iscsiadm', ['-m', 'node', '-T', TARGET, '-p', at, '--login']);
  // The map is there before its name in /dev.
  await eventually(async () => run('mkfs.ext4', ['-q', `/dev/mapper/${MAP}`]));
  mkdirSync(MOUNTED);
  await run('mount', [`/dev/mapper/${MAP}`, MOUNTED]);
  writeFileSync(FILE, 'written before the scenario');
}

/** A disk on the Fibre Channel target of that WWPN, which has to be there before the port logs in. */
export function makeForeignFcDisk(wwpn: string, initiator: string): void {
  mkdirSync(path.join(CONFIG, 'fc'), { recursive: true });
  makeGroup(path.join(CONFIG, 'fc', wwpn, 'tpgt_1'), { device: makeDisk('foreign-fc', FC_SERIAL), initiator });
}

/** Its session and map are compared with all others; this asks whether it works. */
export async function expectForeignStorageWorks(): Promise<void> {
  const before = await run('cat', [FILE]);
  expect(before === 'written before the scenario', `the file on the foreign disk says: ${before}`);
  await run('dd', ['if=/dev/zero', `of=${FILE}.new`, 'bs=64k', 'count=1', 'oflag=direct', 'conv=fsync', 'status=none']);
  await run('rm', [`${FILE}.new`]);
}

function makeDisk(name: string, serial: string): string {
  const file = `/var/lab/${name}`;
  mkdirSync(path.dirname(file), { recursive: true });
  const device = path.join(CONFIG, 'core', 'fileio_900', name);
  writeFileSync(file, '');
  mkdirSync(device, { recursive: true });
  writeFileSync(path.join(device, 'control'), `fd_dev_name=${file},fd_dev_size=${DISK_BYTES},fd_buffered_io=1`);
  writeFileSync(path.join(device, 'wwn', 'vpd_unit_serial'), serial);
  writeFileSync(path.join(device, 'enable'), '1');
  // Requests of 512 KiB: bigger ones time out over Fibre Channel.
  writeFileSync(path.join(device, 'attrib', 'optimal_sectors'), '1024');
  return device;
}

/** A target portal group with the device as LUN 0, for that initiator alone. */
function makeGroup(group: string, { device, initiator }: { device: string; initiator: string }): void {
  mkdirSync(path.join(group, 'lun', 'lun_0'), { recursive: true });
  symlinkSync(device, path.join(group, 'lun', 'lun_0', 'device'));
  const mapped = path.join(group, 'acls', initiator, 'lun_0');
  mkdirSync(mapped, { recursive: true });
  symlinkSync(path.join(group, 'lun', 'lun_0'), path.join(mapped, 'slot'));
}
