import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { waitUntilNone } from '../history/wait.js';
import { playClient, type Tally } from './client.js';
import { readGauges, type Sample } from './gauges.js';
import { findGrowth } from './growth.js';
import { plotSamples } from './plot.js';
import { LoadSite } from './site.js';

const CLIENTS = 32;
/** What a call to an array takes, as users have it. */
const LATENCY_MS = 50;
const SAMPLE_MS = 5_000;
/** An etcd member is down so long, and all are up so long before the next one goes. */
const DOWN_MS = 4_000;
const UP_MS = 16_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    think: { type: 'string', default: '1500' },
    plot: { type: 'string' },
    logs: { type: 'string' },
  },
});

const site = await LoadSite.open(LATENCY_MS);
const tally: Tally = { verbs: 0, errors: new Map(), wrong: [] };
const samples: Sample[] = [];
const started = performance.now();
const until = started + Number(values.minutes) * 60_000;
const isOver = (): boolean => performance.now() > until || interrupted;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (interrupted = true));
let restarts = 0;
let failures: string[] = [];
try {
  const nodes = site.daemons.map(({ docker }) => docker);
  const thinkMs = Number(values.think);
  await Promise.all([
    ...Array.from({ length: CLIENTS }, async (_, number) => playClient({ number, nodes, tally, thinkMs, isOver })),
    restartMembers(),
    takeSamples(),
  ]);
  const left = await waitUntilNone(async () => site.leftOvers());
  failures = [
    ...[...tally.errors].map(([error, times]) => `${times} x ${error}`),
    ...tally.wrong.map((each) => `wrong content: ${each}`),
    ...findGrowth(samples),
    ...left.map((each) => `left: ${each}`),
  ];
  if (values.logs !== undefined) {
    await mkdir(values.logs, { recursive: true });
    await site.keepLogs(values.logs);
    await writeFile(path.join(values.logs, 'samples.json'), JSON.stringify(samples));
  }
} finally {
  await site.close();
}
if (values.plot !== undefined) await writeFile(values.plot, plotSamples(samples));
for (const failure of failures) console.log(failure);
const minutes = ((performance.now() - started) / 60_000).toFixed(1);
console.log(
  `load: ${CLIENTS} clients, ${site.daemons.length} daemons, ${minutes} minutes, ${tally.verbs} verbs, ${restarts} restarts of etcd members, ${failures.length} failures`,
);
process.exit(failures.length === 0 ? 0 : 1);

async function restartMembers(): Promise<void> {
  for (let turn = 0; !isOver(); turn += 1) {
    await pause(UP_MS);
    const member = site.etcd.members[turn % site.etcd.members.length];
    if (member === undefined || isOver()) return;
    await member.kill();
    await pause(DOWN_MS);
    await member.start();
    restarts += 1;
  }
}

async function takeSamples(): Promise<void> {
  while (!isOver()) {
    const errors = [...tally.errors.values()].reduce((sum, times) => sum + times, 0);
    const seconds = Math.round((performance.now() - started) / 1000);
    const sample = { seconds, ...(await readGauges(site)), verbs: tally.verbs, errors };
    samples.push(sample);
    if (samples.length % 12 === 0) console.error(JSON.stringify(sample));
    await pause(SAMPLE_MS);
  }
}
