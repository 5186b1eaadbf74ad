import { asDriverError } from './errors.js';

/** What weighs most when several calls fail at once: a lock that is lost, then a change that may have been made. */
const WEIGHT: readonly string[] = ['fenced', 'unknown-outcome'];

/** Waits for all, so that nothing goes on in the background. @throws the failure that weighs most, else the first in their order */
export async function together<T extends readonly unknown[] | []>(
  work: T,
): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  const outcomes = await Promise.allSettled<unknown>(work);
  const failures = outcomes.filter((each) => each.status === 'rejected');
  for (const code of WEIGHT) {
    const heavy = failures.find(({ reason }) => asDriverError(reason).code === code);
    if (heavy !== undefined) throw heavy.reason;
  }
  return Promise.all(work);
}
