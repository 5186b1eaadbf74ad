import path from 'node:path';
import type { Logger } from '../contracts/log.js';
import { asDriverError } from '../domain/errors.js';
import { listMaps, restoreQueueing, stopQueueing, type MultipathMap } from './multipath-map.js';
import { identifyPatiently } from './scsi-identity.js';
import { resolveLink, type HostAccess } from './sysfs.js';

interface Unmounting {
  devicePath: string;
  /** Where it is mounted, for people. */
  target: string;
  logger: Logger;
  umount: () => Promise<void>;
}

/**
 * Unmounts with I/O failing on a multipath map of which no path answers within 6 s, so that umount does not wait for it (rule
 * 29). A path that is merely slow still does what it is asked, and a map that stays mounted waits for its paths again. Nobody
 * else tells what may be lost by that: it is an error in the log.
 */
export async function failingWhenDead(
  access: HostAccess,
  { devicePath, target, logger, umount }: Unmounting,
  signal: AbortSignal,
): Promise<void> {
  const dead = await findDeadMap(access, devicePath, signal);
  if (dead === undefined) return umount();
  await stopQueueing(access.run, dead, signal);
  logger.error(
    `no path of volume ${dead.wwn} answers, and ${target} is unmounted all the same: what was written there last and not synced (fsync) may be lost; next: look at the array and its paths (multipath -ll), and check the newest files when the volume is mounted again`,
    { wwn: dead.wwn, device: dead.path, target },
  );
  await umount().catch(async (thrown: unknown) => {
    // One that hangs in the kernel must not hang for longer.
    if (asDriverError(thrown).code !== 'unknown-outcome') await restoreQueueing(access.run, dead);
    throw thrown;
  });
}

/** Undefined also for a device of any other kind. */
async function findDeadMap(
  access: HostAccess,
  devicePath: string,
  signal: AbortSignal,
): Promise<MultipathMap | undefined> {
  const kernelName = path.basename((await resolveLink(devicePath)) ?? devicePath);
  const map = (await listMaps(access)).find((each) => each.path === devicePath || each.kernelName === kernelName);
  if (map === undefined) return undefined;
  // What was written has a chance to arrive.
  return (await identifyPatiently(access, map.paths, signal)).length === 0 ? map : undefined;
}
