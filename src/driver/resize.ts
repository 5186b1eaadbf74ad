import { setTimeout as pause } from 'node:timers/promises';
import type { Backend } from '../backend/backend.js';
import type { Write } from '../contracts/store.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { ownershipTag } from '../domain/names.js';
import type { Side } from '../domain/replication.js';
import { homeSide, isNeverFormatted, type Volume } from '../domain/volume.js';
import type { Saga, Step } from '../saga/saga.js';
import { readSize, refuseChanged, type ResizePlan, type Sizes } from './plan-resize.js';
import type { Seat } from './seat.js';

/*
 * A grow cannot be taken back, so there is no undo. The record says from the claim on that the volume is being grown
 * (`growth`), and goes on saying so after a crash or a failure: until it is done, each mount asks the array for the size of
 * its copy, and the recovery round finishes what is left, by the same steps with fresh sizes. So an array that dies in the
 * middle keeps nobody from mounting the other copy.
 *
 * States that a crash can leave, and what the next run makes of each:
 * - nothing grown, one copy grown, both grown → what is smaller is grown; the record gets the size that was read back
 * - group stopped                             → its own record owes the start: see group-cycle.ts
 * Only when an array has refused, and every copy was seen to be as before, the record goes back to where it was. A size that
 * was promised before, as to whoever made a larger clone, stays there, with the refusal.
 */

export interface ResizeFacts {
  /** MiB of each copy, read back in the end. */
  sizes?: Sizes;
  /** An array said no: what it was asked for it will not do later. */
  isRefused?: true;
  /** In its words. */
  refusal?: string;
  /** It would have done it at another moment. */
  isBusy?: boolean;
  /** After that every copy has the size of before. */
  isUnchanged?: true;
  /** No array was asked for anything. */
  isUntouched?: boolean;
}

type ResizeStep = Step<ResizePlan, ResizeFacts, Write>;

/** For the array to give the copy its new size, after the group was started. */
const COPY_PATIENCE_MS = 10_000;
const POLL_MS = 500;

/** The volume with its growth on record, before the first effect. */
export const growing = ({ volume, toMiB }: ResizePlan): Volume => ({ ...volume, growth: { toGiB: toMiB / 1024 } });

/** The volume with the sizes that were read back. */
export function grown(volume: Volume, sizes: Sizes): Volume {
  const { growth: _before, ...rest } = volume;
  const [smallest, largest] = [Math.min(...Object.values(sizes)) / 1024, Math.max(...Object.values(sizes)) / 1024];
  // One that is made later takes all there is.
  const isFull = smallest === largest && isNeverFormatted(volume.filesystem);
  const spec = { ...volume.spec, sizeGiB: smallest };
  const { createdGiB = volume.spec.sizeGiB } = volume;
  const created = createdGiB === smallest ? {} : { createdGiB };
  return { ...rest, spec, ...created, ...(isFull ? {} : { growth: { toGiB: largest } }) };
}

export function resizeSaga(backend: Backend, plan: ResizePlan, seat?: Seat): Saga<ResizePlan, ResizeFacts, Write> {
  const { volume } = plan;
  const steps =
    plan.group === undefined
      ? [growStep(backend, homeSide(volume))]
      : [growBothStep(backend, seat), readBackStep(backend, seat)];
  const put = (value: Volume): Write[] => [{ put: 'volume', key: volume.name, value }];
  return {
    kind: 'resize',
    afterCrash: 'undo',
    steps,
    result: (_plan, facts) => put(grown(volume, facts.sizes ?? plan.sizes)),
    undone: (_plan, facts) => put(facts.isUntouched === true ? volume : unfinished(plan, facts)),
  };
}

function unfinished({ volume, toMiB }: ResizePlan, facts: ResizeFacts): Volume {
  const { isRefused, isUnchanged, isBusy, refusal } = facts;
  const toGiB = toMiB / 1024;
  // Whoever asked for this size now hears of the refusal; who was promised it before looks at the record.
  if (isUnchanged === true && (volume.growth?.toGiB !== toGiB || isBusy === true)) return volume;
  const why = isRefused === true ? { isRefused, ...(refusal === undefined ? {} : { refusal }) } : {};
  return { ...volume, growth: { toGiB, ...why } };
}

function growStep(backend: Backend, side: Side): ResizeStep {
  return {
    name: `grow the volume on the ${side} array`,
    async do({ plan, facts, signal }) {
      const size = await noting(facts, async () => growCopy(backend, { plan, side }, signal));
      return { sizes: { [side]: size } };
    },
    undo: lookStep(backend),
  };
}

/** The copy first: nothing of the one that is in use has changed when it is refused. */
function growBothStep(backend: Backend, seat: Seat | undefined): ResizeStep {
  return {
    name: 'grow the volume on both arrays',
    async do({ plan, facts, signal }) {
      const { volume, group } = plan;
      if (seat === undefined || group === undefined)
        throw new DriverError('internal', 'an unfinished grow begins anew');
      const grow = async (within: AbortSignal): Promise<void> => {
        for (const side of ['secondary', 'primary'] as const) await growCopy(backend, { plan, side }, within);
      };
      const check = (seen: Parameters<typeof refuseChanged>[1]): void =>
        refuseChanged({ backend, volume, group }, seen);
      const change = { kind: 'grow' as const, volume: volume.arrayName, check, grow };
      try {
        await noting(facts, async () => seat.take(change, signal));
      } catch (thrown) {
        facts.isUntouched = !seat.isBegun;
        throw thrown;
      }
    },
    async undo(context) {
      seat?.leave();
      await lookStep(backend)(context);
    },
  };
}

/** Both sizes are looked at when the group has its own state again (rule 38). */
function readBackStep(backend: Backend, seat: Seat | undefined): ResizeStep {
  return {
    name: 'read both sizes back',
    async do({ plan, signal }) {
      const restart = await seat?.over;
      const read = async (): Promise<Sizes> => {
        const [primary, secondary] = await Promise.all([
          readSize(backend, { volume: plan.volume, side: 'primary' }, signal),
          readSize(backend, { volume: plan.volume, side: 'secondary' }, signal),
        ]);
        return { primary, secondary };
      };
      let sizes = await read();
      // An array that leaves its copy to the group needs a moment after the start.
      const mayGrow = plan.endsStarted === true && restart === undefined;
      const until = performance.now() + (mayGrow ? COPY_PATIENCE_MS : 0);
      while (sizes.primary !== sizes.secondary && performance.now() < until) {
        await pause(POLL_MS, undefined, { signal });
        sizes = await read();
      }
      return { sizes };
    },
  };
}

async function growCopy(
  backend: Backend,
  { plan, side }: { plan: ResizePlan; side: Side },
  signal: AbortSignal,
): Promise<number> {
  const { volume, toMiB: sizeMiB, group } = plan;
  const wanted = { name: volume.arrayName, tag: ownershipTag(volume), sizeMiB };
  const isCopy = group !== undefined && side === 'secondary' ? { isCopy: true as const } : {};
  return (await backend.array(side).growVolume({ ...wanted, ...isCopy }, signal)).sizeMiB;
}

/** Notes a refusal: after anything else the array may still do it. */
async function noting<T>(facts: ResizeFacts, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const { code, message } = asDriverError(thrown);
    if (['refused', 'invalid', 'busy', 'exists', 'not-found'].includes(code)) {
      facts.isRefused = true;
      facts.refusal = message;
      facts.isBusy = code === 'busy';
    }
    throw thrown;
  }
}

/** Nothing to undo, only to see whether anything was done. */
function lookStep(backend: Backend): NonNullable<ResizeStep['undo']> {
  return async ({ plan: { volume, sizes: before }, facts, signal }) => {
    if (facts.isRefused !== true) return;
    const sides = (['primary', 'secondary'] as const).filter((side) => before[side] !== undefined);
    const now = await Promise.all(
      sides.map(async (side) => readSize(backend, { volume, side }, signal).catch(() => undefined)),
    );
    if (now.every((each) => each === volume.spec.sizeGiB * 1024)) facts.isUnchanged = true;
  };
}
