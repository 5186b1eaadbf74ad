import { measure, type Measurement } from './meter.js';
import { percentile, rowOf, tenths, type Limit, type Row, type RowKey } from './rows.js';
import { withSite, type BenchSite } from './site.js';
import { CHAIN_LIMITS, playVerbs, prepareVolumes, removeVolumes, VERBS, type Verb } from './verbs.js';

const LATENCIES_MS = [0, 10, 50, 200];
const CLIENTS = [1, 16, 64];
/** A fresh daemon's code is interpreted, and compiled while it is used: after so many rounds little changes any more. */
const FRESH_ROUNDS = 5;
const WARMING_ROUNDS = 35;

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
      const measureRounds = async (play: Play, count: number): Promise<void> => {
        const began = performance.now();
        rows.push(...(await playRounds(site, play, { count, signal })));
        const seconds = Math.round((performance.now() - began) / 1000);
        console.error(
          `${clients} clients at ${play.latencyMs} ms${play.fresh === true ? ', fresh' : ''}: ${seconds} s`,
        );
      };
      await prepareVolumes(site.daemon.docker, clients);
      // The first round logs in.
      await playRound(site, { latencyMs: 0, clients });
      if (clients === 1) {
        await measureRounds({ latencyMs: 0, clients, fresh: true }, FRESH_ROUNDS);
        await playRounds(site, { latencyMs: 0, clients }, { count: WARMING_ROUNDS, signal });
      }
      for (const latencyMs of LATENCIES_MS) await measureRounds({ latencyMs, clients }, roundsOf(latencyMs, clients));
      await removeVolumes(site.daemon.docker, clients);
    });
  }
  return rows;
}

type Play = Pick<RowKey, 'latencyMs' | 'clients' | 'fresh'>;

async function playRounds(
  site: BenchSite,
  play: Play,
  { count, signal }: { count: number; signal: AbortSignal },
): Promise<Row[]> {
  const measured = new Map<Verb, Measurement[]>(VERBS.map((verb) => [verb, []]));
  for (let round = 0; round < count; round += 1) {
    signal.throwIfAborted();
    for (const [verb, each] of await playRound(site, play)) measured.get(verb)?.push(each);
  }
  return [...measured].flatMap(([verb, all]) => verbRow({ verb, ...play }, all));
}

async function playRound(site: BenchSite, { latencyMs, clients }: Play): Promise<Map<Verb, Measurement>> {
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

interface VerbKey extends Play {
  verb: Verb;
}

/** No row for what these clients did not do. */
export function verbRow({ verb, ...play }: VerbKey, all: readonly Measurement[]): Row[] {
  if (all.length === 0) return [];
  const median = (of: (each: Measurement) => number): number => percentile(all.map(of), 0.5);
  const { latencyMs, clients } = play;
  const key = { name: verb, ...play };
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
    toolsMs: tenths(median((each) => each.toolsMs)),
    restMs: tenths(
      percentile(
        all.flatMap(({ wallMs: [ms], fsMs }) => (ms === undefined ? [] : [ms - fsMs])),
        0.5,
      ),
    ),
    ...errors,
  };
  return [rowOf(key, wallMs, { ...more, limits: limitsOf({ verb, latencyMs }, chain) })];
}

/** Issue 7: the chain, and what that chain may take without latency and at 50 ms. */
function limitsOf({ verb, latencyMs }: Pick<VerbKey, 'verb' | 'latencyMs'>, chain: number): Limit[] {
  const most = CHAIN_LIMITS[verb];
  // Without latency calls that were sent together are answered one after the other, and look like a chain.
  const limits: Limit[] = most === undefined || latencyMs === 0 ? [] : [{ of: 'chain', most }];
  if (latencyMs === 0) limits.push({ of: 'restMs', most: 30 });
  if (latencyMs === 50) limits.push({ of: 'restMs', most: 1.15 * chain * latencyMs + 25 });
  return limits;
}
