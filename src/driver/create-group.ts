import type { Backend } from '../backend/backend.js';
import type { NewGroup } from '../contracts/array.js';
import { cpgsOn, type Place } from '../domain/place.js';
import type { Admission } from './seat.js';
import type { GroupId } from './seen-group.js';

/** Makes the group that hpe.conf describes, empty and stopped, for volumes in that place. @throws `exists` when somebody else has made one of that name */
export async function createGroup(
  { backend, name }: GroupId,
  { place, domain: known }: Pick<Admission, 'place' | 'domain'>,
  signal: AbortSignal,
): Promise<NewGroup> {
  const { target, mode, syncPeriod, witness } = backend.replication();
  const [local, remote] = [cpgsOn(place, 'primary'), cpgsOn(place, 'secondary')];
  const array = backend.array('primary');
  const { name: domain } = known ?? (await findDomain(backend, place, signal));
  return array.remoteCopy.makeGroup(
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

/** The domain of what is made in that place on the primary array; without a name when it is in none. */
export async function findDomain(backend: Backend, place: Place, signal: AbortSignal): Promise<{ name?: string }> {
  const domain = (await backend.array('primary').findCpg(cpgsOn(place, 'primary').cpg, signal))?.domain;
  return domain === undefined ? {} : { name: domain };
}
