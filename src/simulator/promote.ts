import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import type { Task, Volume } from './model.js';
import { cancelTask, checkNotBusy, findActiveTask, startTask } from './tasks.js';
import { overwriteData } from './volume-data.js';

export interface Promotion {
  snapshot: string;
  /** The parent may be exported. */
  online: boolean;
  /** The parent may be a member of a stopped group. */
  allowRemoteCopyParent: boolean;
  priority: 1 | 2 | 3;
}

/** PUT action 4: the parent gets the data of its snapshot, at once; its hosts see them under their feet (reference 2.2, 4.1). */
export async function promoteSnapshot(pair: ArrayPair, array: SimulatedArray, wanted: Promotion): Promise<Task> {
  const snapshot = array.getVolume(wanted.snapshot);
  const { parent } = snapshot;
  if (parent === undefined) throw new Refusal('VV_BASE_VOLUME', `volume ${snapshot.name} is a base volume`);
  for (const volume of [snapshot, parent]) checkNotBusy(array, volume);
  checkGroup(array, parent, wanted);
  if (isExported(array, snapshot)) throw new Refusal('VV_EXPORTED', `volume ${snapshot.name} is exported`);
  if (!wanted.online && isExported(array, parent)) {
    throw new Refusal('PARENT_VV_EXPORTED', `volume ${parent.name} is exported`);
  }
  if (snapshot.sizeMiB < parent.sizeMiB) {
    throw new Refusal('PARENT_SIZE_HAS_INCREASED', `volume ${parent.name} has grown since ${snapshot.name} was taken`);
  }
  await overwriteData(array.dataFile(snapshot), array.dataFile(parent));
  return startTask(pair, array, {
    type: 'promote_sv',
    name: `${snapshot.name}->${parent.name}`,
    priority: wanted.priority,
    volumes: [snapshot, parent],
    end: async () => Promise.resolve(),
  });
}

function checkGroup(array: SimulatedArray, parent: Volume, { allowRemoteCopyParent }: Promotion): void {
  const group = array.findGroupOf(parent);
  if (group === undefined || (allowRemoteCopyParent && group.state !== 'started')) return;
  throw new Refusal('VV_IN_REMOTE_COPY', `volume ${parent.name} is a member of remote copy group ${group.name}`);
}

const isExported = (array: SimulatedArray, volume: Volume): boolean =>
  array.vluns.some((vlun) => vlun.volume === volume);

/** PUT action 5. */
export async function stopPromotion(array: SimulatedArray, name: string): Promise<void> {
  const task = findActiveTask(array, array.getVolume(name));
  if (task?.type !== 'promote_sv') {
    throw new Refusal('PROMOTE_IS_NOT_IN_PROGRESS', `volume ${name} is not being promoted`);
  }
  await cancelTask(array, task.id);
}
