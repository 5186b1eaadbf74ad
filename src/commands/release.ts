import { parseArgs } from 'node:util';
import { z } from 'zod';
import { DriverError } from '../domain/errors.js';
import { checkVolumeName } from '../domain/names.js';
import { askDaemon } from './daemon-client.js';
import { UsageError } from './usage.js';

/**
 * `release VOLUME`: gives an imported volume its former name and forgets it. Asks the daemon that runs, which knows what is mounted
 * here. The lines to print. @throws UsageError, or DriverError
 */
export async function release(args: string[]): Promise<string[]> {
  const { volume, stateDir } = parseRelease(args);
  const answer = await askDaemon(stateDir, '/release', { volume });
  if (answer !== undefined) return z.array(z.string()).parse(answer.result);
  throw new DriverError('refused', `no daemon runs with the state directory ${stateDir}; nothing was changed`, {
    next: 'start the plugin, or type the command on a node where it runs',
  });
}

/** @throws UsageError naming what is wrong */
export function parseRelease(args: string[]): { volume: string; stateDir: string } {
  try {
    const options = { 'state-dir': { type: 'string', default: '/var/lib/hpe-volume-plugin' } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [volume, ...rest] = positionals;
    if (volume === undefined || rest.length > 0) throw new UsageError('release takes the name of one volume');
    return { volume: checkVolumeName(volume), stateDir: values['state-dir'] };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const problem = error instanceof DriverError ? error.toUserText() : String(error);
    throw new UsageError(problem, { cause: error });
  }
}
