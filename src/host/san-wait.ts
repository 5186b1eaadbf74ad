import { setTimeout as pause } from 'node:timers/promises';
import type { Connection } from '../contracts/host.js';
import { CommandError } from './run.js';
import { findMap, hasNode, readActivePaths, type MultipathMap } from './multipath-map.js';
import { isAt, listScsiPaths, numbersOf, scanLun, type Nexus, type Place, type ScsiPath } from './scsi-paths.js';
import type { HostAccess } from './sysfs.js';

/** For the first usable state, and for the last path after it (ms). */
const PATIENCE_MS = 30_000;
const REST_PATIENCE_MS = 12_000;
/** When only some paths of the other array are missing, which nothing depends on now. */
const PEER_PATIENCE_MS = 4_000;
/** An array needs a moment until a new LUN is there. */
const RESCAN_MS = 3_000;
const POLL_MS = 150;

export interface Expected {
  connection: Connection;
  /** Those of the active array. */
  places: Place[];
  /** Those of the other array, with peer persistence. */
  peerPlaces: Place[];
  /** How many paths of the active array are enough when not all come. */
  minimumPaths: number;
}

/** What came of the scan within its time. */
export interface Seen {
  map: MultipathMap | undefined;
  /** At the expected addresses. */
  paths: ScsiPath[];
  /** Those of them that the map sends I/O to. */
  active: ScsiPath[];
}

/** Scans the LUN until its map has all expected paths, or enough of them when the patience is over. */
export async function waitForMap(access: HostAccess, expected: Expected, signal: AbortSignal): Promise<Seen> {
  const scan = scanner(access, expected, signal);
  const start = performance.now();
  for (;;) {
    const seen = await look(access, expected, signal);
    // Known since this scan, or proven just before it: waiting makes no other volume of it.
    if (seen.paths.some(({ wwn }) => wwn !== undefined && wwn !== expected.connection.wwn)) return seen;
    if (performance.now() - start >= patienceWith(seen, expected)) return seen;
    await scan(seen.paths);
    await pause(POLL_MS, undefined, { signal });
  }
}

/** How long to wait in all, with what is there by now. */
function patienceWith({ active }: Seen, { places, peerPlaces, minimumPaths }: Expected): number {
  const own = active.filter((each) => isAt(each, places)).length;
  const others = active.length - own;
  if (own < minimumPaths) return PATIENCE_MS;
  if (own < places.length || (others === 0 && peerPlaces.length > 0)) return REST_PATIENCE_MS;
  return others < peerPlaces.length ? PEER_PATIENCE_MS : 0;
}

const allOf = ({ places, peerPlaces }: Expected): Place[] => [...places, ...peerPlaces];

/** The same without multipath: scans at one target port only. */
export async function waitForPath(access: HostAccess, expected: Expected, signal: AbortSignal): Promise<Seen> {
  const scan = scanner(access, expected, signal);
  const start = performance.now();
  for (;;) {
    const paths = await findPaths(access, expected);
    if (paths.length > 0 || performance.now() - start > PATIENCE_MS) return { map: undefined, paths, active: paths };
    await scan(paths);
    await pause(POLL_MS, undefined, { signal });
  }
}

async function findPaths({ sysRoot }: HostAccess, expected: Expected): Promise<ScsiPath[]> {
  return (await listScsiPaths(sysRoot)).filter((each) => isAt(each, allOf(expected)));
}

async function look(access: HostAccess, expected: Expected, signal: AbortSignal): Promise<Seen> {
  const [paths, map] = await Promise.all([findPaths(access, expected), findMap(access, expected.connection.wwn)]);
  if (map === undefined || !(await hasNode(map))) return { map: undefined, paths, active: [] };
  const inMap = paths.filter(({ name }) => map.paths.includes(name));
  if (inMap.length === 0) return { map, paths, active: [] };
  const active = await readActivePaths(access.run, map, signal);
  return { map, paths, active: inMap.filter(({ number }) => active.has(number)) };
}

/** Scans, now and every few seconds, for what is not there yet. */
function scanner(access: HostAccess, expected: Expected, signal: AbortSignal) {
  let next = 0;
  let scans = 0;
  return async (paths: ScsiPath[]): Promise<void> => {
    if (performance.now() < next) return;
    const missing = allOf(expected).filter((place) => !paths.some((each) => isAt(each, [place])));
    await Promise.all(
      missing.map(async (nexus) => {
        // One after the other: to an array that does not know it, the second way may mean another LUN.
        const numbers = numbersOf(nexus.lun);
        const number = numbers[scans % numbers.length] ?? nexus.lun;
        await tryScan(access, { nexus, number }, signal);
      }),
    );
    scans += 1;
    next = performance.now() + RESCAN_MS;
  };
}

/** A scan that fails or hangs is seen by what does not come. */
async function tryScan(access: HostAccess, at: { nexus: Nexus; number: number }, signal: AbortSignal): Promise<void> {
  try {
    await scanLun(access, at, signal);
  } catch (error) {
    if (!(error instanceof CommandError) || signal.aborted) throw error;
  }
}
