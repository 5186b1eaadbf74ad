/** How a session wants its tables: `setclienv csvtable 1`, `setclienv nohdtot 1`. */
export interface TableStyle {
  csv: boolean;
  /** Neither heading nor totals. */
  bare: boolean;
}

export type Cell = string | number;

export interface Table {
  columns: string[];
  rows: Cell[][];
  /** Last line, after a rule. Cells that are missing at its end stay empty. */
  total?: Cell[];
}

/** Lines of one table. Numbers stand right, words left; in CSV nothing is padded and fields with a comma are quoted. */
export function formatTable(table: Table, style: TableStyle): string[] {
  const { columns, rows, total } = table;
  const widths = columnWidths([columns, ...rows, ...(total ? [total] : [])]);
  const line = (cells: Cell[]) => (style.csv ? csvLine(cells) : plainLine(cells, widths));
  const body = rows.map(line);
  if (style.bare) return body;
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width + 1, -1));
  const totals = total ? [rule, line([...total, ...columns.slice(total.length).map(() => '')])] : [];
  return [line(columns), ...body, ...totals];
}

/** One row of CSV: no blanks around the commas. */
export function csvLine(cells: Cell[]): string {
  return cells
    .map((cell) => (/[",]/.test(String(cell)) ? `"${String(cell).replace(/"/g, '""')}"` : String(cell)))
    .join(',');
}

/** One row of a plain table. */
export function plainLine(cells: Cell[], widths: number[]): string {
  const pad = (cell: Cell, width: number) =>
    typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width);
  return cells
    .map((cell, column) => pad(cell, widths[column] ?? 0))
    .join(' ')
    .trimEnd();
}

/** The widest cell of each column, in characters. */
export function columnWidths(lines: Cell[][]): number[] {
  const columns = Math.max(0, ...lines.map((line) => line.length));
  return Array.from({ length: columns }, (_, column) =>
    Math.max(...lines.map((line) => String(line[column] ?? '').length)),
  );
}

/** `2014-03-05 10:19:42 UTC` */
export const formatTime = (time: Date): string => time.toISOString().replace('T', ' ').replace(/\..*/, ' UTC');
