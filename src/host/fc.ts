import path from 'node:path';
import type { Initiators } from '../contracts/array.js';
import type { Connection, HostConnector } from '../contracts/host.js';
import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import { portNames } from './halves.js';
import type { Fabric, Reached } from './fabric.js';
import type { Run } from './run.js';
import { createSanConnector } from './san.js';
import { parseWwpn, type Nexus } from './scsi-paths.js';
import { listEntries, readAttribute } from './sysfs.js';

export interface FcOptions {
  run: Run;
  /** The daemon's state directory. */
  stateDir: string;
  usesMultipath: boolean;
  /** How many paths a map has to have at least. */
  minimumPaths: number;
  /** Of a backend with peer persistence. */
  movesBetweenArrays?: boolean;
  /** `secondary_wwn = same`: both copies of a volume get one WWN (rule 10). */
  equalWwns?: boolean;
  logger: Logger;
  /** `/sys` and `/dev`, except in tests. */
  sysRoot?: string;
  devRoot?: string;
}

/** Attaches LUNs over Fibre Channel, through the HBAs that the host has. */
export function createFcConnector(options: FcOptions): HostConnector {
  const { run, sysRoot = '/sys', devRoot = '/dev', equalWwns = false } = options;
  const fabric = new FcFabric(sysRoot, equalWwns);
  return createSanConnector({ ...options, access: { run, sysRoot, devRoot }, fabric });
}

class FcFabric implements Fabric {
  readonly #sysRoot: string;
  readonly #equalWwns: boolean;

  constructor(sysRoot: string, equalWwns: boolean) {
    this.#sysRoot = sysRoot;
    this.#equalWwns = equalWwns;
  }

  async initiators(): Promise<Initiators> {
    const ports = await listHostPorts(this.#sysRoot);
    if (ports.length === 0) {
      throw new DriverError('unavailable', 'this host has no Fibre Channel port that is online', {
        next: NO_PORT_NEXT,
      });
    }
    return { protocol: 'fc', names: ports.map(({ name }) => name) };
  }

  async findProblems(): Promise<string[]> {
    const [ports, mode] = await Promise.all([listHostPorts(this.#sysRoot), this.#readScanMode()]);
    const problems: string[] = [];
    if (ports.length === 0) problems.push(`this host has no Fibre Channel port that is online; next: ${NO_PORT_NEXT}`);
    if (this.#equalWwns && mode !== 'manual') {
      problems.push(
        `secondary_wwn = same gives both copies one WWN, and this host's kernel scans Fibre Channel by itself (scsi_mod.scan is ${mode}), so that no volume will be mounted after a failover; next: ${SCAN_NEXT}`,
      );
    }
    return problems;
  }

  async reach(connection: Connection): Promise<Reached> {
    await this.#proveKernelDoesNotScan(connection);
    const wanted = portNames(connection);
    const nexuses = (await listNexuses(this.#sysRoot)).filter(({ port }) => wanted.includes(port));
    const missing = wanted
      .filter((name) => !nexuses.some(({ port }) => port === name))
      .map((name) => `${name} (no port of this host sees it)`);
    return { nexuses, missing, release: () => undefined };
  }

  async leaveUnused(): Promise<void> {
    return Promise.resolve();
  }

  /** Rule 10: a stale array that comes back with the same WWN would get its paths into the map by itself. */
  async #proveKernelDoesNotScan({ wwn, passive }: Connection): Promise<void> {
    if (passive?.wwn !== wwn || !passive.isStale) return;
    const mode = await this.#readScanMode();
    if (mode === 'manual') return;
    throw new DriverError(
      'refused',
      `both copies of volume ${wwn} have that WWN, the other one is stale (failed over, or passed over by an override), and this host's kernel scans Fibre Channel by itself (scsi_mod.scan is ${mode}): the stale copy would get into the map when its array returns`,
      { next: SCAN_NEXT },
    );
  }

  async #readScanMode(): Promise<string> {
    return (await readAttribute(path.join(this.#sysRoot, 'module/scsi_mod/parameters/scan'))) ?? 'unknown';
  }
}

const SCAN_NEXT =
  'printf manual > /sys/module/scsi_mod/parameters/scan (printf, since the kernel takes no line end there), and scsi_mod.scan=manual on the kernel command line for the next boot';
const NO_PORT_NEXT = 'look at the HBA, its driver and its cable: grep . /sys/class/fc_host/*/port_state';

interface HostPort {
  host: number;
  /** WWPN, 16 hex digits. */
  name: string;
}

/** This host's own ports that are online. */
async function listHostPorts(sysRoot: string): Promise<HostPort[]> {
  const folder = path.join(sysRoot, 'class/fc_host');
  const ports = await Promise.all(
    (await listEntries(folder)).map(async (entry) => {
      const [state, name] = await Promise.all([
        readAttribute(path.join(folder, entry, 'port_state')),
        readAttribute(path.join(folder, entry, 'port_name')),
      ]);
      const wwpn = parseWwpn(name);
      return state === 'Online' && wwpn !== undefined
        ? { host: Number(entry.replace('host', '')), name: wwpn }
        : undefined;
    }),
  );
  return ports.filter((each) => each !== undefined);
}

/** Every target port as each of this host's ports sees it. */
export async function listNexuses(sysRoot: string): Promise<Nexus[]> {
  const folder = path.join(sysRoot, 'class/fc_remote_ports');
  const [ports, entries] = await Promise.all([listHostPorts(sysRoot), listEntries(folder)]);
  const nexuses = await Promise.all(
    entries.map(async (entry) => {
      // rport-<host>:<channel>-<number>
      const [, host, channel] = /^rport-(\d+):(\d+)-\d+$/.exec(entry) ?? [];
      const own = ports.find((each) => each.host === Number(host));
      const [name, state, target] = await Promise.all([
        readAttribute(path.join(folder, entry, 'port_name')),
        readAttribute(path.join(folder, entry, 'port_state')),
        readAttribute(path.join(folder, entry, 'scsi_target_id')),
      ]);
      const port = parseWwpn(name);
      if (own === undefined || port === undefined || state !== 'Online' || Number(target ?? -1) < 0) return undefined;
      return {
        host: own.host,
        channel: Number(channel),
        target: Number(target),
        port,
        label: `${port} from ${own.name}`,
      };
    }),
  );
  return nexuses.filter((each) => each !== undefined);
}
