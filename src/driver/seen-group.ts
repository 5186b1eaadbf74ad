import type { Backend } from '../backend/backend.js';
import { askOneSide, findPartner, type GroupObservation } from '../backend/observe.js';
import { wayHome } from '../backend/paired.js';
import { DriverError } from '../domain/errors.js';
import type { Group, RemoteCopyGroup, Side } from '../domain/replication.js';

/** A remote copy group of a backend, by its name on the primary array. */
export interface GroupId {
  backend: Backend;
  name: string;
}

/** What the metadata and both arrays say of a group, asked under its lock. */
export interface SeenGroup extends GroupObservation {
  record: Group | undefined;
  /** When the last answer came, on the monotonic clock, in ms. */
  at: number;
}

/** Asks both arrays for a group at the same time, where its name on the secondary one is known; a silent array is a finding, not an error. */
export async function lookAtGroup(
  { backend, name }: GroupId,
  record: Group | undefined,
  signal: AbortSignal,
): Promise<SeenGroup> {
  const seen: SeenGroup = { record, groups: {}, failures: {}, at: performance.now() };
  const asking = { backend, observation: seen, signal };
  const known = record === undefined || record.remoteName === '' ? undefined : record.remoteName;
  await Promise.all([askOneSide(asking, 'primary', name), askOneSide(asking, 'secondary', known)]);
  const nameThere = seen.groups.primary?.remoteName ?? known;
  // The peer's name is read from the array; the one on record is of a group that was made anew since.
  if (nameThere !== known && seen.failures.secondary?.silent !== true) {
    delete seen.groups.secondary;
    delete seen.failures.secondary;
    await askOneSide(asking, 'secondary', nameThere);
  }
  seen.at = performance.now();
  return seen;
}

/** @throws `unavailable` with the reason why that array did not answer */
export function refuseSilent(seen: SeenGroup, side: Side): void {
  const failure = seen.failures[side];
  if (failure?.silent !== true) return;
  throw new DriverError('unavailable', failure.text, failure.next === undefined ? {} : { next: failure.next });
}

/** The side in role Primary, which takes the group's commands, and what it says; no group when the primary array surely has none. */
export interface GroupView {
  side: Side;
  group: RemoteCopyGroup | undefined;
}

/** @throws `unavailable` when the array that takes the group's commands does not answer */
export function viewOfGroup(seen: SeenGroup): GroupView {
  refuseSilent(seen, 'primary');
  const side = seen.groups.primary?.role === 'secondary' ? 'secondary' : 'primary';
  refuseSilent(seen, side);
  return { side, group: seen.groups[side] };
}

/** Neither side was failed over, as far as it answers. */
function hasNaturalRoles(backend: Backend, { groups }: SeenGroup): boolean {
  const sides = (['primary', 'secondary'] as const).filter((side) => groups[side] !== undefined);
  const roles = sides.map((side) => groups[side]?.role);
  const reversed = sides.some((side) => {
    const group = groups[side];
    return group !== undefined && findPartner(backend, side, group)?.roleReversed !== false;
  });
  return !reversed && new Set(roles).size === roles.length;
}

/** @throws `refused` when either array shows that the group was failed over: then only its operator knows what may be done */
export function refuseReversed({ backend, name }: GroupId, seen: SeenGroup): void {
  if (hasNaturalRoles(backend, seen)) return;
  throw new DriverError('refused', `group ${name} is failed over: its members and its state stay as they are`, {
    next: `bring group ${name} home with ${wayHome(backend)}`,
  });
}
