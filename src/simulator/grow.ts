import type { SimulatedArray } from './array.js';
import { Refusal } from './codes.js';
import type { Member, Volume } from './model.js';
import { checkNotBusy } from './tasks.js';
import { growData } from './volume-data.js';
import { ALLOCATION_MIB, MAX_SIZE_MIB } from './volumes.js';

/** PUT action 3: by so many MiB, rounded up to whole steps of the array (reference 4.1, 6.4). */
export async function growVolume(array: SimulatedArray, wanted: { name: string; byMiB: number }): Promise<void> {
  const volume = array.getVolume(wanted.name);
  if (wanted.byMiB < 1) throw new Refusal('VV_GROW_SIZE', 'sizeMiB is less than 1', 'sizeMiB');
  checkNotBusy(array, volume);
  checkGrowable(array, volume);
  checkGroup(array, volume);
  const sizeMiB = volume.sizeMiB + Math.ceil(wanted.byMiB / ALLOCATION_MIB) * ALLOCATION_MIB;
  if (sizeMiB > MAX_SIZE_MIB) {
    throw new Refusal('VV_NEW_SIZE_EXCEED_CPG_LIMIT', `volume ${volume.name} would have ${sizeMiB} MiB`, 'sizeMiB');
  }
  await setSize(array, volume, sizeMiB);
}

async function setSize(array: SimulatedArray, volume: Volume, sizeMiB: number): Promise<void> {
  await growData(array.dataFile(volume), sizeMiB);
  volume.sizeMiB = sizeMiB;
}

function checkGrowable(array: SimulatedArray, volume: Volume): void {
  if (volume.parent === undefined && array.snapshotsOf(volume).length === 0) return;
  throw new Refusal('UNSUPPORTED_VV_TYPE', `volume ${volume.name} is a snapshot or has snapshots: it cannot be grown`);
}

/** The secondary follows with the next start. */
function checkGroup(array: SimulatedArray, volume: Volume): void {
  const group = array.findGroupOf(volume);
  if (group?.state === 'started') {
    throw new Refusal('VV_IN_REMOTE_COPY', `VV ${volume.name} is currently in a started remote copy group`);
  }
  if (group?.role === 'secondary') {
    throw new Refusal('VV_IN_REMOTE_COPY', `VV ${volume.name} is a secondary volume of group ${group.name}`);
  }
}

/** Members as the source and as the sink have them. */
type MemberPairs = readonly (readonly [Member, Member])[];

/** Whether replication can begin: a secondary grows, but does not shrink. @throws Refusal */
export function checkSizes(sink: SimulatedArray, pairs: MemberPairs): void {
  for (const [{ local: from }, { local: to }] of pairs) {
    if (from.sizeMiB < to.sizeMiB) {
      throw new Refusal('RCOPY_VOL_SIZE_NOT_MATCH', `volumes ${from.name} and ${to.name} differ in size`);
    }
    if (from.sizeMiB > to.sizeMiB) checkGrowable(sink, to);
  }
}

/** After `checkSizes`. */
export async function growSecondaries(sink: SimulatedArray, pairs: MemberPairs): Promise<void> {
  for (const [{ local: from }, { local: to }] of pairs) {
    if (from.sizeMiB > to.sizeMiB) await setSize(sink, to, from.sizeMiB);
  }
}
