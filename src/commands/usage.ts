import { DriverError } from '../domain/errors.js';

/** The command line is wrong: exit code 2, and nothing was done. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The option of every command that asks the daemon. */
export const STATE_DIR = { 'state-dir': { type: 'string', default: '/var/lib/hpe-volume-plugin' } } as const;

/** What was typed, as that work reads it. @throws UsageError for whatever it finds wrong */
export function parseUsage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const problem = error instanceof DriverError ? error.toUserText() : String(error);
    throw new UsageError(problem, { cause: error });
  }
}
