import type { Backend } from '../backend/backend.js';
import { findPartner, type GroupObservation } from '../backend/observe.js';
import { otherSide, type RemoteCopyGroup, type Side } from '../domain/replication.js';

/**
 * What `lastActive` is to be when nobody remembers it. Only a group in its natural roles, started and with every member
 * synced, has no newer data elsewhere; otherwise the side that is naturally the secondary counts: row 1 then demands all of
 * that before anything is mounted, and row 8 passes nothing over.
 */
export function cautiousLastActive(backend: Backend, { groups }: GroupObservation): Side {
  const { primary, secondary } = groups;
  const natural =
    naturalPrimary(backend, 'primary', primary) ?? naturalPrimary(backend, 'secondary', secondary) ?? 'primary';
  const isHome = isAtRest(backend, 'primary', primary) && isAtRest(backend, 'secondary', secondary);
  return isHome ? natural : otherSide(natural);
}

/** The side that replicates to the other when no failover is in force, as one array sees it. */
function naturalPrimary(backend: Backend, side: Side, group: RemoteCopyGroup | undefined): Side | undefined {
  const partner = group && findPartner(backend, side, group);
  if (group === undefined || partner === undefined) return undefined;
  return (group.role === 'primary') === partner.roleReversed ? otherSide(side) : side;
}

function isAtRest(backend: Backend, side: Side, group: RemoteCopyGroup | undefined): boolean {
  const partner = group && findPartner(backend, side, group);
  if (group === undefined || partner === undefined) return false;
  const isSynced = group.members.every((member) => member.syncStatus === 'synced');
  return partner.state === 'started' && !partner.roleReversed && isSynced;
}
