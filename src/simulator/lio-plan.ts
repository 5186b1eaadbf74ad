import type { SimulatedArray } from './array.js';
import type { Chap, Port, Volume } from './model.js';
import { isShown, sharedFiles } from './peer-persistence.js';
import type { SharedFile } from './peer-persistence.js';
import { admitted, isSamePos } from './vluns.js';

/** A port of an array as a kernel target. */
export interface TargetPort {
  kind: 'iscsi' | 'fc';
  /** As the kernel writes it: the IQN, or the WWPN in lower case with colons. */
  name: string;
  /** `address:port`; iSCSI. */
  portal: string | undefined;
  netns: string | undefined;
  link: string | undefined;
  powered: boolean;
  /** The array has power and the port its cable. */
  up: boolean;
  initiators: Initiator[];
}

export interface Initiator {
  name: string;
  chap: Chap | undefined;
}

/** ALUA states that the simulator knows, with the kernel's numbers. */
export const ALUA = { optimized: 0, standby: 2 } as const;

/** A volume that some initiator sees. */
export interface Device {
  /** Number of the array; its devices are below `fileio_<number>`. */
  systemId: number;
  volumeId: number;
  /** 32 hex digits, lower case. */
  wwn: string;
  file: string;
  sizeBytes: number;
  /** Number of the port group: one for each array. */
  group: number;
  alua: keyof typeof ALUA;
  readOnly: boolean;
}

export interface MappedLun {
  port: TargetPort;
  initiator: string;
  lun: number;
  device: Device;
}

export interface Plan {
  ports: TargetPort[];
  devices: Device[];
  luns: MappedLun[];
  shared: SharedFile[];
}

/** What the kernel is to show for the arrays as they are. */
export function planTargets(arrays: readonly SimulatedArray[]): Plan {
  const plan: Plan = { ports: [], devices: [], luns: [], shared: sharedFiles(arrays) };
  arrays.forEach((array, index) => {
    addArray(plan, array, index + 1);
  });
  return plan;
}

function addArray(plan: Plan, array: SimulatedArray, group: number): void {
  const devices = new Map<Volume, Device>();
  for (const port of array.ports) {
    if (port.kind === 'rcip') continue;
    const target = targetPort(array, port, port.kind);
    plan.ports.push(target);
    // A port without an interface to take down shows that it is down by having no LUNs.
    if (!target.up && target.link === undefined) continue;
    for (const { volume, lun, initiator } of vlunsAt(array, port)) {
      const device = devices.get(volume) ?? deviceOf(array, volume, group);
      devices.set(volume, device);
      plan.luns.push({ port: target, initiator: kernelName(port, initiator), lun, device });
    }
  }
  plan.devices.push(...devices.values());
}

function targetPort(array: SimulatedArray, port: Port, kind: 'iscsi' | 'fc'): TargetPort {
  return {
    kind,
    name: kind === 'fc' ? withColons(port.wwn ?? '') : (port.iqn ?? ''),
    portal: port.ip === undefined ? undefined : `${port.ip}:3260`,
    netns: port.netns,
    link: port.link,
    powered: array.powered,
    up: array.powered && port.ready,
    initiators: initiatorsAt(array, port),
  };
}

/** Whoever is zoned here is let in before a host has its name: a refused FC login is not tried again. */
function initiatorsAt(array: SimulatedArray, port: Port): Initiator[] {
  const zoned = (port.zone ?? []).map((wwn) => ({ name: withColons(wwn), chap: undefined }));
  const hosts = [...array.hosts.values()].flatMap((host) =>
    admitted(host, port).map((name) => ({ name: kernelName(port, name), chap: host.chap })),
  );
  return [...new Map([...zoned, ...hosts].map((each) => [each.name, each])).values()];
}

const kernelName = (port: Port, initiator: string): string => (port.kind === 'fc' ? withColons(initiator) : initiator);

const withColons = (wwn: string): string => (wwn.toLowerCase().match(/../g) ?? []).join(':');

/** As if the port were up: its LUNs are there again when its cable is. */
function vlunsAt(array: SimulatedArray, port: Port): { volume: Volume; lun: number; initiator: string }[] {
  return array.vluns
    .filter(({ pos, volume }) => (pos === undefined || isSamePos(pos, port.pos)) && isShown(array, volume))
    .flatMap(({ host, volume, lun }) =>
      (host === undefined ? [...array.hosts.values()] : [host])
        .flatMap((each) => admitted(each, port))
        .map((initiator) => ({ volume, lun, initiator })),
    );
}

function deviceOf(array: SimulatedArray, volume: Volume, group: number): Device {
  return {
    systemId: array.systemId,
    volumeId: volume.id,
    wwn: volume.wwn.toLowerCase(),
    file: array.dataFile(volume),
    sizeBytes: volume.sizeMiB * 1024 * 1024,
    group,
    alua: array.findGroupOf(volume)?.role === 'secondary' ? 'standby' : 'optimized',
    readOnly: volume.readOnly === true,
  };
}
