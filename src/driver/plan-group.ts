import type { Backend } from '../backend/backend.js';
import { findPartner } from '../backend/observe.js';
import { DriverError } from '../domain/errors.js';
import { roleWord, type GroupTarget, type RemoteCopyGroup } from '../domain/replication.js';

/** How a new member gets into its group; fixed before anything is changed. */
export interface GroupPlan {
  name: string;
  /** The secondary array's name for a group that is there already. */
  remoteName?: string;
  action: 'create' | 'join';
  /** It has to be stopped for the admission and started again. */
  wasStarted: boolean;
  /** Started at the end: a new group, an empty one, or one that was started before. */
  startAfter: boolean;
}

/**
 * Whether the group is to be made or joined. Nothing may be created in a group whose roles are reversed, or whose target,
 * mode or CPGs are not those of hpe.conf (rule 37). @throws `refused` with the difference
 */
export async function planGroup(backend: Backend, name: string, signal: AbortSignal): Promise<GroupPlan> {
  const [group, partner] = await Promise.all([
    backend.array('primary').remoteCopy.findGroup(name, signal),
    backend.array('secondary').identity(signal),
  ]);
  if (group === undefined) return { name, action: 'create', wasStarted: false, startAfter: true };
  const peer = await backend.array('secondary').remoteCopy.findGroup(group.remoteName, signal);
  if (peer === undefined) {
    const text = `group ${name} exists on the primary array, but the secondary array (${partner.name}) has no ${group.remoteName}`;
    throw new DriverError('refused', text, {
      next: 'compare "showrcopy groups" on both arrays and repair or remove the group',
    });
  }
  const target = checkShape(backend, group);
  checkRoles(backend, { group, peer, target });
  // The stop of an empty group protects nobody; the first volume wants it started.
  const isEmpty = group.members.length === 0;
  if (!['new', 'started', 'stopped'].includes(target.state)) {
    throw new DriverError(
      'refused',
      `group ${name} is ${target.state}; a volume can join only while it is started or stopped`,
      {
        next: `wait until "showrcopy groups ${name}" shows Started or Stopped, then try again`,
      },
    );
  }
  const wasStarted = target.state === 'started';
  return { name, remoteName: group.remoteName, action: 'join', wasStarted, startAfter: wasStarted || isEmpty };
}

/** What keeps a group from being the one that hpe.conf describes: target, mode or CPGs; empty when nothing does. */
export function shapeDifferences(backend: Backend, group: RemoteCopyGroup): string[] {
  const wanted = backend.replication();
  const target = findPartner(backend, 'primary', group);
  if (target === undefined) {
    const names = group.targets.map((each) => each.name).join(', ');
    return [`it replicates to ${names || 'nothing'}, hpe.conf says ${wanted.target}`];
  }
  const [local, remote] = [backend.cpg('primary'), backend.cpg('secondary')];
  return [
    ['mode', target.mode, wanted.mode],
    ['CPG', group.localCpg, local.cpg],
    ['snapshot CPG', group.localSnapCpg, local.snapCpg],
    ['remote CPG', target.remoteCpg, remote.cpg],
    ['remote snapshot CPG', target.remoteSnapCpg, remote.snapCpg],
  ]
    .filter(([, is, should]) => is !== should)
    .map(([what, is, should]) => `${what} is ${is ?? 'not set'}, hpe.conf says ${should}`);
}

function checkShape(backend: Backend, group: RemoteCopyGroup): GroupTarget {
  const target = findPartner(backend, 'primary', group);
  const differences = shapeDifferences(backend, group);
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
