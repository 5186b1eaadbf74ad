import { DriverError } from '../domain/errors.js';

/** The command line is wrong: exit code 2, and nothing was done. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Options that several commands have: hpe.conf, where dockerd finds the plugin, and the folder by which the daemon is asked. */
export const CONFIG_FILE = { config: { type: 'string', default: '/etc/hpedockerplugin/hpe.conf' } } as const;
export const SOCKET = { socket: { type: 'string', default: '/run/docker/plugins/hpe.sock' } } as const;
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
