import type { SimulatedArray } from './array.js';
import { Refusal } from './codes.js';
import type { Host, Port, PortPos, Volume, VlunTemplate } from './model.js';
import { findActiveTask } from './tasks.js';

/** reference 5.2 */
export const MAX_LUN = 16384;

/** A template seen through one path that is logged in. */
export interface ActiveVlun {
  template: VlunTemplate;
  volume: Volume;
  lun: number;
  host: Host;
  port: Port;
  /** WWN (upper case) or IQN. */
  initiator: string;
}

/** `N:S:P` */
export const formatPos = (pos: PortPos): string => `${pos.node}:${pos.slot}:${pos.cardPort}`;

export const isSamePos = (a: PortPos | undefined, b: PortPos | undefined): boolean =>
  (a && formatPos(a)) === (b && formatPos(b));

/** Undefined if the text is no `N:S:P`. */
export function parsePos(text: string): PortPos | undefined {
  const match = /^(\d+):(\d+):(\d+)$/.exec(text);
  return match ? { node: Number(match[1]), slot: Number(match[2]), cardPort: Number(match[3]) } : undefined;
}

/** HOST, PORT or MATCHED_SET as numbers: reference 5.2. */
export function templateType(template: VlunTemplate): 2 | 3 | 4 {
  if (template.host === undefined) return 2;
  return template.pos === undefined ? 3 : 4;
}

/** Initiators that are logged in at the port: every one that is admitted, while the port is ready. */
export const loggedIn = (host: Host, port: Port): string[] => (port.ready ? admitted(host, port) : []);

/** Registered initiators of the port's protocol, on FC those of its zone. */
export function admitted(host: Host, port: Port): string[] {
  if (port.kind === 'rcip') return [];
  if (port.kind === 'iscsi') return host.iqns;
  return host.wwns.filter((wwn) => port.zone?.includes(wwn) ?? true);
}

export function activeVluns(array: SimulatedArray): ActiveVlun[] {
  return array.vluns.flatMap((template) => {
    const hosts = template.host ? [template.host] : [...array.hosts.values()];
    const ports = array.ports.filter((port) => template.pos === undefined || isSamePos(port.pos, template.pos));
    return hosts.flatMap((host) =>
      ports.flatMap((port) =>
        loggedIn(host, port).map((initiator) => ({
          template,
          volume: template.volume,
          lun: template.lun,
          host,
          port,
          initiator,
        })),
      ),
    );
  });
}

export interface CreateVlun {
  volumeName: string;
  lun: number;
  hostname: string | undefined;
  pos: PortPos | undefined;
  autoLun: boolean;
  /** 0 = no upper end. */
  maxAutoLun: number;
}

/** reference 5.2; the active VLUNs exist at once. */
export function createVlun(array: SimulatedArray, wanted: CreateVlun): VlunTemplate {
  const volume = array.getVolume(wanted.volumeName);
  const host = wanted.hostname === undefined ? undefined : array.getHost(wanted.hostname);
  if (host === undefined && wanted.pos === undefined) {
    throw new Refusal('PORT_SPECIFICATION', 'a host, a port or both are required', 'hostname');
  }
  checkPort(array, wanted.pos);
  if (host !== undefined && host.domain !== volume.domain) {
    throw new Refusal('NOT_IN_SAME_DOMAIN', `volume ${volume.name} and host ${host.name} must be in the same domain`);
  }
  // An online copy may be used while it runs.
  if (volume.copy?.online === false && findActiveTask(array, volume) !== undefined) {
    throw new Refusal('VLUN_PCOPY_TARGET_VV', `volume ${volume.name} is the target of a physical copy`);
  }
  const place = { host, pos: wanted.pos };
  const lun = wanted.autoLun ? chooseLun(array, place, wanted) : wanted.lun;
  if (!wanted.autoLun && isTaken(array, place, lun)) {
    throw new Refusal('EXISTENT_LUN', `LUN ${lun} is in use for ${formatPlace(place)}`, 'lun');
  }
  const template = { volume, lun, ...place };
  array.vluns.push(template);
  return template;
}

function checkPort(array: SimulatedArray, pos: PortPos | undefined): void {
  if (pos === undefined) return;
  const port = array.ports.find((each) => isSamePos(each.pos, pos));
  if (port === undefined) throw new Refusal('NON_EXISTENT_PORT', `port ${formatPos(pos)} does not exist`, 'portPos');
  if (port.kind === 'rcip') throw new Refusal('BAD_PORT_TYPE', `port ${formatPos(pos)} is no host port`, 'portPos');
}

type Place = Pick<VlunTemplate, 'host' | 'pos'>;

const formatPlace = ({ host, pos }: Place): string =>
  host === undefined && pos !== undefined ? `port ${formatPos(pos)}` : `host ${host?.name ?? '-'}`;

/** The same LUN for the same host on the same port; a HOST template takes the LUN on every port. */
function isTaken(array: SimulatedArray, { host, pos }: Place, lun: number): boolean {
  return array.vluns.some(
    (vlun) =>
      vlun.lun === lun &&
      (vlun.host === host || vlun.host === undefined || host === undefined) &&
      (vlun.pos === undefined || pos === undefined || isSamePos(vlun.pos, pos)),
  );
}

/** The lowest LUN of [lun, maxAutoLun] that the host has on no port. */
function chooseLun(array: SimulatedArray, { host }: Place, range: { lun: number; maxAutoLun: number }): number {
  const last = range.maxAutoLun === 0 ? MAX_LUN : range.maxAutoLun;
  for (let lun = range.lun; lun <= last; lun += 1) if (!isTaken(array, { host, pos: undefined }, lun)) return lun;
  throw new Refusal('AUTO_LUN_ID_UNAVAILABLE', `no LUN is free from ${range.lun} to ${last}`, 'lun');
}

/** What a VLUN is called in a URL and in `removevlun`. */
export interface VlunId {
  volume: string;
  lun: number;
  /** Absent on a PORT template. */
  host: string | undefined;
  pos: PortPos | undefined;
}

/** Removes the template and with it its active VLUNs, which cannot be removed alone (reference 5.2). */
export function removeVlun(array: SimulatedArray, id: VlunId): void {
  const index = array.vluns.findIndex((vlun) => isVlun(vlun, id));
  if (index === -1) throw new Refusal('NON_EXISTENT_VLUN', `VLUN ${formatVlunId(id)} does not exist`);
  array.vluns.splice(index, 1);
}

export const isVlun = (vlun: VlunTemplate, id: VlunId): boolean =>
  vlun.volume.name === id.volume && vlun.lun === id.lun && vlun.host?.name === id.host && isSamePos(vlun.pos, id.pos);

/** `<vol>,<lun>,<host>[,<N:S:P>]` */
export function formatVlunId(id: VlunId): string {
  return `${id.volume},${id.lun},${id.host ?? ''}${id.pos ? `,${formatPos(id.pos)}` : ''}`;
}

export const vlunIdOf = (vlun: VlunTemplate): VlunId => ({
  volume: vlun.volume.name,
  lun: vlun.lun,
  host: vlun.host?.name,
  pos: vlun.pos,
});
