import type { DockerClient } from '../docker-client.js';
import { askingActivate } from './activate.js';
import { rowOf, type Row } from './rows.js';
import { withSite, type BenchSite } from './site.js';

const LATENCY_MS = 50;
const VOLUMES = 64;
const GROUPS = 16;
const KEEPER = 'keeper';
/** One swarm has some 180 answers of Activate, whose worst hundredth is two. */
const SWARMS = 3;

/** Many replicated Creates at once against one after the other, and what else the daemon answers meanwhile. */
export async function measureCreates(signal: AbortSignal): Promise<Row[]> {
  const rows: Row[] = [];
  await withSite(async (site) => {
    const { docker } = site.daemon;
    const groups = Array.from({ length: GROUPS }, (_, index) => `group-${index}`);
    for (const group of groups) await create(docker, `${KEEPER}-${group}`, group);
    rows.push(await createPlain(site));
    // Neither those at once nor those one at a time are to be the first.
    await createAndRemove(site, { clients: VOLUMES, groups, signal });
    const one = await createAndRemove(site, { clients: 1, groups: groups.slice(0, 1), signal });
    for (const into of [groups.slice(0, 1), groups]) {
      const swarms: Outcome[] = [];
      for (let i = 0; i < SWARMS; i += 1)
        swarms.push(await createAndRemove(site, { clients: VOLUMES, groups: into, signal }));
      rows.push(...rowsOf(into.length, { oneMs: one.totalMs, swarms }));
    }
    rows.splice(1, 0, totalRow(`${VOLUMES} creates into one group, one at a time`, 1, one.totalMs));
    for (const group of groups) await docker.remove(`${KEEPER}-${group}`);
  });
  return rows;
}

interface Outcome {
  totalMs: number;
  activateMs: number[];
  loop: { p99Ms: number; maxMs: number };
}

function rowsOf(groups: number, { oneMs, swarms }: { oneMs: number; swarms: Outcome[] }): Row[] {
  const what = `${VOLUMES} creates into ${groups === 1 ? 'one group' : `${groups} groups`} at once`;
  const key = { latencyMs: LATENCY_MS, clients: VOLUMES };
  const totals = swarms.map(({ totalMs }) => totalMs);
  const speed = groups === 1 ? { limits: [{ of: 'median', least: 12 } as const] } : {};
  return [
    rowOf({ ...key, name: what }, totals),
    rowOf(
      { ...key, name: `${what}: faster than one at a time` },
      totals.map((totalMs) => oneMs / totalMs),
      { unit: 'times', ...speed },
    ),
    rowOf(
      { ...key, name: `${what}: Activate meanwhile` },
      swarms.flatMap(({ activateMs }) => activateMs),
      { limits: [{ of: 'p99', most: 20 }] },
    ),
    rowOf(
      { ...key, name: `${what}: event loop late by, p99` },
      swarms.map(({ loop }) => loop.p99Ms),
    ),
  ];
}

const totalRow = (name: string, clients: number, ms: number): Row =>
  rowOf({ name, latencyMs: LATENCY_MS, clients }, [ms]);

/** As the old plugin was measured. */
async function createPlain({ control, daemon }: BenchSite): Promise<Row> {
  const names = Array.from({ length: 50 }, (_, index) => `plain-${index}`);
  const waiting = [...names];
  await control.latency(LATENCY_MS);
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        await succeed(daemon.docker.create(name, { size: '1', backend: 'plain' }));
      }
    }),
  );
  const totalMs = performance.now() - startMs;
  await control.latency(0);
  await Promise.all(names.map(async (name) => succeed(daemon.docker.remove(name))));
  return totalRow('50 plain creates by 16 clients', 16, totalMs);
}

async function createAndRemove(
  { control, daemon }: BenchSite,
  { clients, groups, signal }: { clients: number; groups: readonly string[]; signal: AbortSignal },
): Promise<Outcome> {
  const names = Array.from({ length: VOLUMES }, (_, index) => `many-${index}`);
  const waiting = names.map((name, index) => ({ name, group: groups[index % groups.length] ?? '' }));
  await control.latency(LATENCY_MS);
  await daemon.takeLoopDelay();
  const { tookMs: activateMs, done: totalMs } = await askingActivate(daemon.socketPath, async () => {
    const startMs = performance.now();
    await Promise.all(
      Array.from({ length: clients }, async () => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          signal.throwIfAborted();
          await create(daemon.docker, next.name, next.group);
        }
      }),
    );
    return performance.now() - startMs;
  });
  const outcome = { totalMs, activateMs, loop: await daemon.takeLoopDelay() };
  await control.latency(0);
  await Promise.all(names.map(async (name) => succeed(daemon.docker.remove(name))));
  return outcome;
}

const create = async (docker: DockerClient, name: string, replicationGroup: string): Promise<void> =>
  succeed(docker.create(name, { size: '1', replicationGroup }));

/** @throws the plugin's Err */
async function succeed(answer: Promise<string>): Promise<void> {
  const error = await answer;
  if (error !== '') throw new Error(error);
}
