import type { Backend } from '../backend/backend.js';
import type { ReadBack } from '../contracts/array.js';
import { asDriverError } from '../domain/errors.js';
import { ownershipTag } from '../domain/names.js';
import { otherSide, type Side } from '../domain/replication.js';
import { together } from '../domain/together.js';
import { deleteCopy, deleteStep, type DeleteContext, type DeleteStep } from './delete-step.js';
import type { RemovePlan, SeenCopies } from './plan-remove.js';
import { hasSnapshots } from './snapshots-of.js';
import { leaveSteps } from './volume-sets.js';

/*
 * Both copies of a volume whose dismissal was acknowledged, in the order of rule 33. What goes beside what, and why it may:
 * - The first copy beside the start of the group and the read-back of the dismissal. An array deletes no member of a group, so what it
 *   deletes is proven to be out; what it refuses is asked for again when the dismissal was read back, by a fresh look.
 * - The second copy when the first is acknowledged to be gone and the dismissal was read back; beside it the read-back of the first, and
 *   that of the start. None of them can bring the volume back into its group.
 * - The first copy stays when it has got a snapshot meanwhile, and is then never asked for beside the second.
 * Whoever goes on with an interrupted removal has seen nothing of it: he makes sure of each step before the next, and of the first
 * copy again, since it may have been acknowledged only.
 */

export interface Pair {
  backend: Backend;
  /** Whose copy goes first. */
  side: Side;
  /** None, when an unfinished removal is settled later. */
  copies?: SeenCopies | undefined;
  /** Waits until the volume is seen to be no member; an unfinished removal makes it so. */
  out(context: DeleteContext): Promise<void>;
}

/** In this process. */
interface UnderWay {
  /** Of the deletion of the first copy; undefined when this run has not begun it. */
  first?: ReadBack<void> | undefined;
}

export function deletePairSteps(pair: Pair): DeleteStep[] {
  const underWay: UnderWay = {};
  return [firstStep(pair, underWay), secondStep(pair, underWay)];
}

function firstStep(pair: Pair, underWay: UnderWay): DeleteStep {
  const { backend, side } = pair;
  return {
    name: deleteStep(backend, side).name,
    async do(context) {
      underWay.first = await beginDeletion(pair, side, context);
      if (underWay.first !== undefined) return {};
      await pair.out(context);
      const found = await deleteFirst(pair, context);
      underWay.first = async () => Promise.resolve();
      return found;
    },
  };
}

/**
 * One that has got a snapshot meanwhile, as by a schedule, stays with it: what is left is a plain volume, and whoever knows the snapshot
 * decides.
 */
async function deleteFirst({ backend, side }: Pair, context: DeleteContext): Promise<{ keptFor?: string[] }> {
  const { volume } = context.plan;
  const keptFor = await deleteCopy(backend, { side }, context);
  if (keptFor.length === 0) return {};
  // A plain volume is at home on the primary array.
  if (side !== 'primary') throw hasSnapshots(volume, [{ backend, side, names: keptFor }]);
  for (const left of leaveSteps<RemovePlan>(backend, volume)) await left.undo?.(context);
  return { keptFor };
}

function secondStep(pair: Pair, underWay: UnderWay): DeleteStep {
  const { backend } = pair;
  const side = otherSide(pair.side);
  const step = deleteStep(backend, side);
  return {
    name: step.name,
    async do(context) {
      await pair.out(context);
      const isKept = context.facts.keptFor !== undefined;
      const found = underWay.first === undefined && !isKept ? await deleteFirst(pair, context) : {};
      const [begun] = await together([beginDeletion(pair, side, context), underWay.first?.()]);
      if (begun === undefined) await step.do?.(context);
      else await begun();
      return found;
    },
  };
}

/** By what was seen of the copy; undefined when that was nothing, or the array says no. */
async function beginDeletion(
  { backend, copies }: Pair,
  side: Side,
  { plan: { volume }, signal }: DeleteContext,
): Promise<ReadBack<void> | undefined> {
  const seen = copies?.[side];
  if (seen === undefined) return undefined;
  try {
    return await backend.array(side).deleteVolume(seen, ownershipTag(volume), signal);
  } catch (thrown) {
    const { code } = asDriverError(thrown);
    if (code === 'refused' || code === 'busy') return undefined;
    throw thrown;
  }
}
