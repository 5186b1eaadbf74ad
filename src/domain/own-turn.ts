import { setImmediate as turn } from 'node:timers/promises';

let last: Promise<void> = Promise.resolve();

/**
 * Returns in a turn of the event loop that no other caller of this has. What was asked for together is answered together, and going on
 * with dozens of answers in one turn would keep everybody else waiting.
 */
export async function ownTurn(): Promise<void> {
  last = last.then(async () => turn());
  return last;
}
