import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { LogEntry } from '../../src/simulator/request-log.js';
import { coveredMs, longestChain, type CallTimes } from '../bench/chain.js';
import { compareRuns } from '../bench/compare.js';
import { fileWorkMs, verbCalls, type Measurement } from '../bench/meter.js';
import { inParts } from '../bench/document.js';
import { limitsInWords, percentile, rowOf, WAY, type Limit, type Row } from '../bench/rows.js';
import { formatTable } from '../bench/table.js';
import { verbRow } from '../bench/verb-rows.js';

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
  fileMs: 0,
  protocol: 'wsapi',
  status: 200,
  ...at,
  ...of,
});

const get = (path: string, at: CallTimes): LogEntry => entry(at, { method: 'GET', path });

describe('calls of a verb', () => {
  it('are not those of the status poll, which lists all groups', () => {
    const log = [
      get('/api/v1/remotecopygroups', call(0, 1)),
      get('/api/v1/remotecopygroups/g', call(2, 3)),
      entry(call(4, 5), { method: 'POST', path: '/api/v1/remotecopygroups' }),
      entry(call(6, 7), { protocol: 'ssh', command: 'showrcopy' }),
    ];
    expect(verbCalls(log)).toEqual(log.slice(1));
  });
});

describe('time of file systems', () => {
  it('is that of tools while no array is asked, whoever has which clock', () => {
    const from = Date.parse('2026-01-01T00:00:00.000Z');
    const log = [entry(call(7_010, 7_020), { at: new Date(from + 10).toISOString() })];
    const tools = [call(from, from + 15), call(from + 5, from + 8), call(from + 19, from + 30)];
    expect(fileWorkMs(tools, log)).toBe(20);
  });

  it('is that of the simulator, too, which copies data at the end of a call, unless another call is on its way', () => {
    const from = Date.parse('2026-01-01T00:00:00.000Z');
    const copying = (startMs: number, endMs: number, fileMs: number): LogEntry =>
      entry(call(startMs, endMs), { at: new Date(from + startMs).toISOString(), fileMs });
    expect(fileWorkMs([], [copying(0, 75, 25)])).toBe(25);
    expect(fileWorkMs([], [copying(0, 75, 25), copying(10, 62, 0)])).toBe(13);
    expect(fileWorkMs([call(from + 60, from + 90)], [copying(0, 75, 25)])).toBe(40);
    expect(fileWorkMs([], [copying(0, 40, 0)])).toBe(0);
  });
});

const measured = (wallMs: number): Measurement => ({
  wallMs: [wallMs],
  errors: [],
  calls: 7,
  chain: 4,
  fsMs: 1.26,
  toolsMs: 0.74,
});

describe('rows', () => {
  const key = { name: 'mount', latencyMs: 50, clients: 1 };

  it('have the medians, the spread, and the time without file systems', () => {
    const samples = Array.from({ length: 20 }, (_, index) => measured(index + 1.04));
    expect(verbRow({ verb: 'mount', latencyMs: 50, clients: 1 }, samples)).toEqual([
      {
        ...key,
        unit: 'ms',
        samples: 20,
        median: 10,
        p95: 19,
        p99: 20,
        min: 1,
        max: 20,
        calls: 7,
        chain: 4,
        fsMs: 1.3,
        toolsMs: 0.7,
        restMs: 8.8,
        way: WAY,
        limits: [
          { of: 'chain', most: 5 },
          { of: 'restMs', most: 1.15 * 4 * 50 + 25 },
        ],
      },
    ]);
  });

  it('of several clients have the calls of each, and neither chain nor limit', () => {
    const together = { ...measured(1), wallMs: [1, 2, 3, 4] };
    const [row] = verbRow({ verb: 'mount', latencyMs: 50, clients: 4 }, [together]);
    expect(row).toMatchObject({ calls: 1.8, samples: 4, median: 2, limits: [] });
    expect(row).not.toHaveProperty('chain');
    const [refused] = verbRow({ verb: 'mount', latencyMs: 50, clients: 4 }, [{ ...together, errors: ['no', 'no'] }]);
    expect(limitsInWords(refused ?? rowOf(key, [0]))).toBe('2 refused!');
  });

  it('say which limits they do not meet', () => {
    const row = rowOf(key, [10], { chain: 6, restMs: 9 });
    const limits: Limit[] = [
      { of: 'chain', most: 5 },
      { of: 'restMs', most: 9 },
      { of: 'median', least: 12 },
    ];
    expect(limitsInWords({ ...row, limits })).toBe('chain ≤ 5!, time ≤ 9, median ≥ 12!');
  });

  it('are not judged by the worst hundredth of a few', () => {
    const limits: Limit[] = [{ of: 'p99', most: 20 }];
    const of = (samples: number): string =>
      limitsInWords(
        rowOf(
          key,
          Array.from({ length: samples }, (_, at) => at),
          { limits },
        ),
      );
    expect(of(99)).toBe('p99 ≤ 20 (too few: 99)');
    expect(of(100)).toBe('p99 ≤ 20!');
  });

  it('of a fresh daemon stand beside those of a warm one', () => {
    const [fresh] = verbRow({ verb: 'get', latencyMs: 0, clients: 1, fresh: true }, [measured(9)]);
    const [warm] = verbRow({ verb: 'get', latencyMs: 0, clients: 1 }, [measured(4)]);
    const rows = [fresh, warm].filter((each) => each !== undefined);
    expect(formatTable(rows)).toMatch(/^get, fresh .*\nget /m);
    expect(inParts(rows)[2]).toMatch(/\| get .*\| 4 \(4\) .*\| 7\.7 ≤ 30 .*\| 2\.7 ≤ 30 /);
    expect(compareRuns([warm ?? rowOf(key, [0])], rows)).toEqual([
      'get, 0 ms, 1 clients, fresh: new, 9',
      'get, 0 ms, 1 clients: 4 → 4 (the same)',
    ]);
  });

  it('are aligned for people', () => {
    const row = rowOf(key, [1234], { calls: 7, chain: 4, fsMs: 1, restMs: 1233, limits: [{ of: 'chain', most: 5 }] });
    expect(
      formatTable([row, rowOf({ name: 'start', latencyMs: 0, clients: 1, volumes: 1000 }, [1])]).split('\n'),
    ).toEqual([
      'what   latency  clients  volumes  calls  chain  median     p95  p99        min–max   fs    time  limit',
      'mount       50        1               7      4  1234.0  1234.0       1234.0–1234.0  1.0  1233.0  chain ≤ 5',
      'start        0        1     1000                   1.0     1.0             1.0–1.0',
    ]);
  });
});

describe('a run against an earlier one', () => {
  const row = (name: string, median: number, calls = 3): Row =>
    rowOf({ name, latencyMs: 0, clients: 1 }, [median], { calls });

  it('is the change of each row, and what only one of them has', () => {
    const [before, now] = [
      [row('get', 10), row('list', 4), row('gone', 1)],
      [row('get', 9), row('list', 4, 5), row('new', 2)],
    ];
    expect(compareRuns(before, now)).toEqual([
      'get, 0 ms, 1 clients: 10 → 9 (-10.0 %)',
      'list, 0 ms, 1 clients: 4 → 4 (the same), calls 3 → 5',
      'new, 0 ms, 1 clients: new, 2',
      'gone, 0 ms, 1 clients: not measured any more',
    ]);
  });

  it('says first that figures came about in another way', () => {
    const earlier = { ...row('get', 10), way: WAY - 1 };
    expect(compareRuns([earlier], [row('get', 9)])[0]).toMatch(/in another way/);
  });
});
