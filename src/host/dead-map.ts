import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { listMaps, stopQueueing, type MultipathMap } from './multipath-map.js';
import { identify } from './scsi-identity.js';
import { resolveLink, type HostAccess } from './sysfs.js';

/** What was written has a chance to arrive when the paths are gone for a moment only. */
const SILENCE_PATIENCE_MS = 6_000;
const PAUSE_MS = 1_000;

/**
 * Lets I/O fail on a multipath map of which no path answers within 6 s, so that an umount does not wait for it (rule 29). A
 * path that is merely slow still does what it is asked. Any other device is left as it is.
 */
export async function letFailWhenDead(access: HostAccess, devicePath: string, signal: AbortSignal): Promise<void> {
  const kernelName = path.basename((await resolveLink(devicePath)) ?? devicePath);
  const map = (await listMaps(access)).find((each) => each.path === devicePath || each.kernelName === kernelName);
  if (map === undefined) return;
  const deadline = performance.now() + SILENCE_PATIENCE_MS;
  while (!(await answers(access, map, signal))) {
    if (performance.now() > deadline) return stopQueueing(access.run, map, signal);
    await pause(PAUSE_MS, undefined, { signal });
  }
}

async function answers({ run, devRoot }: HostAccess, map: MultipathMap, signal: AbortSignal): Promise<boolean> {
  const said = await Promise.all(map.paths.map(async (name) => identify(run, path.join(devRoot, name), signal)));
  return said.some((each) => each !== undefined);
}
