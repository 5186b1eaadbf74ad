import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';

/**
 * Returns after all timers that are overdue have fired. A process that was stopped (SIGSTOP, a frozen virtual machine, a long
 * garbage collection) goes on with the answers that came in meanwhile, and with its timers only then: a lock that ran out
 * would be noticed after the next change was sent to an array, or the next tool was started (rule 24). Timers fire in the
 * order in which they are due, so one that is made now fires after them. If the process stands still in the middle of this,
 * our own timer is the first of them, and whoever waits for it goes on before the others fire; a turn later they all have.
 */
export async function overdueTimersHaveFired(): Promise<void> {
  await pause(1);
  await turn();
}
