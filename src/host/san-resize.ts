import path from 'node:path';
import type { BlockDevice } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { findMap } from './multipath-map.js';
import { CommandError } from './run.js';
import { describe, listScsiPaths, nodeOf, type ScsiPath } from './scsi-paths.js';
import { cameTrue, writeAttribute, type HostAccess } from './sysfs.js';

const TIMEOUT_MS = 10_000;
const PATIENCE_MS = 3_000;

interface Wanted {
  wwn: string;
  sizeBytes: number;
  usesMultipath: boolean;
}

/** Has every path, and then the map, see the size that the array gives the volume by now. @throws `unavailable` when one does not */
export async function resizeSanDevice(access: HostAccess, wanted: Wanted, signal: AbortSignal): Promise<BlockDevice> {
  const { wwn, sizeBytes, usesMultipath } = wanted;
  await refreshSanSize(access, wanted, signal);
  const [map, paths] = await Promise.all([findMap(access, wwn), pathsOf(access, wwn)]);
  const [first] = paths;
  const small = paths.filter((each) => each.sizeBytes !== sizeBytes);
  if (small.length > 0) throw notGrown(small.map(describe).join(', '), wanted);
  if (!usesMultipath && first !== undefined) return { path: nodeOf(access, first), wwn, sizeBytes };
  if (map === undefined) throw notGrown('no device', wanted);
  if (map.sizeBytes !== sizeBytes) throw notGrown(map.path, wanted);
  return { path: map.path, wwn, sizeBytes };
}

/** Asks for the size where another one is known; what does not come is seen by whoever proves the device. */
export async function refreshSanSize(
  access: HostAccess,
  { wwn, sizeBytes, usesMultipath }: Wanted,
  signal: AbortSignal,
): Promise<void> {
  const differing = async (): Promise<ScsiPath[]> =>
    (await pathsOf(access, wwn)).filter((each) => each.sizeBytes !== sizeBytes);
  const old = await differing();
  await Promise.all(old.map(async (each) => tryRescan(access, each, signal)));
  if (old.length > 0) await cameTrue(async () => (await differing()).length === 0, PATIENCE_MS, signal);
  const map = usesMultipath ? await findMap(access, wwn) : undefined;
  if (map === undefined || map.sizeBytes === sizeBytes) return;
  await tolerant(async () => {
    await access.run('multipathd', ['resize', 'map', map.name], { timeoutMs: TIMEOUT_MS, signal });
  }, signal);
  await cameTrue(async () => (await findMap(access, wwn))?.sizeBytes === sizeBytes, PATIENCE_MS, signal);
}

const pathsOf = async ({ sysRoot }: HostAccess, wwn: string): Promise<ScsiPath[]> =>
  (await listScsiPaths(sysRoot)).filter((each) => each.wwn === wwn);

async function tryRescan(access: HostAccess, { name }: ScsiPath, signal: AbortSignal): Promise<void> {
  const file = path.join(access.sysRoot, 'block', name, 'device/rescan');
  await tolerant(async () => writeAttribute(access.run, { file, value: '1' }, signal), signal);
}

/** The size that is read back decides. */
async function tolerant(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  await work().catch((error: unknown) => {
    if (!(error instanceof CommandError) || signal.aborted) throw error;
  });
}

function notGrown(what: string, { wwn, sizeBytes }: Wanted): DriverError {
  return new DriverError(
    'unavailable',
    `volume ${wwn} has ${sizeBytes} bytes on the array, but this host does not see them: ${what}`,
    { next: `multipath -ll; a dead path keeps the old size: dmesg | tail; then try again` },
  );
}
