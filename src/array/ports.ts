import type { Initiators } from '../contracts/array.js';
import { formatPort, listOf, portAnswer, type PortAnswer } from './schemas.js';
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

/** The array's ready target ports, read again only now and then. */
export class Ports {
  readonly #wsapi: Wsapi;
  #kept: { ports: TargetPort[]; at: number } | undefined;

  constructor(wsapi: Wsapi) {
    this.#wsapi = wsapi;
  }

  async list(signal: AbortSignal): Promise<TargetPort[]> {
    if (this.#kept !== undefined && performance.now() - this.#kept.at < PORTS_KEEP_MS) return this.#kept.ports;
    const answers = await this.#wsapi.get({ path: 'ports', schema: listOf(portAnswer) }, signal);
    const ports = answers.flatMap(toTargetPort);
    if (ports.length > 0) this.#kept = { ports, at: performance.now() };
    return ports;
  }
}

function toTargetPort(answer: PortAnswer): TargetPort[] {
  const protocol = PROTOCOL[answer.protocol ?? 0];
  if (answer.mode !== MODE_TARGET || answer.linkState !== LINK_READY || protocol === undefined) return [];
  if (protocol === 'fc' && answer.type !== TYPE_HOST) return [];
  const name = protocol === 'fc' ? answer.portWWN : (answer.iSCSIName ?? answer.iSCSIPortInfo?.iSCSIName);
  if (name === undefined) return [];
  const host = protocol === 'fc' ? undefined : (answer.IPAddr ?? answer.iSCSIPortInfo?.IPAddr);
  const portal = host === undefined ? {} : { portal: { host, port: ISCSI_PORT } };
  return [{ position: formatPort(answer.portPos), protocol, name: name.toLowerCase(), ...portal }];
}
