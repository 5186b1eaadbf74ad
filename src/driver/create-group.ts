import { DriverError } from '../domain/errors.js';
import { cpgsOn, type Place } from '../domain/place.js';
import type { RemoteCopyGroup } from '../domain/replication.js';
import type { GroupId } from './seen-group.js';

/** Makes the group that hpe.conf describes, empty and stopped, for volumes in that place. @throws `exists` when somebody else has made one of that name */
export async function createGroup(
  { backend, name }: GroupId,
  place: Place,
  signal: AbortSignal,
): Promise<RemoteCopyGroup> {
  const { target, mode, syncPeriod, witness } = backend.replication();
  const [local, remote] = [cpgsOn(place, 'primary'), cpgsOn(place, 'secondary')];
  const array = backend.array('primary');
  const domain = (await array.findCpg(local.cpg, signal))?.domain;
  return array.remoteCopy.ensureGroup(
    {
      name,
      target,
      mode,
      ...(syncPeriod === undefined ? {} : { syncPeriod }),
      localCpg: local.cpg,
      localSnapCpg: local.snapCpg,
      remoteCpg: remote.cpg,
      remoteSnapCpg: remote.snapCpg,
      ...(domain === undefined ? {} : { domain }),
      ...(witness === undefined ? {} : { failsOver: true as const }),
    },
    signal,
  );
}

/** A cycle may make a group for one volume, and then admit another. */
export const otherPlace = (group: string): DriverError =>
  new DriverError(
    'refused',
    `group ${group} was just made for a volume in other CPGs, and all its members share them`,
    {
      next: 'name another replicationGroup, or the CPGs of that volume',
    },
  );
