import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { loadConfig } from '../config/config.js';
import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import { createDurably } from '../store/durable-file.js';
import { openNodeJournal } from '../store/node-journal.js';
import { openStore } from './build.js';
import { ask, LARGE_TIMEOUT_MS } from './daemon-client.js';
import { metadataRequests, type MetadataRequest } from './metadata-requests.js';
import { Passwords } from './passwords.js';
import { CONFIG_FILE, STATE_DIR, UsageError } from './usage.js';

const V2_TIMEOUT_MS = 30_000;

interface Where {
  configFile: string;
  stateDir: string;
}

/** `backup FILE`: writes all metadata into a new file. The lines to print. @throws UsageError, or DriverError */
export async function backup(args: string[]): Promise<string[]> {
  const { file, where } = parse('backup', args, ['FILE']);
  const answer = await request(where, '/backup', {});
  const { text } = z.object({ text: z.string() }).parse(answer);
  try {
    await createDurably(file, text);
  } catch (error) {
    throw new DriverError('invalid', `the backup cannot be written: ${textOf(error)}`, {
      cause: error,
      next: 'name a file that is not there yet, in a folder that is',
    });
  }
  const { content } = z.object({ content: z.object({ records: z.array(z.unknown()) }) }).parse(JSON.parse(text));
  return [`${file}: ${content.records.length} records; keep it where neither etcd nor this host can take it along`];
}

/** `restore FILE [--dry-run]`. The lines to print. @throws UsageError, or DriverError with nothing changed */
export async function restore(args: string[]): Promise<string[]> {
  const { file, where, dryRun } = parse('restore', args, ['FILE', 'dry-run']);
  return linesOf(await request(where, '/restore', { text: await read(file), dryRun }));
}

/** `rebuild [--dry-run] [--cluster ID]`. The lines to print. @throws UsageError, or DriverError with nothing changed */
export async function rebuild(args: string[]): Promise<string[]> {
  const { where, dryRun, cluster } = parse('rebuild', args, ['dry-run', 'cluster']);
  return linesOf(await request(where, '/rebuild', { dryRun, cluster }));
}

/** `import-metadata --from-v2 FILE|URL [--dry-run]`. The lines to print. @throws UsageError, or DriverError */
export async function importMetadata(args: string[]): Promise<string[]> {
  const { where, dryRun, fromV2 } = parse('import-metadata', args, ['from-v2', 'dry-run']);
  const text = /^https?:\/\//.test(fromV2) ? await readV2Tree(fromV2) : await read(fromV2);
  return linesOf(await request(where, '/import-metadata', { text, dryRun }));
}

/** The volumes of the old plugin in a live etcd; a URL without a path is that of the etcd. @throws `unavailable` */
async function readV2Tree(url: string): Promise<string> {
  const at = new URL(url);
  if (at.pathname === '/') at.pathname = '/v2/keys/volumes';
  at.searchParams.set('recursive', 'true');
  try {
    const answer = await fetch(at, { signal: AbortSignal.timeout(V2_TIMEOUT_MS) });
    const text = await answer.text();
    if (answer.ok) return text;
    throw new Error(`HTTP ${answer.status}: ${text.slice(0, 200)}`);
  } catch (error) {
    throw new DriverError('unavailable', `${at.href} cannot be read: ${textOf(error)}`, {
      cause: error,
      next: 'see that this etcd answers the v2 API (etcd before 3.6, with --enable-v2); or make a dump on its host with curl, and name that file',
    });
  }
}

/** The text of a file that was named on the command line. @throws `invalid` */
async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new DriverError('invalid', `the file cannot be read: ${textOf(error)}`, { cause: error });
  }
}

const linesOf = (answer: unknown): string[] => z.array(z.string()).parse(answer);

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

interface Typed {
  /** FILE, where the command takes one. */
  file: string;
  dryRun: boolean;
  /** FILE or URL. */
  fromV2: string;
  cluster: string | undefined;
  where: Where;
}

/** `takes` are the words that this command needs or knows besides where the daemon is. @throws UsageError naming what is wrong */
function parse(command: string, args: string[], takes: ('FILE' | 'dry-run' | 'from-v2' | 'cluster')[]): Typed {
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...CONFIG_FILE,
        ...STATE_DIR,
        'dry-run': { type: 'boolean' },
        'from-v2': { type: 'string' },
        cluster: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError(textOf(error), { cause: error });
  }
  const { values, positionals } = parsed;
  for (const option of ['dry-run', 'from-v2', 'cluster'] as const) {
    if (values[option] !== undefined && !takes.includes(option))
      throw new UsageError(`${command} takes no --${option}`);
  }
  const files = takes.includes('FILE') ? 1 : 0;
  if (positionals.length !== files) throw new UsageError(`${command} takes ${files === 1 ? 'one file' : 'no file'}`);
  const { 'from-v2': fromV2 = '', 'dry-run': dryRun = false, cluster } = values;
  if (takes.includes('from-v2') && fromV2 === '') throw new UsageError(`${command} needs --from-v2 FILE or URL`);
  const where = { configFile: values.config, stateDir: values['state-dir'] };
  return { file: positionals[0] ?? '', dryRun, fromV2, cluster, where };
}

/** Asks the daemon that runs with this state directory; does it here when none does. */
async function request(where: Where, at: MetadataRequest, body: unknown): Promise<unknown> {
  const answer = await ask(where.stateDir, { at, body, timeoutMs: LARGE_TIMEOUT_MS });
  if (answer !== undefined) return answer.result;
  const { config } = loadConfig(where.configFile);
  const journal = await openNodeJournal(where.stateDir);
  const node = { id: journal.nodeId, name: hostname() };
  const store = await openStore(config.etcd, { stateDir: where.stateDir, node, logger: silent });
  const passwords = new Passwords(config, { store, logger: silent });
  try {
    const requests = metadataRequests({ config, store, journal, node, passwords, logger: silent });
    return await requests[at](body, AbortSignal.timeout(LARGE_TIMEOUT_MS));
  } finally {
    await store.close();
  }
}

/** The command's own output says what happened. */
const ignore = (): void => undefined;
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
