import { parseArgs } from 'node:util';
import { checkVolumeName } from '../domain/names.js';
import type { ReleaseOrder } from '../driver/releases.js';
import { orderDaemon } from './daemon-client.js';
import { parseUsage, STATE_DIR, UsageError } from './usage.js';

/**
 * `release VOLUME [--without-comment]`: gives an imported volume its former name and forgets it. Asks the daemon that runs, which
 * knows what is mounted here. The lines to print. @throws UsageError, or DriverError
 */
export async function release(args: string[]): Promise<string[]> {
  const { order, stateDir } = parseRelease(args);
  return orderDaemon(stateDir, '/release', order);
}

/** @throws UsageError naming what is wrong */
export function parseRelease(args: string[]): { order: ReleaseOrder; stateDir: string } {
  return parseUsage(() => {
    const options = { ...STATE_DIR, 'without-comment': { type: 'boolean', default: false } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [volume, ...rest] = positionals;
    if (volume === undefined || rest.length > 0) throw new UsageError('release takes the name of one volume');
    const order = { volume: checkVolumeName(volume), withoutComment: values['without-comment'] };
    return { order, stateDir: values['state-dir'] };
  });
}
