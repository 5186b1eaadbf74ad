import { rename } from 'node:fs/promises';
import type { SimulatedArray } from './array.js';
import { Refusal } from './codes.js';
import { isRetained, planLifetime } from './lifetime.js';
import type { Lifetime } from './lifetime.js';
import type { Volume } from './model.js';
import { checkNotBusy, findActiveTask } from './tasks.js';
import { createData, removeData } from './volume-data.js';

export interface CreateVolume extends Lifetime {
  name: string;
  cpg: string;
  snapCpg: string | undefined;
  sizeMiB: number;
  tpvv: boolean;
  tdvv: boolean;
  compression: boolean;
  comment: string;
}

/** The array allocates in such steps, and nothing bigger than that: reference 4.1, 4.2. */
export const ALLOCATION_MIB = 256;
export const MAX_SIZE_MIB = 16_777_216;
const COMPRESSION_MIN_MIB = 16 * 1024;
// The Python plugin recognises these words (reference 2.1).
const COMPRESSION_HINT =
  "Either tpvv must be true OR for compressed and deduplicated volumes both 'compression' and 'tdvv' must be specified as true";

/** reference 4.1, 4.2 */
export async function createVolume(array: SimulatedArray, wanted: CreateVolume): Promise<Volume> {
  if (array.volumes.has(wanted.name)) throw new Refusal('EXISTENT_VOL', `volume ${wanted.name} exists already`);
  const cpg = array.getCpg(wanted.cpg);
  if (wanted.snapCpg !== undefined) array.getCpg(wanted.snapCpg);
  if (wanted.tpvv && wanted.tdvv) throw new Refusal('PARAM_CONFLICT', 'tpvv and tdvv cannot both be true', 'tdvv');
  checkCompression(array, wanted);
  const lifetime = planLifetime(array, wanted);
  const volume = array.addVolume({
    name: wanted.name,
    sizeMiB: Math.ceil(wanted.sizeMiB / ALLOCATION_MIB) * ALLOCATION_MIB,
    provisioning: provisioningOf(wanted),
    compression: wanted.compression,
    cpg: cpg.name,
    snapCpg: wanted.snapCpg,
    domain: cpg.domain,
    comment: wanted.comment,
    ...lifetime,
  });
  await createData(array.dataFile(volume), volume.sizeMiB);
  return volume;
}

function checkCompression(array: SimulatedArray, wanted: CreateVolume): void {
  if (!wanted.compression) return;
  array.checkLicense('Compression');
  if (!wanted.tpvv && !wanted.tdvv) throw new Refusal('PARAM_CONFLICT', COMPRESSION_HINT, 'compression');
  if (wanted.sizeMiB < COMPRESSION_MIN_MIB) {
    throw new Refusal('BELOW_RANGE', 'a compressed volume has at least 16 GiB', 'sizeMiB');
  }
}

function provisioningOf({ tpvv, tdvv }: CreateVolume): Volume['provisioning'] {
  if (tdvv) return 'tdvv';
  return tpvv ? 'tpvv' : 'full';
}

export interface ModifyVolume extends Lifetime {
  newName?: string | undefined;
  comment?: string | undefined;
}

/** `PUT /volumes/<n>` without action: reference 4.1. */
export async function modifyVolume(array: SimulatedArray, name: string, change: ModifyVolume): Promise<Volume> {
  const volume = array.getVolume(name);
  const lifetime = planLifetime(array, change, volume);
  if (change.newName !== undefined) await renameVolume(array, volume, change.newName);
  if (change.comment !== undefined) volume.comment = change.comment;
  return Object.assign(volume, lifetime);
}

/** Exports, snapshots and hosts' devices stay as they are; its data file gets the new name, too. */
async function renameVolume(array: SimulatedArray, volume: Volume, newName: string): Promise<void> {
  const { name } = volume;
  if (newName === name) return;
  const group = array.findGroupOf(volume);
  if (group !== undefined) {
    throw new Refusal('VV_IN_REMOTE_COPY', `volume ${name} is a member of remote copy group ${group.name}`, 'newName');
  }
  checkNotBusy(array, volume);
  if (array.volumes.has(newName)) throw new Refusal('EXISTENT_VOL', `volume ${newName} exists already`, 'newName');
  await rename(array.dataFile(volume), array.dataFile({ name: newName }));
  array.volumes.delete(name);
  volume.name = newName;
  array.volumes.set(newName, volume);
}

/** reference 2.2, 12.10 */
export async function deleteVolume(array: SimulatedArray, name: string): Promise<void> {
  const volume = array.getVolume(name);
  checkRemovable(array, volume);
  if (isRetained(array, volume)) {
    throw new Refusal('RETAINED', `volume ${name} is retained until ${volume.retainedUntil?.toISOString()}`);
  }
  await forgetVolume(array, volume);
}

/** Whether nothing hangs on the volume; its retention is another matter. @throws Refusal */
export function checkRemovable(array: SimulatedArray, volume: Volume): void {
  const { name } = volume;
  const group = array.findGroupOf(volume);
  if (group !== undefined) {
    throw new Refusal('VV_IN_REMOTE_COPY', `volume ${name} is a member of remote copy group ${group.name}`);
  }
  checkNotUsed(array, volume);
  checkInNoSet(array, volume);
}

/** @throws Refusal 409/34 */
export function checkInNoSet(array: SimulatedArray, volume: Volume): void {
  const [set] = array.volumeSetsOf(volume);
  if (set !== undefined) throw new Refusal('IN_USE', `volume ${volume.name} is in volume set ${set.name}`);
}

/** Neither exported, nor copied, nor with snapshots. @throws Refusal 409/26, 400/29, 409/151, 409/32 */
export function checkNotUsed(array: SimulatedArray, volume: Volume): void {
  checkNotExported(array, volume);
  if (volume.copy?.online === true && findActiveTask(array, volume) !== undefined) {
    throw new Refusal('COPY_TARGET', `volume ${volume.name} is the target of an online copy`);
  }
  checkNotBusy(array, volume);
  if (array.snapshotsOf(volume).length > 0) {
    throw new Refusal('HAS_CHILD', `volume ${volume.name} has snapshots or dependants`);
  }
}

/** @throws Refusal 409/26 */
export function checkNotExported(array: SimulatedArray, volume: Volume): void {
  if (array.vluns.some((vlun) => vlun.volume === volume)) {
    throw new Refusal('EXPORTED_VLUN', `volume ${volume.name} is exported`);
  }
}

/** The volume and its data, without questions. */
export async function forgetVolume(array: SimulatedArray, volume: Volume): Promise<void> {
  array.volumes.delete(volume.name);
  await removeData(array.dataFile(volume));
}
