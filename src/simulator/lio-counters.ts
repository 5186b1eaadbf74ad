import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SimulatedArray } from './array.js';
import type { DeviceCounters } from './fabric.js';
import { devicePath } from './lio-items.js';
import { isCode } from './lio-steps.js';
import type { Volume } from './model.js';

/** The kernel's counters of every volume that has a device now; they start at 0 whenever a device is made. */
export async function readDeviceCounters(root: string, arrays: readonly SimulatedArray[]): Promise<DeviceCounters[]> {
  const counters: DeviceCounters[] = [];
  for (const array of arrays) {
    for (const volume of array.volumes.values()) {
      const found = await findCounters(root, array, volume);
      if (found !== undefined) counters.push(found);
    }
  }
  return counters;
}

async function findCounters(root: string, array: SimulatedArray, volume: Volume): Promise<DeviceCounters | undefined> {
  const path = devicePath({ systemId: array.systemId, volumeId: volume.id });
  const read = async (name: string) => Number(await readFile(join(root, path, 'statistics/scsi_lu', name), 'utf8'));
  try {
    return {
      array: array.name,
      volume: volume.name,
      commands: await read('num_cmds'),
      writtenMiB: await read('write_mbytes'),
      changedAtNs: String((await stat(array.dataFile(volume), { bigint: true })).mtimeNs),
    };
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
