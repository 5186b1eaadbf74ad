import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decideActiveSide, type ActiveSideQuestion, type SideView } from '../../../src/domain/active-side.js';
import { otherSide, type Side } from '../../../src/domain/replication.js';

const silent: SideView = { answer: 'silent', reason: 'connection refused' };
const missing: SideView = { answer: 'mismatch', what: 'has no remote copy group RCG1' };

type Group = Extract<SideView, { answer: 'group' }>;
const group = (role: 'primary' | 'secondary', more: Partial<Group> = {}): Group => ({
  answer: 'group',
  role,
  reversed: false,
  state: 'started',
  linksUp: undefined,
  lagging: [],
  ...more,
});
const primary = (more: Partial<Group> = {}): Group => group('primary', more);
const secondary = (more: Partial<Group> = {}): Group => group('secondary', more);
const reversed = { reversed: true } as const;
const stopped = { state: 'stopped' } as const;
const lagging = { lagging: [{ volume: 'dcv-lag', status: 'syncing' as const }] };

interface Row {
  what: string;
  x: SideView;
  y: SideView;
  /** As seen with X and Y. */
  lastActive?: 'x' | 'y';
  everMounted?: boolean;
  strict?: boolean;
  passedOver?: 'x' | 'y';
  override?: 'x' | 'y';
  active: 'x' | 'y' | 'none';
  row: number;
}

const rows: Row[] = [
  { what: 'natural', x: primary(), y: secondary(), active: 'x', row: 1 },
  {
    what: 'natural, stopped, last used on X',
    x: primary(stopped),
    y: secondary(stopped),
    lastActive: 'x',
    active: 'x',
    row: 1,
  },
  { what: 'natural, home again, all synced', x: primary(), y: secondary(), lastActive: 'y', active: 'x', row: 1 },
  {
    what: 'natural, but last used on Y and stopped',
    x: primary(stopped),
    y: secondary(stopped),
    lastActive: 'y',
    active: 'none',
    row: 1,
  },
  {
    what: 'natural, but last used on Y and lagging',
    x: primary(lagging),
    y: secondary(),
    lastActive: 'y',
    active: 'none',
    row: 1,
  },
  {
    what: 'natural, but last used on Y and Y lagging',
    x: primary(),
    y: secondary(lagging),
    lastActive: 'y',
    active: 'none',
    row: 1,
  },
  {
    what: 'failover done at Y',
    x: primary(stopped),
    y: primary({ ...reversed, ...stopped }),
    lastActive: 'x',
    active: 'y',
    row: 2,
  },
  {
    what: 'failover at Y while X is started',
    x: primary(),
    y: primary({ ...reversed, ...stopped }),
    active: 'none',
    row: 11,
  },
  { what: 'recovered', x: secondary(reversed), y: primary(reversed), lastActive: 'y', active: 'y', row: 3 },
  {
    what: 'X back after an outage',
    x: secondary({ ...reversed, ...stopped }),
    y: primary({ ...reversed, ...stopped }),
    lastActive: 'x',
    active: 'y',
    row: 3,
  },
  {
    what: 'X silent, failed over to Y',
    x: silent,
    y: primary({ ...reversed, ...stopped }),
    lastActive: 'x',
    active: 'y',
    row: 4,
  },
  {
    what: 'X silent, Y replicates to it',
    x: silent,
    y: primary({ linksUp: true }),
    lastActive: 'y',
    active: 'y',
    row: 5,
  },
  {
    what: 'X silent, Y replicates to it and all is synced, though X was used last',
    x: silent,
    y: primary({ linksUp: true }),
    lastActive: 'x',
    active: 'y',
    row: 5,
  },
  {
    what: 'X silent, Y replicates to it but lags, and X was used last',
    x: silent,
    y: primary({ linksUp: true, ...lagging }),
    lastActive: 'x',
    active: 'none',
    row: 8,
  },
  {
    what: 'X silent, links down, last used on Y',
    x: silent,
    y: primary({ linksUp: false }),
    lastActive: 'y',
    active: 'y',
    row: 6,
  },
  {
    what: 'X silent, links down, never mounted',
    x: silent,
    y: primary({ linksUp: false, ...stopped }),
    everMounted: false,
    active: 'y',
    row: 6,
  },
  {
    what: 'X silent, links down, strict',
    x: silent,
    y: primary({ linksUp: false }),
    lastActive: 'y',
    strict: true,
    active: 'none',
    row: 6,
  },
  {
    what: 'X silent, links up, stopped',
    x: silent,
    y: primary({ linksUp: true, ...stopped }),
    lastActive: 'y',
    active: 'none',
    row: 7,
  },
  { what: 'X silent, links unknown', x: silent, y: primary(), lastActive: 'y', active: 'none', row: 7 },
  {
    what: 'X silent, Y plain Primary, X was used last',
    x: silent,
    y: primary({ linksUp: false, ...stopped }),
    lastActive: 'x',
    active: 'none',
    row: 8,
  },
  {
    what: 'X silent, links down, last used on Y, but only by an override that went past X',
    x: silent,
    y: primary({ linksUp: false }),
    lastActive: 'y',
    passedOver: 'x',
    active: 'none',
    row: 8,
  },
  {
    what: 'X silent, Y replicates to it and all is synced, though an override went past X before',
    x: silent,
    y: primary({ linksUp: true }),
    lastActive: 'y',
    passedOver: 'x',
    active: 'y',
    row: 5,
  },
  {
    what: 'X silent, links down, strict, override for Y',
    x: silent,
    y: primary({ linksUp: false }),
    lastActive: 'y',
    strict: true,
    override: 'y',
    active: 'y',
    row: 6,
  },
  {
    what: 'X silent, links up, stopped, override for Y',
    x: silent,
    y: primary({ linksUp: true, ...stopped }),
    lastActive: 'y',
    override: 'y',
    active: 'y',
    row: 7,
  },
  {
    what: 'X silent, X was used last, override for Y',
    x: silent,
    y: primary({ linksUp: false, ...stopped }),
    lastActive: 'x',
    override: 'y',
    active: 'y',
    row: 8,
  },
  {
    what: 'X silent, X was used last, override for X itself',
    x: silent,
    y: primary({ linksUp: false, ...stopped }),
    lastActive: 'x',
    override: 'x',
    active: 'none',
    row: 8,
  },
  {
    what: 'natural, but last used on Y and lagging, override for X',
    x: primary(lagging),
    y: secondary(),
    lastActive: 'y',
    override: 'x',
    active: 'none',
    row: 1,
  },
  {
    what: 'failover done at Y, override for X',
    x: primary(stopped),
    y: primary({ ...reversed, ...stopped }),
    override: 'x',
    active: 'y',
    row: 2,
  },
  { what: 'X silent, Y Secondary, override for Y', x: silent, y: secondary(), override: 'y', active: 'none', row: 9 },
  { what: 'both silent, override for Y', x: silent, y: silent, override: 'y', active: 'none', row: 10 },
  {
    what: 'both Primary without reversal, override for Y',
    x: primary(stopped),
    y: primary(stopped),
    override: 'y',
    active: 'none',
    row: 11,
  },
  { what: 'X silent, missing on Y, override for Y', x: silent, y: missing, override: 'y', active: 'none', row: 12 },
  { what: 'X silent, Y Secondary', x: silent, y: secondary(), lastActive: 'x', active: 'none', row: 9 },
  { what: 'X silent, Y Secondary-Rev', x: silent, y: secondary(reversed), active: 'none', row: 9 },
  { what: 'both silent', x: silent, y: silent, active: 'none', row: 10 },
  { what: 'both Primary without reversal', x: primary(stopped), y: primary(stopped), active: 'none', row: 11 },
  { what: 'both Secondary', x: secondary(), y: secondary(), active: 'none', row: 11 },
  { what: 'both Primary-Rev', x: primary(reversed), y: primary(reversed), active: 'none', row: 11 },
  {
    what: 'Secondary without reversal beside Primary-Rev',
    x: secondary(),
    y: primary(reversed),
    active: 'none',
    row: 11,
  },
  { what: 'group missing on X', x: missing, y: primary(reversed), active: 'none', row: 12 },
  { what: 'group missing on Y', x: primary(), y: missing, active: 'none', row: 12 },
  { what: 'X silent, missing on Y', x: silent, y: missing, active: 'none', row: 12 },
  { what: 'failsafe on X', x: primary({ state: 'failsafe' }), y: secondary(), active: 'none', row: 12 },
];

function ask(row: Row, sideOfX: Side): ReturnType<typeof decideActiveSide> {
  const sideOf = (which: 'x' | 'y'): Side => (which === 'x' ? sideOfX : otherSide(sideOfX));
  const views = { [sideOfX]: row.x, [otherSide(sideOfX)]: row.y } as Record<Side, SideView>;
  return decideActiveSide({
    views,
    lastActive: row.lastActive === undefined ? undefined : sideOf(row.lastActive),
    everMounted: row.everMounted ?? true,
    strict: row.strict ?? false,
    passedOver: row.passedOver === undefined ? undefined : sideOf(row.passedOver),
    override: row.override === undefined ? undefined : sideOf(row.override),
  });
}

describe.each(['primary', 'secondary'] as const)('role table with X = the %s array', (sideOfX) => {
  it.each(rows)('row $row: $what → $active', (row) => {
    const verdict = ask(row, sideOfX);
    const expected = row.active === 'none' ? undefined : row.active === 'x' ? sideOfX : otherSide(sideOfX);
    expect({ side: verdict.side, row: verdict.row }).toEqual({ side: expected, row: row.row });
    if (verdict.side === undefined) expect(verdict.transition).toBe(row.row === 11);
    else if (row.override !== undefined && row.row !== 2) expect(verdict.warning).toContain('override');
  });

  it('row 6: the warning says what may be lost, where, and how to refuse it', () => {
    const [x, y] = [sideOfX, otherSide(sideOfX)];
    const verdict = ask(
      { what: '', x: silent, y: primary({ linksUp: false }), lastActive: 'y', active: 'y', row: 6 },
      x,
    );
    const { warning = '' } = verdict.side === undefined ? {} : verdict;
    expect(warning).toContain(`If the group was failed over to the ${x} array`);
    expect(warning).toContain(`what is written to the ${y} copy now is lost when the group is restored`);
    expect(warning).toMatch(/next: .*replication_strict = true/);
    expect(warning).not.toContain('\n');
  });
});

const views: fc.Arbitrary<SideView> = fc.oneof(
  fc.constant<SideView>(silent),
  fc.constant<SideView>(missing),
  fc.record({
    answer: fc.constant<'group'>('group'),
    role: fc.constantFrom<'primary' | 'secondary'>('primary', 'secondary'),
    reversed: fc.boolean(),
    state: fc.constantFrom<Group['state']>('new', 'started', 'stopped', 'failsafe', 'starting', 'unknown'),
    linksUp: fc.constantFrom<boolean | undefined>(true, false, undefined),
    lagging: fc.constantFrom<Group['lagging']>([], [{ volume: 'v', status: 'stale' }]),
  }),
);
const questions: fc.Arbitrary<ActiveSideQuestion> = fc.record({
  views: fc.record({ primary: views, secondary: views }),
  lastActive: fc.constantFrom<Side | undefined>(undefined, 'primary', 'secondary'),
  everMounted: fc.boolean(),
  strict: fc.boolean(),
  passedOver: fc.constantFrom<Side | undefined>(undefined, 'primary', 'secondary'),
});

describe('whatever the arrays say', () => {
  it('only a side that answered as Primary is ever active', () => {
    fc.assert(
      fc.property(questions, (question) => {
        const verdict = decideActiveSide(question);
        if (verdict.side === undefined) return;
        const view = question.views[verdict.side];
        expect(view.answer === 'group' && view.role).toBe('primary');
      }),
      { numRuns: 2_000 },
    );
  });

  it('a side that was not used last is active only when it was promoted or has everything', () => {
    fc.assert(
      fc.property(questions, (question) => {
        const { side } = decideActiveSide(question);
        if (side === undefined || question.lastActive === undefined || question.lastActive === side) return;
        const view = question.views[side];
        if (view.answer !== 'group') throw new Error('not a group');
        expect(view.reversed || (view.state === 'started' && view.lagging.length === 0)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('rule 8: an override changes nothing but refusals of rows 6 to 8, and these only to the side that it names', () => {
    let lifted = 0;
    fc.assert(
      fc.property(questions, fc.constantFrom<Side>('primary', 'secondary'), (question, override) => {
        const [without, with_] = [decideActiveSide(question), decideActiveSide({ ...question, override })];
        expect(with_.row).toBe(without.row);
        if (with_.side === without.side) {
          if (with_.side !== undefined) expect(with_).toEqual(without);
          return;
        }
        lifted += 1;
        expect(without.side).toBeUndefined();
        expect([6, 7, 8]).toContain(with_.row);
        expect(with_).toMatchObject({ side: override, overridden: true, warning: expect.stringContaining('override') });
        expect(question.views[override]).toMatchObject({ answer: 'group', role: 'primary', reversed: false });
        expect(question.views[otherSide(override)].answer).toBe('silent');
      }),
      { numRuns: 5_000 },
    );
    expect(lifted).toBeGreaterThan(50);
  });

  it('rule 8: what an override went past only ever makes the answer stricter', () => {
    fc.assert(
      fc.property(questions, (question) => {
        const verdict = decideActiveSide(question);
        const before = decideActiveSide({ ...question, passedOver: undefined });
        if (verdict.side !== undefined) expect(verdict.side).toBe(before.side);
        if (verdict.row !== before.row) expect(verdict).toMatchObject({ side: undefined, row: 8 });
      }),
      { numRuns: 2_000 },
    );
  });

  it('swapping the arrays swaps the answer', () => {
    const swap = (question: ActiveSideQuestion): ActiveSideQuestion => ({
      ...question,
      views: { primary: question.views.secondary, secondary: question.views.primary },
      lastActive: question.lastActive === undefined ? undefined : otherSide(question.lastActive),
      passedOver: question.passedOver === undefined ? undefined : otherSide(question.passedOver),
    });
    fc.assert(
      fc.property(questions, (question) => {
        const [there, back] = [decideActiveSide(question), decideActiveSide(swap(question))];
        expect(back.side).toBe(there.side === undefined ? undefined : otherSide(there.side));
      }),
      { numRuns: 2_000 },
    );
  });
});
