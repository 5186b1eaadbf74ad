import type { CreateGroup } from '../contracts/array.js';
import type {
  GroupMember,
  GroupRunState,
  GroupTarget,
  RemoteCopyGroup,
  ReplicationMode,
  SyncStatus,
} from '../domain/replication.js';
import type { GroupAnswer } from './schemas.js';

/** `targets[].state` (reference 6.3). */
const STATES: Readonly<Record<number, GroupRunState>> = {
  1: 'new',
  2: 'starting',
  3: 'started',
  4: 'restart',
  5: 'stopped',
  6: 'backup',
  7: 'failsafe',
  9: 'logging',
};

/** `syncStatus` (reference 6.3); only 3 is certain, and only 3 counts as synced. */
const SYNC: Readonly<Record<number, SyncStatus>> = { 1: 'new', 2: 'syncing', 3: 'synced', 4: 'not-synced', 5: 'stale' };

/** Arrays report periodic groups as 2 or 3 (reference 6.2). */
const MODES: Readonly<Record<1 | 2 | 3 | 4, ReplicationMode>> = {
  1: 'synchronous',
  2: 'asynchronous',
  3: 'asynchronous',
  4: 'streaming',
};

export const MODE_NUMBER: Readonly<Record<ReplicationMode, number>> = { synchronous: 1, asynchronous: 2, streaming: 4 };

/** The array's answer as a group; a member with several remote copies appears once for each. */
export function toGroup(answer: GroupAnswer): RemoteCopyGroup {
  const periodic = new Set(
    answer.targets.filter((each) => MODES[each.mode] === 'asynchronous').map((each) => each.targetName),
  );
  return {
    name: answer.name,
    remoteName: answer.remoteGroupName,
    role: answer.role === 1 ? 'primary' : 'secondary',
    targets: answer.targets.map(toTarget),
    ...(answer.localUserCPG === undefined ? {} : { localCpg: answer.localUserCPG }),
    ...(answer.localSnapCPG === undefined ? {} : { localSnapCpg: answer.localSnapCPG }),
    members: answer.volumes.flatMap((volume) => toMembers(volume, periodic)),
  };
}

function toTarget(target: GroupAnswer['targets'][number]): GroupTarget {
  return {
    name: target.targetName,
    roleReversed: target.roleReversed,
    state: STATES[target.state] ?? 'unknown',
    mode: MODES[target.mode],
    autoRecover: target.policies?.autoRecover === true,
    autoFailover: target.policies?.autoFailover === true,
    pathManagement: target.policies?.pathManagement === true,
    ...(target.syncPeriod === undefined ? {} : { syncPeriod: target.syncPeriod }),
    ...(target.remoteUserCPG === undefined ? {} : { remoteCpg: target.remoteUserCPG }),
    ...(target.remoteSnapCPG === undefined ? {} : { remoteSnapCpg: target.remoteSnapCPG }),
  };
}

function toMembers(volume: GroupAnswer['volumes'][number], periodic: Set<string>): GroupMember[] {
  const [only] = periodic;
  if (volume.remoteVolumes.length === 0) {
    return [{ volume: volume.localVolumeName, remoteVolume: '', syncStatus: 'other' }];
  }
  return volume.remoteVolumes.map((remote) => {
    const isPeriodic = remote.targetName === undefined ? only !== undefined : periodic.has(remote.targetName);
    const lastSync = isPeriodic ? isoTime(remote.volumeLastSyncTime) : undefined;
    return {
      volume: volume.localVolumeName,
      remoteVolume: remote.remoteVolumeName,
      syncStatus: SYNC[remote.syncStatus] ?? 'other',
      ...(lastSync === undefined ? {} : { lastSync }),
    };
  });
}

/** Undefined for a copy that was never synced. */
function isoTime(text: string | undefined): string | undefined {
  const time = new Date(text ?? '');
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

/** In what a group differs from the wanted new one, in words; the sync period may be changed later and is no difference. */
export function groupDifferences(
  wanted: CreateGroup,
  found: RemoteCopyGroup,
  { isEmpty }: { isEmpty: boolean },
): string[] {
  const target = found.targets.find((each) => each.name === wanted.target);
  if (target === undefined || found.targets.length !== 1) {
    const names = found.targets.map((each) => each.name).join(', ');
    return [`it replicates to ${names === '' ? 'nothing' : names} instead of ${wanted.target}`];
  }
  if (isEmpty && found.members.length > 0)
    return [`it has members: ${found.members.map((each) => each.volume).join(', ')}`];
  const pairs: [string, string, string | undefined][] = [
    ['mode', wanted.mode, target.mode],
    ['local CPG', wanted.localCpg, found.localCpg],
    ['local snapshot CPG', wanted.localSnapCpg, found.localSnapCpg],
    ['remote CPG', wanted.remoteCpg, target.remoteCpg],
    ['remote snapshot CPG', wanted.remoteSnapCpg, target.remoteSnapCpg],
  ];
  return pairs
    .filter(([, want, is]) => want !== is)
    .map(([what, want, is]) => `${what} is ${is ?? 'unset'} instead of ${want}`);
}

/** Nothing is being copied, and members may be changed. */
export const isStopped = (group: RemoteCopyGroup): boolean =>
  group.targets.every((target) => target.state === 'stopped' || target.state === 'new');

export const isStarted = (group: RemoteCopyGroup): boolean =>
  group.targets.length > 0 && group.targets.every((target) => target.state === 'started');

/** A start answers at once; the group is `starting` until the arrays have agreed. */
export const isStarting = (group: RemoteCopyGroup): boolean =>
  group.targets.some((target) => target.state === 'starting' || target.state === 'restart');

export const isMember = (group: RemoteCopyGroup, volume: string): boolean =>
  group.members.some((member) => member.volume === volume);
