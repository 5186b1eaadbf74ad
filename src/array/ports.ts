import type { Initiators } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import { formatPort, listOf, portAnswer, type PortAnswer } from './schemas.js';
import type { ArraySettings } from './settings.js';
import type { Wsapi } from './wsapi.js';

/** A port never gets another name, but it may come up or go down; five minutes keep the list good enough for that. */
const PORTS_KEEP_MS = 300_000;

/** Numbers of reference 3.3. */
const MODE_TARGET = 2;
const LINK_READY = 4;
const TYPE_HOST = 1;
const PROTOCOL: Readonly<Record<number, Initiators['protocol']>> = { 1: 'fc', 2: 'iscsi' };

const ISCSI_PORT = 3260;

/** A port that hosts can reach. */
export interface TargetPort {
  /** `N:S:P` */
  position: string;
  protocol: Initiators['protocol'];
  /** IQN or WWPN, lower case. */
  name: string;
  /** Where an iSCSI port listens. */
  portal?: { host: string; port: number };
}

/** How a host may reach the array. */
export interface HostPaths {
  protocol: Initiators['protocol'];
  /** Name of the host entry. */
  host: string;
  /** Positions of the ports that its initiators are logged in at; of no use with iSCSI, which logs in later. */
  loggedInAt: ReadonlySet<string>;
}

interface Parts {
  wsapi: Wsapi;
  portals: ArraySettings['portals'];
  logger: Logger;
}

/** The array's ready target ports, read again only now and then. */
export class Ports {
  readonly #wsapi: Wsapi;
  readonly #portals: { host: string; port: number }[];
  readonly #logger: Logger;
  #kept: { ports: TargetPort[]; at: number } | undefined;

  constructor({ wsapi, portals = [], logger }: Parts) {
    this.#wsapi = wsapi;
    this.#portals = portals.map(({ host, port }) => ({ host: host.toLowerCase(), port }));
    this.#logger = logger;
  }

  /** All ready ports, whether hpe.conf lists them or not. */
  async list(signal: AbortSignal): Promise<TargetPort[]> {
    if (this.#kept !== undefined && performance.now() - this.#kept.at < PORTS_KEEP_MS) return this.#kept.ports;
    const answers = await this.#wsapi.get({ path: 'ports', schema: listOf(portAnswer) }, signal);
    const ports = answers.flatMap(toTargetPort).toSorted((a, b) => (a.position < b.position ? -1 : 1));
    if (ports.length > 0) this.#kept = { ports, at: performance.now() };
    this.#warnOfMissing(ports);
    return ports;
  }

  /** Their names, which stay the same for ever: of an array that does not answer, those that it had when it last did. */
  async names(protocol: Initiators['protocol'], signal: AbortSignal): Promise<string[]> {
    const before = this.#kept?.ports;
    const ports = await this.list(signal).catch((thrown: unknown) => {
      if (before === undefined) throw thrown;
      return before;
    });
    return ports.filter((port) => port.protocol === protocol).map(({ name }) => name);
  }

  /**
   * The ports that show volumes to a host: with iSCSI the ready ones that hpe.conf lists (all, when it lists none), with Fibre
   * Channel those that the host is logged in at. @throws `refused` when there is none
   */
  async forHost(paths: HostPaths, signal: AbortSignal): Promise<TargetPort[]> {
    const ready = (await this.list(signal)).filter((port) => port.protocol === paths.protocol);
    const wanted =
      paths.protocol === 'fc' ? ready.filter(({ position }) => paths.loggedInAt.has(position)) : this.#listed(ready);
    if (wanted.length > 0) return wanted;
    this.forget();
    throw paths.protocol === 'fc' ? this.#notLoggedIn(paths.host, ready) : this.#noPortal(ready);
  }

  /** The next answer is a fresh one. */
  forget(): void {
    if (this.#kept !== undefined) this.#kept.at = -PORTS_KEEP_MS;
  }

  #listed(ready: TargetPort[]): TargetPort[] {
    if (this.#portals.length === 0) return ready;
    return ready.flatMap((port) => {
      const portal = this.#portals.find(({ host }) => host === port.portal?.host);
      return portal === undefined ? [] : [{ ...port, portal }];
    });
  }

  #warnOfMissing(ports: TargetPort[]): void {
    const there = new Set(ports.map(({ portal }) => portal?.host));
    const missing = this.#portals.filter(({ host }) => !there.has(host)).map(({ host }) => host);
    if (missing.length === 0) return;
    this.#logger.warn(
      'portals of hpe3par_iscsi_ips are no ready iSCSI ports of the array; no path leads through them',
      {
        array: this.#wsapi.label,
        missing: missing.join(', '),
      },
    );
  }

  #noPortal(ready: TargetPort[]): DriverError {
    const listed = this.#portals.map(({ host }) => host).join(', ');
    const wanted = listed === '' ? '' : ` with an address of hpe3par_iscsi_ips (${listed})`;
    return new DriverError(
      'refused',
      `${this.#wsapi.label} has no ready iSCSI port${wanted}; ready are ${describe(ready)}`,
      { next: 'compare hpe3par_iscsi_ips in hpe.conf with: showport -iscsi' },
    );
  }

  #notLoggedIn(host: string, ready: TargetPort[]): DriverError {
    return new DriverError(
      'refused',
      `no initiator of host entry ${host} is logged in at a Fibre Channel port of ${this.#wsapi.label}: they are not zoned to it, or the links are down; ready are ${describe(ready)}`,
      { next: `see the logins with: showhost -pathsum ${host}; zone this host's WWNs to the array's ports (showport)` },
    );
  }
}

function describe(ports: TargetPort[]): string {
  if (ports.length === 0) return 'none';
  return ports.map(({ position, name, portal }) => `${position} (${portal?.host ?? name})`).join(', ');
}

function toTargetPort(answer: PortAnswer): TargetPort[] {
  const protocol = PROTOCOL[answer.protocol ?? 0];
  if (answer.mode !== MODE_TARGET || answer.linkState !== LINK_READY || protocol === undefined) return [];
  if (protocol === 'fc' && answer.type !== TYPE_HOST) return [];
  const name = protocol === 'fc' ? answer.portWWN : (answer.iSCSIName ?? answer.iSCSIPortInfo?.iSCSIName);
  if (name === undefined) return [];
  const host = protocol === 'fc' ? undefined : (answer.IPAddr ?? answer.iSCSIPortInfo?.IPAddr);
  const portal = host === undefined ? {} : { portal: { host: host.toLowerCase(), port: ISCSI_PORT } };
  return [{ position: formatPort(answer.portPos), protocol, name: name.toLowerCase(), ...portal }];
}
