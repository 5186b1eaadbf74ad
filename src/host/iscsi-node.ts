import { setTimeout as pause } from 'node:timers/promises';
import type { Chap } from '../contracts/array.js';
import { DriverError } from '../domain/errors.js';
import { portalText, type IscsiSession, type Portal } from './iscsi-sessions.js';
import { CommandError, type Run, type RunOptions } from './run.js';

const TIMEOUT_MS = 10_000;
/** For open-iscsi, seconds: a portal that does not answer must not hold up the others. */
const LOGIN_SECONDS = 5;
/** For the whole login; longer than open-iscsi takes by itself to give up. */
const LOGIN_TIMEOUT_MS = 15_000;
/** iscsiadm(8): no record, or no session, was found. */
const NOT_FOUND = 21;
const SESSION_EXISTS = 15;
const UNAUTHORIZED = 24;

/** Where open-iscsi keeps its node records: Debian and its kin, and everybody else. */
const NODE_ROOTS = ['/etc/iscsi/nodes', '/var/lib/iscsi/nodes'];

/** Every iscsiadm reads all records of a target, and stumbles over one that another iscsiadm removes at that moment. */
const DATABASE_FAILED = 6;
const TRIES = 6;
const RETRY_PAUSE_MS = 100;

async function iscsiadm(run: Run, args: string[], options: RunOptions): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      return (await run('iscsiadm', args, options)).stdout;
    } catch (error) {
      if (!(error instanceof CommandError) || error.exitCode !== DATABASE_FAILED || tries === TRIES) throw error;
    }
    await pause(RETRY_PAUSE_MS * tries, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

const nodeArgs = (portal: Portal): string[] => ['-m', 'node', '-T', portal.target, '-p', portalText(portal)];

/** What open-iscsi knows of that portal, without its secrets; undefined when it has no such node record. */
export async function findNode(run: Run, portal: Portal, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await iscsiadm(run, nodeArgs(portal), { timeoutMs: TIMEOUT_MS, signal });
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === NOT_FOUND) return undefined;
    throw error;
  }
}

/** Whether any session that a login by that node makes scans for all LUNs by itself; it has a record for each interface. */
export function scansByItself(node: string): boolean {
  const modes = [...node.matchAll(/^node\.session\.scan = (.*)$/gm)].map(([, mode]) => mode);
  return modes.length === 0 || modes.some((mode) => mode !== 'manual');
}

/**
 * Makes a node record for that portal, which must have none: sessions in manual-scan mode, no login at boot. The CHAP secret
 * goes into the record's file, since iscsiadm takes it only on its command line, where everybody can read it.
 */
export async function makeNode(
  run: Run,
  { portal, chap }: { portal: Portal; chap: Chap | undefined },
  signal: AbortSignal,
): Promise<void> {
  await iscsiadm(run, [...nodeArgs(portal), '-o', 'new'], { timeoutMs: TIMEOUT_MS, signal });
  const settings: [string, string][] = [
    ['node.startup', 'manual'],
    ['node.session.scan', 'manual'],
    ['node.session.initial_login_retry_max', '1'],
    ['node.conn[0].timeo.login_timeout', String(LOGIN_SECONDS)],
  ];
  if (chap !== undefined) {
    settings.push(['node.session.auth.authmethod', 'CHAP'], ['node.session.auth.username', chap.name]);
  }
  const args = settings.flatMap(([name, value]) => ['-n', name, '-v', value]);
  await iscsiadm(run, [...nodeArgs(portal), '-o', 'update', ...args], { timeoutMs: TIMEOUT_MS, signal });
  if (chap !== undefined) await writeSecret(run, { portal, chap }, signal);
}

async function writeSecret(
  run: Run,
  { portal, chap }: { portal: Portal; chap: Chap },
  signal: AbortSignal,
): Promise<void> {
  const { file, text } = await readNodeFile(run, portal, signal);
  const input = addSecret(text, chap.secret.reveal());
  try {
    await run('tee', [file], { timeoutMs: TIMEOUT_MS, signal, input });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    // tee says again what it was given, and the error has that: it goes no further.
    throw new DriverError(
      'unavailable',
      `the node record ${file} cannot be written: exit code ${error.exitCode ?? 'none'}`,
      {
        next: `ls -l ${file}; df ${file}`,
      },
    );
  }
}

/** The text of a node record with the secret as its last line. */
export function addSecret(record: string, secret: string): string {
  const lines = record.split('\n').filter((line) => !line.startsWith('node.session.auth.password ='));
  const end = lines.findIndex((line) => line.startsWith('# END RECORD'));
  if (end < 0) throw incomprehensible();
  return [...lines.slice(0, end), `node.session.auth.password = ${secret}`, ...lines.slice(end)].join('\n');
}

function incomprehensible(): DriverError {
  return new DriverError('unavailable', 'a node record of open-iscsi cannot be understood, so CHAP cannot be set', {
    next: `look for a file without "# END RECORD" below ${NODE_ROOTS.join(' or ')}, and at the version of open-iscsi: iscsiadm -V`,
  });
}

/** The file of a node record of ours, which has no portal group tag and belongs to the default interface. */
async function readNodeFile(
  run: Run,
  { target, host, port }: Portal,
  signal: AbortSignal,
): Promise<{ file: string; text: string }> {
  const failures: unknown[] = [];
  for (const root of NODE_ROOTS) {
    const file = `${root}/${target}/${host},${port}`;
    try {
      const { stdout } = await run('cat', [file], { timeoutMs: TIMEOUT_MS, signal });
      return { file, text: stdout };
    } catch (error) {
      if (!(error instanceof CommandError) || signal.aborted) throw error;
      failures.push(error);
    }
  }
  throw new DriverError(
    'unavailable',
    `the node record of ${target} is neither below ${NODE_ROOTS.join(' nor below ')}`,
    {
      cause: failures[0],
      next: 'CHAP needs it there; turn hpe3par_iscsi_chap_enabled off, or say where open-iscsi keeps its records',
    },
  );
}

/** Gone already is success. */
export async function deleteNode(run: Run, portal: Portal, signal: AbortSignal): Promise<void> {
  await unlessNotFound(iscsiadm(run, [...nodeArgs(portal), '-o', 'delete'], { timeoutMs: TIMEOUT_MS, signal }));
}

/** With CHAP on, the next mount gives our secret to the array again. */
const CHAP_NEXT =
  'compare hpe3par_iscsi_chap_enabled in hpe.conf with what the array asks of this host (showhost -chap), then try again';

/** There already is success. @throws `unavailable` when the portal refused it or gave no answer, `unknown-outcome` when it was cut off */
export async function logIn(run: Run, portal: Portal, signal: AbortSignal): Promise<void> {
  try {
    await iscsiadm(run, [...nodeArgs(portal), '--login'], { timeoutMs: LOGIN_TIMEOUT_MS, signal });
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode === undefined) throw error;
    if (error.exitCode === SESSION_EXISTS) return;
    const why = parseLoginFailure(error.stderr) ?? `iscsiadm ended with exit code ${error.exitCode}`;
    const next = error.exitCode === UNAUTHORIZED ? CHAP_NEXT : `ping ${portal.host}`;
    throw new DriverError('unavailable', `the login failed: ${why}`, { cause: error, next });
  }
}

/** Whether `logIn` failed because the portal did not accept our CHAP name and secret. */
export const isUnauthorized = ({ cause }: DriverError): boolean =>
  cause instanceof CommandError && cause.exitCode === UNAUTHORIZED;

/** What iscsiadm says of a login that failed, e.g. `connection timed out`. */
export function parseLoginFailure(stderr: string): string | undefined {
  return /initiator reported error \(\d+ - (.*)\)/.exec(stderr)?.[1];
}

/** Ends that session only: by its portal those of every interface would end. Gone already is success. */
export async function logOut(run: Run, { id }: IscsiSession, signal: AbortSignal): Promise<void> {
  const args = ['-m', 'session', '-r', id.replace('session', ''), '--logout'];
  await unlessNotFound(iscsiadm(run, args, { timeoutMs: TIMEOUT_MS, signal }));
}

async function unlessNotFound(ending: Promise<unknown>): Promise<void> {
  try {
    await ending;
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== NOT_FOUND) throw error;
  }
}
