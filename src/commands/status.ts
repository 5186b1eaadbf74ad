import { parseArgs } from 'node:util';
import { asDriverError } from '../domain/errors.js';
import { connectEngine } from './engine.js';
import { printStatus, type FullStatus } from './print-status.js';
import { withReports } from './reports.js';
import { CONFIG_FILE, STATE_DIR, UsageError } from './usage.js';

export const WHERE_OPTIONS = {
  ...CONFIG_FILE,
  ...STATE_DIR,
  'docker-socket': { type: 'string', default: '/var/run/docker.sock' },
} as const;

/** `status [--json]`: what arrays, metadata and Docker say now. The lines to print. @throws UsageError, or DriverError */
export async function status(args: string[]): Promise<string[]> {
  const { values } = parseStatus(args);
  const where = { configFile: values.config, stateDir: values['state-dir'] };
  const report = await withReports(where, async (reports) => reports.status());
  const here = report.volumes.filter((each) => each.isHere === true).map((each) => each.name);
  const full: FullStatus = { ...report, ...(await containersOf(values['docker-socket'], here)) };
  return values.json ? [JSON.stringify(full, undefined, 2)] : printStatus(full);
}

function parseStatus(args: string[]) {
  try {
    return parseArgs({ args, options: { ...WHERE_OPTIONS, json: { type: 'boolean', default: false } } });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Docker is asked last and may be away: what the arrays say is worth more. */
async function containersOf(
  socket: string,
  volumes: string[],
): Promise<Pick<FullStatus, 'containers' | 'dockerProblem'>> {
  try {
    const found = await connectEngine(socket).using(volumes);
    const namesOf = (volume: string): string[] =>
      found.filter((each) => each.volumes.includes(volume)).map((each) => each.name);
    return { containers: Object.fromEntries(volumes.map((volume) => [volume, namesOf(volume)])) };
  } catch (thrown) {
    return { dockerProblem: asDriverError(thrown).message };
  }
}
