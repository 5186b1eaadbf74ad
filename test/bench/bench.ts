import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { compareRuns } from './compare.js';
import { measureCreates } from './create-rows.js';
import { documentRun, machineNow } from './document.js';
import type { Row } from './rows.js';
import { measureScale } from './scale.js';
import { measureStarts } from './start.js';
import { formatTable } from './table.js';
import { measureVerbs } from './verb-rows.js';

const NOTE = `
Times are milliseconds. latency = added to every array call by the simulator. clients = so many of that verb at once.
calls = array calls of one verb; chain = longest chain of calls that each began after the end of the one before. Without latency
calls that were sent together may still be answered one after the other, so trust the chain of the rows with latency.
fs = time in the host's tools (losetup, mkfs, mount, …) and file systems, and in the simulator's copying of the volumes' data and showing
it to hosts, while no array call was on its way otherwise; time = median without it. fresh = by a daemon that has just started, whose
code is not compiled yet; the other rows of one client come after forty times of each verb.
Of 64 creates at once there were three swarms, after one that was not measured.
limit = what issue 7 allows (time: 1.15 x chain x latency + 25 ms, 30 ms without latency); ! = not met.
Not counted: logins, and the status poll. Daemon, arrays and etcd are processes of their own on one machine, and so compete.
`;

const PARTS: Record<string, (signal: AbortSignal) => Promise<Row[]>> = {
  verbs: measureVerbs,
  creates: measureCreates,
  start: measureStarts,
  scale: measureScale,
};

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    compare: { type: 'string' },
    only: { type: 'string' },
    document: { type: 'boolean', default: false },
  },
});
if (values.only !== undefined && PARTS[values.only] === undefined) {
  throw new Error(`--only ${values.only}: the parts are ${Object.keys(PARTS).join(', ')}`);
}
if (values.document && values.only !== undefined) throw new Error('--document wants the whole run, without --only');
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));
}
const started = performance.now();
const machine = machineNow();
const rows: Row[] = [];
for (const [name, part] of Object.entries(PARTS)) {
  if (values.only !== undefined && values.only !== name) continue;
  const measured = await part(interrupted.signal);
  if (values.json) for (const row of measured) console.log(JSON.stringify(row));
  rows.push(...measured);
}
if (!values.json) console.log(formatTable(rows));
if (values.compare !== undefined) {
  const lines = (await readFile(values.compare, 'utf8')).trim().split('\n');
  const before = lines.map((line) => JSON.parse(line) as Row);
  // With --json the rows stand alone on standard output.
  (values.json ? console.error : console.log)(['', ...compareRuns(before, rows)].join('\n'));
}
if (values.document) await documentRun(rows, machine);
// Beside the rows, so that they can be read by a program.
console.error(`${NOTE}${Math.round((performance.now() - started) / 1000)} s`);
