import { WAY, type Row } from './rows.js';

/**
 * What became of each row since an earlier run: `name … 12.3 → 11.0 (-10.6 %)`; rows that only one run has are told, too. Says so first
 * when the earlier one was measured in another way.
 */
export function compareRuns(before: readonly Row[], now: readonly Row[]): string[] {
  const known = new Map(before.map((row) => [keyOf(row), row]));
  const lines = now.map((row) => {
    const earlier = known.get(keyOf(row));
    known.delete(keyOf(row));
    if (earlier === undefined) return `${keyOf(row)}: new, ${row.median}`;
    return `${keyOf(row)}: ${earlier.median} → ${row.median} (${change(earlier.median, row.median)})${calls(earlier, row)}`;
  });
  const isOther = before.some(({ way }) => way !== WAY);
  const told = isOther ? ['the earlier run was measured in another way: what differs may be due to that'] : [];
  return [...told, ...lines, ...[...known.keys()].map((key) => `${key}: not measured any more`)];
}

const keyOf = ({ name, latencyMs, clients, volumes, fresh, unit }: Row): string =>
  [
    name,
    `${latencyMs} ms`,
    `${clients} clients`,
    ...(volumes === undefined ? [] : [`${volumes} volumes`]),
    ...(fresh === true ? ['fresh'] : []),
    ...(unit === 'ms' ? [] : [unit]),
  ].join(', ');

function change(before: number, now: number): string {
  if (before === now) return 'the same';
  if (before === 0) return 'was 0';
  const percent = ((now - before) / before) * 100;
  return `${percent > 0 ? '+' : ''}${percent.toFixed(1)} %`;
}

/** Numbers that do not depend on the machine. */
function calls(before: Row, now: Row): string {
  const told = (['calls', 'chain'] as const).filter((each) => before[each] !== now[each]);
  return told.map((each) => `, ${each} ${before[each]} → ${now[each]}`).join('');
}
