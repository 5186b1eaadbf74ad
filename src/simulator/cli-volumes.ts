import type { SimulatedArray } from './array.js';
import { CliError } from './cli-arguments.js';
import type { Call, Command } from './cli-command.js';
import { isPattern, matchName } from './cli-pattern.js';
import { formatTable, formatTime } from './cli-tables.js';
import type { Cell } from './cli-tables.js';
import type { Volume } from './model.js';
import { baseOf } from './snapshots.js';
import { activeVluns, formatPos, parsePos, removeVlun, templateType } from './vluns.js';
import type { ActiveVlun, VlunId } from './vluns.js';

const showvv: Command = {
  usage: 'showvv [-d] [-p -copyof <vv_name>] [<vv_name>|<pattern>]',
  options: ['-d', '-p'],
  valueOptions: ['-copyof'],
  words: [0, 1],
  changes: false,
  run({ array, style, given: { words, options, values } }) {
    const [name] = words;
    const parent = values.get('-copyof');
    const volumes = findVolumes(array, name).filter((each) => parent === undefined || copyOf(each) === parent);
    if (volumes.length === 0) return ['no vv listed'];
    if (options.has('-d')) {
      return formatTable(
        { columns: DETAIL_COLUMNS, rows: volumes.map(detailRow), total: [volumes.length, 'total'] },
        style,
      );
    }
    const rows = volumes.map(volumeRow);
    const sizeMiB = volumes.reduce((sum, volume) => sum + volume.sizeMiB, 0);
    const total = [volumes.length, 'total', '', '', '', '', '', '', '', '', sizeMiB];
    // Scripts that list snapshots skip two lines (reference 7.3).
    const band = options.has('-p') && !style.bare ? [style.csv ? ','.repeat(VV_COLUMNS.length - 1) : ''] : [];
    return [...band, ...formatTable({ columns: VV_COLUMNS, rows, total }, style)];
  },
};

function findVolumes(array: SimulatedArray, name: string | undefined): Volume[] {
  const all = [...array.volumes.values()];
  if (name === undefined) return all;
  if (!isPattern(name)) return [array.getVolume(name)];
  return all.filter((volume) => matchName(name, volume.name));
}

const VV_COLUMNS = [
  'Id',
  'Name',
  'Prov',
  'Compr',
  'Dedup',
  'Type',
  'CopyOf',
  'BsId',
  'Rd',
  '-Detailed_State-',
  'VSize',
];

const copyOf = ({ copy, parent }: Volume): string | undefined => copy?.of.name ?? parent?.name;

function volumeRow(volume: Volume): Cell[] {
  const { id, name, provisioning, compression, sizeMiB } = volume;
  const thin = provisioning === 'tpvv' || provisioning === 'tdvv';
  const compressed = compression ? 'Yes' : 'No';
  const deduplicated = provisioning === 'tdvv' ? 'Yes' : 'No';
  return [
    id,
    name,
    provisioning,
    thin ? compressed : 'NA',
    thin ? deduplicated : 'NA',
    volumeType(volume),
    copyOf(volume) ?? '---',
    baseOf(volume).id,
    accessWord(volume),
    'normal',
    sizeMiB,
  ];
}

function volumeType({ parent, copy }: Volume): string {
  if (copy !== undefined) return 'pcopy';
  return parent === undefined ? 'base' : 'vcopy';
}

const accessWord = (volume: Volume): string => (volume.readOnly === true ? 'RO' : 'RW');

const DETAIL_COLUMNS = ['Id', 'Name', 'Rd', 'CPG', 'SnpCPG', '-VV_WWN-', '-CreationTime-', 'Comment'];

/** Who made it, and what hosts know it by. */
function detailRow(volume: Volume): Cell[] {
  const { id, name, snapCpg, wwn, createdAt, comment } = volume;
  const cpg = volume.parent === undefined ? volume.cpg : '--';
  const words = [accessWord(volume), cpg, snapCpg ?? '--', wwn, formatTime(createdAt)];
  return [id, name, ...words, comment === '' ? '--' : comment];
}

const showvlun: Command = {
  usage: 'showvlun [-a] [-t] [-v <vv_name>] [-host <host_name>] [-l <lun>]',
  options: ['-a', '-t'],
  valueOptions: ['-v', '-host', '-l'],
  words: [0, 0],
  changes: false,
  run(call) {
    const { options } = call.given;
    const both = options.has('-a') === options.has('-t');
    const lines: string[] = [];
    if (both || options.has('-a')) lines.push(...activeTable(call));
    if (both) lines.push('');
    if (both || options.has('-t')) lines.push(...templateTable(call));
    return lines.every((line) => line === '') ? ['no vluns listed'] : lines;
  },
};

function activeTable(call: Call): string[] {
  const rows = activeVluns(call.array)
    .filter((vlun) => isWanted(call, vlun))
    .map((vlun) => [...vlunCells(vlun), vlun.initiator, formatPos(vlun.port.pos), typeWord(vlun), 'active']);
  return vlunTable('Active VLUNs', [...VLUN_COLUMNS, 'Status'], rows, call);
}

function templateTable(call: Call): string[] {
  const rows = call.array.vluns
    .filter((vlun) => isWanted(call, vlun))
    .map((vlun) => [
      ...vlunCells(vlun),
      '----------------',
      vlun.pos ? formatPos(vlun.pos) : '---',
      typeWord({ template: vlun }),
    ]);
  return vlunTable('VLUN Templates', VLUN_COLUMNS, rows, call);
}

const VLUN_COLUMNS = ['Lun', 'VVName', 'HostName', '-Host_WWN/iSCSI_Name-', 'Port', 'Type'];

function vlunTable(title: string, columns: string[], rows: Cell[][], { style }: Call): string[] {
  return rows.length === 0 ? [] : [title, ...formatTable({ columns, rows, total: [rows.length, 'total'] }, style)];
}

type VlunPlace = Pick<ActiveVlun, 'volume' | 'lun'> & { host: { name: string } | undefined };

const vlunCells = ({ lun, volume, host }: VlunPlace): Cell[] => [lun, volume.name, host?.name ?? '---'];

function isWanted({ given: { values } }: Call, { volume, lun, host }: VlunPlace): boolean {
  const wanted = (option: string, actual: string | undefined) => !values.has(option) || values.get(option) === actual;
  return wanted('-v', volume.name) && wanted('-host', host?.name) && wanted('-l', String(lun));
}

function typeWord({ template }: Pick<ActiveVlun, 'template'>): string {
  return { 2: 'port', 3: 'host', 4: 'matched set' }[templateType(template)];
}

const removevlun: Command = {
  usage: 'removevlun [-f] [-novcn] <vv_name> <lun> [<host_name>] [<N:S:P>]',
  options: ['-f', '-novcn'],
  words: [3, 4],
  changes: true,
  run({ array, given: { words } }) {
    removeVlun(array, parseVlunId(words));
    return [];
  },
};

/** A PORT template is named without its host. */
function parseVlunId([volume = '', lun = '', ...place]: string[]): VlunId {
  if (!/^\d+$/.test(lun)) throw new CliError(`Error: Invalid LUN ${lun}`);
  const pos = parsePos(place.at(-1) ?? '');
  const hosts = pos === undefined ? place : place.slice(0, -1);
  if (hosts.length > 1) throw new CliError(`Error: Invalid port ${hosts[1]}`);
  return { volume, lun: Number(lun), host: hosts[0], pos };
}

export const volumeCommands = { showvv, showvlun, removevlun };
