import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import type { Task, Volume } from './model.js';
import { currentDataFile } from './replication.js';
import { takeSnapshot } from './snapshots.js';
import { cancelTask, checkNotBusy, findActiveTask, startTask } from './tasks.js';
import { copyData, loseSecondHalf, overwriteData } from './volume-data.js';
import { checkNotUsed, createVolume, forgetVolume } from './volumes.js';

export interface OnlineCopy {
  of: string;
  to: string;
  cpg: string;
  snapCpg: string | undefined;
  tpvv: boolean;
  tdvv: boolean;
  compression: boolean;
  priority: 1 | 2 | 3;
}

/**
 * Makes the volume `to` with the data of this moment; both may be used at once. While the copy runs `to` hangs on two
 * helper snapshots of the source, which go with its end, but stay when it is broken off: reference 4.4.
 */
export async function copyOnline(pair: ArrayPair, array: SimulatedArray, wanted: OnlineCopy): Promise<Task> {
  const source = getSource(array, wanted.of);
  const { cpg, tpvv, tdvv, compression, priority } = wanted;
  if (array.getCpg(cpg).domain !== source.domain) {
    throw new Refusal('NOT_IN_SAME_DOMAIN', `volume ${source.name} and CPG ${cpg} must be in the same domain`);
  }
  const shape = { cpg, snapCpg: wanted.snapCpg, tpvv, tdvv, compression, sizeMiB: source.sizeMiB, comment: '' };
  const target = await createVolume(array, { ...shape, name: wanted.to });
  await copyData(currentDataFile(pair, array, source), array.dataFile(target));
  const helper = (parent: Volume, readOnly: boolean) => {
    const name = `vvcp.${source.id}.${target.id}.${readOnly ? 'ro' : 'rw'}`;
    return takeSnapshot(pair, array, { parent, name, comment: '', readOnly });
  };
  const frozen = await helper(source, true);
  const written = await helper(frozen, false);
  target.copy = { of: written, online: true };
  return startTask(pair, array, {
    type: 'online_copy',
    name: target.name,
    priority,
    volumes: [target, source, frozen, written],
    end: async (status) => {
      if (status !== 'done') return loseSecondHalf(array.dataFile(target));
      target.copy = undefined;
      for (const snapshot of [written, frozen]) await forgetVolume(array, snapshot);
    },
  });
}

export interface OfflineCopy {
  of: string;
  to: string;
  priority: 1 | 2 | 3;
}

/** Overwrites the volume `to`, which nobody may use meanwhile: reference 4.1, 4.4. */
export async function copyOffline(pair: ArrayPair, array: SimulatedArray, wanted: OfflineCopy): Promise<Task> {
  const source = getSource(array, wanted.of);
  const target = array.getVolume(wanted.to);
  checkTarget(array, source, target);
  await overwriteData(currentDataFile(pair, array, source), array.dataFile(target));
  target.copy = { of: source, online: false };
  return startTask(pair, array, {
    type: 'vv_copy',
    name: `${source.name}->${target.name}`,
    priority: wanted.priority,
    volumes: [target, source],
    end: async (status) => {
      if (status !== 'done') return loseSecondHalf(array.dataFile(target));
      target.copy = undefined;
    },
  });
}

/** PUT action 1, on the target. */
export async function stopCopy(array: SimulatedArray, name: string): Promise<void> {
  const target = array.getVolume(name);
  const task = target.copy && findActiveTask(array, target);
  if (task === undefined) throw new Refusal('COPY_NOT_IN_PROGRESS', `volume ${name} is not being copied to`);
  await cancelTask(array, task.id);
}

/** What is still being copied to has no data to give; several copies of one source may run. */
function getSource(array: SimulatedArray, name: string): Volume {
  const source = array.getVolume(name);
  if (source.copy !== undefined) checkNotBusy(array, source);
  return source;
}

function checkTarget(array: SimulatedArray, source: Volume, target: Volume): void {
  if (target === source) throw new Refusal('PARAM_CONFLICT', `volume ${source.name} is the source`, 'destVolume');
  const group = array.findGroupOf(target);
  if (group !== undefined) {
    throw new Refusal('VV_IN_REMOTE_COPY', `volume ${target.name} is a member of remote copy group ${group.name}`);
  }
  checkNotUsed(array, target);
  if (target.domain !== source.domain) {
    throw new Refusal('NOT_IN_SAME_DOMAIN', `volumes ${source.name} and ${target.name} must be in the same domain`);
  }
  if (target.sizeMiB < source.sizeMiB) {
    throw new Refusal('COPY_SIZE_TOO_SMALL', `volume ${target.name} is smaller than ${source.name}`, 'destVolume');
  }
}
