import { open, readFile, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Side } from '../../src/domain/replication.js';
import { majorMinor } from '../../src/host/device-users.js';
import type { SimulatedArray } from '../../src/simulator/array.js';
import type { LedgerVolume } from './ledger.js';
import type { NodeName } from './steps.js';

/** What is mounted somewhere, as the kernel has it. */
export interface Seen {
  dev: number;
  loop: string;
  diskSequence: string;
  side: Side;
}

/** A container that was started with a volume: dockerd's id of the mount, and what the container sees. */
export interface Container extends Seen {
  volume: LedgerVolume;
  node: NodeName;
  id: string;
  mountpoint: string;
  /** Another node took the volume over. */
  robbed: boolean;
  /** What it keeps open. */
  file: FileHandle | undefined;
}

/** What containers write to. */
export const diaryAt = (mountpoint: string): string => path.join(mountpoint, 'diary');

/** Undefined when nothing of these arrays is mounted there. */
export async function lookAt(
  mountpoint: string,
  arrays: readonly [SimulatedArray, SimulatedArray],
): Promise<Seen | undefined> {
  const dev = (await stat(mountpoint).catch(() => undefined))?.dev;
  if (dev === undefined) return undefined;
  const device = `/sys/dev/block/${majorMinor(dev)}`;
  const file = await readFile(`${device}/loop/backing_file`, 'utf8').catch(() => undefined);
  const side = file?.startsWith(arrays[0].volumesDir) === true ? 'primary' : 'secondary';
  if (file === undefined || !file.startsWith(arrays[side === 'primary' ? 0 : 1].volumesDir)) return undefined;
  const uevent = await readFile(`${device}/uevent`, 'utf8');
  const loop = /^DEVNAME=(.*)$/m.exec(uevent)?.[1] ?? '';
  return { dev, loop, side, diskSequence: await diskSequenceOf(loop) };
}

/** Whether what it writes now reaches the array: its device is there, on the data file that the array has now. */
export async function isLive(container: Container): Promise<boolean> {
  const { loop, diskSequence, file, mountpoint, dev } = container;
  if ((await diskSequenceOf(loop)) !== diskSequence) return false;
  // The array gave the data another file: the device holds one that has no name any more.
  const backing = await readFile(`/sys/block/${loop}/loop/backing_file`, 'utf8').catch(() => ' (deleted)');
  if (backing.trim().endsWith('(deleted)')) return false;
  if (file !== undefined) return true;
  return (await stat(mountpoint).catch(() => undefined))?.dev === dev;
}

/** One line more, on disk. @throws when the kernel says that it is not */
export async function write(container: Container, line: string): Promise<void> {
  const { file, mountpoint, dev } = container;
  if (file !== undefined) {
    await file.appendFile(`${line}\n`);
    await file.datasync();
    return;
  }
  // It is there already, so nothing is written into an empty mountpoint.
  const opened = await open(diaryAt(mountpoint), 1025); // O_WRONLY | O_APPEND
  try {
    if ((await opened.stat()).dev !== dev) throw new Error('something else is mounted there');
    await opened.appendFile(`${line}\n`);
    await opened.datasync();
  } finally {
    await opened.close();
  }
}

async function diskSequenceOf(loop: string): Promise<string> {
  return (await readFile(`/sys/block/${loop}/diskseq`, 'utf8').catch(() => 'none')).trim();
}
