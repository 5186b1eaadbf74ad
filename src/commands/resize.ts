import { parseArgs } from 'node:util';
import { checkVolumeName } from '../domain/names.js';
import { orderDaemon } from './daemon-client.js';
import { parseUsage, STATE_DIR, UsageError } from './usage.js';

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
  return orderDaemon(stateDir, '/resize', order);
}

/** @throws UsageError naming what is wrong */
export function parseResize(args: string[]): { order: ResizeOrder; stateDir: string } {
  return parseUsage(() => {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: STATE_DIR });
    const [volume, size, ...rest] = positionals;
    if (volume === undefined || size === undefined || rest.length > 0) {
      throw new UsageError('resize takes the name of one volume, and the size in GiB that it is to have');
    }
    if (!/^[1-9]\d{0,4}$/.test(size)) throw new UsageError(`${JSON.stringify(size)} is not a whole number of GiB`);
    return { order: { volume: checkVolumeName(volume), gib: Number(size) }, stateDir: values['state-dir'] };
  });
}
