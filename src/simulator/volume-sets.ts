import { randomUUID } from 'node:crypto';
import type { SimulatedArray } from './array.js';
import { Refusal } from './codes.js';
import type { Volume, VolumeSet } from './model.js';

export interface CreateVolumeSet {
  name: string;
  domain: string | undefined;
  comment: string;
  /** Names of volumes. */
  members: string[];
}

/** reference 4.6 */
export function createVolumeSet(array: SimulatedArray, wanted: CreateVolumeSet): void {
  const { name, domain, comment } = wanted;
  checkNameFree(array, name);
  if (domain !== undefined && !array.domains.includes(domain)) {
    throw new Refusal('NON_EXISTENT_DOMAIN', `domain ${domain} does not exist`, 'domain');
  }
  const set = { name, domain, comment, members: [], flashCache: false, qos: undefined };
  const members = newMembers(array, set, wanted.members);
  array.volumeSets.set(name, { ...set, id: array.nextId(), uuid: randomUUID(), members });
}

function checkNameFree(array: SimulatedArray, name: string): void {
  if (array.volumeSets.has(name)) throw new Refusal('EXISTENT_SET', `volume set ${name} exists already`, 'name');
}

/** The volumes that are to be added. @throws Refusal: nothing was changed */
function newMembers(
  array: SimulatedArray,
  set: Pick<VolumeSet, 'name' | 'domain' | 'members'>,
  names: string[],
): Volume[] {
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new Refusal('DUP_NAME', `volume ${repeated} is given twice`, 'setmembers');
  return names.map((name) => {
    const volume = array.getVolume(name);
    if (set.members.includes(volume)) {
      throw new Refusal('MEMBER_IN_SET', `volume ${name} is in volume set ${set.name} already`, 'setmembers');
    }
    if (volume.domain !== set.domain) {
      const where = set.domain === undefined ? 'which has none' : set.domain;
      throw new Refusal('MEMBER_NOT_IN_SAME_DOMAIN', `volume ${name} is not in the domain of ${set.name}, ${where}`);
    }
    return volume;
  });
}

/** PUT action 1. */
export function addToSet(array: SimulatedArray, name: string, members: string[]): void {
  const set = array.getVolumeSet(name);
  set.members.push(...newMembers(array, set, members));
}

/** PUT action 2; a set may become empty. */
export function removeFromSet(array: SimulatedArray, name: string, members: string[]): void {
  const set = array.getVolumeSet(name);
  const leaving = members.map((each) => array.getVolume(each));
  const stranger = leaving.find((volume) => !set.members.includes(volume));
  if (stranger !== undefined) {
    throw new Refusal('MEMBER_NOT_IN_SET', `volume ${stranger.name} is not in volume set ${name}`, 'setmembers');
  }
  set.members = set.members.filter((volume) => !leaving.includes(volume));
}

export interface ModifyVolumeSet {
  newName: string | undefined;
  comment: string | undefined;
  flashCache: boolean | undefined;
}

/** PUT without action. */
export function modifyVolumeSet(array: SimulatedArray, name: string, change: ModifyVolumeSet): VolumeSet {
  const set = array.getVolumeSet(name);
  const { newName = name, comment = set.comment, flashCache = set.flashCache } = change;
  if (newName !== name) checkNameFree(array, newName);
  if (flashCache && array.flashCache === undefined) {
    throw new Refusal('NON_EXISTENT_FLASH_CACHE', 'the system has no flash cache', 'flashCachePolicy');
  }
  array.volumeSets.delete(name);
  Object.assign(set, { name: newName, comment, flashCache });
  array.volumeSets.set(newName, set);
  return set;
}

/** Its volumes stay. */
export function deleteVolumeSet(array: SimulatedArray, name: string): void {
  const set = array.getVolumeSet(name);
  if (set.qos !== undefined) throw new Refusal('VVSET_QOS_TARGET', `volume set ${name} has a QoS rule`);
  array.volumeSets.delete(name);
}
