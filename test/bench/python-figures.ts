import type { Row } from './rows.js';

interface PythonFigure {
  what: string;
  /** As issue 7 has it. */
  python: string;
  /** Our row for the same. */
  ours: (row: Row) => boolean;
}

const verb =
  (name: string) =>
  (row: Row): boolean =>
    row.name === name && row.latencyMs === 50 && row.clients === 1;

const named =
  (name: RegExp) =>
  (row: Row): boolean =>
    name.test(row.name);

/** Measured at 50 ms for each WSAPI call; calls include the log-in. */
const FIGURES: readonly PythonFigure[] = [
  { what: 'create plain', python: '5 calls, 278 ms', ours: verb('create-plain') },
  { what: 'create replicated, new group', python: '24 calls, 1295 ms', ours: verb('create-new-group') },
  { what: 'create replicated, existing group', python: '18 calls, 968 ms', ours: verb('create-existing-group') },
  { what: 'inspect replicated', python: '15 calls, 811 ms', ours: verb('get') },
  { what: 'remove replicated', python: '9 calls and 1 SSH command, 640 ms', ours: verb('remove-member') },
  { what: 'first mount, active/passive', python: '33 calls, 1979 ms (iSCSI)', ours: verb('mount-first-on-host') },
  { what: 'last unmount', python: '21 calls, 1214 ms (iSCSI)', ours: verb('unmount-last-on-host') },
  { what: '50 creates by 16 clients', python: '13,900 ms', ours: named(/^50 plain creates by 16 clients/) },
  { what: 'Activate while creates run', python: '4600 ms', ours: named(/into one group at once: Activate/) },
  { what: 'list of 1000 volumes', python: '24.6 ms', ours: (row) => /^List/i.test(row.name) && row.volumes === 1000 },
  { what: 'memory at start', python: '89 MiB', ours: named(/^memory after the start/) },
  {
    what: 'memory with 1000 volumes',
    python: '119 MiB',
    ours: (row) => row.name.startsWith('memory') && row.volumes === 1000,
  },
  { what: 'start to first answer', python: '1000 to 1300 ms', ours: named(/^start to Activate/) },
];

/** The Python plugin's figures and ours, as Markdown; what this run did not measure has a dash. */
export function pythonTable(rows: readonly Row[]): string {
  const lines = FIGURES.map(({ what, python, ours }) => {
    const row = rows.find(ours);
    return `| ${what} | ${python} | ${row === undefined ? '–' : inWords(row)} |`;
  });
  return ['| what | Python plugin | this plugin |', '| --- | --- | --- |', ...lines].join('\n');
}

function inWords({ calls, median, unit, p99, samples }: Row): string {
  const asked = calls === undefined ? '' : `${calls} calls, `;
  return `${asked}${median} ${unit}${samples >= 100 ? ` (99 % below ${p99})` : ''}`;
}
