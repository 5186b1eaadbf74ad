import { setTimeout as pause } from 'node:timers/promises';

/** Several rounds of recovery, and the locks of whoever died: free after twice the life of a lease. */
export const PATIENCE_MS = 25_000;
const POLL_MS = 100;

/** Asks again and again; answers what is left when the time for it is over. */
export async function waitUntilNone(look: () => Promise<string[]>): Promise<string[]> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const left = await look();
    if (left.length === 0 || performance.now() > until) return left;
    await pause(POLL_MS);
  }
}
