import type { Run } from './run.js';

/**
 * Tools that work in the daemon's own mount namespace: Docker sees the mounts that are made there, and loop devices are made
 * of files that are seen from there.
 */
const OWN_TOOLS: ReadonlySet<string> = new Set(
  'mount umount losetup blockdev dd chown chmod stat sync resize2fs xfs_growfs'.split(' '),
);

/** Runs the host's tools through a command of its own, such as `nsenter --mount=/proc/1/ns/mnt --`; without words, as they are. */
export function withHostPrefix(run: Run, prefix: readonly string[]): Run {
  const [first, ...rest] = prefix;
  if (first === undefined) return run;
  return async (command, args, options) =>
    OWN_TOOLS.has(command) ? run(command, args, options) : run(first, [...rest, command, ...args], options);
}
