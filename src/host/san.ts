import type { Initiators } from '../contracts/array.js';
import type { Connection, HostConnector } from '../contracts/host.js';
import type { Logger } from '../contracts/log.js';
import type { BlockDevice } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { removeDevice } from './device-removal.js';
import { proveUnused } from './exclusive.js';
import type { Fabric, Reached } from './fabric.js';
import { findMultipathProblems, proveMultipathdRuns } from './multipath-conf.js';
import { findMap, type MultipathMap } from './multipath-map.js';
import { proveMap, provePath } from './san-proof.js';
import { refreshSanSize, resizeSanDevice } from './san-resize.js';
import { waitForMap, waitForPath, type Seen } from './san-wait.js';
import { identifyPatiently } from './scsi-identity.js';
import { isAt, listScsiPaths, nodeOf, type Place, type ScsiPath } from './scsi-paths.js';
import { removeStalePaths, removeWrongPaths } from './stale-paths.js';
import type { HostAccess } from './sysfs.js';

export interface SanOptions {
  access: HostAccess;
  fabric: Fabric;
  usesMultipath: boolean;
  /** How many paths a map has to have at least. */
  minimumPaths: number;
  /** Of a backend with peer persistence. */
  movesBetweenArrays?: boolean | undefined;
  logger: Logger;
}

/** What iSCSI and Fibre Channel have in common: LUNs become SCSI disks, and these a multipath map. */
export function createSanConnector(options: SanOptions): HostConnector {
  return new SanConnector(options);
}

class SanConnector implements HostConnector {
  readonly #options: SanOptions;
  readonly #access: HostAccess;
  readonly #fabric: Fabric;

  constructor(options: SanOptions) {
    this.#options = options;
    this.#access = options.access;
    this.#fabric = options.fabric;
  }

  async initiators(signal: AbortSignal): Promise<Initiators> {
    return this.#fabric.initiators(signal);
  }

  async findProblems(signal: AbortSignal): Promise<string[]> {
    const [fabric, multipath] = await Promise.all([
      this.#fabric.findProblems(signal),
      this.#options.usesMultipath ? this.#findMultipathProblems(signal) : [],
    ]);
    return [...fabric, ...multipath];
  }

  async attach(connection: Connection, signal: AbortSignal): Promise<BlockDevice> {
    if (this.#options.usesMultipath) await proveMultipathdRuns(this.#access.run, signal);
    const reached = await this.#fabric.reach(connection, signal);
    try {
      const all = placesOf(connection, reached);
      if (all.places.length === 0) throw unreachable(connection, reached.missing);
      const used = this.#options.usesMultipath ? all : { ...all, places: all.places.slice(0, 1), peerPlaces: [] };
      await removeWrongPaths(this.#access, { connection, places: [...used.places, ...used.peerPlaces] }, signal);
      // A device that was left here may be older than the volume's size.
      await refreshSanSize(this.#access, this.#sized(connection), signal);
      return await (this.#options.usesMultipath
        ? this.#attachMap(connection, used, signal)
        : this.#attachPath(connection, used, signal));
    } finally {
      reached.release();
    }
  }

  async addPaths(connection: Connection, signal: AbortSignal): Promise<BlockDevice> {
    const device = await this.find(connection.wwn);
    if (device === undefined) throw notAttached(connection);
    if (!this.#options.usesMultipath) return device;
    await proveMultipathdRuns(this.#access.run, signal);
    const reached = await this.#fabric.reach(connection, signal);
    try {
      const found = placesOf(connection, reached);
      await removeStalePaths(this.#access, { connection, places: [...found.places, ...found.peerPlaces] }, signal);
      const { map, missing } = await this.#completeMap(connection, { ...found, minimumPaths: 0 }, signal);
      this.#tellMissing(connection, missing);
      return { path: map.path, wwn: connection.wwn, sizeBytes: connection.sizeBytes };
    } finally {
      reached.release();
    }
  }

  async lunsInUse(): Promise<number[]> {
    const disks = (await listScsiPaths(this.#access.sysRoot)).filter(({ vendor }) => vendor === '3PARdata');
    // From 256 on Linux shows the array's number in flat addressing, with a bit more (SAM-5 4.7.7).
    return [...new Set(disks.map(({ address }) => Number(address.split(':')[3]) & 0x3fff))];
  }

  async find(wwn: string): Promise<BlockDevice | undefined> {
    const map = await findMap(this.#access, wwn);
    if (map !== undefined) return { path: map.path, wwn, sizeBytes: map.sizeBytes };
    if (this.#options.usesMultipath) return undefined;
    const path = (await listScsiPaths(this.#access.sysRoot)).find((each) => each.wwn === wwn);
    return path === undefined ? undefined : { path: nodeOf(this.#access, path), wwn, sizeBytes: path.sizeBytes };
  }

  async isCurrent(wwn: string, signal: AbortSignal): Promise<boolean> {
    const [map, all] = await Promise.all([findMap(this.#access, wwn), listScsiPaths(this.#access.sysRoot)]);
    const paths = this.#options.usesMultipath
      ? all.filter(({ name }) => map?.paths.includes(name))
      : all.filter((each) => each.wwn === wwn);
    const names = paths.map(({ name }) => name);
    if (names.length === 0) return false;
    const said = await identifyPatiently(this.#access, names, signal);
    return said.length > 0 && said.every((each) => each.wwn === wwn);
  }

  async resize(to: { wwn: string; sizeBytes: number }, signal: AbortSignal): Promise<BlockDevice> {
    return resizeSanDevice(this.#access, this.#sized(to), signal);
  }

  async detach(wwn: string, signal: AbortSignal): Promise<void> {
    await removeDevice(this.#access, { wwn, flush: true }, signal);
    await this.#fabric.leaveUnused(signal);
  }

  async tidy(signal: AbortSignal): Promise<void> {
    await this.#fabric.leaveUnused(signal);
  }

  async #findMultipathProblems(signal: AbortSignal): Promise<string[]> {
    const { movesBetweenArrays = false } = this.#options;
    return findMultipathProblems(this.#access.run, { movesBetweenArrays }, signal);
  }

  #sized({ wwn, sizeBytes }: { wwn: string; sizeBytes: number }) {
    return { wwn, sizeBytes, usesMultipath: this.#options.usesMultipath };
  }

  async #attachMap(connection: Connection, found: Found, signal: AbortSignal): Promise<BlockDevice> {
    const { wwn, sizeBytes } = connection;
    const { minimumPaths } = this.#options;
    const { map, usable, missing } = await this.#completeMap(connection, { ...found, minimumPaths }, signal);
    const own = usable.filter((each) => isAt(each, found.places));
    if (own.length < minimumPaths) throw tooFew(connection, { usable: own, minimumPaths, missing });
    this.#tellMissing(connection, missing);
    await proveUnused(map.path, signal);
    return { path: map.path, wwn, sizeBytes };
  }

  /** Waits for the map and its paths, as many as come, and proves them. */
  async #completeMap(
    connection: Connection,
    wanted: Found & { minimumPaths: number },
    signal: AbortSignal,
  ): Promise<{ map: MultipathMap; usable: ScsiPath[]; missing: string[] }> {
    const seen = await waitForMap(this.#access, { connection, ...wanted }, signal).catch(async (error: unknown) => {
      throw signal.aborted ? await this.#notInTime(connection, wanted) : error;
    });
    const strangers = seen.paths.filter(({ wwn }) => wwn !== connection.wwn);
    for (const path of strangers) await provePath(this.#access, { path, connection }, signal);
    if (seen.map === undefined) throw await this.#noMap(connection, { seen, found: wanted }, signal);
    const proven = await proveMap(this.#access, { map: seen.map, connection }, signal);
    const usable = seen.active.filter(({ name }) => proven.some((each) => each.name === name));
    return { map: seen.map, usable, missing: missingOf(wanted, usable) };
  }

  #tellMissing({ wwn }: Connection, missing: string[]): void {
    if (missing.length === 0) return;
    this.#options.logger.warn(`volume ${wwn} has fewer paths than it should: ${missing.join('; ')}`, { wwn });
  }

  async #attachPath(connection: Connection, found: Found, signal: AbortSignal): Promise<BlockDevice> {
    const { wwn, sizeBytes } = connection;
    const { paths } = await waitForPath(this.#access, { connection, ...found, minimumPaths: 1 }, signal);
    const [path] = paths;
    if (path === undefined) throw noLun(connection, found);
    if (!(await provePath(this.#access, { path, connection }, signal))) throw noLun(connection, found);
    const node = nodeOf(this.#access, path);
    await proveUnused(node, signal);
    return { path: node, wwn, sizeBytes };
  }

  async #notInTime(connection: Connection, found: Found): Promise<DriverError> {
    const { wwn, lun } = connection;
    const [map, all] = await Promise.all([findMap(this.#access, wwn), listScsiPaths(this.#access.sysRoot)]);
    const usable = all.filter(({ name }) => map?.paths.includes(name));
    const missing = missingOf(found, usable);
    return new DriverError(
      'unavailable',
      `the time ran out before LUN ${lun} was there with all its paths: ${map === undefined ? 'no map yet' : `${map.path} with ${map.paths.join(', ')}`}${missing.length === 0 ? '' : `; missing: ${missing.join('; ')}`}`,
      { next: 'multipath -ll; look at the exports and their paths with: showvlun -a; then try again' },
    );
  }

  async #noMap(
    connection: Connection,
    { seen: { paths }, found }: { seen: Seen; found: Found },
    signal: AbortSignal,
  ): Promise<DriverError> {
    if (paths.length === 0) return noLun(connection, found);
    const problems = await this.#findMultipathProblems(signal);
    return new DriverError(
      'unavailable',
      `LUN ${connection.lun} is there as ${paths.map(({ name }) => name).join(', ')}, but multipathd makes no map 3${connection.wwn} of it`,
      { next: [...problems, `multipath -v3 ${paths[0]?.name ?? ''} says why`].join('; ') },
    );
  }
}

/** Where the LUN is to be found, as far as its ports can be reached. */
interface Found {
  /** On the active array. */
  places: Place[];
  /** On the other one, with peer persistence. */
  peerPlaces: Place[];
  /** Target ports that cannot be reached, each with the reason. */
  missing: string[];
}

function placesOf(connection: Connection, { nexuses, missing }: Reached): Found {
  const { peer, ...own } = connection;
  const at = (half: Pick<Connection, 'targets' | 'lun'>): Place[] =>
    nexuses
      .filter(({ port }) => half.targets.some(({ name }) => name.toLowerCase() === port.toLowerCase()))
      .map((nexus) => ({ ...nexus, lun: half.lun }));
  return { places: at(own), peerPlaces: peer === undefined ? [] : at(peer), missing };
}

function missingOf({ places, peerPlaces, missing }: Found, usable: ScsiPath[]): string[] {
  const absent = [...places, ...peerPlaces].filter((place) => !usable.some((each) => isAt(each, [place])));
  return [...missing, ...absent.map(({ label }) => `${label} (no usable path)`)];
}

function notAttached({ wwn }: Connection): DriverError {
  return new DriverError('unavailable', `volume ${wwn} has no device here that paths could be added to`, {
    next: 'multipath -ll; the containers that use it have to be started anew',
  });
}

function unreachable({ targets }: Connection, missing: string[]): DriverError {
  const why = missing.length === 0 ? targets.map(({ name }) => name).join(', ') : missing.join('; ');
  return new DriverError('unavailable', `none of the array's target ports can be reached: ${why}`, {
    next: 'do what is said of each port, or look at cables, zones and network between this host and the array, then try again',
  });
}

function tooFew(
  { wwn }: Connection,
  { usable, minimumPaths, missing }: { usable: ScsiPath[]; minimumPaths: number; missing: string[] },
): DriverError {
  return new DriverError(
    'unavailable',
    `volume ${wwn} has ${usable.length} usable paths, and at least ${minimumPaths} are wanted; missing: ${missing.join('; ')}`,
    { next: 'multipath -ll; look at the ports that are missing, or lower multipath_minimum_paths in hpe.conf' },
  );
}

function noLun({ lun }: Connection, { places, peerPlaces, missing }: Found): DriverError {
  const where = [...places, ...peerPlaces].map(({ label }) => label);
  where.push(...missing);
  return new DriverError('unavailable', `LUN ${lun} did not appear on ${where.join('; ')}`, {
    next: 'look at the exports and their paths with: showvlun -a',
  });
}
