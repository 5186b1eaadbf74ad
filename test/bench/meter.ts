import { setTimeout as pause } from 'node:timers/promises';
import type { LogEntry } from '../../src/simulator/request-log.js';
import { coveredMs, longestChain, type CallTimes } from './chain.js';
import type { BenchSite } from './site.js';

/** What a verb cost when so many clients asked for it at once. */
export interface Measurement {
  /** Of each client that got what it asked for. */
  wallMs: number[];
  /** Refusals; asked for again until it is done, which is not measured. */
  errors: string[];
  /** Array calls of all of them. */
  calls: number;
  /** Longest chain of array calls that each waited for the one before. */
  chain: number;
  /** Time in the host's tools and file systems, and in the simulator's copying and showing of data, while no array call was on its way otherwise. */
  fsMs: number;
  /** The same without the calls of file systems. */
  toolsMs: number;
}

const MOST_ATTEMPTS = 5;
const RETRY_MS = 1_000;

/** Runs one verb of each client, all at once, and reads from the simulator's log what they asked of the arrays. */
export async function measure(
  { control, daemon }: BenchSite,
  clients: number,
  act: (client: number) => Promise<void>,
): Promise<Measurement> {
  await control.clearLog();
  await daemon.takeHostWork();
  const [wallMs, errors]: [number[], string[]] = [[], []];
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const startMs = performance.now();
      for (let attempt = 1; ; attempt += 1) {
        try {
          await act(client);
          if (attempt === 1) wallMs.push(performance.now() - startMs);
          return;
        } catch (error) {
          if (attempt === MOST_ATTEMPTS) throw error;
          errors.push(error instanceof Error ? error.message : String(error));
          await pause(RETRY_MS);
        }
      }
    }),
  );
  const hostWork = await daemon.takeHostWork();
  const log = verbCalls(await control.log());
  const tools = hostWork.filter(({ isTool }) => isTool);
  const host = { fsMs: fileWorkMs(hostWork, log), toolsMs: fileWorkMs(tools, log) };
  return { wallMs, errors, calls: log.length, chain: longestChain(log), ...host };
}

/** How long the host worked, or the simulator copied and showed data of volumes at the end of a call, while no array call was on its way otherwise. */
export function fileWorkMs(hostWork: readonly CallTimes[], log: readonly LogEntry[]): number {
  const calls: CallTimes[] = [];
  const copying: CallTimes[] = [];
  for (const { at, durationMs, fileMs } of log) {
    const startMs = Date.parse(at);
    const endMs = startMs + durationMs;
    calls.push({ startMs, endMs: endMs - fileMs });
    copying.push({ startMs: endMs - fileMs, endMs });
  }
  return coveredMs([...hostWork, ...copying, ...calls]) - coveredMs(calls);
}

/** Without the status poll, which runs beside the verbs: verbs ask for one group by name, only the poll lists them all. */
export const verbCalls = (log: LogEntry[]): LogEntry[] =>
  log.filter(({ method, path }) => method !== 'GET' || path !== '/api/v1/remotecopygroups');
