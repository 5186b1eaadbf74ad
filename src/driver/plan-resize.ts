import type { Backend } from '../backend/backend.js';
import { judgeObservation, proveActiveSide } from '../backend/observe.js';
import { wayHome } from '../backend/paired.js';
import { DriverError } from '../domain/errors.js';
import { ownershipTag } from '../domain/names.js';
import type { Group, Side } from '../domain/replication.js';
import { within } from '../domain/signals.js';
import { isTaggedAs } from '../domain/tag.js';
import { homeSide, type Volume } from '../domain/volume.js';
import { isMember, isStarted } from './group-record.js';
import { refuseRestless } from './plan-group.js';
import { viewOfGroup, type SeenGroup } from './seen-group.js';

/** GiB of the largest volume that an array takes (reference 4.2). */
const LARGEST_GIB = 16_384;
/** A dead array must not keep a mount waiting, which needs the same lock. */
const ASK_TIMEOUT_MS = 8_000;

export type Sizes = Partial<Record<Side, number>>;

/** Everything that a grow has decided before its first effect. */
export interface ResizePlan {
  volume: Volume;
  /** MiB that each copy has, by fresh answers. */
  sizes: Sizes;
  /** MiB that each is to have. */
  toMiB: number;
  group?: Group;
  /** The group is started in the end, and with it an array may grow a copy that it did not grow before. */
  endsStarted?: boolean;
}

/** What may be asked for; an administrator may have given a volume a part of a GiB. @throws `invalid` */
export function checkSize(toGiB: number): void {
  if (Number.isInteger(toGiB) && toGiB >= 1 && toGiB <= LARGEST_GIB) return;
  throw new DriverError('invalid', `${toGiB} is not a whole number of GiB from 1 to ${LARGEST_GIB}`);
}

/** @throws `invalid` or `refused` for what no array could do */
export function checkResize(volume: Volume, toGiB: number): void {
  const { name, spec, state, origin } = volume;
  if (toGiB < spec.sizeGiB) {
    throw new DriverError('invalid', `volume ${name} has ${spec.sizeGiB} GiB, and no array makes a volume smaller`, {
      next: `name ${spec.sizeGiB} or more; a smaller one is made with docker volume create, and the files copied`,
    });
  }
  if (state !== 'ready') {
    throw new DriverError('refused', `volume ${name} is in state ${state}: it is not grown`, {
      next: `docker volume inspect ${name} shows what is unfinished`,
    });
  }
  if (origin?.kind === 'snapshot') {
    throw new DriverError('refused', `volume ${name} is a snapshot of ${origin.of}: its size is that of its moment`, {
      next: 'make a clone of it, which can be larger',
    });
  }
}

/** Fresh answers of every array of the volume; reads only. @throws `refused` for a copy that is not there or not as on record */
export async function planResize(
  backend: Backend,
  { volume, toGiB, group }: { volume: Volume; toGiB: number; group: Group | undefined },
  signal: AbortSignal,
): Promise<ResizePlan> {
  const sizes: Sizes = {};
  const bounded = within(ASK_TIMEOUT_MS, signal);
  await Promise.all(
    backend.sides
      .filter((side) => side === homeSide(volume) || group !== undefined)
      .map(async (side) => void (sizes[side] = await readSize(backend, { volume, side }, bounded))),
  );
  const toMiB = Math.max(toGiB * 1024, ...Object.values(sizes));
  return { volume, sizes, toMiB, ...(group === undefined ? {} : { group }) };
}

/** MiB of one copy. @throws `refused` */
export async function readSize(
  backend: Backend,
  { volume, side }: { volume: Volume; side: Side },
  signal: AbortSignal,
): Promise<number> {
  const array = backend.array(side);
  const found = await array.findVolume(volume.arrayName, signal);
  const smallest = volume.spec.sizeGiB * 1024;
  const isOurs = found !== undefined && isTaggedAs(found.comment, ownershipTag(volume));
  if (isOurs && found.sizeMiB >= smallest) return found.sizeMiB;
  const seen =
    found === undefined
      ? 'there is no such volume'
      : `it has ${found.sizeMiB} MiB and the comment ${JSON.stringify(found.comment)}`;
  throw new DriverError(
    'refused',
    `volume ${volume.name} is to be ${volume.arrayName} with ${smallest} MiB or more on ${array.label}, but ${seen}`,
    { next: `see what was done to it: showvv -d ${volume.arrayName}; showeventlog` },
  );
}

export const isGrown = ({ sizes, toMiB }: ResizePlan): boolean => Object.values(sizes).every((each) => each >= toMiB);

/** The plan, if both sides accept and the links are up, as the group was seen (rule 38). @throws `refused` or `unavailable` */
export async function planTogether(
  backend: Backend,
  plan: ResizePlan & { group: Group },
  { seen, signal }: { seen: SeenGroup; signal: AbortSignal },
): Promise<ResizePlan> {
  const { volume, group } = plan;
  const request = { backend, group, arrayName: volume.arrayName, everMounted: volume.everMounted };
  const verdict = judgeObservation(request, seen);
  // Anything but natural roles is asked for once more: a transition may end, and a refusal names what both arrays said.
  const proven = verdict.row === 1 && verdict.side !== undefined ? verdict : await proveActiveSide(request, signal);
  if (proven.row !== 1) throw notNatural(backend, volume, group);
  refuseChanged({ backend, volume, group }, seen);
  const { target } = backend.replication();
  const peer = seen.groups.secondary?.targets[0]?.name;
  const up = await Promise.all([
    backend.array('primary').remoteCopy.linksUp(target, signal),
    peer === undefined ? undefined : backend.array('secondary').remoteCopy.linksUp(peer, signal),
  ]);
  if (up.every((each) => each === true)) {
    return { ...plan, endsStarted: isStarted(seen.groups.primary) || seen.record?.owesStart !== undefined };
  }
  const [primary, secondary] = up.map((each) => (each === true ? 'up' : 'down'));
  throw new DriverError(
    'refused',
    `volume ${volume.name} is not grown while the links between its arrays are down: ${backend.array('primary').label} says ${primary}, ${backend.array('secondary').label} says ${secondary}; one copy alone would stop the replication of group ${group.name}`,
    { next: 'mend the links (showrcopy links on both arrays), then repeat the command; nothing was changed' },
  );
}

/** What holds for the group in its own cycle, just before it is stopped. @throws `refused` */
export function refuseChanged(
  { backend, volume, group }: { backend: Backend; volume: Volume; group: Group },
  seen: SeenGroup,
): void {
  const { side, group: observed } = viewOfGroup(seen);
  const isNatural = side === 'primary' && seen.groups.secondary?.role === 'secondary';
  if (!isNatural || !isMember(observed, volume.arrayName)) throw notNatural(backend, volume, group);
  if (observed !== undefined) refuseRestless(observed);
}

const notNatural = (backend: Backend, volume: Volume, group: Group): DriverError =>
  new DriverError(
    'refused',
    `volume ${volume.name} is not grown while group ${group.name} is failed over or not whole: both copies have to grow together`,
    {
      next: `bring group ${group.name} home with ${wayHome(backend)}, then repeat the command; nothing was changed`,
    },
  );
