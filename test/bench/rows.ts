/** Below so many samples the 99th percentile is only the greatest, and nothing is judged by it. */
export const SAMPLES_FOR_P99 = 100;

/**
 * Raised when figures come about in another way, so that runs cannot be compared. 2: by a warm daemon, file-system calls counted apart,
 * Activate asked from a process of its own.
 */
export const WAY = 2;

/** What a figure has to be: at most, or at least. */
export interface Limit {
  of: 'chain' | 'restMs' | 'median' | 'p99';
  most?: number;
  least?: number;
}

/** One line of the bench. */
export interface Row {
  /** The verb, or what else was measured. */
  name: string;
  /** Added to every array call by the simulator. */
  latencyMs: number;
  /** Verbs of that kind at once. */
  clients: number;
  /** On record in the metadata, where that is what is varied. */
  volumes?: number;
  /** By a daemon that has just started, whose code is not compiled yet. */
  fresh?: true;
  unit: string;
  samples: number;
  median: number;
  p95: number;
  p99: number;
  min: number;
  max: number;
  /** Array calls of one verb; a mean where several clients ask at once. */
  calls?: number;
  /** Longest chain of array calls that each waited for the one before; known for a client alone only. */
  chain?: number;
  /** Time in the host's tools and file systems, and in the simulator's, while no array call was on its way. */
  fsMs?: number;
  /** Of these, without calls of file systems. */
  toolsMs?: number;
  /** The median without that. */
  restMs?: number;
  /** Of clients that were refused, on a machine that could not bear them; their times are not counted. */
  errors?: number;
  /** Which way of measuring it comes from. */
  way: number;
  limits: Limit[];
}

/** What a row is told apart by. */
export type RowKey = Pick<Row, 'name' | 'latencyMs' | 'clients' | 'volumes' | 'fresh'>;

/** A row of measured values; anything more is added by whoever knows it. */
export function rowOf(key: RowKey, values: readonly number[], more: Partial<Row> = {}): Row {
  return {
    ...key,
    unit: 'ms',
    samples: values.length,
    median: tenths(percentile(values, 0.5)),
    p95: tenths(percentile(values, 0.95)),
    p99: tenths(percentile(values, 0.99)),
    min: tenths(Math.min(...values)),
    max: tenths(Math.max(...values)),
    way: WAY,
    limits: [],
    ...more,
  };
}

/** The smallest value that at least this share of all values does not exceed: always one that was really measured. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

export const tenths = (value: number): number => Math.round(value * 10) / 10;

/** False also when the figure that it limits was not measured; undefined when that came from too few samples. */
export function isMet(row: Row, { of, most, least }: Limit): boolean | undefined {
  const figure = row[of];
  if (of === 'p99' && row.samples < SAMPLES_FOR_P99) return undefined;
  if (figure === undefined) return false;
  return (most === undefined || figure <= most) && (least === undefined || figure >= least);
}

const LIMIT_NAMES: Record<Limit['of'], string> = { chain: 'chain', restMs: 'time', median: 'median', p99: 'p99' };

/** `chain ≤ 5, time ≤ 312!`: with a mark where it is not met, and a word where that is not known. */
export function limitsInWords(row: Row): string {
  const told = row.limits.map((limit) => {
    const { of, most, least } = limit;
    const bound = most === undefined ? `≥ ${least}` : `≤ ${tenths(most)}`;
    const met = isMet(row, limit);
    return `${LIMIT_NAMES[of]} ${bound}${met === true ? '' : met === false ? '!' : ` (too few: ${row.samples})`}`;
  });
  return [...told, ...(row.errors === undefined ? [] : [`${row.errors} refused!`])].join(', ');
}
