import { setImmediate as turn } from 'node:timers/promises';

/** A look takes less than that by far; the process stood still in the middle of one that took longer, in ms. */
const LONG_LOOK_MS = 50;

/**
 * Returns after all timers that are overdue have fired. A process that was stopped (SIGSTOP, a frozen virtual machine, a long
 * garbage collection) goes on with the answers that came in meanwhile, and with its timers only then: a lock that ran out
 * would be noticed after the next change was sent to an array, or the next tool was started (rule 24). The event loop fires all
 * timers that are due once in each of its turns, so it has done so between one setImmediate and the next. If the process stands still
 * after that, in the middle of this, a second look sees what the first one missed.
 */
export async function overdueTimersHaveFired(): Promise<void> {
  const began = performance.now();
  await look();
  if (performance.now() - began > LONG_LOOK_MS) await look();
}

async function look(): Promise<void> {
  await turn();
  await turn();
}
