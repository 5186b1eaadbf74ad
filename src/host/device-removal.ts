import { DriverError } from '../domain/errors.js';
import { provePathUnused } from './exclusive.js';
import {
  findMap,
  flushBuffers,
  hasNode,
  removeMap,
  restoreQueueing,
  stopQueueing,
  type MultipathMap,
} from './multipath-map.js';
import { answerAs } from './scsi-identity.js';
import { deletePath, listScsiPaths, nodeOf, type ScsiPath } from './scsi-paths.js';
import { cameTrue, type HostAccess } from './sysfs.js';

const NODE_PATIENCE_MS = 3_000;
/** A remote port that returns, or a scan that was cut off, may bring paths back meanwhile. */
const ROUNDS = 5;

export interface Removal {
  wwn: string;
  /** Write out first what is cached; not for a copy that must not be written to. */
  flush: boolean;
}

/**
 * Takes a volume's map and paths away, in that order, and waits until they are gone; gone already is success. Buffers are only
 * written to a device that says that it is this volume; a map whose paths are all dead stops waiting for them first (rule 29).
 * @throws `busy` when something uses it; and when the flush to a live array fails (rule 27)
 */
export async function removeDevice(access: HostAccess, removal: Removal, signal: AbortSignal): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    if (!(await removeFound(access, removal, signal))) return;
  }
  throw new DriverError('unavailable', `paths of volume ${removal.wwn} come back as often as they are deleted`, {
    next: 'find out who scans for them (dmesg | tail); it is tried again by itself',
  });
}

/** @returns false when there is nothing */
async function removeFound(access: HostAccess, { wwn, flush }: Removal, signal: AbortSignal): Promise<boolean> {
  const map = await findMap(access, wwn);
  const paths = (await listScsiPaths(access.sysRoot)).filter(
    (each) => each.wwn === wwn || map?.paths.includes(each.name) === true,
  );
  if (map === undefined && paths.length === 0) return false;
  const isAlive = await answerAs(access, { names: paths.map(({ name }) => name), wwn }, signal);
  const isFlushed = flush && isAlive;
  if (map !== undefined) {
    refuseHolders(map);
    // Whoever uses a live map keeps its patience with paths that are gone for a moment.
    if (!isAlive) await stopQueueing(access.run, map, signal);
    // A map that was made a moment ago may not have its name below /dev yet.
    await cameTrue(async () => hasNode(map), NODE_PATIENCE_MS, signal);
    await proveMapUnused(access, { map, isAlive }, signal);
    if (isFlushed) await flushBuffers(access.run, map.path, signal);
    await removeMap(access, map, signal);
  }
  await Promise.all(
    paths.map(async (each) => {
      const wasInMap = map?.paths.includes(each.name) === true;
      await removePath(access, { path: each, wasInMap, flush: isFlushed && map === undefined }, signal);
    }),
  );
  return true;
}

/** Whoever has a dead map keeps it, and it waits for its paths again. */
async function proveMapUnused(
  access: HostAccess,
  { map, isAlive }: { map: MultipathMap; isAlive: boolean },
  signal: AbortSignal,
): Promise<void> {
  await provePathUnused(map.path, signal).catch(async (thrown: unknown) => {
    if (!isAlive) await restoreQueueing(access.run, map);
    throw thrown;
  });
}

async function removePath(
  access: HostAccess,
  { path: gone, wasInMap, flush }: { path: ScsiPath; wasInMap: boolean; flush: boolean },
  signal: AbortSignal,
): Promise<void> {
  const [now] = (await listScsiPaths(access.sysRoot)).filter(({ address }) => address === gone.address);
  if (now === undefined || now.wwn !== gone.wwn) return;
  const node = nodeOf(access, now);
  if (now.holders.length > 0) throw held(`${node} (${now.address})`, now.holders);
  // A path of the map was the map's alone until now.
  if (!wasInMap) await provePathUnused(node, signal);
  if (flush) await flushBuffers(access.run, node, signal);
  await deletePath(access, now, signal);
}

function refuseHolders(map: MultipathMap): void {
  if (map.holders.length > 0) throw held(map.path, map.holders);
}

function held(what: string, holders: string[]): DriverError {
  return new DriverError('busy', `${what} is in use: it is part of ${holders.join(', ')}`, {
    next: 'end that use (lsblk shows what is built on it), then try again',
  });
}
