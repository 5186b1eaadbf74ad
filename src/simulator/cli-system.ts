import { CliError } from './cli-arguments.js';
import type { Call, Command } from './cli-command.js';
import { formatTable } from './cli-tables.js';
import type { Cell } from './cli-tables.js';
import type { Host, Port } from './model.js';
import { formatPos, loggedIn } from './vluns.js';

const showhost: Command = {
  usage: 'showhost [-pathsum] [<host_name>]',
  // The summary of paths has nothing that the plain list has not.
  options: ['-pathsum'],
  words: [0, 1],
  changes: false,
  run(call) {
    const { array, style, given } = call;
    const [name] = given.words;
    const hosts = name === undefined ? [...array.hosts.values()] : [array.getHost(name)];
    if (hosts.length === 0) return ['no hosts listed'];
    const rows = hosts.flatMap((host) => hostRows(host, call));
    const columns = ['Id', 'Name', 'Persona', '-WWN/iSCSI_Name-', 'Port'];
    return formatTable({ columns, rows, total: [hosts.length, 'total'] }, style);
  },
};

/** A row for each path that is logged in at a port, and one for each that is not. */
function hostRows(host: Host, { array, style }: Call): Cell[][] {
  const paths = [...host.wwns, ...host.iqns].flatMap((path) => {
    const ports = array.ports.filter((port) => loggedIn(host, port).includes(path));
    return ports.length === 0 ? [[path, '---']] : ports.map((port) => [path, formatPos(port.pos)]);
  });
  const name: Cell[] = [host.id, host.name, PERSONAS[host.persona] ?? String(host.persona)];
  if (paths.length === 0) return [[...name, '--', '---']];
  return paths.map((path, row) => [...(row === 0 || style.csv ? name : ['', '', '']), ...path]);
}

/** reference 5.1 */
const PERSONAS: Record<number, string> = {
  1: 'Generic',
  2: 'Generic-ALUA',
  3: 'Generic-legacy',
  4: 'HPUX-legacy',
  5: 'AIX-legacy',
  6: 'Egenera',
  7: 'ONTAP-legacy',
  8: 'VMware',
  9: 'OpenVMS',
  10: 'HPUX',
  11: 'WindowsServer',
};

const showport: Command = {
  usage: 'showport [-iscsi|-iscsivlans] [<N:S:P>]',
  options: ['-iscsi', '-iscsivlans'],
  words: [0, 1],
  changes: false,
  run({ array, style, given: { options, words } }) {
    const [pos] = words;
    const known = pos === undefined ? array.ports : array.ports.filter((port) => formatPos(port.pos) === pos);
    if (known.length === 0) throw new CliError(`Error: port ${pos} does not exist`);
    // No port of the simulator has a VLAN; the array then prints the count alone (reference 7.3).
    if (options.has('-iscsivlans')) return formatTable({ columns: VLAN_COLUMNS, rows: [], total: [0] }, style);
    const iscsi = options.has('-iscsi');
    const ports = known.filter((port) => !iscsi || port.kind === 'iscsi');
    const rows = ports.map(iscsi ? iscsiRow : portRow);
    return formatTable({ columns: iscsi ? ISCSI_COLUMNS : PORT_COLUMNS, rows, total: [ports.length] }, style);
  },
};

const PORT_COLUMNS = ['N:S:P', 'Mode', 'State', '----Node_WWN----', '-Port_WWN/HW_Addr-', 'Type', 'Protocol', 'Label'];
const ADDRESS_COLUMNS = ['IPAddr', 'Netmask/PrefixLen', 'Gateway', 'MTU', 'TPGT', 'STGT', 'iSNS_Addr', 'iSNS_Port'];
const ISCSI_COLUMNS = ['N:S:P', 'State', ...ADDRESS_COLUMNS];
const VLAN_COLUMNS = ['N:S:P', 'VLAN', ...ADDRESS_COLUMNS];

function portRow(port: Port): Cell[] {
  const { kind, pos } = port;
  const nodeWwn = port.wwn === undefined ? '-' : `2FF7${port.wwn.slice(4)}`;
  const mode = kind === 'rcip' ? 'peer' : 'target';
  const type = { fc: 'host', iscsi: 'iscsi', rcip: 'rcip' }[kind];
  const protocol = { fc: 'FC', iscsi: 'iSCSI', rcip: 'IP' }[kind];
  return [formatPos(pos), mode, stateWord(port), nodeWwn, port.wwn ?? '-', type, protocol, port.ip ?? '-'];
}

function iscsiRow(port: Port): Cell[] {
  const group = String(port.pos.node + 1);
  return [
    formatPos(port.pos),
    stateWord(port),
    port.ip ?? '-',
    '255.255.255.0',
    '0.0.0.0',
    '1500',
    group,
    group,
    '0.0.0.0',
    '3205',
  ];
}

const stateWord = (port: Port): string => (port.ready ? 'ready' : 'offline');

const showsys: Command = {
  usage: 'showsys',
  words: [0, 0],
  changes: false,
  run({ array, style }) {
    const totalMiB = 100 * 1024 * 1024;
    const full = [...array.volumes.values()].filter((volume) => volume.provisioning === 'full');
    const usedMiB = full.reduce((sum, volume) => sum + volume.sizeMiB, 0);
    const columns = [
      'ID',
      '-Name-',
      '-Model-',
      '-Serial-',
      'Nodes',
      'Master',
      'TotalCap',
      'AllocCap',
      'FreeCap',
      'FailedCap',
    ];
    const row = [
      array.systemId,
      array.name,
      'HP_3PAR 8400',
      `16${array.systemId}`,
      2,
      0,
      totalMiB,
      usedMiB,
      totalMiB - usedMiB,
      0,
    ];
    return formatTable({ columns, rows: [row] }, style);
  },
};

const showversion: Command = {
  usage: 'showversion [-s]',
  options: ['-s'],
  words: [0, 0],
  changes: false,
  run({ array, given: { options } }) {
    if (options.has('-s')) return [array.os];
    return [
      `Release version ${array.os}`,
      'Patches:  None',
      '',
      `${'Component Name'.padEnd(32)} Version`,
      ...['CLI Server', 'System Manager', 'Kernel', 'TPD Kernel Code'].map((part) => `${part.padEnd(32)} ${array.os}`),
    ];
  },
};

export const systemCommands = { showhost, showport, showsys, showversion };
