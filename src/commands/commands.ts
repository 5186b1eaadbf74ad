import { completion } from './completion.js';
import { doctor } from './doctor.js';
import { drill } from './drill.js';
import { encrypt } from './encrypt.js';
import { failback, failover } from './failover.js';
import { backup, importMetadata, rebuild, restore } from './metadata.js';
import { override } from './override.js';
import { release } from './release.js';
import { resize } from './resize.js';
import { runDaemon } from './run-daemon.js';
import { status } from './status.js';
import { verify } from './verify.js';

/** Every command; each answers with the lines to print. `manual.ts` says what they are for. */
export const COMMANDS: ReadonlyMap<string, (args: string[]) => Promise<string[]>> = new Map([
  ['serve', runDaemon],
  ['doctor', examine],
  ['status', status],
  ['failover', async (args: string[]) => failover(args)],
  ['failback', async (args: string[]) => failback(args)],
  ['drill', async (args: string[]) => drill(args)],
  ['verify', async (args: string[]) => verify(args)],
  ['override', override],
  ['resize', resize],
  ['release', release],
  ['backup', backup],
  ['restore', restore],
  ['rebuild', rebuild],
  ['import-metadata', importMetadata],
  ['encrypt', async (args: string[]) => encrypt(args, { input: process.stdin, output: process.stderr })],
  ['completion', async (args: string[]) => Promise.resolve(completion(args))],
]);

async function examine(args: string[]): Promise<string[]> {
  const { lines, exitCode } = await doctor(args);
  process.exitCode = exitCode;
  return lines;
}
