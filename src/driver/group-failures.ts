import { asDriverError, DriverError } from '../domain/errors.js';
import type { GroupId } from './seen-group.js';

/** A volume that has its own lock still can go back when the group's was lost; `fenced` would say that it cannot. */
export function lockLost(thrown: unknown): DriverError {
  const failure = asDriverError(thrown);
  if (failure.code !== 'fenced') return failure;
  return new DriverError('unavailable', `the lock of the remote copy group was lost: ${failure.message}`, {
    cause: failure,
    next: 'check etcd; the group is started again by whoever holds its lock next',
  });
}

/** The array has acknowledged the admission, and does not show it. */
export const notAdmitted = ({ backend, name }: GroupId, volume: string): DriverError =>
  new DriverError(
    'unavailable',
    `${backend.array('primary').label} acknowledged the admission of ${volume} to group ${name}, but it is no member`,
    { next: 'see the remote copy groups with: showrcopy, and the events with: showeventlog -min 10' },
  );

/** A cycle may make a group for one volume, and then admit another. */
export const otherPlace = (group: string): DriverError =>
  new DriverError(
    'refused',
    `group ${group} was just made for a volume in other CPGs, and all its members share them`,
    {
      next: 'name another replicationGroup, or the CPGs of that volume',
    },
  );
