import { limitsInWords, SAMPLES_FOR_P99, type Row } from './rows.js';

const HEAD = [
  'what',
  'latency',
  'clients',
  'volumes',
  'calls',
  'chain',
  'median',
  'p95',
  'p99',
  'min–max',
  'fs',
  'time',
  'limit',
];
/** For people: one line a row, columns aligned. */
export function formatTable(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cellsOf)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const isText = (column: number): boolean => column === 0 || column === HEAD.length - 1;
  return lines
    .map((line) =>
      line
        .map((cell, column) => (isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cellsOf(row: Row): string[] {
  const number = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(1));
  return [
    [row.name, ...(row.fresh === true ? ['fresh'] : []), ...(row.unit === 'ms' ? [] : [row.unit])].join(', '),
    String(row.latencyMs),
    String(row.clients),
    row.volumes === undefined ? '' : String(row.volumes),
    row.calls === undefined ? '' : String(row.calls),
    row.chain === undefined ? '' : String(row.chain),
    number(row.median),
    number(row.p95),
    row.samples < SAMPLES_FOR_P99 ? '' : number(row.p99),
    `${number(row.min)}–${number(row.max)}`,
    number(row.fsMs),
    number(row.restMs),
    limitsInWords(row),
  ];
}
