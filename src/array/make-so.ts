import { setTimeout as pause } from 'node:timers/promises';
import type { ReadBack } from '../contracts/array.js';
import { asDriverError, type DriverError } from '../domain/errors.js';

/** Arrays finish some changes a moment after they have answered. */
const PATIENCE_MS = 1_000;
/** For states that say themselves that they will not last. */
const UNDER_WAY_PATIENCE_MS = 20_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

export interface WantedState<S> {
  act(): Promise<unknown>;
  read(): Promise<S>;
  isDone(state: S): boolean;
  /** The error when the array said that it was done, and its state says that it is not. */
  notDone(state: S): DriverError;
  /** The state says that the array is still at it. */
  isUnderWay?(state: S): boolean;
}

/**
 * Acts, and lets the state decide whether it is done: after a success (rule 31), after a lost answer (rule 39), and after
 * a refusal that may only mean that it was done before. Returns the state as read back.
 * @throws the failure of the action when the state is not what was wanted; `unavailable` at once when nothing was sent
 */
export async function makeSo<S>(wanted: WantedState<S>, signal: AbortSignal): Promise<S> {
  return (await beginSo(wanted, signal))();
}

/**
 * The same, but what the array has acknowledged is read back only when the caller asks for it, together with other things;
 * what was not is looked into at once. @throws as makeSo
 */
export async function beginSo<S>(wanted: WantedState<S>, signal: AbortSignal): Promise<ReadBack<S>> {
  try {
    await wanted.act();
  } catch (thrown) {
    const failure = asDriverError(thrown);
    if (failure.code === 'unavailable') throw failure;
    const state = await settled(wanted, failure, signal);
    return async () => Promise.resolve(state);
  }
  return async () => settled(wanted, undefined, signal);
}

async function settled<S>(wanted: WantedState<S>, failure: DriverError | undefined, signal: AbortSignal): Promise<S> {
  const answered = failure !== undefined && failure.code !== 'unknown-outcome';
  const state = await readUntil(wanted, answered ? 0 : PATIENCE_MS, signal).catch((thrown: unknown) => {
    throw failure ?? thrown;
  });
  if (wanted.isDone(state)) return state;
  throw failure ?? wanted.notDone(state);
}

async function readUntil<S>(wanted: WantedState<S>, patienceMs: number, signal: AbortSignal): Promise<S> {
  const started = performance.now();
  for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    const state = await wanted.read();
    const patience = wanted.isUnderWay?.(state) === true ? UNDER_WAY_PATIENCE_MS : patienceMs;
    if (wanted.isDone(state) || performance.now() + wait > started + patience) return state;
    const waited = await pause(wait, true, { signal }).catch(() => false);
    if (!waited) return state;
  }
}
