import { describe, expect, it } from '@jest/globals';
import type { StatusReport, VolumeStatus } from '../../../src/driver/status-report.js';
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

describe('the page', () => {
  it('says who writes to the stale copy, and not of a volume that has the paths of both arrays', () => {
    expect(show({ groups: [groupStatus('primary')], volumes: [volume] })).not.toContain('stale copy');
    expect(show({ groups: [groupStatus('secondary')], volumes: [volume] })).toContain('is writing to the stale copy');
    const both = show({ groups: [groupStatus('secondary')], volumes: [{ ...volume, bothArrays: true }] });
    expect(both).not.toContain('stale copy');
    expect(both).toContain('from both arrays');
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
