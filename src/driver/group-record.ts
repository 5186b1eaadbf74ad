import type { Backend } from '../backend/backend.js';
import { DriverError } from '../domain/errors.js';
import type { Place } from '../domain/place.js';
import type { Group, RemoteCopyGroup } from '../domain/replication.js';
import { shapeDifferences } from './plan-group.js';
import type { GroupId, SeenGroup } from './seen-group.js';

/** The record of a group that we are about to make: ours from the first moment, so that it can be removed after a crash. */
export function newRecord({ backend, name }: GroupId, before: Group | undefined): Group {
  // A group that was removed behind our back starts a new history, in which only the epoch goes on.
  return {
    backend: backend.name,
    name,
    remoteName: '',
    createdByUs: true,
    epoch: before?.epoch ?? 0,
    owesStart: 'stopped',
  };
}

/** The record of a group that the array shows; the very one on file when it is still true. */
export function recordOf({ backend, name }: GroupId, { record, groups }: SeenGroup, group: RemoteCopyGroup): Group {
  const remoteName = groups.primary?.remoteName ?? record?.remoteName ?? '';
  if (record !== undefined && (record.remoteName !== '' || record.isMade === true)) return named(record, remoteName);
  // Somebody else's unless we were about to make it, and it is the empty one that we would have made.
  const createdByUs = record !== undefined && group.members.length === 0 && hasOurShape(backend, group);
  const owed = createdByUs ? { owesStart: 'stopped' as const } : {};
  return { backend: backend.name, name, remoteName, createdByUs, epoch: record?.epoch ?? 0, ...owed };
}

/** The very same record when it has that name already. */
export function named(record: Group, remoteName: string): Group {
  return record.remoteName === remoteName ? record : { ...record, remoteName };
}

/** When it was seen to be as wanted, and how its peer calls it; the very same record when it says so already. */
export function confirmed(record: Group, remoteName: string): Group {
  const { isMade, ...rest } = named(record, remoteName);
  return isMade === undefined ? named(record, remoteName) : rest;
}

/** Where a group that we have made keeps its volumes. @throws `invalid` when hpe.conf has no such CPGs any more */
export function placeOfGroup(backend: Backend, { localCpg: cpg, localSnapCpg: snapCpg }: RemoteCopyGroup): Place {
  return backend.placeOf({ cpg: cpg ?? '', snapCpg: snapCpg ?? '' });
}

/** As we make groups, and never started: one that an administrator made alike is lost to him, but holds nothing. */
export function isAsMade({ backend }: GroupId, { record, groups }: SeenGroup): boolean {
  const group = groups.primary;
  if (record !== undefined || group === undefined || group.members.length > 0) return false;
  return group.targets.every((target) => target.state === 'new') && hasOurShape(backend, group);
}

/** As hpe.conf has it for some volume: CPGs that belong together by its maps. */
function hasOurShape(backend: Backend, group: RemoteCopyGroup): boolean {
  const { localCpg: cpg, localSnapCpg: snapCpg } = group;
  if (cpg === undefined || snapCpg === undefined) return false;
  try {
    return shapeDifferences(backend, group, backend.placeOf({ cpg, snapCpg })).length === 0;
  } catch (thrown) {
    if (thrown instanceof DriverError && thrown.code === 'invalid') return false;
    throw thrown;
  }
}

/** The very same record when it is so already. */
export function withDebt(record: Group, owesStart: Group['owesStart']): Group {
  if (record.owesStart === owesStart) return record;
  const { owesStart: _before, ...rest } = record;
  return owesStart === undefined ? rest : { ...rest, owesStart };
}

/** It replicates, at least to one of its targets. */
export const isStarted = (group: RemoteCopyGroup | undefined): boolean =>
  group?.targets.some((target) => target.state === 'started') === true;

export const isMember = (group: RemoteCopyGroup | undefined, volume: string): boolean =>
  group?.members.some((member) => member.volume === volume) === true;
