import { randomUUID } from 'node:crypto';
import { asDriverError, DriverError } from '../domain/errors.js';
import { factsOf, planOf, type Json, type Operation } from './operation.js';

/*
 * INVARIANTS
 * 1. An operation is written before its first effect and deleted in the same transaction that writes its result.
 * 2. Before step i runs, unless it only looks, `next: i` and all facts of earlier steps are on record. So after a crash every
 *    step before `next` is done (one that does nothing as soon as the step before it is), the step at `next` may be done,
 *    partly done or not begun, and no later one has begun, but for those that only look. On the way back `next` is the step to
 *    be undone; the later ones are undone already and are not touched again.
 * 3. `do` and `undo` are idempotent and both work when the last answer was lost. `undo` of step i may find that the step was
 *    never begun, so it works from the plan and the facts of earlier steps, and asks before it takes anything away.
 * 4. A way back that cannot be finished leaves the operation open in phase `undo`; a redo that cannot be finished leaves it
 *    open in phase `do`. An open operation is never dropped, only settled.
 * 5. Every write goes through the journal, which is bound to one fence: a writer that lost its locks fails with `fenced`
 *    and does nothing more, neither forward nor back.
 */

/** What a step gets. `W` is the store's write. */
export interface StepContext<P, F extends object, W> {
  plan: P;
  facts: F;
  signal: AbortSignal;
  /** Puts records on file in the middle of a step, together with the operation. */
  record(writes: W[]): Promise<void>;
}

export interface Step<P, F extends object, W> {
  /** In the words of the user: `create the volume on the primary array`. */
  name: string;
  /** Makes it so, if it is ours; returns what it found out. Absent when a later step makes it so: here it is only undone, or there is only a mark to pass. */
  do?(context: StepContext<P, F, W>): Promise<Partial<F> | void>;
  /** Makes it gone, if it is ours; absent when there is nothing to be undone. */
  undo?(context: StepContext<P, F, W>): Promise<void>;
  /** Looks again, some time after the undo, for what its own last call may have made meanwhile; removes only that. */
  undoLate?(context: StepContext<P, F, W>): Promise<void>;
  /** Changes nothing: no record is written before it, and after a crash in it the step before is undone or redone, without facts of its own. */
  onlyLooks?: boolean;
  /** From here on there is no way back: a failure leaves the operation open, to be redone. */
  noWayBack?: boolean;
  /** Also when a call of it got no answer: what may be carried out still cannot be turned back. */
  noWayBackUnanswered?: boolean;
}

export interface Saga<P, F extends object, W> {
  kind: string;
  /** Which way a crash in the middle is settled. */
  afterCrash: 'undo' | 'redo';
  steps: Step<P, F, W>[];
  /** The records that are true when all steps are done. */
  result(plan: P, facts: F): W[];
  /** The records that are true when all steps are undone. */
  undone(plan: P, facts: F): W[];
}

/** The operation's record, bound to the locks that protect it. */
export interface Journal<W> {
  save(operation: Operation, also: W[]): Promise<void>;
  /** One that was undone and has an `unanswered` step is kept elsewhere, for `undoLate`. */
  finish(operation: Operation, also: W[]): Promise<void>;
}

export interface SagaRun<W> {
  journal: Journal<W>;
  signal: AbortSignal;
  /** A fresh deadline for the way back, which outlives the caller's. */
  undoSignal(): AbortSignal;
  /** Told of every step before it runs. */
  onStep?(operation: Operation, step: string): void;
}

export interface NewOperation<P, W> {
  plan: P;
  node: string;
  volume: string;
  keys: readonly string[];
  /** Records written together with the operation, before the first effect. */
  claim: W[];
}

/** Runs a new saga to its end, or all the way back. @throws the failed step's error, with `rollback` set */
export async function run<P, F extends object, W>(
  saga: Saga<P, F, W>,
  start: NewOperation<P, W>,
  ctx: SagaRun<W>,
): Promise<F> {
  const operation: Operation = {
    id: randomUUID(),
    kind: saga.kind,
    schema: 1,
    node: start.node,
    volume: start.volume,
    keys: [...start.keys],
    // A plan is plain data: it is read back from JSON after a crash, so it may hold nothing else.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    plan: start.plan as Json,
    facts: {},
    next: 0,
    phase: 'do',
    startedAt: new Date().toISOString(),
  };
  try {
    await ctx.journal.save(operation, start.claim);
  } catch (thrown) {
    const cause = asDriverError(thrown);
    throw notRecorded(saga, cause, `cannot record the ${saga.kind}: ${cause.message}`);
  }
  return goForward(saga, operation, ctx);
}

/** Brings an operation that was found open to its end, in the direction that its saga and phase say. */
export async function settle<P, F extends object, W>(
  saga: Saga<P, F, W>,
  operation: Operation,
  ctx: SagaRun<W>,
): Promise<void> {
  const undo = operation.phase === 'undo' || (saga.afterCrash === 'undo' && !isPastReturn(saga, operation));
  if (!undo) {
    await goForward(saga, operation, ctx, true);
    return;
  }
  if (operation.phase === 'do') {
    // Whoever did it may have been stopped between a call and its answer.
    setUnanswered(saga, operation);
    await turnBack(operation, ctx);
  }
  await goBack(saga, operation, ctx);
}

async function goForward<P, F extends object, W>(
  saga: Saga<P, F, W>,
  operation: Operation,
  ctx: SagaRun<W>,
  /** The step at `next` may have been begun by a process that is gone. */
  mayBeBegun = false,
): Promise<F> {
  let doing = 'go on';
  let isUnderWay = mayBeBegun;
  try {
    while (operation.next < saga.steps.length) {
      const step = getStep(saga, operation.next);
      doing = step.name;
      ctx.signal.throwIfAborted();
      ctx.onStep?.(operation, step.name);
      isUnderWay = true;
      const found = await step.do?.(contextOf(operation, ctx, ctx.signal));
      isUnderWay = false;
      Object.assign(operation.facts, found ?? {});
      const done = operation.next;
      operation.next += 1;
      // On record with the one before it.
      while (doesNothing(saga.steps[operation.next])) operation.next += 1;
      doing = `record that it was done: ${step.name}`;
      if (mustRecord(saga, done, operation.next)) await ctx.journal.save(operation, []);
    }
    await ctx.journal.finish(operation, saga.result(planOf<P>(operation), factsOf<F>(operation)));
    return factsOf<F>(operation);
  } catch (thrown) {
    throw await afterFailure(saga, operation, { ctx, doing, isUnderWay, thrown });
  }
}

interface Failure<W> {
  ctx: SagaRun<W>;
  /** What was being done, in the words of the step. */
  doing: string;
  /** The step at `next` was begun; otherwise only those before it have to be undone. */
  isUnderWay: boolean;
  thrown: unknown;
}

async function afterFailure<P, F extends object, W>(
  saga: Saga<P, F, W>,
  operation: Operation,
  { ctx, doing, isUnderWay, thrown }: Failure<W>,
): Promise<DriverError> {
  const cause = asDriverError(thrown);
  if (cause.code === 'fenced') return cause;
  const message = `cannot ${doing}: ${cause.message}`;
  const isUnanswered = isUnderWay && cause.code === 'unknown-outcome';
  if (isPastReturn(saga, operation) || (isUnanswered && saga.steps[operation.next]?.noWayBackUnanswered === true)) {
    // What the journal did not take may have reached it all the same, also the end.
    if (isUnderWay) await tellFailure(operation, message, ctx);
    return cause.reworded(`${message}; what is left is finished later, or by the same command again`);
  }
  operation.error = message;
  if (!isUnderWay) {
    // What a later step would have made so was never begun.
    do operation.next -= 1;
    while (operation.next > 0 && doesNothing(saga.steps[operation.next]));
  } else if (isUnanswered) setUnanswered(saga, operation);
  try {
    await turnBack(operation, ctx);
  } catch {
    return notRecorded(saga, cause, message);
  }
  try {
    await goBack(saga, operation, ctx);
    return cause.reworded(message, 'done');
  } catch (undoFailure) {
    return cause.reworded(`${message}; and the way back stopped: ${asDriverError(undoFailure).message}`, 'pending');
  }
}

/** The error for a change of direction, or a beginning, that may or may not be on record: what then happens by itself. */
function notRecorded<P, F extends object, W>(saga: Saga<P, F, W>, cause: DriverError, message: string): DriverError {
  if (cause.code === 'fenced') return cause;
  if (saga.afterCrash === 'undo') return cause.reworded(message, 'pending');
  return cause.reworded(`${message}; the metadata cannot be written, so it may still be carried out when they can`);
}

/** Looks for what the array has made of an operation's unanswered call since it was undone. */
export async function undoLate<P, F extends object, W>(
  saga: Saga<P, F, W>,
  operation: Operation,
  signal: AbortSignal,
): Promise<void> {
  const step = operation.unanswered === undefined ? undefined : saga.steps[operation.unanswered];
  const [plan, facts] = [planOf<P>(operation), factsOf<F>(operation)];
  await step?.undoLate?.({ plan, facts, signal, record: noRecord });
}

async function noRecord(): Promise<void> {
  await Promise.reject(new DriverError('internal', 'an operation that was undone has nothing to record'));
}

/** For who looks at what is not finished; it is redone all the same when that cannot be written. */
async function tellFailure<W>(operation: Operation, message: string, ctx: SagaRun<W>): Promise<void> {
  if (operation.error === message) return;
  operation.error = message;
  await ctx.journal.save(operation, []).catch(() => undefined);
}

function setUnanswered<P, F extends object, W>(saga: Saga<P, F, W>, operation: Operation): void {
  if (saga.steps[operation.next]?.undoLate !== undefined) operation.unanswered = operation.next;
}

/** Puts the change of direction on record. */
async function turnBack<W>(operation: Operation, ctx: SagaRun<W>): Promise<void> {
  operation.phase = 'undo';
  await ctx.journal.save(operation, []);
}

/** Undoes `next`, and all steps before it; each one that is undone goes on record, and is not undone again. */
async function goBack<P, F extends object, W>(
  saga: Saga<P, F, W>,
  operation: Operation,
  ctx: SagaRun<W>,
): Promise<void> {
  const signal = ctx.undoSignal();
  // An earlier release may have had more steps.
  operation.next = Math.min(operation.next, saga.steps.length - 1);
  while (operation.next >= 0) {
    const step = getStep(saga, operation.next);
    ctx.onStep?.(operation, step.name);
    await step.undo?.(contextOf(operation, ctx, signal));
    operation.next -= 1;
    if (operation.next >= 0) await ctx.journal.save(operation, []);
  }
  await ctx.journal.finish(operation, saga.undone(planOf<P>(operation), factsOf<F>(operation)));
}

function contextOf<P, F extends object, W>(
  operation: Operation,
  ctx: SagaRun<W>,
  signal: AbortSignal,
): StepContext<P, F, W> {
  return {
    plan: planOf<P>(operation),
    facts: factsOf<F>(operation),
    signal,
    record: async (writes) => ctx.journal.save(operation, writes),
  };
}

function isPastReturn<P, F extends object, W>(saga: Saga<P, F, W>, operation: Operation): boolean {
  const index = saga.steps.findIndex((step) => step.noWayBack === true);
  return index !== -1 && operation.next >= index;
}

/** Whether the step at `next`, which follows the one that is done, needs a record before it; the point of no return does. */
function mustRecord<P, F extends object, W>(saga: Saga<P, F, W>, done: number, next: number): boolean {
  const passed = saga.steps.slice(done + 1, next + 1);
  if (next === saga.steps.length) return false;
  return passed.at(-1)?.onlyLooks !== true || passed.some(({ noWayBack }) => noWayBack === true);
}

const doesNothing = <P, F extends object, W>(step: Step<P, F, W> | undefined): boolean =>
  step !== undefined && step.do === undefined;

function getStep<P, F extends object, W>(saga: Saga<P, F, W>, index: number): Step<P, F, W> {
  const step = saga.steps[index];
  if (step === undefined) throw new DriverError('internal', `operation ${saga.kind} has no step ${index}`);
  return step;
}
