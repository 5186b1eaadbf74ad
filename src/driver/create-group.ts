import type { RemoteCopyGroup } from '../domain/replication.js';
import type { GroupId } from './seen-group.js';

/** Makes the group that hpe.conf describes, empty and stopped. @throws `exists` when somebody else has made one of that name */
export async function createGroup({ backend, name }: GroupId, signal: AbortSignal): Promise<RemoteCopyGroup> {
  const { target, mode, syncPeriod } = backend.replication();
  const [local, remote] = [backend.cpg('primary'), backend.cpg('secondary')];
  return backend.array('primary').remoteCopy.ensureGroup(
    {
      name,
      target,
      mode,
      ...(syncPeriod === undefined ? {} : { syncPeriod }),
      localCpg: local.cpg,
      localSnapCpg: local.snapCpg,
      remoteCpg: remote.cpg,
      remoteSnapCpg: remote.snapCpg,
    },
    signal,
  );
}
