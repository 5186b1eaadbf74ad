import type { Backend } from '../backend/backend.js';
import { judgeObservation, proveActiveSide } from '../backend/observe.js';
import { wayHome } from '../backend/paired.js';
import type { ArrayVolume } from '../contracts/array.js';
import type { MetadataStore } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { removeExportsCommand } from '../domain/names.js';
import type { Group, Side } from '../domain/replication.js';
import { together } from '../domain/together.js';
import { homeSide, type Volume } from '../domain/volume.js';
import { mayBeCopying, refuseIfCopied } from './copying.js';
import { refuseRestless } from './plan-group.js';
import { viewOfGroup, type GroupId, type SeenGroup } from './seen-group.js';
import { refuseIfSnapshots, refuseUnprovenSnapshot } from './snapshots-of.js';

export interface RemovePlan {
  volume: Volume;
  group?: {
    record: Group;
    /** The side in role Primary, whose copy goes first; the roles are natural. */
    side: Side;
  };
  /** Of a clone that the array is still copying to: what it keeps when that is broken off. */
  helpers?: string[];
  /** Somebody deleted both copies: only the records, and a group that is empty, are left to go. */
  copiesAreGone?: boolean;
}

/** The copies of a volume, as they were seen just now, by the array that they are on. */
export type SeenCopies = Partial<Record<Side, ArrayVolume>>;

/** A volume that is to be removed, as its arrays know it. */
export interface Removable {
  volume: Volume;
  copiesAreGone: boolean;
  /** None of a snapshot, which is looked at when it is deleted. */
  copies: SeenCopies;
  /** When the last answer came, on the monotonic clock, in ms. */
  at: number;
  /** As in the plan. */
  helpers?: string[];
}

/**
 * What was seen is looked at again when it is older than this, in ms, by the time that the group is in hand: somebody had to wait for
 * it. Less, as between the answers to questions that were sent together, is no longer than the stop of the group takes.
 */
const FRESH_MS = 1_000;

export const isFresh = ({ at }: Removable): boolean => performance.now() - at < FRESH_MS;

interface Parts {
  store: MetadataStore;
  backend: Backend;
}

/**
 * All that a Remove has to see of the volume itself, in one round trip: fresh answers of every array of it (rule 33), that it is
 * exported nowhere, and that nothing depends on it. None of these questions needs the answer to another, and nothing is changed
 * before all are answered. @throws `busy`, `refused` or `unavailable`
 */
export async function lookAtRemovable(parts: Parts, volume: Volume, signal: AbortSignal): Promise<Removable> {
  const [, removable] = await together([
    refuseDependants(parts, volume, signal),
    findCopies(parts.backend, volume, signal),
  ]);
  return removable;
}

/** Neither copies nor snapshots of it keep it, nor the roles of the group that it is a snapshot from. @throws `busy`, `refused` or `unavailable` */
export async function refuseDependants(parts: Parts, volume: Volume, signal: AbortSignal): Promise<void> {
  const { store, backend } = parts;
  const reading = store.listCopies(volume.id, signal);
  await together([
    reading.then(async (copies) => refuseIfCopied(backend, { source: volume, copies }, signal)),
    refuseIfSnapshots(backend, { volume, reading }, signal),
    refuseUnprovenSnapshot(parts, volume, signal),
  ]);
}

async function findCopies(backend: Backend, volume: Volume, signal: AbortSignal): Promise<Removable> {
  const { arrayName, origin, spec } = volume;
  const sides = origin?.kind === 'snapshot' ? [] : backend.sidesOf(volume);
  const home = backend.array(homeSide(volume));
  const [found, copying] = await together([
    together(sides.map(async (side) => ({ side, copy: await backend.array(side).findVolume(arrayName, signal) }))),
    mayBeCopying(volume) ? home.clones.look(arrayName, signal) : undefined,
    refuseIfExported(backend, volume, signal),
  ]);
  const copies: SeenCopies = {};
  for (const { side, copy } of found) if (copy !== undefined) copies[side] = copy;
  return {
    volume,
    copies,
    at: performance.now(),
    copiesAreGone: spec.replicationGroup !== undefined && Object.keys(copies).length === 0,
    ...(copying === undefined || copying.copy === 'done' ? {} : { helpers: copying.helpers }),
  };
}

/** Of a volume that is in no group. */
export const planPlainRemove = ({ volume, helpers }: Removable): RemovePlan => ({
  volume,
  ...(helpers === undefined ? {} : { helpers }),
});

/** Whether the volume may leave its group, as it was seen: roles natural by fresh answers of both arrays (rule 33). @throws `refused` or `unavailable` */
export async function planRemove(
  backend: Backend,
  { volume, copiesAreGone, seen }: Pick<Removable, 'volume' | 'copiesAreGone'> & { seen: SeenGroup },
  signal: AbortSignal,
): Promise<RemovePlan> {
  const group = seen.record;
  if (group === undefined) throw new DriverError('internal', `the group of volume ${volume.name} has no record`);
  if (copiesAreGone) return { volume, group: { record: group, side: 'primary' }, copiesAreGone };
  const request = requestOf(backend, volume, group);
  const verdict = judgeObservation(request, seen);
  // Anything but natural roles is asked for once more: a transition may end, and a refusal names what both arrays said.
  const proven = verdict.side !== undefined && verdict.row === 1 ? verdict : await proveActiveSide(request, signal);
  if (proven.row !== 1) throw unproven(backend, volume, group);
  const observed = seen.groups[proven.side];
  if (observed !== undefined) refuseRestless(observed);
  return { volume, group: { record: group, side: proven.side } };
}

const requestOf = (backend: Backend, volume: Volume, group: Group) => ({
  backend,
  group,
  arrayName: volume.arrayName,
  everMounted: volume.everMounted,
});

function unproven(backend: Backend, volume: Volume, group: Group): DriverError {
  return new DriverError(
    'refused',
    `volume ${volume.name} is not removed while group ${group.name} is failed over or one of its arrays is silent: the copy that is not active may be the only good one later`,
    { next: `bring group ${group.name} home with ${wayHome(backend)}, then remove the volume` },
  );
}

/** The same in the cycle, before the group is stopped: the roles may have changed meanwhile. @throws as planRemove */
export function refuseUnproven({ backend }: GroupId, { volume, group }: RemovePlan, seen: SeenGroup): void {
  if (group === undefined) return;
  const { side, group: observed } = viewOfGroup(seen);
  const verdict = judgeObservation(requestOf(backend, volume, seen.record ?? group.record), seen);
  if (verdict.row !== 1 || verdict.side !== side) throw unproven(backend, volume, group.record);
  if (observed !== undefined) refuseRestless(observed);
}

/** By fresh answers of every array of the volume. @throws `busy` or `unavailable` */
export async function refuseIfExported(backend: Backend, volume: Volume, signal: AbortSignal): Promise<void> {
  const vluns = await Promise.all(
    backend.sidesOf(volume).map(async (side) => ({
      side,
      found: await backend.array(side).findVluns(volume.arrayName, signal),
    })),
  );
  for (const { side, found } of vluns) {
    const hosts = [...new Set(found.map((vlun) => vlun.host))];
    const [host] = hosts;
    if (host === undefined) continue;
    throw new DriverError(
      'busy',
      `volume ${volume.name} is still exported on ${backend.array(side).label} to: ${hosts.join(', ')}`,
      {
        next: `stop what uses it; a left-over export goes with: ${removeExportsCommand(volume.arrayName, host)}`,
      },
    );
  }
}
