import { parseArgs } from 'node:util';
import { z } from 'zod';
import { DriverError } from '../domain/errors.js';
import { checkVolumeName } from '../domain/names.js';
import { askDaemon } from './daemon-client.js';
import { UsageError } from './usage.js';

/** What was typed. */
interface ResizeOrder {
  volume: string;
  gib: number;
}

/**
 * `resize VOLUME GiB`: asks the daemon that runs, since the host has its part in it. The lines to print.
 * @throws UsageError, or DriverError
 */
export async function resize(args: string[]): Promise<string[]> {
  const { order, stateDir } = parseResize(args);
  const answer = await askDaemon(stateDir, '/resize', order);
  if (answer !== undefined) return z.array(z.string()).parse(answer.result);
  throw new DriverError('refused', `no daemon runs with the state directory ${stateDir}; nothing was changed`, {
    next: 'start the plugin, or type the command on a node where it runs',
  });
}

/** @throws UsageError naming what is wrong */
export function parseResize(args: string[]): { order: ResizeOrder; stateDir: string } {
  try {
    const options = { 'state-dir': { type: 'string', default: '/var/lib/hpe-volume-plugin' } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [volume, size, ...rest] = positionals;
    if (volume === undefined || size === undefined || rest.length > 0) {
      throw new UsageError('resize takes the name of one volume, and the size in GiB that it is to have');
    }
    if (!/^[1-9]\d{0,4}$/.test(size)) throw new UsageError(`${JSON.stringify(size)} is not a whole number of GiB`);
    return { order: { volume: checkVolumeName(volume), gib: Number(size) }, stateDir: values['state-dir'] };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const problem = error instanceof DriverError ? error.toUserText() : String(error);
    throw new UsageError(problem, { cause: error });
  }
}
