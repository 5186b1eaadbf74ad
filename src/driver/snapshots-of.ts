import type { Backend } from '../backend/backend.js';
import { proveActiveSide } from '../backend/observe.js';
import { wayHome } from '../backend/paired.js';
import type { ArrayClient } from '../contracts/array.js';
import type { MetadataStore } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import type { Side } from '../domain/replication.js';
import type { ScheduledSnapshots } from '../domain/schedule.js';
import type { Volume } from '../domain/volume.js';
import { getGroup } from './inventory.js';

/** Remote copy keeps snapshots of its own of each member, which go with the membership. */
export const REMOTE_COPY_SNAPSHOT = /^(sv\.)?rcpy\./;
/** So many are named; a schedule makes hundreds. */
const LONGEST_LIST = 20;

interface Parts {
  store: MetadataStore;
  backend: Backend;
}

/** Of a copy of a volume, on one array, without those of remote copy. */
export async function findSnapshots(array: ArrayClient, of: string, signal: AbortSignal): Promise<string[]> {
  const found = await array.snapshots.list(of, signal);
  return found.map(({ name }) => name).filter((name) => !REMOTE_COPY_SNAPSHOT.test(name));
}

/**
 * A volume is not removed while there are snapshots of it, ours or the array's: whoever removes it would lose them, or find
 * the array refusing in the middle. Needs an answer of each of its arrays, which are asked beside its copies' records. @throws `busy` naming them, or `unavailable`
 */
export async function refuseIfSnapshots(
  backend: Backend,
  { volume, reading }: { volume: Volume; reading: Promise<Volume[]> },
  signal: AbortSignal,
): Promise<void> {
  const [copies, found] = await Promise.all([
    reading,
    Promise.all(
      backend.sidesOf(volume).map(async (side) => {
        const names = await findSnapshots(backend.array(side), volume.arrayName, signal);
        return { backend, side, names };
      }),
    ),
  ]);
  const ours = copies.filter(({ origin }) => origin?.kind === 'snapshot');
  const known = new Set(ours.map((each) => each.arrayName));
  const others = found.map((each) => ({ ...each, names: each.names.filter((name) => !known.has(name)) }));
  if (ours.length === 0 && others.every(({ names }) => names.length === 0)) return;
  throw hasSnapshots(
    volume,
    others,
    ours.map((each) => each.name),
  );
}

/** The error of a volume that is not removed for its snapshots: those of Docker, and those that only its arrays know. */
export function hasSnapshots(
  { name }: Volume,
  others: { backend: Backend; side: Side; names: string[] }[],
  ours: string[] = [],
): DriverError {
  const texts = ours.length === 0 ? [] : [`${list(ours)} of Docker`];
  const next = ours.length === 0 ? [] : [`docker volume rm ${list(ours, ' ')}`];
  for (const { backend, side, names } of others) {
    if (names.length === 0) continue;
    texts.push(`${list(names)}, made on ${backend.array(side).label} by a schedule or by hand`);
    next.push(`on the ${side} array: removevv -f NAME, for each that is not needed any more`);
  }
  return new DriverError('busy', `volume ${name} has snapshots: ${texts.join('; ')}`, { next: next.join('; ') });
}

function list(names: string[], separator = ', '): string {
  const more = names.length - LONGEST_LIST;
  const shown = names.toSorted().slice(0, LONGEST_LIST).join(separator);
  return more > 0 ? `${shown} and ${more} more` : shown;
}

/**
 * Rule 32 for a snapshot of a replicated volume: it is no member of the group, but while that is failed over or ambiguous it may be
 * the only good state of the data that is left. On either array it goes only while the roles are natural, by fresh answers of both.
 * Other volumes pass: their group's cycle looks. @throws `refused` or `unavailable`
 */
export async function refuseUnprovenSnapshot(
  { store, backend }: Parts,
  snapshot: Volume,
  signal: AbortSignal,
): Promise<void> {
  if (snapshot.origin?.kind !== 'snapshot') return;
  const base = await findBase(store, snapshot, signal);
  const group = base === undefined ? undefined : await getGroup(store, base, signal);
  if (base === undefined || group === undefined) return;
  const { arrayName, everMounted } = base;
  const proven = await proveActiveSide({ backend, group, arrayName, everMounted }, signal);
  if (proven.row === 1) return;
  throw new DriverError(
    'refused',
    `snapshot ${snapshot.name} of volume ${base.name} is not removed while group ${group.name} is failed over or one of its arrays is silent: it may be the only good copy later`,
    { next: `bring group ${group.name} home with ${wayHome(backend)}, then remove the snapshot` },
  );
}

/**
 * The snapshot on record whose schedule that is. An array cannot tell one from another of the same name, volume and options, so
 * who has none of these on record any more may not end it.
 */
export async function findScheduleOwner(
  store: MetadataStore,
  { side, schedule }: { side: Side; schedule: ScheduledSnapshots },
  signal: AbortSignal,
): Promise<Volume | undefined> {
  const volumes = await store.listNotable(signal);
  return volumes.find(({ origin }) => {
    if (origin?.kind !== 'snapshot' || origin.side !== side) return false;
    return origin.schedule?.name === schedule.name && origin.schedule.of === schedule.of;
  });
}

/** The volume at the end of a chain of snapshots; undefined where the metadata have lost it. */
async function findBase(store: MetadataStore, snapshot: Volume, signal: AbortSignal): Promise<Volume | undefined> {
  let volume: Volume | undefined = snapshot;
  while (volume?.origin?.kind === 'snapshot') {
    const { of, ofId }: { of: string; ofId: string } = volume.origin;
    const parent: Volume | undefined = await store.find('volume', of, signal);
    volume = parent?.id === ofId ? parent : undefined;
  }
  return volume;
}
