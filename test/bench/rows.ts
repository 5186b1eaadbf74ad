export const VERBS = [
  'create',
  'create-replicated-new-group',
  'create-replicated-existing-group',
  'mount',
  'unmount',
  'remove',
  'get',
  'list',
] as const;
export type Verb = (typeof VERBS)[number];

/** One call of a verb. */
export interface Measurement {
  wsapiCalls: number;
  sshCommands: number;
  /** Longest chain of array calls that each waited for the one before. */
  chain: number;
  wallMs: number;
  /** Time in the host's tools: mkfs, mount, umount, losetup, blkid, … */
  fsMs: number;
}

/** All calls of a verb at one latency; figures are medians unless they are called otherwise. */
export interface BenchRow {
  verb: Verb;
  latencyMs: number;
  clients: number;
  wsapiCalls: number;
  sshCommands: number;
  chain: number;
  medianMs: number;
  p95Ms: number;
  fsMs: number;
}

/** The smallest value that at least this share of all values does not exceed: always one that was really measured. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

export function toRow(what: Pick<BenchRow, 'verb' | 'latencyMs' | 'clients'>, measured: Measurement[]): BenchRow {
  const median = (of: keyof Measurement): number =>
    percentile(
      measured.map((each) => each[of]),
      0.5,
    );
  return {
    ...what,
    wsapiCalls: median('wsapiCalls'),
    sshCommands: median('sshCommands'),
    chain: median('chain'),
    medianMs: tenths(median('wallMs')),
    p95Ms: tenths(
      percentile(
        measured.map((each) => each.wallMs),
        0.95,
      ),
    ),
    fsMs: tenths(median('fsMs')),
  };
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10;

/** For people: one line a row, columns aligned. */
export function formatTable(rows: BenchRow[]): string {
  const lines = [
    ['verb', 'latency ms', 'clients', 'WSAPI', 'SSH', 'chain', 'median ms', 'p95 ms', 'fs ms'],
    ...rows.map((row) => [
      row.verb,
      ...[row.latencyMs, row.clients, row.wsapiCalls, row.sshCommands, row.chain].map(String),
      ...[row.medianMs, row.p95Ms, row.fsMs].map((ms) => ms.toFixed(1)),
    ]),
  ];
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  '),
    )
    .join('\n');
}
