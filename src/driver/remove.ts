import type { Backend } from '../backend/backend.js';
import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import type { Side } from '../domain/replication.js';
import { homeSide } from '../domain/volume.js';
import type { Operation } from '../saga/operation.js';
import { settle, type Saga, type SagaRun, type Step } from '../saga/saga.js';
import type { GroupDoor } from './group-cycles.js';
import { deletePairSteps } from './delete-pair.js';
import { deleteStep, plainVolume, type DeleteContext, type RemoveFacts } from './delete-step.js';
import { refuseUnproven, type RemovePlan, type SeenCopies } from './plan-remove.js';
import type { Dismissal, GroupChange, Seat } from './seat.js';
import { viewOfGroup, type GroupId } from './seen-group.js';
import { leaveSteps } from './volume-sets.js';

/*
 * States that a crash can leave, and what redo makes of each:
 * - volume still a member     → dismissed in a cycle of its group, both copies deleted
 * - dismissed, group stopped or being started → the group gets its own state in another cycle, both copies deleted
 * - one copy deleted, or both, read back or not, the group started again or not → the rest deleted by the tag, once both arrays answer
 * - taken out of its volume sets, or some → the rest, and the volume deleted
 * A plain volume that the array refuses to delete stays, as if nobody had asked. A replicated one that is refused for a snapshot
 * that was made since it was looked at stays as a plain volume, and its copy goes.
 * A failure before the dismissal turns back: the cycle starts the group again and the volume stays. After it was acknowledged, and
 * when a call got no answer, there is no way back, since a copy that left its group cannot rejoin without a full copy; the operation
 * then stays open until it is finished.
 */

/** How a volume leaves its group, and its arrays. */
export interface RemoveDoor extends GroupDoor {
  /** What this run has seen of the copies; there is none when an unfinished removal is settled later. */
  copies?: SeenCopies;
}

type RemoveStep = Step<RemovePlan, RemoveFacts, Write>;

export function removeSaga(backend: Backend, plan: RemovePlan, door: RemoveDoor): Saga<RemovePlan, RemoveFacts, Write> {
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

function stepsOf(backend: Backend, plan: RemovePlan, door: RemoveDoor): RemoveStep[] {
  const { volume, group, copiesAreGone } = plan;
  const leave = leaveSteps<RemovePlan>(backend, volume);
  if (group === undefined) return [...leave, ...plainSteps(backend, plan, door)];
  const id = { backend, name: group.record.name };
  if (copiesAreGone === true) return [tidyStep(id, door), ...leave];
  const { copies, seat } = door;
  const out = outOf(id, door);
  const restart = `restart remote copy group ${id.name}, or remove it when it is empty`;
  return [
    dismissStep(id, door),
    // A mark: from here on there is no way back. The cycle does that by itself. Whoever goes on with an interrupted removal does it first: the other members are unprotected.
    { name: restart, noWayBack: true, ...(seat === undefined ? { do: out } : {}) },
    ...leave,
    ...deletePairSteps({ backend, side: group.side, copies, out }),
    // This run's cycle does it by itself, so that only its end is waited for.
    seat === undefined
      ? { name: restart, do: out }
      : { name: restart, onlyLooks: true, do: async () => throwWhyNot(seat) },
  ];
}

/** Waits until the volume is seen to be no member; whoever goes on with an interrupted removal makes it so, once, and sees the whole group as it is to be. */
function outOf(id: GroupId, { groups, seat }: GroupDoor): (context: DeleteContext) => Promise<void> {
  let out: Promise<void> | undefined;
  return async ({ plan, signal }) => {
    out ??= seat === undefined ? groups.change(id, dismissalOf(id, plan), signal) : seat.dismissed;
    await out;
  };
}

/** @throws why the group is not as it is to be */
async function throwWhyNot(seat: Seat): Promise<void> {
  const failure = await seat.over;
  if (failure !== undefined) throw failure;
}

/** A schedule ends after its snapshot: one that the array retains keeps its schedule, too. */
function plainSteps(backend: Backend, { volume, helpers }: RemovePlan, { copies }: RemoveDoor): RemoveStep[] {
  const { origin, name } = volume;
  if (helpers !== undefined) return breakOffSteps(backend, homeSide(volume), helpers);
  if (origin?.kind !== 'snapshot') return [deleteStep(backend, homeSide(volume), copies)];
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

const dismissalOf = (id: GroupId, plan: RemovePlan): Dismissal => ({
  kind: 'dismiss',
  volume: plan.volume.arrayName,
  check: (seen) => refuseUnproven(id, plan, seen),
  emptyMayGo: emptyMayGo(id),
});

function dismissStep(id: GroupId, { groups, seat }: GroupDoor): RemoveStep {
  return {
    name: `take the volume out of remote copy group ${id.name}`,
    noWayBackUnanswered: true,
    async do({ plan, signal }) {
      const change = dismissalOf(id, plan);
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

function tidyStep(id: GroupId, { groups, seat }: GroupDoor): RemoveStep {
  return {
    name: `restart remote copy group ${id.name}, or remove it when it is empty`,
    async do({ signal }) {
      const tidy: GroupChange = { kind: 'tidy', emptyMayGo: emptyMayGo(id) };
      if (seat === undefined) return groups.change(id, tidy, signal);
      await seat.take(tidy, signal);
      await throwWhyNot(seat);
    },
  };
}
