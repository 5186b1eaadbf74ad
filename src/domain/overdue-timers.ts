import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';

/** A look takes a few milliseconds; the process stood still in the middle of one that took longer, in ms. */
const LONG_LOOK_MS = 50;

/**
 * Returns after all timers that are overdue have fired. A process that was stopped (SIGSTOP, a frozen virtual machine, a long
 * garbage collection) goes on with the answers that came in meanwhile, and with its timers only then: a lock that ran out
 * would be noticed after the next change was sent to an array, or the next tool was started (rule 24). Timers fire in the
 * order in which they are due, so one that is made now fires after them. If the process stands still in the middle of this,
 * our own timer may be the first of them, or has fired already: then a second look sees what the first one missed.
 */
export async function overdueTimersHaveFired(): Promise<void> {
  const began = performance.now();
  await look();
  if (performance.now() - began > LONG_LOOK_MS) await look();
}

async function look(): Promise<void> {
  await pause(1);
  await turn();
}
