import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';

const MIB = 1024 * 1024;
const SECTOR = 512;

/** Something that a device may hold, and that must not be formatted over (rule 16). */
export interface DeviceContent {
  what: string;
  /** What a refusal calls it. */
  says: string;
  /** Puts it into a file of zeros. */
  fill(file: string): Promise<void>;
}

/** What is said of data that blkid does not know. */
const UNKNOWN = 'data without any known signature';
const EXT4_UUID = '0d15ea5e-0000-4000-8000-000000000001';

/** One of each kind, for a device of that size (64 MiB or more). Needs the tools of e2fsprogs and util-linux. */
export function deviceContents(size: number): DeviceContent[] {
  return [
    {
      what: 'ext4',
      says: `a file system ext4 with uuid ${EXT4_UUID}`,
      fill: byTool('mkfs.ext4', '-q', '-F', '-U', EXT4_UUID),
    },
    { what: 'an ext4 whose first superblock is lost', says: UNKNOWN, fill: ext4WithoutSuperblock },
    { what: 'btrfs', says: 'a file system btrfs', fill: bytes(64 * 1024, btrfs()) },
    { what: 'FAT', says: 'a file system vfat', fill: bytes(0, fat()) },
    { what: 'ISO 9660', says: 'a file system iso9660', fill: bytes(32 * 1024, '\x01CD001\x01') },
    { what: 'swap space', says: 'swap', fill: byTool('mkswap', '-q') },
    { what: 'LUKS 1', says: 'crypto_LUKS', fill: bytes(0, Buffer.concat([hex('4c554b53babe0001'), text('aes', 32)])) },
    { what: 'LUKS 2', says: 'crypto_LUKS', fill: bytes(0, hex('4c554b53babe00020000000000004000')) },
    { what: 'an LVM physical volume', says: 'LVM2_member', fill: bytes(SECTOR, lvmLabel()) },
    { what: 'MD RAID 1.2', says: 'linux_raid_member', fill: bytes(4096, mdSuperblock(4096)) },
    { what: 'MD RAID 1.0', says: 'linux_raid_member', fill: bytes(size - 8192, mdSuperblock(size - 8192)) },
    { what: 'ZFS', says: 'a file system zfs_member', fill: bytes(128 * 1024, zfsUberblocks()) },
    { what: 'bcache', says: UNKNOWN, fill: bytes(4096 + 24, hex('c68573f64e1a45ca8265f57f48ba6d81')) },
    { what: 'a GPT', says: 'a gpt partition table', fill: bytes(0, gpt(size)) },
    { what: 'an MBR', says: 'a dos partition table', fill: bytes(0, mbr(0x83)) },
    { what: 'a text', says: UNKNOWN, fill: bytes(0, 'do not delete: the only copy\n') },
    { what: 'random data at the start', says: UNKNOWN, fill: bytes(0, noise(MIB)) },
    { what: 'random data at the end', says: UNKNOWN, fill: bytes(size - MIB, noise(MIB)) },
    { what: 'one byte at 3 MiB', says: UNKNOWN, fill: bytes(3 * MIB, 'x') },
    { what: 'one byte 1 MiB before the end', says: UNKNOWN, fill: bytes(size - MIB, 'x') },
  ];
}

/** More of them: mere magic numbers, and the limits of what is looked at. */
export function edgeContents(size: number): DeviceContent[] {
  return [
    { what: 'ext2', says: 'a file system ext2', fill: byTool('mkfs.ext2', '-q', '-F') },
    {
      what: 'an ext superblock with nothing but its magic',
      says: 'a file system ext2',
      fill: bytes(1024 + 56, hex('53ef')),
    },
    { what: 'an xfs superblock with nothing but its magic', says: UNKNOWN, fill: bytes(0, 'XFSB') },
    { what: 'a damaged GPT', says: UNKNOWN, fill: bytes(SECTOR, 'EFI PART') },
    { what: 'one byte at the start', says: UNKNOWN, fill: bytes(0, 'x') },
    { what: 'one byte at 4 MiB - 1', says: UNKNOWN, fill: bytes(4 * MIB - 1, 'x') },
    { what: 'one byte 4 MiB before the end', says: UNKNOWN, fill: bytes(size - 4 * MIB, 'x') },
    { what: 'one byte at the end', says: UNKNOWN, fill: bytes(size - 1, 'x') },
  ];
}

/** Made by the tool itself. */
export function byTool(name: string, ...args: string[]): DeviceContent['fill'] {
  return async (file) => void (await promisify(execFile)(`/usr/sbin/${name}`, [...args, file]));
}

function bytes(at: number, data: string | Buffer): DeviceContent['fill'] {
  return async (file) => {
    const handle = await open(file, 'r+');
    await handle.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, 0, undefined, at);
    await handle.close();
  };
}

/** The copies of the superblock are there: e2fsck could save it. */
async function ext4WithoutSuperblock(file: string): Promise<void> {
  await byTool('mkfs.ext4', '-q', '-F')(file);
  await bytes(1024, Buffer.alloc(1024))(file);
}

function btrfs(): Buffer {
  const block = Buffer.alloc(4096);
  block.write('_BHRfS_M', 64, 'latin1');
  return block;
}

/** The first sector of a FAT16 of 64 MiB. */
function fat(): Buffer {
  const sector = Buffer.alloc(SECTOR);
  hex('eb3c904d53444f53352e30').copy(sector);
  sector.writeUInt16LE(SECTOR, 11);
  // 16 sectors in a cluster, one reserved, two tables, 512 entries in the root directory.
  hex('100100020002').copy(sector, 13);
  sector[21] = 0xf8;
  sector.writeUInt16LE(32, 22);
  sector.writeUInt32LE(131_072, 32);
  sector.write('FAT16   ', 54, 'latin1');
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

function lvmLabel(): Buffer {
  const sector = Buffer.alloc(SECTOR);
  sector.write('LABELONE', 0, 'latin1');
  sector.writeBigUInt64LE(1n, 8);
  sector.writeUInt32LE(32, 20);
  sector.write('LVM2 001', 24, 'latin1');
  // LVM starts the sum with a number of its own, and does not invert the result.
  sector.writeUInt32LE(~crc32(sector.subarray(20), ~0xf597a6cf >>> 0) >>> 0, 16);
  return sector;
}

/** Version 1 of the superblock, which says where it is itself. */
function mdSuperblock(at: number): Buffer {
  const block = Buffer.alloc(1024);
  block.writeUInt32LE(0xa92b4efc, 0);
  block.writeUInt32LE(1, 4);
  noise(16).copy(block, 16);
  block.write('host:0', 32, 'latin1');
  block.writeBigUInt64LE(BigInt(at / SECTOR), 144);
  return block;
}

function zfsUberblocks(): Buffer {
  const ring = Buffer.alloc(128 * 1024);
  for (let at = 0; at < ring.length; at += 1024) ring.writeBigUInt64LE(0x00bab10cn, at);
  return ring;
}

/** With the protective MBR, and no partition. */
function gpt(size: number): Buffer {
  const [entries, last] = [Buffer.alloc(128 * 128), BigInt(size / SECTOR - 1)];
  const header = Buffer.alloc(SECTOR);
  header.write('EFI PART', 0, 'latin1');
  header.writeUInt32LE(0x00010000, 8);
  header.writeUInt32LE(92, 12);
  [1n, last, 34n, last - 33n].forEach((value, index) => header.writeBigUInt64LE(value, 24 + 8 * index));
  noise(16).copy(header, 56);
  header.writeBigUInt64LE(2n, 72);
  [128, 128, crc32(entries)].forEach((value, index) => header.writeUInt32LE(value, 80 + 4 * index));
  header.writeUInt32LE(crc32(header.subarray(0, 92)), 16);
  return Buffer.concat([mbr(0xee), header, entries]);
}

/** With one partition of that type. */
function mbr(type: number): Buffer {
  const sector = Buffer.alloc(SECTOR);
  sector[450] = type;
  sector.writeUInt32LE(1, 454);
  sector.writeUInt32LE(100_000, 458);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** The same in each run, so that no magic number comes about by chance. */
function noise(length: number): Buffer {
  return Buffer.alloc(length, createHash('sha512').update('random').digest());
}

const hex = (digits: string): Buffer => Buffer.from(digits, 'hex');
const text = (data: string, length: number): Buffer => Buffer.from(data.padEnd(length, '\0'), 'latin1');
