import { describe, expect, it } from '@jest/globals';
import { verifyGroup } from '../../../src/domain/verify-group.js';
import type { GroupReport } from '../../../src/domain/group-report.js';
import type { Side } from '../../../src/domain/replication.js';
import { reportOf, type Scene } from './group-views.js';

const home: Scene = { primary: { says: 'P' }, secondary: { says: 'S' } };
const wrongIn = (report: GroupReport): string[] =>
  verifyGroup(report).flatMap(({ level, text }) => (level === 'wrong' ? [text] : []));
const exported = (report: GroupReport, ...exportedOn: Side[]): GroupReport => ({
  ...report,
  volumes: report.volumes.map((each) => ({ ...each, exportedOn })),
});

describe('verifyGroup', () => {
  it('finds nothing wrong when the active array serves everything, and it alone', () => {
    expect(wrongIn(exported(reportOf({ ...home, used: { side: 'primary' } }), 'primary'))).toEqual([]);
    expect(wrongIn(exported(reportOf(home)))).toEqual([]);
  });

  it.each<[string, GroupReport, RegExp]>([
    ['no proven side', reportOf({ primary: { says: 'silent' }, secondary: { says: 'S' } }), /no array is proven/],
    [
      'a use of the stale copy',
      exported(reportOf({ ...home, used: { side: 'secondary' } }), 'secondary'),
      /stale copy/,
    ],
    ['an export that was left', exported(reportOf(home), 'secondary'), /still exported by the secondary/],
    ['a mount whose export is gone', exported(reportOf({ ...home, used: { side: 'primary' } })), /does not export it/],
    [
      'a mount whose data have moved',
      reportOf({ ...home, used: { side: 'primary', isOnBoth: true, apart: { side: 'secondary', moved: true } } }),
      /db is used on node node1 from before its group moved from the secondary array/,
    ],
  ])('rule 4: finds %s', (_what, report, text) => {
    expect(wrongIn(report)[0]).toMatch(text);
  });

  it('says when nothing protects the group, which is no fault of the volumes', () => {
    const stopped = { state: 'stopped', sync: 'not-synced' } as const;
    const report = reportOf({ primary: { says: 'P', ...stopped }, secondary: { says: 'S', ...stopped } });
    expect(verifyGroup(report)).toContainEqual({
      level: 'note',
      text: 'nothing protects it now: the group is stopped',
    });
  });
});

it('two arrays that both take writes under one device are not called well', () => {
  const findings = verifyGroup(
    reportOf({
      primary: { says: 'P', state: 'stopped', sync: 'not-synced' },
      secondary: { says: 'Pr', state: 'stopped', sync: 'not-synced' },
      used: { side: 'secondary', isOnBoth: true },
    }),
  );
  expect(findings.filter((each) => each.level === 'wrong').map((each) => each.text)).toEqual([
    expect.stringContaining('both take writes'),
  ]);
});
