import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import type { Group, Member, Volume } from './model.js';
import { checkConnected, checkPrimary } from './replication.js';
import { createData, removeData } from './volume-data.js';
import { checkInNoSet, checkNotUsed, forgetVolume } from './volumes.js';

export interface Admission {
  group: string;
  volume: string;
  secondaryVolume: string;
  volumeAutoCreation: boolean;
  differentSecondaryWwn: boolean;
  skipInitialSync: boolean;
}

/** PUT action 1: reference 6.4, 2.2. */
export async function admitVolume(pair: ArrayPair, array: SimulatedArray, request: Admission): Promise<void> {
  const group = array.getGroup(request.group);
  const twin = getStoppedTwin(pair, array, group);
  const volume = array.getVolume(request.volume);
  checkPrimaryVolume(array, group, volume);
  if (group.members.length >= pair.seed.maxVolumesPerGroup) {
    throw new Refusal('RCOPY_MAX_VOL_REACHED', `group ${group.name} has ${group.members.length} volumes already`);
  }
  const peer = pair.peerOf(array);
  const secondary = request.volumeAutoCreation
    ? await createSecondary(peer, { volume, group, request })
    : findSecondary(peer, volume, request.secondaryVolume);
  const { skipInitialSync } = request;
  group.members.push(newMember(volume, secondary, skipInitialSync));
  twin.members.push(newMember(secondary, volume, skipInitialSync));
}

function newMember(local: Volume, remote: Volume, skipInitialSync: boolean): Member {
  return { local, remote, syncStatus: 'new', percent: 0, lastSync: undefined, skipInitialSync };
}

/** The peer's half; members change only on the primary, while the group is not started and nobody failed over. */
function getStoppedTwin(pair: ArrayPair, array: SimulatedArray, group: Group): Group {
  if (group.state === 'started') throw new Refusal('RCOPY_GROUP_STARTED', `group ${group.name} is started`);
  checkPrimary(group);
  checkConnected(pair, array);
  const twin = pair.findTwin(array, group);
  if (twin === undefined || twin.role === 'primary') {
    throw new Refusal('RCOPY_SECONDARY_DOES_NOT_MATCH_PRIMARY', `group ${group.name} is in failover state`);
  }
  return twin;
}

function checkPrimaryVolume(array: SimulatedArray, group: Group, volume: Volume): void {
  const other = array.findGroupOf(volume);
  if (other === group) {
    throw new Refusal('RCOPY_EXISTENT_VOL_IN_GROUP', `volume ${volume.name} is in group ${group.name} already`);
  }
  if (other !== undefined) {
    throw new Refusal('RCOPY_VOL_IN_OTHER_GROUP', `volume ${volume.name} is in remote copy group ${other.name}`);
  }
  if (volume.provisioning === 'snp') {
    throw new Refusal('RCOPY_VOL_IS_NO_BASE', `volume ${volume.name} is no base volume`);
  }
  if (volume.copy !== undefined) {
    throw new Refusal('RCOPY_VOL_IS_PHYSICAL_COPY', `volume ${volume.name} is a physical copy`);
  }
  if (volume.snapCpg === undefined) {
    throw new Refusal('RCOPY_VOL_NO_SNAPSHOT_SPACE', `volume ${volume.name} has no snapshot space (snapCPG)`);
  }
  if (volume.domain !== group.domain && group.domain !== undefined) {
    throw new Refusal('RCOPY_VOL_NOT_IN_SAME_DOMAIN', `volume ${volume.name} is not in the domain of ${group.name}`);
  }
}

/** Same size, provisioning and WWN, no comment (reference 6.4). */
async function createSecondary(
  peer: SimulatedArray,
  from: { volume: Volume; group: Group; request: Admission },
): Promise<Volume> {
  const { volume, group, request } = from;
  const cpg = group.remoteUserCpg;
  if (cpg === undefined) throw new Refusal('RCOPY_GROUP_HAS_NO_CPG', `group ${group.name} has no CPG for its target`);
  if (peer.volumes.has(request.secondaryVolume)) {
    throw new Refusal('RCOPY_EXISTENT_VOL_ON_TARGET', `volume ${request.secondaryVolume} exists on the target`);
  }
  const secondary = peer.addVolume(
    {
      name: request.secondaryVolume,
      sizeMiB: volume.sizeMiB,
      provisioning: volume.provisioning,
      compression: volume.compression,
      cpg,
      snapCpg: group.remoteSnapCpg ?? cpg,
      domain: peer.getCpg(cpg).domain,
      comment: '',
    },
    request.differentSecondaryWwn ? undefined : volume.wwn,
  );
  await createData(peer.dataFile(secondary), secondary.sizeMiB);
  return secondary;
}

function findSecondary(peer: SimulatedArray, volume: Volume, name: string): Volume {
  const secondary = peer.volumes.get(name);
  if (secondary === undefined) {
    throw new Refusal('RCOPY_NON_EXISTENT_VOL_ON_TARGET', `volume ${name} does not exist on the target`);
  }
  if (secondary.provisioning === 'snp') {
    throw new Refusal('RCOPY_VOL_IS_NO_BASE', `volume ${name} on the target is no base volume`);
  }
  if (secondary.sizeMiB !== volume.sizeMiB) {
    throw new Refusal('RCOPY_VOL_SIZE_NOT_MATCH', `volumes ${volume.name} and ${name} differ in size`);
  }
  if (peer.vluns.some((vlun) => vlun.volume === secondary)) {
    throw new Refusal('RCOPY_TARGET_VOL_EXPORTED', `volume ${name} is exported on the target`);
  }
  const group = peer.findGroupOf(secondary);
  if (group !== undefined) {
    throw new Refusal('RCOPY_VOL_IN_OTHER_GROUP', `volume ${name} is in remote copy group ${group.name} on the target`);
  }
  return secondary;
}

export interface Dismissal {
  group: string;
  volume: string;
  /** Only when it is not exported there. */
  removeSecondary: boolean;
}

/** PUT action 2, `DELETE …/volumes/<v>`, `dismissrcopyvv`: without removal both volumes stay (reference 6.4). */
export async function dismissVolume(pair: ArrayPair, array: SimulatedArray, request: Dismissal): Promise<void> {
  const group = array.getGroup(request.group);
  const twin = getStoppedTwin(pair, array, group);
  const volume = array.getVolume(request.volume);
  const member = group.members.find((each) => each.local === volume);
  if (member === undefined) {
    throw new Refusal('RCOPY_VOL_NOT_IN_GROUP', `volume ${volume.name} is not in group ${group.name}`);
  }
  const peer = pair.peerOf(array);
  if (request.removeSecondary) {
    checkNotUsed(peer, member.remote);
    checkInNoSet(peer, member.remote);
  }
  group.members = group.members.filter((each) => each !== member);
  twin.members = twin.members.filter((each) => each.local !== member.remote);
  if (member.unsent !== undefined) await removeData(member.unsent);
  if (request.removeSecondary) await forgetVolume(peer, member.remote);
}
