import type { Backend } from '../backend/backend.js';
import type { CreateGroup, NewGroup } from '../contracts/array.js';
import { cpgsOn, type Place } from '../domain/place.js';
import type { Admission } from './seat.js';
import type { GroupId } from './seen-group.js';

/** Makes the group that hpe.conf describes, empty and stopped, for volumes in that place. @throws `exists` when somebody else has made one of that name */
export async function createGroup(
  id: GroupId,
  { place, domain: known }: Pick<Admission, 'place' | 'domain'>,
  signal: AbortSignal,
): Promise<NewGroup> {
  const { name: domain } = known ?? (await findDomain(id.backend, place, signal));
  const wanted = { ...wantedGroup(id, place), ...(domain === undefined ? {} : { domain }) };
  return id.backend.array('primary').remoteCopy.makeGroup(wanted, signal);
}

/** One that we have made in that place, whose cycle ended before it was known to be as wanted. */
export function resumeGroup(id: GroupId, place: Place, signal: AbortSignal): NewGroup {
  return id.backend.array('primary').remoteCopy.resumeGroup(wantedGroup(id, place), signal);
}

function wantedGroup({ backend, name }: GroupId, place: Place): CreateGroup {
  const { target, mode, syncPeriod, witness } = backend.replication();
  const [local, remote] = [cpgsOn(place, 'primary'), cpgsOn(place, 'secondary')];
  return {
    name,
    target,
    mode,
    ...(syncPeriod === undefined ? {} : { syncPeriod }),
    localCpg: local.cpg,
    localSnapCpg: local.snapCpg,
    remoteCpg: remote.cpg,
    remoteSnapCpg: remote.snapCpg,
    ...(witness === undefined ? {} : { failsOver: true as const }),
  };
}

/** The domain of what is made in that place on the primary array; without a name when it is in none. */
export async function findDomain(backend: Backend, place: Place, signal: AbortSignal): Promise<{ name?: string }> {
  const domain = (await backend.array('primary').findCpg(cpgsOn(place, 'primary').cpg, signal))?.domain;
  return domain === undefined ? {} : { name: domain };
}
