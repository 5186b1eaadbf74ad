import type { Backend } from '../backend/backend.js';
import { judgeObservation, proveActiveSide } from '../backend/observe.js';
import { wayHome } from '../backend/paired.js';
import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { removeExportsCommand } from '../domain/names.js';
import { otherSide, type Group, type Side } from '../domain/replication.js';
import { homeSide, type Volume } from '../domain/volume.js';
import type { Operation } from '../saga/operation.js';
import { settle, type Saga, type SagaRun, type Step } from '../saga/saga.js';
import { mayBeCopying } from './copying.js';
import type { GroupDoor } from './group-cycles.js';
import { deleteFirstStep, deleteStep, plainVolume, type RemoveFacts } from './delete-step.js';
import { refuseRestless } from './plan-group.js';
import type { GroupChange } from './seat.js';
import { viewOfGroup, type GroupId, type SeenGroup } from './seen-group.js';
import { leaveSteps } from './volume-sets.js';

/*
 * States that a crash can leave, and what redo makes of each:
 * - volume still a member     → dismissed in a cycle of its group, both copies deleted
 * - dismissed                 → the group gets its own state in another cycle, both copies deleted
 * - one copy deleted, or both → the rest deleted by the tag
 * - taken out of its volume sets, or some → the rest, and the volume deleted
 * A plain volume that the array refuses to delete stays, as if nobody had asked. A replicated one that is refused for a snapshot
 * that was made since it was looked at stays as a plain volume, and its copy goes.
 * A failure before the dismissal turns back: the cycle starts the group again and the volume stays. After it, and when a call
 * got no answer, there is no way back, since a copy that left its group cannot rejoin without a full copy; the operation
 * then stays open until it is finished.
 */

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

type RemoveStep = Step<RemovePlan, RemoveFacts, Write>;

/** A volume that is to be removed, as its arrays know it. */
export interface Removable {
  volume: Volume;
  copiesAreGone: boolean;
  /** As in the plan. */
  helpers?: string[];
}

/** Fresh answers of every array of the volume (rule 33): exported nowhere. @throws `busy` or `unavailable` */
export async function findCopies(backend: Backend, volume: Volume, signal: AbortSignal): Promise<Removable> {
  if (volume.spec.replicationGroup === undefined) {
    await refuseIfExported(backend, volume, signal);
    const copying = mayBeCopying(volume)
      ? await backend.array(homeSide(volume)).clones.look(volume.arrayName, signal)
      : undefined;
    const helpers = copying === undefined || copying.copy === 'done' ? {} : { helpers: copying.helpers };
    return { volume, copiesAreGone: false, ...helpers };
  }
  const copiesAsked = backend.sides.map(async (side) => backend.array(side).findVolume(volume.arrayName, signal));
  const [copies] = await Promise.all([Promise.all(copiesAsked), refuseIfExported(backend, volume, signal)]);
  return { volume, copiesAreGone: copies.every((copy) => copy === undefined) };
}

/** Whether the volume may leave its group, as it was seen: roles natural by fresh answers of both arrays (rule 33). @throws `refused` or `unavailable` */
export async function planRemove(
  backend: Backend,
  { volume, copiesAreGone, seen }: Removable & { seen: SeenGroup },
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

/** The same in the cycle, before the group is stopped: the roles may have changed meanwhile. */
function refuseUnproven({ backend }: GroupId, { volume, group }: RemovePlan, seen: SeenGroup): void {
  if (group === undefined) return;
  const { side, group: observed } = viewOfGroup(seen);
  const verdict = judgeObservation(requestOf(backend, volume, seen.record ?? group.record), seen);
  if (verdict.row !== 1 || verdict.side !== side) throw unproven(backend, volume, group.record);
  if (observed !== undefined) refuseRestless(observed);
}

async function refuseIfExported(backend: Backend, volume: Volume, signal: AbortSignal): Promise<void> {
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

export function removeSaga(backend: Backend, plan: RemovePlan, door: GroupDoor): Saga<RemovePlan, RemoveFacts, Write> {
  const { volume } = plan;
  return {
    kind: 'remove',
    afterCrash: 'redo',
    steps: stepsOf(backend, plan, door),
    result: (_plan, { keptFor }) =>
      keptFor === undefined
        ? [{ remove: 'volume', key: volume.name }]
        : [{ put: 'volume', key: volume.name, value: plainVolume(volume) }],
    undone: () => [{ put: 'volume', key: volume.name, value: { ...volume, state: 'ready' } }],
  };
}

function stepsOf(backend: Backend, plan: RemovePlan, door: GroupDoor): RemoveStep[] {
  const { volume, group, copiesAreGone } = plan;
  const leave = leaveSteps<RemovePlan>(backend, volume);
  if (group === undefined) return [...leave, ...plainSteps(backend, plan)];
  const id = { backend, name: group.record.name };
  if (copiesAreGone === true) return [tidyStep(id, door), ...leave];
  return [
    dismissStep(id, door),
    { ...tidyStep(id, door), noWayBack: true },
    ...leave,
    deleteFirstStep(backend, group.side),
    deleteStep(backend, otherSide(group.side)),
  ];
}

/** A schedule ends after its snapshot: one that the array retains keeps its schedule, too. */
function plainSteps(backend: Backend, { volume, helpers }: RemovePlan): RemoveStep[] {
  const { origin, name } = volume;
  if (helpers !== undefined) return breakOffSteps(backend, homeSide(volume), helpers);
  if (origin?.kind !== 'snapshot') return [deleteStep(backend, homeSide(volume))];
  const { side, schedule } = origin;
  if (schedule === undefined) return [deleteStep(backend, side)];
  const array = backend.array(side);
  return [
    deleteStep(backend, side),
    {
      name: `end schedule ${schedule.name} of snapshot ${name} on ${array.label}`,
      noWayBack: true,
      do: async ({ signal }) => array.schedules.remove(schedule, signal),
    },
  ];
}

/** A copy that was broken off is worth nothing, so from there on the volume goes. */
function breakOffSteps(backend: Backend, side: Side, helpers: string[]): RemoveStep[] {
  const { clones, label } = backend.array(side);
  return [
    {
      name: `break the copy to the volume off on ${label}`,
      noWayBackUnanswered: true,
      do: async ({ plan: { volume }, signal }) => clones.stop(volume.arrayName, signal),
    },
    { ...deleteStep(backend, side), noWayBack: true },
    {
      name: `delete the snapshots that ${label} made for the copy`,
      do: async ({ signal }) => clones.removeHelpers(helpers, signal),
    },
  ];
}

const emptyMayGo = ({ backend }: GroupId): boolean => backend.replication().removeEmptyGroup === 'always';

function dismissStep(id: GroupId, { groups, seat }: GroupDoor): RemoveStep {
  return {
    name: `take the volume out of remote copy group ${id.name}`,
    noWayBackUnanswered: true,
    async do({ plan, signal }) {
      const { arrayName: volume } = plan.volume;
      const check = (seen: SeenGroup): void => refuseUnproven(id, plan, seen);
      const change: GroupChange = { kind: 'dismiss', volume, check, emptyMayGo: emptyMayGo(id) };
      if (seat !== undefined) return seat.take(change, signal);
      await groups.withSeat(id, signal, async (later) => later.take(change, signal));
    },
    async undo({ plan: { volume }, signal }) {
      seat?.leave();
      await groups.withSeat(id, signal, async (_seat, seen) => {
        const { group } = viewOfGroup(seen);
        const isMember = group?.members.some((member) => member.volume === volume.arrayName) === true;
        if (!isMember) throw new DriverError('not-found', `the volume has left group ${id.name} already`);
      });
    },
  };
}

/** Goes on with an interrupted removal. */
export async function settleRemove(
  saga: Saga<RemovePlan, RemoveFacts, Write>,
  operation: Operation,
  run: SagaRun<Write>,
): Promise<void> {
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
function tidyStep(id: GroupId, { groups, seat }: GroupDoor): RemoveStep {
  return {
    name: `restart remote copy group ${id.name}, or remove it when it is empty`,
    async do({ signal }) {
      const tidy: GroupChange = { kind: 'tidy', emptyMayGo: emptyMayGo(id) };
      if (seat === undefined) return groups.change(id, tidy, signal);
      if (seat.change === undefined) await seat.take(tidy, signal);
      const failure = await seat.over;
      if (failure !== undefined) throw failure;
    },
  };
}
