import type { SimulatedArray } from './array.js';
import { ROLE, STATE, SYNC_STATUS } from './model.js';
import type { Group, Member } from './model.js';
import { isoTime } from './wsapi-volume-view.js';

/** reference 6.3; `volumes` is always there. */
export function viewGroup(array: SimulatedArray, group: Group): object {
  return {
    id: group.id,
    name: group.name,
    ...(group.domain !== undefined && { domain: group.domain }),
    role: ROLE[group.role],
    remoteGroupName: group.remoteGroupName,
    ...(group.localUserCpg !== undefined && { localUserCPG: group.localUserCpg }),
    ...(group.localSnapCpg !== undefined && { localSnapCPG: group.localSnapCpg }),
    targets: [viewTarget(array, group)],
    volumes: group.members.map((member) => viewMember(array, member)),
    links: [],
  };
}

export function viewTarget(array: SimulatedArray, group: Group): object {
  return {
    targetName: array.targetName,
    mode: group.mode,
    state: STATE[group.state],
    roleReversed: group.roleReversed,
    policies: group.policies,
    ...(group.syncPeriod !== undefined && { syncPeriod: group.syncPeriod }),
    ...(group.remoteUserCpg !== undefined && { remoteUserCPG: group.remoteUserCpg }),
    ...(group.remoteSnapCpg !== undefined && { remoteSnapCPG: group.remoteSnapCpg }),
    ...timeOf('groupLastSyncTime', group.lastSync),
  };
}

export function viewMember(array: SimulatedArray, member: Member): object {
  return {
    localVolumeName: member.local.name,
    localVolumeId: member.local.id,
    remoteVolumes: [
      {
        remoteVolumeName: member.remote.name,
        remoteVolumeID: member.remote.id,
        targetName: array.targetName,
        syncStatus: SYNC_STATUS[member.syncStatus],
        ...timeOf('volumeLastSyncTime', member.lastSync),
      },
    ],
  };
}

/** The time twice, as the array shows it: text, and seconds since 1970 in `…Sec`. */
function timeOf(name: string, time: Date | undefined): object {
  return time === undefined ? {} : { [name]: isoTime(time), [`${name}Sec`]: Math.floor(time.getTime() / 1000) };
}
