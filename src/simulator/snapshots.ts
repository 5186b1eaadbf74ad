import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import { planLifetime } from './lifetime.js';
import type { Lifetime } from './lifetime.js';
import type { Volume } from './model.js';
import { currentDataFile } from './replication.js';
import { checkNotBusy } from './tasks.js';
import { copyData } from './volume-data.js';

export interface CreateSnapshot extends Lifetime {
  of: string;
  name: string;
  comment: string;
  readOnly: boolean;
}

/** A snapshot of what the volume holds now, also of members of groups on either side: reference 4.1, 4.3. */
export async function createSnapshot(pair: ArrayPair, array: SimulatedArray, wanted: CreateSnapshot): Promise<Volume> {
  const parent = array.getVolume(wanted.of);
  array.checkLicense('Virtual Copy');
  if (array.volumes.has(wanted.name)) throw new Refusal('EXISTENT_VOL', `volume ${wanted.name} exists already`, 'name');
  if (parent.snapCpg === undefined) {
    throw new Refusal('VV_NO_SNAPSHOT_SPACE', `volume ${parent.name} has no snapshot space (snapCPG)`);
  }
  if (parent.copy !== undefined) checkNotBusy(array, parent);
  const lifetime = planLifetime(array, wanted);
  const { name, comment, readOnly } = wanted;
  return Object.assign(await takeSnapshot(pair, array, { parent, name, comment, readOnly }), lifetime);
}

/** Without questions. */
export async function takeSnapshot(
  pair: ArrayPair,
  array: SimulatedArray,
  wanted: { parent: Volume; name: string; comment: string; readOnly: boolean },
): Promise<Volume> {
  const { sizeMiB, compression, cpg, snapCpg, domain } = wanted.parent;
  await copyData(currentDataFile(pair, array, wanted.parent), array.dataFile(wanted));
  return array.addVolume({ ...wanted, sizeMiB, compression, cpg, snapCpg, domain, provisioning: 'snp' });
}

/** The volume at the end of the chain of parents; a base volume itself. */
export function baseOf(volume: Volume): Volume {
  let base = volume;
  while (base.parent !== undefined) base = base.parent;
  return base;
}
