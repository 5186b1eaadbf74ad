import type { Volume } from '../domain/volume.js';
import type { Backend } from './backend.js';
import { findPartner, type GroupObservation } from './observe.js';

/**
 * Whether both arrays hold the same data at this moment and show it under one WWN, so that a host may have the paths of both in
 * one device (peer persistence). Anything that is not known counts as no.
 */
export function isPaired(backend: Backend, volume: Pick<Volume, 'wwn'>, { groups }: GroupObservation): boolean {
  const { primary, secondary } = volume.wwn;
  if (backend.settings.replication?.witness === undefined) return false;
  if (primary === undefined || primary !== secondary) return false;
  const roles = new Set(backend.sides.map((side) => groups[side]?.role));
  return (
    roles.has('primary') &&
    roles.has('secondary') &&
    backend.sides.every((side) => {
      const group = groups[side];
      const target = group && findPartner(backend, side, group);
      return (
        target?.state === 'started' &&
        target.pathManagement &&
        group?.members.every((member) => member.syncStatus === 'synced') === true
      );
    })
  );
}

/** Both arrays take writes of hosts: an operator's failover under a device with paths to both makes two volumes of one. */
export const isSplit = ({ groups }: GroupObservation): boolean =>
  groups.primary?.role === 'primary' && groups.secondary?.role === 'primary';
