import { DriverError } from '../domain/errors.js';
import type { RootDirectory } from '../domain/root-directory.js';
import type { Run } from './run.js';

const TIMEOUT_MS = 10_000;
const SYNC_TIMEOUT_MS = 30_000;

/**
 * Gives the root of the file system that is mounted there its owner and mode; on disk when it returns. Tools do it, since a
 * device that hangs must not hang the daemon. @throws when it is not so in the end
 */
export async function setRootDirectory(
  run: Run,
  { target, root }: { target: string; root: RootDirectory },
  signal: AbortSignal,
): Promise<void> {
  const options = { timeoutMs: TIMEOUT_MS, signal };
  // The owner first: chown takes away setuid and setgid.
  if (root.owner !== undefined) await run('chown', ['--', root.owner, target], options);
  if (root.mode !== undefined) await run('chmod', ['--', root.mode, target], options);
  await run('sync', ['--file-system', target], { timeoutMs: SYNC_TIMEOUT_MS, signal });
  const { stdout } = await run('stat', ['--format', '%u:%g %a', '--', target], options);
  const [owner = '', mode = ''] = stdout.trim().split(' ');
  if (isWanted(root, owner, mode)) return;
  throw new DriverError(
    'unavailable',
    `chown and chmod ended without error, but ${target} belongs to ${owner} and has mode ${mode}`,
    { next: 'look for file system errors with dmesg' },
  );
}

/** Without leading zeros. */
const idsOf = (owner: string): string => owner.split(':').map(Number).join(':');

function isWanted(root: RootDirectory, owner: string, mode: string): boolean {
  const isOwner = root.owner === undefined || idsOf(root.owner) === idsOf(owner);
  return isOwner && (root.mode === undefined || Number.parseInt(root.mode, 8) === Number.parseInt(mode, 8));
}
