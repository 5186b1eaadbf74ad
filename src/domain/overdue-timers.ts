import { setTimeout as pause } from 'node:timers/promises';

/**
 * Returns after all timers that are overdue have fired. A process that was stopped (SIGSTOP, a frozen virtual machine, a long
 * garbage collection) goes on with the answers that came in meanwhile, and with its timers only then: a lock that ran out
 * would be noticed after the next change was sent to an array, or the next tool was started (rule 24). Timers fire in the order in which they are due, so one
 * that is made now fires after them.
 */
export async function overdueTimersHaveFired(): Promise<void> {
  await pause(1);
}
