import { randomUUID } from 'node:crypto';
import type { Backend } from '../backend/backend.js';
import type { Write } from '../contracts/store.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { arrayVolumeName, ownershipTag } from '../domain/names.js';
import { cpgsOn } from '../domain/place.js';
import type { Volume, VolumeSpec } from '../domain/volume.js';
import type { Saga, Step } from '../saga/saga.js';
import { checkOptions } from './check-options.js';
import { checkWitness } from './fail-over-policies.js';
import type { GroupCycles } from './group-cycles.js';
import { planGroup, type GroupPlan } from './plan-group.js';
import type { Dismissal, Seat } from './seat.js';
import { refuseReversed, type GroupId, type SeenGroup } from './seen-group.js';
import { deleteDespiteSets, joinSteps } from './volume-sets.js';

/*
 * States that a crash or a failure can leave, and what undo makes of each:
 * - the operation only                         → the records go
 * - volume on the primary array                → deleted by its tag
 * - member admitted, secondary volume untagged → dismissed in a cycle of its group, which starts the group for its other
 *                                                members or removes it, and then the secondary deleted by its planned name
 * - tagged, group started with the member      → as before
 * What a cycle leaves of the group itself is the group's own affair: see group-cycle.ts.
 */

export interface CreatePlan {
  volume: Volume;
  group?: GroupPlan;
  /** Of its CPG, where that was looked up. */
  domain?: string;
}

/** What the steps read back. */
export interface CreateFacts {
  primaryWwn?: string;
  secondaryWwn?: string;
  /** The arrays were certainly never asked to make the copy. */
  hasNoCopy?: boolean;
}

type CreateStep = Step<CreatePlan, CreateFacts, Write>;

/** Fixes every name and finds out whether the volume may join its group, as it was seen; reads only. @throws `refused` or `unavailable` */
export async function planCreate(
  backend: Backend,
  wanted: { name: string; spec: VolumeSpec; seen: SeenGroup | undefined },
  signal: AbortSignal,
): Promise<CreatePlan> {
  const { name, spec, seen } = wanted;
  const place = backend.placeOf(spec);
  const id = randomUUID();
  const volume: Volume = {
    name,
    id,
    spec,
    arrayName: arrayVolumeName(id),
    ...place,
    wwn: {},
    state: 'creating',
    filesystem: { state: 'never' },
    everMounted: false,
    createdAt: new Date().toISOString(),
  };
  const group = spec.replicationGroup;
  try {
    const domain = await checkOptions(backend, { spec, place }, signal);
    const plan = { volume, ...(domain === undefined ? {} : { domain }) };
    if (group !== undefined && seen !== undefined) {
      await checkWitness(backend, signal);
      return { ...plan, group: planGroup({ backend, name: group }, seen, place) };
    }
    // Its name is new, so it is not there; what this asks is whether the array answers, before anything is begun.
    await backend.array('primary').findVolume(volume.arrayName, signal);
    return plan;
  } catch (thrown) {
    const cause = asDriverError(thrown);
    if (cause.code !== 'unavailable') throw cause;
    throw cause.reworded(`backend ${backend.name} is not usable now: ${cause.message}; nothing was changed`);
  }
}

/** A replicated backend needs a replicationGroup, a plain one refuses it. @throws `invalid` */
export function checkReplicationOption(backend: Backend, spec: VolumeSpec): void {
  const replicated = backend.settings.replication !== undefined;
  if (replicated && spec.replicationGroup === undefined) {
    throw new DriverError('invalid', `backend ${backend.name} replicates, so the volume needs a remote copy group`, {
      next: 'add -o replicationGroup=NAME',
    });
  }
  if (!replicated && spec.replicationGroup !== undefined) {
    throw new DriverError(
      'invalid',
      `backend ${backend.name} has no replication_device in hpe.conf, so replicationGroup=${spec.replicationGroup} cannot be honoured`,
      { next: 'leave replicationGroup out, or name a replicated backend with -o backend=NAME' },
    );
  }
}

/** How the volume gets into its group, and out of it again on the way back. */
export interface GroupDoor {
  groups: GroupCycles;
  /** In the cycle in which it was planned; there is none when an unfinished Create is undone later. */
  seat?: Seat;
}

export function createSaga(backend: Backend, plan: CreatePlan, door: GroupDoor): Saga<CreatePlan, CreateFacts, Write> {
  const { group, volume } = plan;
  const steps: CreateStep[] = [];
  if (group === undefined) {
    steps.push(
      createVolumeStep(backend, door, async (remove) => remove()),
      ...joinSteps(backend, volume),
    );
  } else {
    const id = { backend, name: group.name };
    const despite = despiteLateAdmission(id, plan, door);
    steps.push(createVolumeStep(backend, door, despite), ...joinSteps(backend, volume), copyStep(backend, despite));
    steps.push(admitStep(id, plan, door), startStep(id, group, door));
  }
  return {
    kind: 'create',
    afterCrash: 'undo',
    steps,
    result: (_plan, facts) => [{ put: 'volume', key: volume.name, value: readyVolume(volume, facts) }],
    undone: () => [{ remove: 'volume', key: volume.name }],
  };
}

function readyVolume(volume: Volume, facts: CreateFacts): Volume {
  const wwn = {
    ...(facts.primaryWwn === undefined ? {} : { primary: facts.primaryWwn }),
    ...(facts.secondaryWwn === undefined ? {} : { secondary: facts.secondaryWwn }),
  };
  return { ...volume, state: 'ready', wwn };
}

function createVolumeStep(backend: Backend, { seat }: GroupDoor, despite: Despite): CreateStep {
  const array = backend.array('primary');
  const remove = async (volume: Volume, signal: AbortSignal): Promise<void> =>
    deleteDespiteSets(backend, volume, {
      remove: async () => array.removeVolume(volume.arrayName, ownershipTag(volume), signal),
      signal,
    });
  return {
    name: 'create the volume on the primary array',
    async do({ plan: { volume }, signal }) {
      const { spec } = volume;
      const made = await array.ensureVolume(
        {
          name: volume.arrayName,
          ...cpgsOn(volume, 'primary'),
          sizeMiB: spec.sizeGiB * 1024,
          provisioning: spec.provisioning,
          compression: spec.compression,
          tag: ownershipTag(volume),
        },
        signal,
      );
      return { primaryWwn: made.wwn };
    },
    async undo({ plan: { volume }, signal }) {
      // The others in the cycle need not wait for it.
      seat?.leave();
      await despite(async () => remove(volume, signal), signal);
    },
    undoLate: async ({ plan: { volume }, signal }) => remove(volume, signal),
  };
}

/** The arrays make the copy at the admission; on the way back it goes after the group was restarted (rule 35). */
function copyStep(backend: Backend, despite: Despite): CreateStep {
  return {
    name: 'let the arrays create the copy on the secondary array',
    do: async () => Promise.resolve(),
    async undo({ plan: { volume }, facts, signal }) {
      if (facts.hasNoCopy === true) return;
      await despite(async () => removeCopy(backend, volume, signal), signal);
    },
  };
}

async function removeCopy(backend: Backend, volume: Volume, signal: AbortSignal): Promise<void> {
  const secondary = backend.array('secondary');
  // Its name was drawn from a fresh uuid, so one without a tag is ours, too.
  const tag = ownershipTag(volume);
  if ((await secondary.findVolume(volume.arrayName, signal)) === undefined) return;
  await secondary.tagVolume(volume.arrayName, tag, signal);
  await secondary.removeVolume(volume.arrayName, tag, signal);
}

/** Does a deletion, and what has to come before it. */
type Despite = (remove: () => Promise<void>, signal: AbortSignal) => Promise<void>;

/** The array keeps a copy that it has admitted after the way out of the group was over. */
function despiteLateAdmission(id: GroupId, plan: CreatePlan, { groups }: GroupDoor): Despite {
  return async (remove, signal) => {
    try {
      await remove();
    } catch (thrown) {
      if (!(thrown instanceof DriverError) || thrown.code !== 'refused') throw thrown;
      await groups.change(id, wayOut(id, plan), signal);
      await removeCopy(id.backend, plan.volume, signal);
      await remove();
    }
  };
}

function wayOut(id: GroupId, { volume, group }: CreatePlan): Dismissal {
  return {
    kind: 'dismiss',
    volume: volume.arrayName,
    check: (seen) => refuseReversed(id, seen),
    // An empty group that an administrator made stays, as it was there before.
    emptyMayGo: group?.wasEmpty === false && id.backend.replication().removeEmptyGroup === 'always',
  };
}

function admitStep(id: GroupId, plan: CreatePlan, { groups, seat }: GroupDoor): CreateStep {
  const check = (seen: SeenGroup): void => void planGroup(id, seen, plan.volume);
  return {
    name: `admit the volume to remote copy group ${id.name}`,
    async do({ plan: { volume }, facts, signal }) {
      const taken = getSeat(seat);
      try {
        await taken.take({ kind: 'admit', volume: volume.arrayName, place: volume, check }, signal);
      } catch (thrown) {
        // The secondary array, which may be the one that is dead, has then nothing to be asked for on the way back.
        facts.hasNoCopy = !taken.isBegun;
        throw thrown;
      }
    },
    async undo({ signal }) {
      seat?.leave();
      await groups.change(id, wayOut(id, plan), signal);
    },
    // The group, and a copy that the arrays made for a member that was gone by then.
    async undoLate({ facts, signal }) {
      // A group that somebody else has emptied since is his affair, and so is one that is there after ours was answered.
      const mayHaveMadeIt = plan.group?.isNew === true && facts.hasNoCopy !== false;
      await groups.change(id, { ...wayOut(id, plan), emptyMayGo: false, mayHaveMadeIt }, signal);
      if (facts.hasNoCopy !== true) await removeCopy(id.backend, plan.volume, signal);
    },
  };
}

function startStep({ backend, name }: GroupId, group: GroupPlan, { seat }: GroupDoor): CreateStep {
  const secondary = backend.array('secondary');
  return {
    name: group.startAfter
      ? `start remote copy group ${name}`
      : `tag the copy on the secondary array (group ${name} stays stopped, as it was)`,
    async do({ plan: { volume }, signal }) {
      const [copy, start] = await Promise.allSettled([
        secondary.tagVolume(volume.arrayName, ownershipTag(volume), signal),
        getSeat(seat).over,
      ]);
      // Both are over before either failure is told: what goes on would run into the way back.
      if (copy.status === 'rejected') throw copy.reason;
      if (start.status === 'fulfilled' && start.value !== undefined) throw start.value;
      return { secondaryWwn: copy.value.wwn };
    },
  };
}

function getSeat(seat: Seat | undefined): Seat {
  if (seat === undefined) throw new DriverError('internal', 'an unfinished Create is undone, and never goes on');
  return seat;
}
