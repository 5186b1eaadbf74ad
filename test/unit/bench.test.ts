import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { LogEntry } from '../../src/simulator/request-log.js';
import { coveredMs, longestChain, type CallTimes } from '../bench/chain.js';
import { countCalls, ToolClock } from '../bench/meter.js';
import { formatTable, percentile, toRow, type BenchRow, type Measurement } from '../bench/rows.js';

const call = (startMs: number, endMs: number): CallTimes => ({ startMs, endMs });

/** Few moments, so that calls often touch, coincide and last no time. */
const someCalls = (maxLength: number) =>
  fc.array(
    fc.tuple(fc.nat(8), fc.nat(4)).map(([start, length]) => call(start, start + length)),
    { maxLength },
  );

describe('longest chain', () => {
  it('has no link without calls', () => {
    expect(longestChain([])).toBe(0);
  });

  it('counts calls one after the other, also where one starts the moment the other ends', () => {
    expect(longestChain([call(0, 10), call(10, 20), call(25, 30)])).toBe(3);
  });

  it('counts calls that overlap once', () => {
    expect(longestChain([call(0, 10), call(1, 11), call(2, 12)])).toBe(1);
  });

  it('goes past a long call by the short ones beside it', () => {
    expect(longestChain([call(0, 100), call(0, 10), call(20, 30), call(40, 50), call(100, 110)])).toBe(4);
  });

  it('does not depend on the order of the log', () => {
    expect(longestChain([call(25, 30), call(10, 20), call(0, 10)])).toBe(3);
  });

  it('is what trying every chain finds', () => {
    fc.assert(
      fc.property(someCalls(7), (calls) => {
        expect(longestChain(calls)).toBe(longestByTrying(calls, -Infinity));
      }),
    );
  });
});

function longestByTrying(calls: CallTimes[], from: number): number {
  const lengths = calls.map(({ startMs, endMs }, index) =>
    startMs < from ? 0 : 1 + longestByTrying(calls.toSpliced(index, 1), endMs),
  );
  return Math.max(0, ...lengths);
}

describe('covered time', () => {
  it('counts what runs at the same time once, and pauses not at all', () => {
    expect(coveredMs([call(20, 25), call(0, 10), call(5, 12), call(6, 7)])).toBe(17);
  });

  it('is the number of moments at which any call is on its way', () => {
    fc.assert(
      fc.property(someCalls(10), (calls) => {
        const moments = Array.from({ length: 12 }, (_, moment) => moment);
        const busy = moments.filter((moment) => calls.some((each) => each.startMs <= moment && moment < each.endMs));
        expect(coveredMs(calls)).toBe(busy.length);
      }),
    );
  });
});

describe('percentile', () => {
  const twenty = Array.from({ length: 20 }, (_, index) => 20 - index);

  it('is a value that was measured', () => {
    expect(percentile(twenty, 0.5)).toBe(10);
    expect(percentile(twenty, 0.95)).toBe(19);
    expect(percentile([7], 0.95)).toBe(7);
  });

  it('refuses to make one up', () => {
    expect(() => percentile([], 0.5)).toThrow('nothing was measured');
  });
});

const entry = (at: CallTimes, of: Partial<LogEntry>): LogEntry => ({
  seq: 1,
  array: 'a',
  at: '',
  durationMs: at.endMs - at.startMs,
  protocol: 'wsapi',
  status: 200,
  ...at,
  ...of,
});

const get = (path: string, at: CallTimes): LogEntry => entry(at, { method: 'GET', path });

describe('calls of a verb', () => {
  it('are WSAPI calls and SSH commands, chained together', () => {
    const log = [
      get('/api/v1/volumes/v', call(0, 1)),
      entry(call(2, 3), { protocol: 'ssh', command: 'showrcopy' }),
      get('/api/v1/volumes/w', call(2, 3)),
    ];
    expect(countCalls(log)).toEqual({ wsapiCalls: 2, sshCommands: 1, chain: 2 });
  });

  it('are not those of the status poll, which lists all groups', () => {
    const log = [
      get('/api/v1/remotecopygroups', call(0, 1)),
      get('/api/v1/remotecopygroups/g', call(2, 3)),
      entry(call(4, 5), { method: 'POST', path: '/api/v1/remotecopygroups' }),
    ];
    expect(countCalls(log)).toEqual({ wsapiCalls: 2, sshCommands: 0, chain: 2 });
  });
});

describe('tool clock', () => {
  const done = { stdout: 'out', stderr: '' };

  it('hands on what the tool said, and times also a tool that fails', async () => {
    const clock = new ToolClock();
    const run = clock.timed(async (command) => {
      const until = performance.now() + 5;
      while (performance.now() < until);
      return command === 'mount' ? Promise.resolve(done) : Promise.reject(new Error('no such tool'));
    });
    expect(await run('mount', [], { timeoutMs: 1 })).toBe(done);
    expect(clock.takeMs()).toBeGreaterThanOrEqual(5);
    await expect(run('nothing', [], { timeoutMs: 1 })).rejects.toThrow('no such tool');
    expect(clock.takeMs()).toBeGreaterThanOrEqual(5);
    expect(clock.takeMs()).toBe(0);
  });
});

const measured = (wallMs: number): Measurement => ({ wsapiCalls: 7, sshCommands: 0, chain: 4, wallMs, fsMs: 1.26 });

describe('rows', () => {
  const what = { verb: 'mount', latencyMs: 50, clients: 1 } as const;

  it('have the medians, and the 95th percentile of the time', () => {
    const samples = Array.from({ length: 20 }, (_, index) => measured(index + 1.04));
    expect(toRow(what, samples)).toEqual({
      ...what,
      wsapiCalls: 7,
      sshCommands: 0,
      chain: 4,
      medianMs: 10,
      p95Ms: 19,
      fsMs: 1.3,
    });
  });

  it('are aligned for people', () => {
    const row: BenchRow = toRow(what, [measured(1234)]);
    expect(formatTable([row, { ...row, verb: 'get', medianMs: 1 }]).split('\n')).toEqual([
      'verb   latency ms  clients  WSAPI  SSH  chain  median ms  p95 ms  fs ms',
      'mount          50        1      7    0      4     1234.0  1234.0    1.3',
      'get            50        1      7    0      4        1.0  1234.0    1.3',
    ]);
  });
});
