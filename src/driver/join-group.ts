import type { Backend } from '../backend/backend.js';
import type { ArrayVolume, ReadBack } from '../contracts/array.js';
import type { Write } from '../contracts/store.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { ownershipTag } from '../domain/names.js';
import type { Volume } from '../domain/volume.js';
import type { Step } from '../saga/saga.js';
import { findDomain } from './create-group.js';
import type { GroupCycles, Look } from './group-cycles.js';
import type { CreatePlan } from './plan-create.js';
import { planGroup, type GroupPlan } from './plan-group.js';
import type { Dismissal, Seat } from './seat.js';
import { refuseReversed, type GroupId, type SeenGroup } from './seen-group.js';

/** How a new volume gets into its group, and out of it again on the way back: steps of Create. */

/** What the steps read back. */
export interface CreateFacts {
  /** What the look at the group has found. */
  group?: GroupPlan;
  /** The array was certainly not asked to make the volume. */
  hasNoVolume?: boolean;
  primaryWwn?: string;
  secondaryWwn?: string;
  /** The arrays were certainly never asked to make the copy. */
  hasNoCopy?: boolean;
}

export type CreateStep = Step<CreatePlan, CreateFacts, Write>;

/** How a new volume gets into its group. */
export interface CreateDoor {
  groups: GroupCycles;
  /** There is none when an unfinished Create is undone later. */
  entrance?: Entrance;
}

/** In the cycle of the group that comes next. */
export interface Entrance {
  seat: Seat;
  look: Look;
  /** The group may have to be made, so what it needs is looked up in time. */
  isNew: boolean;
}

/** What is on its way in this process; an unfinished Create is undone, and never goes on. */
export interface UnderWay {
  /** An administrator stopped the group, and it stays so. */
  staysStopped?: boolean;
  readBack?: ReadBack<ArrayVolume>;
  domain?: { name?: string };
}

/** What the steps have in common. */
export interface Making {
  backend: Backend;
  plan: CreatePlan;
  door: CreateDoor;
  underWay: UnderWay;
}

/** Looks at the group, and at what it takes to make one, beside the creation of the volume. @throws `refused` when it may not join */
export async function enter(
  { backend, plan, door, underWay }: Making,
  signal: AbortSignal,
): Promise<GroupPlan | undefined> {
  const name = plan.volume.spec.replicationGroup;
  if (name === undefined || door.entrance === undefined) return undefined;
  const { look, isNew } = door.entrance;
  const [seen, domain] = await Promise.all([
    look(),
    isNew && plan.domain === undefined ? findDomain(backend, plan.volume, signal) : undefined,
  ]);
  if (domain !== undefined) underWay.domain = domain;
  else if (plan.domain !== undefined) underWay.domain = { name: plan.domain };
  const group = planGroup({ backend, name }, seen, plan.volume);
  underWay.staysStopped = !group.startAfter;
  return group;
}

export async function readBackOf({ readBack }: UnderWay): Promise<ArrayVolume> {
  if (readBack === undefined) throw neverGoesOn();
  return readBack();
}

/** The arrays make the copy at the admission; on the way back it goes after the group was restarted (rule 35). */
export function copyStep(making: Making): CreateStep {
  return {
    name: 'let the arrays create the copy on the secondary array',
    async undo({ plan: { volume }, facts, signal }) {
      if (facts.hasNoCopy === true) return;
      await despiteLateAdmission(making, facts, {
        remove: async () => removeCopy(making.backend, volume, signal),
        signal,
      });
    },
  };
}

export async function removeCopy(backend: Backend, volume: Volume, signal: AbortSignal): Promise<void> {
  const secondary = backend.array('secondary');
  // Its name was drawn from a fresh uuid, so one without a tag is ours, too.
  const tag = ownershipTag(volume);
  if ((await secondary.findVolume(volume.arrayName, signal)) === undefined) return;
  await secondary.tagVolume(volume.arrayName, tag, signal);
  await secondary.removeVolume(volume.arrayName, tag, signal);
}

/** Does a deletion, and what has to come before it: the array keeps a copy that it has admitted after the way out of the group was over. */
export async function despiteLateAdmission(
  { backend, plan, door }: Making,
  facts: CreateFacts,
  { remove, signal }: { remove: () => Promise<void>; signal: AbortSignal },
): Promise<void> {
  try {
    await remove();
  } catch (thrown) {
    const isRefused = thrown instanceof DriverError && thrown.code === 'refused';
    const { volume } = plan;
    if (!isRefused || volume.spec.replicationGroup === undefined) throw thrown;
    await door.groups.change(groupIdOf(backend, volume), wayOut(backend, { volume, facts }), signal);
    await removeCopy(backend, volume, signal);
    await remove();
  }
}

export function groupIdOf(backend: Backend, { name, spec }: Volume): GroupId {
  if (spec.replicationGroup === undefined) throw new DriverError('internal', `volume ${name} is in no group`);
  return { backend, name: spec.replicationGroup };
}

export function wayOut(backend: Backend, { volume, facts }: { volume: Volume; facts: CreateFacts }): Dismissal {
  const id = groupIdOf(backend, volume);
  return {
    kind: 'dismiss',
    volume: volume.arrayName,
    check: (seen) => refuseReversed(id, seen),
    // An empty group that an administrator made stays, as it was there before.
    emptyMayGo: facts.group?.wasEmpty === false && backend.replication().removeEmptyGroup === 'always',
  };
}

export function admitStep({ backend, plan, door, underWay }: Making): CreateStep {
  const id = groupIdOf(backend, plan.volume);
  const check = (seen: SeenGroup): void => void planGroup(id, seen, plan.volume);
  return {
    name: `admit the volume to remote copy group ${id.name}`,
    async do({ plan: { volume }, facts, signal }) {
      const { seat } = entranceOf(door);
      const { domain } = underWay;
      try {
        const isNew = isBlank(backend, volume);
        await seat.take(
          { kind: 'admit', volume: volume.arrayName, place: volume, domain, isBlank: isNew, check },
          signal,
        );
      } catch (thrown) {
        // The secondary array, which may be the one that is dead, has then nothing to be asked for on the way back.
        facts.hasNoCopy = !seat.isBegun;
        // That there is no such volume says more than that it cannot be admitted.
        if (asDriverError(thrown).code === 'not-found') await readBackOf(underWay);
        throw thrown;
      }
    },
    async undo({ plan: { volume }, facts, signal }) {
      door.entrance?.seat.leave();
      await door.groups.change(id, wayOut(backend, { volume, facts }), signal);
    },
    // The group, and a copy that the arrays made for a member that was gone by then.
    async undoLate({ plan: { volume }, facts, signal }) {
      // A group that somebody else has emptied since is his affair, and so is one that is there after ours was answered.
      const mayHaveMadeIt = facts.group?.isNew === true && facts.hasNoCopy !== false;
      const change = { ...wayOut(backend, { volume, facts }), emptyMayGo: false, mayHaveMadeIt };
      await door.groups.change(id, change, signal);
      if (facts.hasNoCopy !== true) await removeCopy(backend, volume, signal);
    },
  };
}

/**
 * Just made by us, on thin space that reads as zeroes, as does the copy that the arrays make; a fully provisioned one shows what its
 * disks held. Of a periodic one the age of the copy is known only after its first synchronisation (rule 45).
 */
const isBlank = (backend: Backend, { spec }: Volume): boolean =>
  spec.provisioning !== 'full' && backend.replication().mode !== 'asynchronous';

export function startStep({ backend, plan, door, underWay }: Making): CreateStep {
  const secondary = backend.array('secondary');
  const { name } = groupIdOf(backend, plan.volume);
  return {
    get name() {
      return underWay.staysStopped === true
        ? `tag the copy on the secondary array (group ${name} stays stopped, as it was)`
        : `start remote copy group ${name}`;
    },
    async do({ plan: { volume }, signal }) {
      const { seat } = entranceOf(door);
      const [made, copy, start] = await Promise.allSettled([
        seat.restored.then(async () => readBackOf(underWay)),
        secondary.tagCopy(volume.arrayName, ownershipTag(volume), signal),
        seat.over,
      ]);
      // All are over before either failure is told: what goes on would run into the way back.
      if (made.status === 'rejected') throw made.reason;
      if (copy.status === 'rejected') throw copy.reason;
      if (start.status === 'fulfilled' && start.value !== undefined) throw start.value;
      return { primaryWwn: made.value.wwn, secondaryWwn: copy.value.wwn };
    },
  };
}

export function entranceOf({ entrance }: CreateDoor): Entrance {
  if (entrance === undefined) throw neverGoesOn();
  return entrance;
}

const neverGoesOn = (): DriverError => new DriverError('internal', 'an unfinished Create is undone, and never goes on');
