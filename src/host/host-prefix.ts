import path from 'node:path';
import { DriverError } from '../domain/errors.js';
import { CommandError, isMissingTool, type Run } from './run.js';

/**
 * Tools that work in the daemon's own mount namespace: Docker sees the mounts that are made there, and loop devices are made
 * of files that are seen from there.
 */
const OWN_TOOLS: ReadonlySet<string> = new Set(
  'mount umount losetup blockdev dd chown chmod stat sync resize2fs xfs_growfs'.split(' '),
);

/**
 * Runs the host's tools through a command of its own, such as `nsenter --mount=/proc/1/ns/mnt --`; without words, as they are.
 * @throws `unavailable` when that command itself fails, which says nothing of the tool or of what it was to look at
 */
export function withHostPrefix(run: Run, prefix: readonly string[]): Run {
  const [first, ...rest] = prefix;
  if (first === undefined) return run;
  return async (command, args, options) => {
    if (OWN_TOOLS.has(command)) return run(command, args, options);
    return run(first, [...rest, command, ...args], options).catch((error: unknown) => {
      throw ownFailure(first, error) ?? error;
    });
  };
}

function ownFailure(prefix: string, error: unknown): DriverError | undefined {
  if (!(error instanceof CommandError) || isMissingTool(error)) return undefined;
  const said = error.stderr.split('\n').find((line) => line.startsWith(`${path.basename(prefix)}: `));
  if (said === undefined) return undefined;
  return new DriverError('unavailable', `the tools of this host are out of reach: ${said}`, {
    cause: error,
    next: 'compare what docker plugin inspect says of the plugin with its config.json: pidhost, CAP_SYS_ADMIN and CAP_SYS_PTRACE; or mend host_command_prefix in hpe.conf',
  });
}
