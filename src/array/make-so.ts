import { setTimeout as pause } from 'node:timers/promises';
import { asDriverError, type DriverError } from '../domain/errors.js';

/** Arrays finish some changes a moment after they have answered. */
const PATIENCE_MS = 1_500;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

export interface WantedState<S> {
  act(): Promise<unknown>;
  read(): Promise<S>;
  isDone(state: S): boolean;
  /** The error when the array said that it was done, and its state says that it is not. */
  notDone(state: S): DriverError;
  /** How long the state may take to show it. */
  patienceMs?: number;
}

/**
 * Acts, and lets the state decide whether it is done: after a success (rule 31), after a lost answer (rule 39), and after
 * a refusal that may only mean that it was done before. Returns the state as read back.
 * @throws the failure of the action when the state is not what was wanted; `unavailable` at once when nothing was sent
 */
export async function makeSo<S>(wanted: WantedState<S>, signal: AbortSignal): Promise<S> {
  let failure: DriverError | undefined;
  try {
    await wanted.act();
  } catch (thrown) {
    failure = asDriverError(thrown);
    if (failure.code === 'unavailable') throw failure;
  }
  const mayBeUnderWay = failure === undefined || failure.code === 'unknown-outcome';
  const state = await readUntil(wanted, mayBeUnderWay ? (wanted.patienceMs ?? PATIENCE_MS) : 0, signal).catch(
    (thrown: unknown) => {
      throw failure ?? thrown;
    },
  );
  if (wanted.isDone(state)) return state;
  throw failure ?? wanted.notDone(state);
}

async function readUntil<S>(wanted: WantedState<S>, patienceMs: number, signal: AbortSignal): Promise<S> {
  const end = performance.now() + patienceMs;
  for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    const state = await wanted.read();
    if (wanted.isDone(state) || performance.now() + wait > end) return state;
    await pause(wait, undefined, { signal });
  }
}
