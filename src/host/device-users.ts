import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import path from 'node:path';
import type { DeviceUse, MountEntry } from '../contracts/host.js';
import { parseMountinfo } from './mountinfo.js';

/** `major:minor` as mountinfo has it; undefined when there is no such device node. */
export async function findDeviceNumber(devicePath: string): Promise<string | undefined> {
  const found = await stat(devicePath).catch(() => undefined);
  if (found === undefined || !found.isBlockDevice()) return undefined;
  return majorMinor(found.rdev);
}

/** Where the device is mounted, in any mount namespace, ours included; one process stands for all that see the same mounts. */
export async function findMountsEverywhere(devicePath: string): Promise<(DeviceUse & { own: boolean })[]> {
  const number = await findDeviceNumber(devicePath);
  const isOurs = (entry: MountEntry): boolean =>
    number === undefined ? entry.source === devicePath : entry.device === number;
  const uses: (DeviceUse & { own: boolean })[] = [];
  for (const { pids, own } of await mountViews()) {
    for (const pid of pids) {
      const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => undefined);
      // A process that has just ended: the next one with the same view answers for it.
      if (text === undefined) continue;
      for (const entry of parseMountinfo(text).filter(isOurs)) uses.push({ pid, target: entry.target, own });
      break;
    }
  }
  return uses;
}

/** Processes that use the file system on the device `major:minor` (open or mapped file, directory), or the device itself. */
export async function findUserPids(device: string): Promise<number[]> {
  const pids: number[] = [];
  for (const pid of await allPids()) {
    if (pid !== process.pid && (await usesDevice(pid, device))) pids.push(pid);
  }
  return pids;
}

interface MountView {
  pids: number[];
  own: boolean;
}

/** The processes by what they see in mountinfo: their mount namespace, and their root in it. */
async function mountViews(): Promise<MountView[]> {
  const own = await readlink('/proc/self/ns/mnt');
  const views = new Map<string, MountView>();
  for (const pid of [process.pid, ...(await allPids())]) {
    const links = await Promise.all([readlink(`/proc/${pid}/ns/mnt`), readlink(`/proc/${pid}/root`)]).catch(
      () => undefined,
    );
    if (links === undefined) continue;
    const key = links.join(' ');
    const view = views.get(key);
    if (view === undefined) views.set(key, { pids: [pid], own: links[0] === own });
    else view.pids.push(pid);
  }
  return [...views.values()];
}

async function usesDevice(pid: number, device: string): Promise<boolean> {
  const folder = `/proc/${pid}`;
  const descriptors = await readdir(`${folder}/fd`).catch(() => []);
  for (const link of ['cwd', 'root', ...descriptors.map((descriptor) => `fd/${descriptor}`)]) {
    const file = await stat(path.join(folder, link)).catch(() => undefined);
    if (file === undefined) continue;
    if (majorMinor(file.dev) === device) return true;
    if (file.isBlockDevice() && majorMinor(file.rdev) === device) return true;
  }
  const maps = await readFile(`${folder}/maps`, 'utf8').catch(() => '');
  return maps.includes(` ${mapsNumber(device)} `);
}

/** The device number as `/proc/PID/maps` writes it: hexadecimal, two digits at least. */
function mapsNumber(device: string): string {
  return device
    .split(':')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join(':');
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
