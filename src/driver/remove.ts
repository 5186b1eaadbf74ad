import type { Backend } from '../backend/backend.js';
import { proveActiveSide } from '../backend/observe.js';
import type { Vlun } from '../contracts/array.js';
import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { ownershipTag } from '../domain/names.js';
import { otherSide, type Group, type Side } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import type { Operation } from '../saga/operation.js';
import { planOf, settle, type Saga, type SagaRun, type Step } from '../saga/saga.js';
import { groupRecordKey } from './operations.js';

/*
 * States that a crash can leave, and what redo makes of each:
 * - group stopped, volume still a member → stopped and dismissed, the group started again, both copies deleted
 * - dismissed, group still stopped       → the group started again if it has members and was started before
 * - one copy deleted, or both            → the rest deleted by the tag
 * - group empty                          → deleted, if the array itself shows no member
 * A plain volume that the array refuses to delete stays, as if nobody had asked.
 * A failure before the dismissal turns back: the group is started again and the volume stays. After it there is no way back,
 * since a copy that left its group cannot rejoin without a full copy; the operation then stays open until it is finished.
 */

export interface RemovePlan {
  volume: Volume;
  group?: {
    record: Group;
    /** The side in role Primary, which takes the group's commands; its roles are natural. */
    side: Side;
    wasStarted: boolean;
    /** The group goes when its last member is gone. */
    removeEmpty: boolean;
  };
  /** Somebody deleted both copies: only the records, and a group that is empty, are left to go. */
  copiesAreGone?: boolean;
}

type RemoveFacts = { groupRemoved?: boolean };
type RemoveStep = Step<RemovePlan, RemoveFacts, Write>;

/**
 * Fresh answers of every array of the volume, before anything is changed (rule 33): roles natural, and exported nowhere.
 * @throws `refused` or `unavailable`
 */
export async function planRemove(
  backend: Backend,
  { volume, group }: { volume: Volume; group: Group | undefined },
  signal: AbortSignal,
): Promise<RemovePlan> {
  if (group === undefined) {
    await refuseIfExported(backend, volume, signal);
    return { volume };
  }
  const copiesAsked = backend.sides.map(async (side) => backend.array(side).findVolume(volume.arrayName, signal));
  const [copies] = await Promise.all([Promise.all(copiesAsked), refuseIfExported(backend, volume, signal)]);
  const removeEmpty = group.createdByUs || backend.replication().removeEmptyGroup === 'always';
  if (copies.every((copy) => copy === undefined)) {
    return { volume, group: { record: group, side: 'primary', wasStarted: false, removeEmpty }, copiesAreGone: true };
  }
  const { arrayName, everMounted } = volume;
  const proven = await proveActiveSide({ backend, group, arrayName, everMounted }, signal);
  const { primary, secondary } = proven.observation.groups;
  if (proven.row !== 1 || primary === undefined || secondary === undefined) {
    throw new DriverError(
      'refused',
      `volume ${volume.name} is not removed while group ${group.name} is failed over or one of its arrays is silent: the copy that is not active may be the only good one later`,
      { next: `bring group ${group.name} home with setrcopygroup recover and restore, then remove the volume` },
    );
  }
  const observed = proven.side === 'primary' ? primary : secondary;
  const restless = observed.targets.find((target) => !['new', 'started', 'stopped'].includes(target.state));
  if (restless !== undefined) {
    throw new DriverError(
      'refused',
      `group ${group.name} is ${restless.state}; a volume can leave it only while it is started or stopped`,
      { next: `wait until "showrcopy groups ${group.name}" shows Started or Stopped, then try again` },
    );
  }
  return {
    volume,
    group: {
      record: group,
      side: proven.side,
      wasStarted: observed.targets.some((target) => target.state === 'started'),
      removeEmpty,
    },
  };
}

async function refuseIfExported(backend: Backend, volume: Volume, signal: AbortSignal): Promise<void> {
  const vluns = await Promise.all(
    backend.sides.map(async (side) => ({
      side,
      found: await backend.array(side).findVluns(volume.arrayName, signal),
    })),
  );
  for (const { side, found } of vluns) {
    const template: Vlun | undefined = found[0];
    if (template === undefined) continue;
    const hosts = [...new Set(found.map((vlun) => vlun.host))].join(', ');
    throw new DriverError(
      'busy',
      `volume ${volume.name} is still exported on ${backend.array(side).label} to: ${hosts}`,
      {
        next: `stop what uses it; a left-over export goes with: removevlun -f ${volume.arrayName} ${template.lun} ${template.host}`,
      },
    );
  }
}

export function removeSaga(backend: Backend, plan: RemovePlan): Saga<RemovePlan, RemoveFacts, Write> {
  const { volume, group } = plan;
  const record = group?.record;
  return {
    kind: 'remove',
    afterCrash: 'redo',
    steps: stepsOf(backend, plan),
    result: (_plan, facts) => [
      { remove: 'volume', key: volume.name },
      ...(record !== undefined && facts.groupRemoved === true
        ? [{ remove: 'group' as const, key: groupRecordKey(record.backend, record.name) }]
        : []),
    ],
    undone: () => [{ put: 'volume', key: volume.name, value: { ...volume, state: 'ready' } }],
  };
}

function stepsOf(backend: Backend, { group, copiesAreGone }: RemovePlan): RemoveStep[] {
  if (group === undefined) return [deleteStep(backend, 'primary')];
  const tidy = tidyGroupStep(backend, group);
  if (copiesAreGone === true) return [tidy];
  return [
    dismissStep(backend, group),
    { ...tidy, noWayBack: true },
    deleteStep(backend, group.side),
    deleteStep(backend, otherSide(group.side)),
  ];
}

type GroupPart = NonNullable<RemovePlan['group']>;

const nameOn = (group: GroupPart): string => (group.side === 'primary' ? group.record.name : group.record.remoteName);

function dismissStep(backend: Backend, group: GroupPart): RemoveStep {
  const { remoteCopy } = backend.array(group.side);
  const name = nameOn(group);
  const isMember = async (volume: Volume, signal: AbortSignal): Promise<boolean> => {
    const found = await remoteCopy.findGroup(name, signal);
    return found?.members.some((member) => member.volume === volume.arrayName) ?? false;
  };
  return {
    name: `take the volume out of remote copy group ${name}`,
    async do({ plan: { volume }, signal }) {
      await remoteCopy.stopGroup(name, signal);
      try {
        await remoteCopy.dismiss(name, volume.arrayName, signal);
      } catch (thrown) {
        // An error after the deed would otherwise turn back to a group that the volume has left already.
        if (await isMember(volume, signal)) throw thrown;
      }
    },
    async undo({ plan: { volume }, signal }) {
      const stillMember = async (): Promise<void> => {
        if (await isMember(volume, signal)) return;
        throw new DriverError('not-found', `the volume has left group ${name} already`);
      };
      await stillMember();
      if (!group.wasStarted) return;
      await remoteCopy.startGroup(name, signal);
      // A dismissal whose answer never came may have been done in between; a started group lets nobody go any more.
      await stillMember();
    },
  };
}

/** Goes on with an interrupted removal. */
export async function settleRemove(backend: Backend, operation: Operation, run: SagaRun<Write>): Promise<void> {
  const saga = removeSaga(backend, planOf<RemovePlan>(operation));
  try {
    await settle(saga, operation, run);
  } catch (thrown) {
    // An undo that finds the deed done says not-found by itself; what the way back has dealt with carries a rollback.
    const wayBackIsGone = thrown instanceof DriverError && thrown.code === 'not-found' && thrown.rollback === undefined;
    if (operation.phase !== 'undo' || !wayBackIsGone) throw thrown;
    operation.phase = 'do';
    operation.next = 0;
    await settle(saga, operation, run);
  }
}

/** The other members are unprotected from the stop to here, so this comes before the deletions. */
function tidyGroupStep(backend: Backend, group: GroupPart): RemoveStep {
  const { remoteCopy } = backend.array(group.side);
  return {
    name: `restart remote copy group ${nameOn(group)}, or remove it when it is empty`,
    async do({ signal }) {
      const left = await remoteCopy.findGroup(nameOn(group), signal);
      if (left === undefined) return { groupRemoved: true };
      if (left.members.length > 0) {
        if (group.wasStarted) await remoteCopy.startGroup(nameOn(group), signal);
        return {};
      }
      if (!group.removeEmpty) return {};
      await remoteCopy.removeGroup(nameOn(group), signal);
      return { groupRemoved: true };
    },
  };
}

function deleteStep(backend: Backend, side: Side): RemoveStep {
  const array = backend.array(side);
  return {
    name: `delete the volume on the ${side} array`,
    do: async ({ plan: { volume }, signal }) => array.removeVolume(volume.arrayName, ownershipTag(volume), signal),
    // Only a plain volume gets here: the array refused, so the volume is there as before, or else it is gone.
    async undo({ plan: { volume }, signal }) {
      if ((await array.findVolume(volume.arrayName, signal)) !== undefined) return;
      throw new DriverError('not-found', `volume ${volume.arrayName} is gone from ${array.label} already`);
    },
  };
}
