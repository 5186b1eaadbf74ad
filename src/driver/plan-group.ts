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
  /** Started at the end: a new group, one that was started before, or one that an administrator made and never used. */
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
  const neverUsed = target.state === 'new' && group.members.length === 0;
  if (!neverUsed && target.state !== 'started' && target.state !== 'stopped' && target.state !== 'new') {
    throw new DriverError(
      'refused',
      `group ${name} is ${target.state}; a volume can join only while it is started or stopped`,
      {
        next: `wait until "showrcopy groups ${name}" shows Started or Stopped, then try again`,
      },
    );
  }
  const wasStarted = target.state === 'started';
  return { name, remoteName: group.remoteName, action: 'join', wasStarted, startAfter: wasStarted || neverUsed };
}

function checkShape(backend: Backend, group: RemoteCopyGroup): GroupTarget {
  const wanted = backend.replication();
  const target = findPartner(backend, 'primary', group);
  const names = group.targets.map((each) => each.name).join(', ');
  if (target === undefined) {
    throw new DriverError(
      'refused',
      `group ${group.name} replicates to ${names || 'nothing'}, not to ${wanted.target} as hpe.conf says`,
      {
        next: 'name another replicationGroup, or correct backend_id in hpe.conf',
      },
    );
  }
  const [local, remote] = [backend.cpg('primary'), backend.cpg('secondary')];
  const differences = [
    ['mode', target.mode, wanted.mode],
    ['CPG', group.localCpg, local.cpg],
    ['snapshot CPG', group.localSnapCpg, local.snapCpg],
    ['remote CPG', target.remoteCpg, remote.cpg],
    ['remote snapshot CPG', target.remoteSnapCpg, remote.snapCpg],
  ].filter(([, is, should]) => is !== should);
  if (differences.length > 0) {
    const text = differences
      .map(([what, is, should]) => `${what} is ${is ?? 'not set'}, hpe.conf says ${should}`)
      .join('; ');
    throw new DriverError('refused', `group ${group.name} does not fit backend ${backend.name}: ${text}`, {
      next: 'name another replicationGroup, or make the two agree',
    });
  }
  return target;
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
