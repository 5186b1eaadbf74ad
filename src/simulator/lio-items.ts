import { ALUA } from './lio-plan.js';
import type { Device, Initiator, MappedLun, TargetPort } from './lio-plan.js';
import type { Step } from './lio-steps.js';

/** Something that exists in the kernel or does not. A new version of it is made after the old one is gone. */
export interface Item {
  id: string;
  version: string;
  make: Step[];
  remove: Step[];
}

/** Something that is changed in place. */
export interface Setting {
  id: string;
  value: string;
  steps: Step[];
  /** Before anything is made or removed, as what takes something away from hosts is. */
  early: boolean;
  /** Its item is made with the value that it has then. */
  madeWithItem?: boolean;
}

export const targetPath = (port: TargetPort): string => `${port.kind}/${port.name}`;
const groupPath = (port: TargetPort): string => `${targetPath(port)}/tpgt_1`;
const aclPath = (port: TargetPort, initiator: string): string => `${groupPath(port)}/acls/${initiator}`;
export const hbaPath = (systemId: number): string => `core/fileio_${systemId}`;
export const devicePath = (device: Pick<Device, 'systemId' | 'volumeId'>): string =>
  `${hbaPath(device.systemId)}/volume-${device.volumeId}`;
const slotPath = (port: TargetPort, device: Device): string => `${groupPath(port)}/lun/lun_${device.volumeId}`;

const write = (path: string, value: string | number): Step => ({ do: 'write', path, text: String(value) });

/** One target for each port, as on the array, with one portal if it is iSCSI. */
export function portItem(port: TargetPort): Item {
  const group = groupPath(port);
  const make: Step[] = [
    { do: 'ensureDir', path: port.kind },
    { do: 'mkdir', path: targetPath(port) },
    { do: 'mkdir', path: group },
  ];
  if (port.kind === 'iscsi') {
    // Only initiators with an entry log in, and discovery tells them only of their targets.
    make.push(write(`${group}/attrib/generate_node_acls`, 0), write(`${group}/attrib/demo_mode_discovery`, 0));
    make.push(write(`${group}/attrib/authentication`, 0));
    make.push({ do: 'mkdir', path: `${group}/np/${port.portal ?? ''}`, netns: port.netns });
  }
  if (port.kind === 'fc' && port.link !== undefined) {
    // Initiators that were logged in at a predecessor's target have to do it again. The cable comes back as a setting.
    make.unshift({ do: 'link', link: port.link, netns: port.netns, up: false });
  }
  const remove: Step[] = [
    { do: 'rmdir', path: group },
    { do: 'rmdir', path: targetPath(port) },
  ];
  if (port.kind === 'iscsi') remove.unshift({ do: 'rmdir', path: `${group}/np/${port.portal ?? ''}` });
  return { id: targetPath(port), version: '', make, remove };
}

export function aclItem(port: TargetPort, initiator: Initiator): Item {
  const path = aclPath(port, initiator.name);
  return { id: path, version: '', make: [{ do: 'mkdir', path }], remove: [{ do: 'rmdir', path }] };
}

/** The kernel asks each initiator for CHAP or does not, beside others on the same port. */
export function chapSettings(port: TargetPort): Setting[] {
  if (port.kind === 'fc') return [];
  return port.initiators.map(({ name, chap }) => {
    const acl = aclPath(port, name);
    const required = write(`${acl}/attrib/authentication`, chap === undefined ? 0 : 1);
    const steps =
      chap === undefined
        ? [required]
        : [write(`${acl}/auth/userid`, chap.name), write(`${acl}/auth/password`, chap.secret), required];
    return { id: `${acl}/attrib/authentication`, value: JSON.stringify(chap ?? {}), steps, early: false };
  });
}

/** `version` changes when the file becomes another one. */
export function deviceItem(device: Device, version: string): Item {
  const path = devicePath(device);
  const options = [`fd_dev_name=${device.file}`, `fd_dev_size=${device.sizeBytes}`, 'fd_buffered_io=1'];
  const group = `${path}/alua/array`;
  return {
    id: path,
    version,
    make: [
      { do: 'ensureDir', path: hbaPath(device.systemId) },
      { do: 'mkdir', path },
      write(`${path}/control`, options.join(',')),
      // NAA identifier: 6, company id, 25 digits of the serial number.
      write(`${path}/wwn/company_id`, `0x${device.wwn.slice(1, 7)}`),
      write(`${path}/wwn/vpd_unit_serial`, device.wwn.slice(7)),
      write(`${path}/wwn/vendor_id`, '3PARdata'),
      write(`${path}/wwn/product_id`, 'VV'),
      write(`${path}/wwn/revision`, '3315'),
      write(`${path}/enable`, 1),
      write(`${path}/attrib/emulate_tpu`, 1),
      write(`${path}/attrib/is_nonrot`, 1),
      // Requests of 512 KiB: bigger ones time out over FCoE.
      write(`${path}/attrib/optimal_sectors`, 1024),
      { do: 'mkdir', path: group },
      write(`${group}/tg_pt_gp_id`, device.group),
      // Implicit: the array alone changes the state.
      write(`${group}/alua_access_type`, 1),
      write(`${group}/alua_access_state`, ALUA[device.alua]),
    ],
    remove: [
      { do: 'rmdir', path: group },
      { do: 'rmdir', path },
    ],
  };
}

/** A LUN grows in place; the kernel tells its hosts nothing, they have to look. */
export function sizeSetting(device: Device): Setting {
  const control = `${devicePath(device)}/control`;
  return {
    id: control,
    value: String(device.sizeBytes),
    steps: [write(control, `fd_dev_size=${device.sizeBytes}`)],
    early: false,
    madeWithItem: true,
  };
}

/** The device at a port. */
export function slotItem(port: TargetPort, device: Device, version: string): Item {
  const path = slotPath(port, device);
  return {
    id: path,
    version,
    make: [
      { do: 'mkdir', path },
      { do: 'symlink', path: `${path}/device`, to: devicePath(device) },
      write(`${path}/alua_tg_pt_gp`, 'array'),
    ],
    remove: [
      { do: 'unlink', path: `${path}/device` },
      { do: 'rmdir', path },
    ],
  };
}

/** The VLUN: what one initiator sees at one port. */
export function lunItem({ port, initiator, lun, device }: MappedLun, version: string): Item {
  const path = `${aclPath(port, initiator)}/lun_${lun}`;
  return {
    id: path,
    version: `${devicePath(device)} ${version}`,
    make: [
      { do: 'mkdir', path },
      { do: 'symlink', path: `${path}/slot`, to: slotPath(port, device) },
      ...(device.readOnly ? [write(`${path}/write_protect`, 1)] : []),
    ],
    remove: [
      { do: 'unlink', path: `${path}/slot` },
      { do: 'rmdir', path },
    ],
  };
}

/** The port's cable, pulled when its array has no power, too: hosts hear nothing more. */
export function cableSettings(port: TargetPort): Setting[] {
  const { link, netns, up } = port;
  if (link === undefined) return [];
  const steps: Step[] = [{ do: 'link', link, netns, up }];
  return [{ id: `${targetPath(port)} cable`, value: String(up), steps, early: !up }];
}

/** Sessions end when the power goes; at a port without an interface to take down also when the cable does. */
export function enableSettings(port: TargetPort): Setting[] {
  // Fibre Channel has no such switch.
  if (port.kind === 'fc') return [];
  const enabled = port.link === undefined ? port.up : port.powered;
  const steps = [write(`${groupPath(port)}/enable`, enabled ? 1 : 0)];
  return [{ id: `${targetPath(port)} enable`, value: String(enabled), steps, early: !enabled }];
}

export function aluaSetting(device: Device): Setting {
  const path = `${devicePath(device)}/alua/array/alua_access_state`;
  return {
    id: path,
    value: device.alua,
    steps: [write(path, ALUA[device.alua])],
    early: false,
  };
}
