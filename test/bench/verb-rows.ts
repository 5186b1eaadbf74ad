import { measure, type Measurement } from './meter.js';
import { percentile, rowOf, tenths, type Limit, type Row } from './rows.js';
import { withSite, type BenchSite } from './site.js';
import { CHAIN_LIMITS, playVerbs, prepareVolumes, removeVolumes, VERBS, type Verb } from './verbs.js';

const LATENCIES_MS = [0, 10, 50, 200];
const CLIENTS = [1, 16, 64];

/** Enough for a median of each: one round of many clients has a value of each of them. */
function roundsOf(latencyMs: number, clients: number): number {
  if (clients > 1) return 1;
  return latencyMs > 50 ? 3 : 10;
}

/** Every verb at every latency, by one client and by many at once. */
export async function measureVerbs(signal: AbortSignal): Promise<Row[]> {
  const rows: Row[] = [];
  for (const clients of CLIENTS) {
    await withSite(async (site) => {
      await prepareVolumes(site.daemon.docker, clients);
      // The first round logs in.
      await playRound(site, { latencyMs: 0, clients });
      for (const latencyMs of LATENCIES_MS) {
        const began = performance.now();
        const measured = new Map<Verb, Measurement[]>(VERBS.map((verb) => [verb, []]));
        for (let round = 0; round < roundsOf(latencyMs, clients); round += 1) {
          signal.throwIfAborted();
          for (const [verb, each] of await playRound(site, { latencyMs, clients })) measured.get(verb)?.push(each);
        }
        rows.push(...[...measured].flatMap(([verb, all]) => verbRow({ verb, latencyMs, clients }, all)));
        console.error(`${clients} clients at ${latencyMs} ms: ${Math.round((performance.now() - began) / 1000)} s`);
      }
      await removeVolumes(site.daemon.docker, clients);
    });
  }
  return rows;
}

async function playRound(
  site: BenchSite,
  { latencyMs, clients }: { latencyMs: number; clients: number },
): Promise<Map<Verb, Measurement>> {
  const measured = new Map<Verb, Measurement>();
  await site.control.latency(latencyMs);
  try {
    await playVerbs(site.daemon.docker, clients, async (verb, act) => {
      measured.set(verb, await measure(site, clients, act));
    });
  } finally {
    await site.control.latency(0);
  }
  return measured;
}

interface VerbKey {
  verb: Verb;
  latencyMs: number;
  clients: number;
}

/** No row for what these clients did not do. */
export function verbRow({ verb, latencyMs, clients }: VerbKey, all: readonly Measurement[]): Row[] {
  if (all.length === 0) return [];
  const median = (of: (each: Measurement) => number): number => percentile(all.map(of), 0.5);
  const key = { name: verb, latencyMs, clients };
  const wallMs = all.flatMap((each) => each.wallMs);
  const calls = tenths(median((each) => each.calls) / clients);
  const refused = all.reduce((sum, { errors }) => sum + errors.length, 0);
  const errors = refused === 0 ? {} : { errors: refused };
  if (wallMs.length === 0) throw new Error(`${verb}: ${all[0]?.errors.join('; ')}`);
  if (clients > 1) return [rowOf(key, wallMs, { calls, ...errors })];
  const chain = median((each) => each.chain);
  const more = {
    calls,
    chain,
    fsMs: tenths(median((each) => each.fsMs)),
    restMs: tenths(
      percentile(
        all.flatMap(({ wallMs: [ms], fsMs }) => (ms === undefined ? [] : [ms - fsMs])),
        0.5,
      ),
    ),
    ...errors,
  };
  return [rowOf(key, wallMs, { ...more, limits: limitsOf({ verb, latencyMs, clients }, chain) })];
}

/** Issue 7: the chain, and what that chain may take. */
function limitsOf({ verb, latencyMs }: VerbKey, chain: number): Limit[] {
  const most = CHAIN_LIMITS[verb];
  const time = latencyMs === 0 ? 30 : 1.15 * chain * latencyMs + 25;
  return [...(most === undefined ? [] : [{ of: 'chain', most } as const]), { of: 'restMs', most: time }];
}
