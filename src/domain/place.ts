import { DriverError } from './errors.js';
import type { Side } from './replication.js';

/** Where a volume and its snapshots are made: the CPGs on each array. */
export interface Place {
  cpg: Partial<Record<Side, string>>;
  snapCpg: Partial<Record<Side, string>>;
}

/** @throws `internal` for a side on which it is not made */
export function cpgsOn(place: Place, side: Side): { cpg: string; snapCpg: string } {
  const cpg = place.cpg[side];
  const snapCpg = place.snapCpg[side];
  if (cpg === undefined || snapCpg === undefined)
    throw new DriverError('internal', `no CPG is known on the ${side} array`);
  return { cpg, snapCpg };
}

/** The same CPGs on both sides. */
export function isSamePlace(one: Place, other: Place): boolean {
  return (['primary', 'secondary'] as const).every(
    (side) => one.cpg[side] === other.cpg[side] && one.snapCpg[side] === other.snapCpg[side],
  );
}
