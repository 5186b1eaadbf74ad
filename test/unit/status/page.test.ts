import { describe, expect, it } from '@jest/globals';
import type { StatusReport, VolumeStatus } from '../../../src/driver/status-report.js';
import { printStatus } from '../../../src/commands/print-status.js';
import { Metrics } from '../../../src/status/metrics.js';
import { fragment, page, titleOf } from '../../../src/status/page.js';
import { groupStatus, statusReport } from '../../fakes/status-report.js';

const volume: VolumeStatus = {
  name: 'v',
  sizeGiB: 1,
  backend: 'B',
  group: 'g',
  state: 'ready',
  node: 'n1',
  side: 'primary',
  isHere: true,
};

function show(changes: Partial<StatusReport>, problem?: string): string {
  return fragment({ report: statusReport(changes), ageSeconds: 1, problem });
}

const printed = (changes: Partial<StatusReport>): string => printStatus(statusReport(changes)).join('\n');

describe('the page', () => {
  it('says who writes to the stale copy, and not of a volume that has the paths of both arrays', () => {
    expect(show({ groups: [groupStatus('primary')], volumes: [volume] })).not.toContain('stale copy');
    expect(show({ groups: [groupStatus('secondary')], volumes: [volume] })).toContain('is writing to the stale copy');
    const both = show({ groups: [groupStatus('secondary')], volumes: [{ ...volume, bothArrays: true }] });
    expect(both).not.toContain('stale copy');
    expect(both).toContain('from both arrays');
  });

  it('says whose data have moved under it, in what to do and at the volume, and the metrics count it', async () => {
    const moved: VolumeStatus = { ...volume, bothArrays: true, apart: { side: 'secondary', moved: true } };
    const shown = show({ groups: [groupStatus('primary')], volumes: [moved] });
    expect(shown).toContain('What to do now');
    expect(shown).toMatch(/Volume v<\/b> on n1: its group moved from the secondary array[^]*Stop its containers/);
    expect(shown).toContain('its data have moved under it');
    expect(printed({ volumes: [moved] })).toMatch(/STOP its containers .* moved from the secondary array/);
    expect(printed({ volumes: [{ ...moved, apart: { side: 'primary' } }] })).toContain('copies are apart');
    const text = await new Metrics('1').text({
      report: statusReport({ volumes: [moved] }),
      ageSeconds: 0,
      problem: undefined,
    });
    expect(text).toContain('hpe_mounts_apart{moved="yes"} 1');
  });

  it('shows a failover that is under way, and by whom', () => {
    const run = { goal: 'failover', group: 'g', backend: 'B', nodeName: 'n2', by: 'sam', startedAt: 'x' } as const;
    expect(show({ runs: [run] })).toMatch(/failover<\/b> of group g is run on node n2 by sam/);
    expect(show({ runs: [run] })).not.toContain('<p>nothing</p>');
  });

  it('says first that a run is under way, and which containers a broken-off one has left stopped', () => {
    const run = { goal: 'failover', group: 'g', backend: 'B', nodeName: 'n2', by: 'sam', startedAt: 'x' } as const;
    const stopped = [{ group: 'g', nodeName: 'n3', containers: ['web', 'app'] }];
    const during = show({ groups: [groupStatus('secondary')], runs: [run], stopped });
    expect(during).toMatch(/What to do now[^]*A failover of group g[^]*is under way on node n2, typed by sam/);
    expect(during).not.toContain('not started again');
    // Nobody is told to start or move what the run has stopped.
    expect(during).not.toContain('<code>');
    expect(show({ stopped })).toMatch(/class="bad banner"[^]*web, app<\/b> on node n3: stopped to move group g/);
  });

  it('does not call all well what is not finished, nor in the title of its tab', () => {
    const operation = { volume: 'v', kind: 'remove', phase: 'do', startedAt: 'x', error: 'the array is silent' };
    const report = statusReport({ operations: [operation] });
    expect(show({ operations: [operation] }).replaceAll(/\s+/g, ' ')).toContain('Not finished: 1, with the reasons');
    expect(titleOf({ report, ageSeconds: 0, problem: undefined })).toBe('1 failed');
    const stale = statusReport({ groups: [groupStatus('secondary')], volumes: [volume] });
    expect(titleOf({ report: stale, ageSeconds: 0, problem: undefined })).toBe('1 on a wrong copy');
    expect(titleOf({ report: statusReport(), ageSeconds: 0, problem: undefined })).toBe('all well · n1');
  });

  it('stays small with many volumes, and shows those in trouble', () => {
    const idle = Array.from({ length: 2000 }, (_, at): VolumeStatus => ({
      name: `idle-${at}`,
      sizeGiB: 1,
      backend: 'B',
      state: 'ready',
    }));
    const shown = show({ groups: [groupStatus('secondary')], volumes: [...idle, { ...volume, name: 'stale-one' }] });
    expect(shown).toContain('Volumes (500 of 2001');
    expect(shown).toMatch(/<th scope="row">\s*stale-one/);
    expect(shown.split('<th scope="row">idle-')).toHaveLength(500);
  });

  it('says of a silent array how it was when it last answered', () => {
    const silent = groupStatus('primary');
    silent.report.sides.secondary.view = { answer: 'silent', reason: 'no power' };
    const lastSeen = { at: '2026-01-01T00:00:00.000Z', isProtected: false, isAlone: true, why: 'the group is stopped' };
    silent.report.sides.secondary.lastSeen = lastSeen;
    expect(show({ groups: [silent] }).replaceAll(/\s+/g, ' ')).toContain(
      'last answered 2026-01-01 00:00:00Z, NOT protected then (the group is stopped)',
    );
  });

  it('says when what it shows is old, and when there is nothing to show', () => {
    expect(show({}, 'etcd is away')).toContain('no longer current: etcd is away');
    const nothing = { report: undefined, ageSeconds: 0, problem: 'etcd is away' };
    expect(fragment(nothing)).toContain('cannot be made: etcd is away');
    expect(titleOf(nothing)).toBe('status unknown');
  });

  it('sends a group home that is protected away from it, and names what is unfinished with its reason', () => {
    expect(show({ groups: [groupStatus('secondary')] })).toContain('failback plan g --backend B');
    expect(show({ groups: [groupStatus('primary')] })).toContain('every group is protected');
    const operation = { volume: 'v', kind: 'remove', phase: 'undo', startedAt: 'x', error: 'the array is silent' };
    expect(show({ operations: [operation] })).toMatch(/remove[^]*being undone[^]*the array is silent/);
  });

  it('shows every text as text', () => {
    const evil = `<script>alert("'")</script>&`;
    const shown =
      page({ report: undefined, ageSeconds: 0, problem: evil }) +
      show({ leftOvers: [evil], volumes: [{ ...volume, name: evil, group: evil }] });
    expect(shown).not.toContain('<script>');
    expect(shown.split('&#60;script&#62;alert(&#34;&#39;&#34;)&#60;/script&#62;&#38;')).toHaveLength(5);
  });
});
