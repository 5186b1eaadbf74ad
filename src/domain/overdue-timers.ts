import { setImmediate as turn } from 'node:timers/promises';

/** A look takes less than that by far; the process stood still in the middle of one that took longer, in ms. */
const LONG_LOOK_MS = 50;

const checks = new Set<() => void>();

/** The check looks at the clock, and ends whatever is over by now; it never throws. Returns what takes it away. */
export function withEachLook(check: () => void): () => void {
  checks.add(check);
  return () => void checks.delete(check);
}

/**
 * Returns after the timers that are overdue have fired, and with every lock ended that has run out. A process that was stopped
 * (SIGSTOP, a frozen virtual machine, a long garbage collection) goes on with the answers that came in meanwhile, and with its timers
 * only then: a lock that ran out would be noticed after the next change was sent to an array, or the next tool was started (rule 24).
 * Between one setImmediate and the next the event loop fires the timers that are due, but for one that it found just before the
 * process stopped: that comes a millisecond late. So the locks, which must not, are asked for by the clock in the end.
 */
export async function overdueTimersHaveFired(): Promise<void> {
  const began = performance.now();
  await look();
  if (performance.now() - began > LONG_LOOK_MS) await look();
  for (const check of checks) check();
}

async function look(): Promise<void> {
  await turn();
  await turn();
}
