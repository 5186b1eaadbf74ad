import { columnWidths, csvLine, plainLine } from './cli-tables.js';
import type { Cell, TableStyle } from './cli-tables.js';

/** One remote copy group as `showrcopy` prints it, in words. */
export interface GroupLines {
  name: string;
  target: string;
  status: string;
  role: string;
  mode: string;
  /** '' when there is none: the row then ends after the mode. */
  options: string;
  members: MemberLine[];
}

export interface MemberLine {
  localName: string;
  localId: number;
  remoteName: string;
  remoteId: Cell;
  syncStatus: string;
  lastSync: string;
}

/** In CSV the headings are padded to at least these widths (reference 7.4), here with blanks. */
const groupColumns = ['Name', 'Target    ', 'Status  ', 'Role      ', 'Mode', 'Options'];
const memberColumns = ['LocalVV     ', 'ID  ', 'RemoteVV    ', 'ID  ', 'SyncStatus   ', 'LastSyncTime'];

/** A group's row and, indented below it, its members. */
export function formatGroup(group: GroupLines, style: TableStyle): string[] {
  const row = [group.name, group.target, group.status, group.role, group.mode];
  if (group.options !== '') row.push(group.options);
  const members = group.members.map((member): Cell[] => [
    member.localName,
    member.localId,
    member.remoteName,
    member.remoteId,
    member.syncStatus,
    member.lastSync,
  ]);
  return [
    ...section('', groupColumns, [row], style),
    ...section(style.csv ? ' ,' : '  ', memberColumns, members, style),
  ];
}

function section(indent: string, columns: string[], rows: Cell[][], style: TableStyle): string[] {
  if (rows.length === 0) return [];
  return (style.csv ? csvSection(columns, rows) : plainSection(columns, rows)).map((line) => indent + line);
}

function csvSection(columns: string[], rows: Cell[][]): string[] {
  const widths = columnWidths([columns, ...rows]);
  // Nothing follows the last heading.
  const heading = columns.map((column, index) =>
    index === columns.length - 1 ? column : column.padEnd(widths[index] ?? 0),
  );
  return [csvLine(heading), ...rows.map(csvLine)];
}

function plainSection(columns: string[], rows: Cell[][]): string[] {
  const headings = columns.map((column) => column.trimEnd());
  const widths = columnWidths([headings, ...rows]);
  return [headings, ...rows].map((row) => plainLine(row, widths));
}
