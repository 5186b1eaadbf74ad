import { describe, expect, it } from '@jest/globals';
import type { StatusReport } from '../../../src/driver/status-report.js';
import { Metrics } from '../../../src/status/metrics.js';
import { Snapshot } from '../../../src/status/snapshot.js';
import { statusReport } from '../../fakes/status-report.js';
import { DriverError } from '../../../src/domain/errors.js';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

const report = statusReport({
  arrays: [
    { backend: 'B', side: 'primary', label: 'p', reachable: true, sessions: 3 },
    { backend: 'B', side: 'secondary', label: 's', reachable: false, problem: 'x' },
  ],
  volumes: [
    { name: 'v1', sizeGiB: 1, backend: 'B', state: 'ready' },
    { name: 'v2', sizeGiB: 1, backend: 'B', state: 'ready', node: 'n2', side: 'primary', isHere: false },
  ],
  operations: [{ volume: 'v1', kind: 'remove', phase: 'do', startedAt: new Date().toISOString(), error: 'x' }],
  leftOvers: ['one'],
});
const seen = { report, ageSeconds: 1, problem: undefined };

describe('metrics', () => {
  it('count requests, array calls and locks', async () => {
    const metrics = new Metrics('9.9');
    metrics.request({ verb: 'Mount', outcome: 'ok', ms: 1500 });
    metrics.request({ verb: 'Mount', outcome: 'refused', ms: 10 });
    metrics.arrayCall({ array: 'B/primary', status: 403, ms: 7 });
    metrics.arrayCall({ array: 'B/primary', status: undefined, ms: 5000 });
    metrics.lock('held', 20);
    const text = await metrics.text(seen);
    for (const line of [
      'hpe_plugin_request_seconds_count{verb="Mount",outcome="ok"} 1',
      'hpe_plugin_request_seconds_sum{verb="Mount",outcome="ok"} 1.5',
      'hpe_plugin_request_seconds_bucket{le="1",verb="Mount",outcome="ok"} 0',
      'hpe_plugin_request_seconds_count{verb="Mount",outcome="refused"} 1',
      'hpe_array_call_seconds_count{array="B/primary",status="4xx"} 1',
      'hpe_array_call_seconds_count{array="B/primary",status="none"} 1',
      'hpe_lock_wait_seconds_count{outcome="held"} 1',
      'hpe_plugin_info{version="9.9"} 1',
    ]) {
      expect(text).toContain(line);
    }
  });

  it('tell the status, and no more what is gone from it', async () => {
    const metrics = new Metrics('1');
    const text = await metrics.text(seen);
    for (const line of [
      'hpe_status_up 1',
      'hpe_array_reachable{array="B/secondary"} 0',
      'hpe_array_sessions{array="B/primary"} 3',
      'hpe_volumes{backend="B",mounted="elsewhere"} 1',
      'hpe_open_operations{failed="yes"} 1',
      'hpe_left_overs 1',
    ]) {
      expect(text).toContain(line);
    }
    const later = await metrics.text({ report: { ...report, arrays: [] }, ageSeconds: 9, problem: 'etcd is away' });
    expect(later).toContain('hpe_status_up 0');
    expect(later).not.toContain('array="B/secondary"');
  });

  it('have no label that grows with volumes', async () => {
    const many = Array.from({ length: 500 }, (_, at) => ({
      name: `v${at}`,
      sizeGiB: 1,
      backend: 'B',
      state: 'ready' as const,
    }));
    const metrics = new Metrics('1');
    const lines = async (volumes: StatusReport['volumes']): Promise<number> =>
      (await metrics.text({ ...seen, report: { ...report, volumes } })).split('\n').length;
    expect(await lines(many)).toBe(await lines(many.slice(0, 1)));
  });
});

describe('the snapshot', () => {
  it('is made once for many who ask, and outlives a failure with its reason', async () => {
    let made = 0;
    let fails = false;
    const snapshot = new Snapshot(async () => {
      made += 1;
      if (fails) throw new DriverError('unavailable', 'etcd is away');
      return Promise.resolve(report);
    }, silent);
    await Promise.all(Array.from({ length: 50 }, async () => snapshot.look()));
    expect(made).toBe(1);

    fails = true;
    const clock = performance.now.bind(performance);
    performance.now = () => clock() + 10_000;
    try {
      expect(await snapshot.look()).toEqual({
        report,
        ageSeconds: 10,
        problem: expect.stringMatching(/^etcd is away; next: /),
      });
    } finally {
      performance.now = clock;
    }
  });
});
