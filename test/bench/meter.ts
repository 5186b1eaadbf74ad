import type { Run } from '../../src/host/run.js';
import type { LogEntry } from '../../src/simulator/request-log.js';
import type { PairControl } from '../pair-client.js';
import { coveredMs, longestChain, type CallTimes } from './chain.js';
import type { Measurement } from './rows.js';

/** Times the host's tools while they do what they always do. */
export class ToolClock {
  #calls: CallTimes[] = [];

  /** The same tools, timed. */
  timed(run: Run): Run {
    return async (command, args, options) => {
      const startMs = performance.now();
      try {
        return await run(command, args, options);
      } finally {
        this.#calls.push({ startMs, endMs: performance.now() });
      }
    };
  }

  /** The time in tools since the last look. */
  takeMs(): number {
    const ms = coveredMs(this.#calls);
    this.#calls = [];
    return ms;
  }
}

/** Runs one verb and reads from the simulator's log what it asked of the arrays. */
export async function measure(
  by: { control: PairControl; tools: ToolClock },
  act: () => Promise<unknown>,
): Promise<Measurement> {
  await by.control.clearLog();
  by.tools.takeMs();
  const startMs = performance.now();
  await act();
  const wallMs = performance.now() - startMs;
  const fsMs = by.tools.takeMs();
  return { ...countCalls(await by.control.log()), wallMs, fsMs };
}

/** What a verb cost the arrays; the status poll runs beside the verbs and belongs to none of them. */
export function countCalls(log: LogEntry[]): Pick<Measurement, 'wsapiCalls' | 'sshCommands' | 'chain'> {
  const calls = verbCalls(log);
  return {
    wsapiCalls: calls.filter((entry) => entry.protocol === 'wsapi').length,
    sshCommands: calls.filter((entry) => entry.protocol === 'ssh').length,
    chain: longestChain(calls),
  };
}

/** Without the status poll, which runs beside the verbs. */
export const verbCalls = (log: LogEntry[]): LogEntry[] => log.filter((entry) => !isStatusPoll(entry));

/** Verbs ask for one group by name, only the poll lists them all. */
const isStatusPoll = (entry: LogEntry): boolean => entry.method === 'GET' && entry.path === '/api/v1/remotecopygroups';
