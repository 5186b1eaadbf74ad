import type { Backend } from '../backend/backend.js';
import { findPartner } from '../backend/observe.js';
import { DriverError } from '../domain/errors.js';
import { cpgsOn, type Place } from '../domain/place.js';
import { roleWord, type GroupTarget, type RemoteCopyGroup } from '../domain/replication.js';
import { refuseOtherPolicies } from './fail-over-policies.js';
import { refuseSilent, type GroupId, type SeenGroup } from './seen-group.js';

/** What a new member finds; what is done for it is decided by its cycle. */
export interface GroupPlan {
  name: string;
  /** There was no such group, or it had no members. */
  wasEmpty: boolean;
  /** There was no such group. */
  isNew?: true;
  /** Started at the end: a new group, an empty one, or one that was started before. */
  startAfter: boolean;
}

/**
 * Whether a volume may join the group. Nothing may be created in a group whose roles are reversed, or whose target, mode
 * or CPGs are not those of hpe.conf (rule 37). @throws `refused` with the difference, `unavailable` when an array is silent
 */
export function planGroup({ backend, name }: GroupId, seen: SeenGroup, place: Place): GroupPlan {
  refuseSilent(seen, 'primary');
  refuseSilent(seen, 'secondary');
  const { primary: group, secondary: peer } = seen.groups;
  if (group === undefined) return { name, wasEmpty: true, isNew: true, startAfter: true };
  if (peer === undefined) {
    const text = `group ${name} exists on the primary array, but ${backend.array('secondary').label} has no ${group.remoteName}`;
    throw new DriverError('refused', text, {
      next: 'compare "showrcopy groups" on both arrays and repair or remove the group',
    });
  }
  const target = checkShape(backend, group, place);
  refuseOtherPolicies(backend, group, target);
  checkRoles(backend, { group, peer, target });
  refuseRestless(group);
  // The stop of an empty group protects nobody; the first volume wants it started.
  const wasEmpty = group.members.length === 0;
  const startAfter = wasEmpty || target.state === 'started' || seen.record?.owesStart !== undefined;
  return { name, wasEmpty, startAfter };
}

/** Members are changed only in a group that is surely started or stopped. @throws `refused` */
export function refuseRestless(group: RemoteCopyGroup): void {
  const restless = group.targets.find((target) => !['new', 'started', 'stopped'].includes(target.state));
  if (restless === undefined) return;
  throw new DriverError(
    'refused',
    `group ${group.name} is ${restless.state}; a volume can join or leave it only while it is started or stopped`,
    { next: `wait until "showrcopy groups ${group.name}" shows Started or Stopped, then try again` },
  );
}

/** What keeps a group from being the one that hpe.conf describes: target, mode or CPGs; empty when nothing does. */
export function shapeDifferences(backend: Backend, group: RemoteCopyGroup, place: Place): string[] {
  const wanted = backend.replication();
  const target = findPartner(backend, 'primary', group);
  if (target === undefined) {
    const names = group.targets.map((each) => each.name).join(', ');
    return [`it replicates to ${names || 'nothing'}, hpe.conf says ${wanted.target}`];
  }
  const [local, remote] = [cpgsOn(place, 'primary'), cpgsOn(place, 'secondary')];
  return [
    ['mode', target.mode, wanted.mode],
    ['CPG', group.localCpg, local.cpg],
    ['snapshot CPG', group.localSnapCpg, local.snapCpg],
    ['remote CPG', target.remoteCpg, remote.cpg],
    ['remote snapshot CPG', target.remoteSnapCpg, remote.snapCpg],
  ]
    .filter(([, is, should]) => is !== should)
    .map(
      ([what, is, should]) =>
        `${what} is ${is ?? 'not set'}, ${what === 'mode' ? 'hpe.conf says' : 'the volume wants'} ${should}`,
    );
}

function checkShape(backend: Backend, group: RemoteCopyGroup, place: Place): GroupTarget {
  const target = findPartner(backend, 'primary', group);
  const differences = shapeDifferences(backend, group, place);
  if (target !== undefined && differences.length === 0) return target;
  throw new DriverError(
    'refused',
    `group ${group.name} does not fit backend ${backend.name}: ${differences.join('; ')}`,
    { next: 'name another replicationGroup, or make the two agree' },
  );
}

function checkRoles(
  backend: Backend,
  { group, peer, target }: { group: RemoteCopyGroup; peer: RemoteCopyGroup; target: GroupTarget },
): void {
  const back = findPartner(backend, 'secondary', peer);
  const natural =
    group.role === 'primary' && !target.roleReversed && peer.role === 'secondary' && back?.roleReversed === false;
  if (natural) return;
  const roles = `${roleWord(group.role, target.roleReversed)} on the primary array, ${roleWord(peer.role, back?.roleReversed ?? false)} on the secondary`;
  throw new DriverError(
    'refused',
    `group ${group.name} is ${roles}: nothing is created in it until it is back in its natural roles`,
    {
      next: `on the array that took over: setrcopygroup recover -f ${peer.name}, then setrcopygroup restore -f ${peer.name}`,
    },
  );
}
