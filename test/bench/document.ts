import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { pythonTable } from './python-figures.js';
import { isMet, limitsInWords, type Row } from './rows.js';
import { VERBS } from './verbs.js';

const FILE = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));
const [BEGIN, END] = ['<!-- bench: npm run bench -- --document -->', '<!-- end of bench -->'];
const LATENCIES_MS = [0, 10, 50, 200];
const NONE = '–';

/** Puts the run into docs/performance.md, in place of the one before. */
export async function documentRun(rows: readonly Row[], machine: string): Promise<void> {
  const text = readFileSync(FILE, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from === -1 || to < from) throw new Error(`${FILE} has no place for the bench`);
  const parts = [machine, ...inParts(rows)].join('\n\n');
  const whole = `${text.slice(0, from)}${BEGIN}\n\n${parts}\n\n${text.slice(to)}`;
  writeFileSync(FILE, await format(whole, { parser: 'markdown', printWidth: 120, singleQuote: true }));
}

/** The run as Markdown. */
export function inParts(rows: readonly Row[]): string[] {
  const verbs: readonly string[] = VERBS;
  const others = rows.filter(({ name }) => !verbs.includes(name));
  return [
    '### One client',
    "Median (95th percentile) in ms; `!` = above the limit of the issue. `fs` = time in the tools and file systems of the host, and in the simulator's copying of the data of volumes and showing it to hosts, while no array call was on its way otherwise (in brackets: without the calls of file systems, which look at /proc, /sys and devices); `rest` = median without it. `fresh` = by a daemon that has just started, whose code is not compiled yet; the others after forty times of each verb.",
    oneClient(rows),
    '### Many clients at once',
    'Median (95th percentile) in ms of one verb, while so many clients ask for the same at once.',
    manyClients(rows),
    '### Many creates, start and size',
    table(
      ['what', 'array call', 'clients', 'volumes', 'median', 'p95', 'p99', 'limit'],
      others.map((row) => [
        `${row.name}${row.unit === 'ms' ? ', ms' : `, ${row.unit}`}`,
        `${row.latencyMs} ms`,
        row.clients,
        row.volumes ?? NONE,
        row.median,
        row.samples > 1 ? row.p95 : NONE,
        row.samples > 1 ? row.p99 : NONE,
        limitsInWords(row) || NONE,
      ]),
    ),
    '### Beside the Python plugin',
    'Its figures are those of issue 7: at 50 ms for each call, log-in included, on one machine with its arrays.',
    pythonTable(rows),
  ];
}

/** What ran it: a figure without its machine says little. */
export function machineNow(): string {
  const cpus = os.cpus();
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const load = os.loadavg().map((each) => each.toFixed(1));
  return [
    `Run of ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC at ${commit}: ${cpus.length} × ${cpus[0]?.model ?? '?'}, ${memory} GiB,`,
    `Linux ${os.release()}, Node ${process.version}; load average at its start ${load.join(', ')} (1, 5 and 15 minutes).`,
  ].join(' ');
}

function oneClient(rows: readonly Row[]): string {
  const head = [
    'verb',
    'calls',
    'chain',
    ...LATENCIES_MS.map((ms) => `${ms} ms`),
    'fs',
    'rest at 0 ms, fresh',
    'rest at 0 ms',
    'rest at 50 ms',
  ];
  return table(
    head,
    VERBS.map((verb) => {
      const at = (latencyMs: number): Row | undefined => find(rows, { name: verb, latencyMs, clients: 1 });
      const fresh = rows.find((row) => row.name === verb && row.fresh === true);
      const sure = at(50);
      return [
        verb,
        sure?.calls ?? NONE,
        bounded(sure, 'chain'),
        ...LATENCIES_MS.map((ms) => spread(at(ms))),
        sure?.fsMs === undefined ? NONE : `${sure.fsMs} (${sure.toolsMs})`,
        bounded(fresh, 'restMs'),
        bounded(at(0), 'restMs'),
        bounded(sure, 'restMs'),
      ];
    }),
  );
}

function manyClients(rows: readonly Row[]): string {
  const columns = [16, 64].flatMap((clients) => LATENCIES_MS.map((latencyMs) => ({ clients, latencyMs })));
  const used = VERBS.filter((verb) => rows.some(({ name, clients }) => name === verb && clients > 1));
  return table(
    ['verb', ...columns.map(({ clients, latencyMs }) => `${clients} at ${latencyMs} ms`)],
    used.map((verb) => [verb, ...columns.map((column) => spread(find(rows, { name: verb, ...column })))]),
  );
}

/** `5 ≤ 5`, or `7 ≤ 5 !` */
function bounded(row: Row | undefined, of: 'chain' | 'restMs'): string {
  const figure = row?.[of];
  if (row === undefined || figure === undefined) return NONE;
  const limit = row.limits.find((each) => each.of === of);
  if (limit?.most === undefined) return String(figure);
  return `${figure} ≤ ${Math.round(limit.most)}${isMet(row, limit) === true ? '' : ' !'}`;
}

function spread(row: Row | undefined): string {
  if (row === undefined) return NONE;
  return `${row.median} (${row.p95})${row.errors === undefined ? '' : `, ${row.errors} refused`}`;
}

const find = (rows: readonly Row[], key: Pick<Row, 'name' | 'latencyMs' | 'clients'>): Row | undefined =>
  rows.find(
    (row) =>
      row.name === key.name && row.latencyMs === key.latencyMs && row.clients === key.clients && row.fresh !== true,
  );

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
