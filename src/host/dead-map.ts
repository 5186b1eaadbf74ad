import path from 'node:path';
import { listMaps, stopQueueing } from './multipath-map.js';
import { identify } from './scsi-identity.js';
import { resolveLink, type HostAccess } from './sysfs.js';

/**
 * Lets I/O fail on a multipath map of which no path answers within 5 s, so that an umount does not wait for it (rule 29). A
 * path that is merely slow still does what it is asked. Any other device is left as it is.
 */
export async function letFailWhenDead(access: HostAccess, devicePath: string, signal: AbortSignal): Promise<void> {
  const kernelName = path.basename((await resolveLink(devicePath)) ?? devicePath);
  const map = (await listMaps(access)).find((each) => each.path === devicePath || each.kernelName === kernelName);
  if (map === undefined) return;
  const answers = await Promise.all(
    map.paths.map(async (name) => identify(access.run, path.join(access.devRoot, name), signal)),
  );
  if (answers.every((each) => each === undefined)) await stopQueueing(access.run, map, signal);
}
