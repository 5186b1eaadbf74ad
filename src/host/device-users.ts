import { readlinkSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import type { DeviceUse, MountEntry } from '../contracts/host.js';
import { parseMountinfo, type MountinfoEntry } from './mountinfo.js';
import { findTakenAlong, isReceivedElsewhere } from './propagation.js';

/** Looked at in one turn of the event loop; so many take a millisecond or two. */
const PIDS_AT_ONCE = 100;

/** `major:minor` as mountinfo has it; undefined when there is no such device node. */
export async function findDeviceNumber(devicePath: string): Promise<string | undefined> {
  const found = await stat(devicePath).catch(() => undefined);
  if (found === undefined || !found.isBlockDevice()) return undefined;
  return majorMinor(found.rdev);
}

/** Which mounts are from that device, by its number; by its name only when the device node is gone. */
export async function matchDevice(devicePath: string): Promise<(entry: MountEntry) => boolean> {
  const number = await findDeviceNumber(devicePath);
  return (entry) => (number === undefined ? entry.source === devicePath : entry.device === number);
}

/** Where the device is mounted, in any mount namespace, ours included; one process stands for all that see the same mounts. */
export async function findMountsEverywhere(devicePath: string): Promise<DeviceUse[]> {
  const [views, isFromDevice] = await Promise.all([readViews(), matchDevice(devicePath)]);
  return usesIn(views, isFromDevice);
}

/** The same without the mount at `ownTarget` in our namespace, and without what its umount takes along elsewhere. */
export async function findMountsElsewhere(devicePath: string, ownTarget: string): Promise<DeviceUse[]> {
  const [views, isFromDevice] = await Promise.all([readViews(), matchDevice(devicePath)]);
  const view = views.find(({ pid }) => pid === process.pid)?.entries ?? [];
  const own = view.filter((entry) => entry.target === ownTarget && isFromDevice(entry));
  const lists = views.map(({ entries }) => entries);
  const takenAlong = own.flatMap((entry) => findTakenAlong({ entry, view }, lists));
  // By id: another process of our namespace may see our mount under another path.
  const ids = new Set([...own, ...takenAlong].map(({ id }) => id));
  return usesIn(views, (entry) => isFromDevice(entry) && !ids.has(entry.id));
}

/** Where propagation shows the mount at `ownTarget` of our namespace to processes of others. */
export async function findCopies(devicePath: string, ownTarget: string): Promise<DeviceUse[]> {
  const [views, isFromDevice] = await Promise.all([readViews(), matchDevice(devicePath)]);
  const view = views.find(({ pid }) => pid === process.pid)?.entries ?? [];
  const own = view.filter((entry) => entry.target === ownTarget && isFromDevice(entry));
  const lists = views.map(({ entries }) => entries);
  const copies = new Set(own.flatMap((entry) => findTakenAlong({ entry, view }, lists)).map(({ id }) => id));
  for (const { id } of view) copies.delete(id);
  return usesIn(views, ({ id }) => copies.has(id));
}

/** Whether what is mounted below that directory of our namespace shows up in another one. */
export async function isShownElsewhere(directory: string): Promise<boolean> {
  const views = await readViews();
  const view = views.find(({ pid }) => pid === process.pid)?.entries ?? [];
  return isReceivedElsewhere(
    { directory, view },
    views.map(({ entries }) => entries),
  );
}

function usesIn(views: MountView[], isUse: (entry: MountinfoEntry) => boolean): DeviceUse[] {
  return views.flatMap(({ pid, entries }) => entries.filter(isUse).map(({ target }) => ({ pid, target })));
}

interface MountView {
  pid: number;
  entries: MountinfoEntry[];
}

/** What the processes see in mountinfo, each view once, our own first. */
async function readViews(): Promise<MountView[]> {
  const views: MountView[] = [];
  for (const pids of await groupByView()) {
    for (const pid of pids) {
      const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => undefined);
      // A process that has just ended: the next one with the same view answers for it.
      if (text === undefined) continue;
      views.push({ pid, entries: parseMountinfo(text) });
      break;
    }
  }
  return views;
}

/** The processes by their mount namespace, and their root in it. */
async function groupByView(): Promise<number[][]> {
  const views = new Map<string, number[]>();
  const pids = [process.pid, ...(await allPids())];
  for (let from = 0; from < pids.length; from += PIDS_AT_ONCE) {
    if (from > 0) await turn();
    for (const pid of pids.slice(from, from + PIDS_AT_ONCE)) {
      const key = viewOf(pid);
      if (key === undefined) continue;
      const alike = views.get(key);
      if (alike === undefined) views.set(key, [pid]);
      else alike.push(pid);
    }
  }
  return [...views.values()];
}

/** Read in place: the kernel has it in memory, and by a thread of the pool it takes several times as long. Undefined for a process that has ended. */
function viewOf(pid: number): string | undefined {
  try {
    return `${readlinkSync(`/proc/${pid}/ns/mnt`)} ${readlinkSync(`/proc/${pid}/root`)}`;
  } catch {
    return undefined;
  }
}

async function allPids(): Promise<number[]> {
  const names = await readdir('/proc');
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .toSorted((a, b) => a - b);
}

/** The kernel's encoding of a device number in stat(2) of Linux. */
export function majorMinor(device: number): string {
  const number = BigInt(device);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
