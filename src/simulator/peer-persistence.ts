import type { SimulatedArray } from './array.js';
import type { Volume } from './model.js';

/** Data files of two arrays that are to be one file. */
export interface SharedFile {
  from: string;
  to: string;
}

/** Whether hosts see it at all: the secondary of a pair only with Peer Persistence, also while it waits to take over. */
export function isShown(array: SimulatedArray, volume: Volume): boolean {
  const group = array.findGroupOf(volume);
  return group?.role !== 'secondary' || group.takeoverDue || isPaired(array, volume);
}

/** Both arrays show it: Peer Persistence while it replicates, with one WWN on both sides (reference 6.4). */
function isPaired(array: SimulatedArray, volume: Volume): boolean {
  const group = array.findGroupOf(volume);
  const member = group?.members.find((each) => each.local === volume);
  if (group === undefined || member === undefined) return false;
  const pathsManaged = group.state === 'started' && group.mode === 1 && group.policies.pathManagement;
  return pathsManaged && member.syncStatus === 'synced' && member.remote.wwn === volume.wwn;
}

/** Every write to a synchronous pair is on both sides at once: one file. */
export function sharedFiles(arrays: readonly SimulatedArray[]): SharedFile[] {
  return arrays.flatMap((array) => {
    const peer = arrays.find((each) => each !== array);
    if (peer === undefined) return [];
    return [...array.groups.values()]
      .filter((group) => group.role === 'primary')
      .flatMap((group) => group.members)
      .filter(({ local }) => isPaired(array, local))
      .map(({ local, remote }) => ({ from: array.dataFile(local), to: peer.dataFile(remote) }));
  });
}
