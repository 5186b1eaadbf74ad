import { describe, expect, it } from '@jest/globals';
import type { FailoverPlan, Step } from '../../../src/domain/failover-plan.js';
import { generationsOf } from '../../../src/domain/failover-plan.js';
import { planFailover } from '../../../src/domain/plan-failover.js';
import { reportOf, type Scene } from './group-views.js';

const words = (step: Step): string => {
  if (step.kind === 'array') return `${step.side}: ${step.command}`;
  if (step.kind === 'stop-containers') return `stop ${step.volumes.join()} on ${step.nodeName}`;
  return step.kind;
};
const steps = (plan: FailoverPlan): string[] => plan.steps.map(words);
const FAILOVER = 'secondary: setrcopygroup failover -f RCG1.r7';
const STOP = 'primary: stoprcopygroup -f RCG1';
const FINISH = ['start-containers', 'verify'];
const RELEASE = ['stop db on node1', 'wait-released'];
const used = { side: 'primary' } as const;

const P = { says: 'P' } as const;
const S = { says: 'S' } as const;
const silent = { says: 'silent' } as const;
/** What a secondary says after the primary or the links were lost. */
const leftAlone = { says: 'S', state: 'stopped', links: false, sync: 'not-synced' } as const;
const stopped = { state: 'stopped', sync: 'not-synced' } as const;

describe('a failover that loses nothing', () => {
  it('row 1: stops the containers, the group, and fails over', () => {
    const plan = planFailover(reportOf({ primary: P, secondary: S, used }));
    expect(plan).toMatchObject({ verdict: 'ready', row: 1, to: 'secondary', loss: { kind: 'none' } });
    expect(steps(plan)).toEqual([...RELEASE, STOP, FAILOVER, ...FINISH]);
  });

  it('row 1 of a group whose natural direction was turned: the other way round', () => {
    const plan = planFailover(reportOf({ primary: S, secondary: P, lastActive: 'secondary' }));
    expect(plan).toMatchObject({ verdict: 'ready', to: 'primary' });
    expect(steps(plan)).toEqual([
      'secondary: stoprcopygroup -f RCG1.r7',
      'primary: setrcopygroup failover -f RCG1',
      ...FINISH,
    ]);
  });

  it('row 1, still syncing: waits before anybody is stopped', () => {
    const plan = planFailover(reportOf({ primary: { ...P, sync: 'syncing' }, secondary: S, used }));
    expect(plan).toMatchObject({ verdict: 'ready', loss: { kind: 'none' } });
    expect(steps(plan)).toEqual(['wait-synced', ...RELEASE, STOP, FAILOVER, ...FINISH]);
  });

  it('row 1, periodic: one more sync when nobody writes any more', () => {
    const scene: Scene = { primary: P, secondary: S, mode: 'asynchronous', lastSync: '2026-11-28T11:55:00Z' };
    const plan = planFailover(reportOf({ ...scene, used }));
    expect(plan).toMatchObject({ verdict: 'ready', loss: { kind: 'none' } });
    expect(steps(plan)).toEqual([...RELEASE, 'primary: syncrcopy -w RCG1', 'wait-synced', STOP, FAILOVER, ...FINISH]);
    const report = reportOf(scene);
    const synced = planFailover(report, { synced: generationsOf(report) });
    expect(steps(synced)).toEqual([STOP, FAILOVER, ...FINISH]);
    const busy = planFailover(reportOf({ ...scene, primary: { ...P, sync: 'syncing' }, used }));
    expect(steps(busy).slice(2, 4)).toEqual(['wait-synced', 'primary: syncrcopy -w RCG1']);
    const remounted = planFailover(reportOf({ ...scene, generation: 2 }), { synced: generationsOf(report) });
    expect(steps(remounted)[0]).toBe('primary: syncrcopy -w RCG1');
  });

  it('row 1, stopped by this very run, and nothing mounted since', () => {
    const report = reportOf({ primary: { ...P, ...stopped }, secondary: { ...S, ...stopped } });
    const plan = planFailover(report, { synced: generationsOf(report) });
    expect(plan).toMatchObject({ verdict: 'ready', loss: { kind: 'none' } });
    expect(steps(plan)).toEqual([FAILOVER, ...FINISH]);
  });

  it('row 9: the primary array is dead, and all was synced when replication ended', () => {
    const plan = planFailover(reportOf({ primary: silent, secondary: leftAlone, used }));
    expect(plan).toMatchObject({ verdict: 'ready', row: 9, to: 'secondary', loss: { kind: 'none' } });
    expect(steps(plan)).toEqual([...RELEASE, FAILOVER, ...FINISH]);
    expect(plan.cautions.join()).toContain('make sure that nobody writes to it any more');
  });

  it.each<[string, Scene, number]>([
    ['2', { primary: { ...P, ...stopped }, secondary: { says: 'Pr', ...stopped } }, 2],
    ['3', { primary: { says: 'Sr' }, secondary: { says: 'Pr' } }, 3],
    ['4', { primary: silent, secondary: { says: 'Pr', ...stopped, links: false } }, 4],
  ])('row %s: it is done already', (_row, scene, row) => {
    const plan = planFailover(reportOf(scene));
    expect(plan).toMatchObject({ verdict: 'done', row, to: 'secondary', loss: { kind: 'none' } });
    expect(steps(plan)).toEqual(FINISH);
  });
});

describe('a failover that loses data, or may', () => {
  it('row 1, stopped: the active array went on alone since nobody knows when', () => {
    const plan = planFailover(reportOf({ primary: { ...P, ...stopped }, secondary: { ...S, ...stopped }, used }));
    expect(plan).toMatchObject({ verdict: 'unsafe', row: 1, loss: { kind: 'unknown' } });
    expect(plan.next).toContain('startrcopygroup RCG1');
    expect(steps(plan)).toEqual([...RELEASE, FAILOVER, ...FINISH]);
  });

  it('row 1, stopped by this run, but mounted again meanwhile', () => {
    const before = reportOf({ primary: P, secondary: S });
    const memory = { synced: generationsOf(before) };
    const scene: Scene = { primary: { ...P, ...stopped }, secondary: { ...S, ...stopped } };
    expect(planFailover(reportOf({ ...scene, generation: 2 }), memory).verdict).toBe('unsafe');
    expect(planFailover(reportOf({ ...scene, used }), memory).verdict).toBe('unsafe');
  });

  it('row 9, but the daemon has seen the silent array go on alone before', () => {
    const report = reportOf({ primary: silent, secondary: leftAlone });
    const lastSeen = { at: '2026-11-28T11:59:00Z', isProtected: false, isAlone: true, why: 'the group is stopped' };
    report.sides.primary.lastSeen = lastSeen;
    expect(planFailover(report)).toMatchObject({
      verdict: 'unsafe',
      why: expect.stringContaining(
        'went on alone before it fell silent: when it last answered, at 2026-11-28T11:59:00Z',
      ),
    });
    expect(planFailover(report, { synced: generationsOf(report) }).verdict).toBe('ready');
    report.sides.primary.lastSeen = { ...lastSeen, isProtected: true, isAlone: false };
    expect(planFailover(report)).toMatchObject({
      verdict: 'ready',
      why: expect.stringContaining('protected when that array last answered'),
    });
    expect(planFailover(report).cautions.join()).not.toContain('never saw');
    delete report.sides.primary.lastSeen;
    expect(planFailover(report).cautions.join()).toContain('never saw the primary array alive');
  });

  it('a node without a daemon may go on writing to the array that is left, so that is not called safe', () => {
    const gone = { side: 'primary', node: 'node2', isAlive: false } as const;
    const report = reportOf({ primary: P, secondary: S, used: gone });
    const unsafe = { verdict: 'unsafe', loss: { kind: 'unknown' }, next: expect.stringContaining('host is off') };
    expect(planFailover(report)).toMatchObject(unsafe);
    const after = reportOf({ primary: { ...P, ...stopped }, secondary: { ...S, ...stopped }, used: gone });
    expect(planFailover(after, { synced: generationsOf(report) })).toMatchObject(unsafe);
  });

  it('row 1, streaming: a planned failover is not said to lose nothing, also when this run has stopped the group', () => {
    const started = planFailover(reportOf({ primary: P, secondary: S, mode: 'streaming', used }));
    expect(started).toMatchObject({ verdict: 'unsafe', loss: { kind: 'unknown' } });
    expect(started.loss.why).toContain('no array says that a stop delivers it');
    expect(steps(started)).toEqual([...RELEASE, STOP, FAILOVER, ...FINISH]);
    const report = reportOf({ primary: { ...P, ...stopped }, secondary: { ...S, ...stopped }, mode: 'streaming' });
    const memory = { synced: generationsOf(report) };
    expect(planFailover(report, memory)).toMatchObject({ verdict: 'unsafe', loss: { kind: 'unknown' } });
    const dead = reportOf({ primary: silent, secondary: leftAlone, mode: 'streaming' });
    expect(planFailover(dead, memory)).toMatchObject({ verdict: 'unsafe', loss: { kind: 'unknown' } });
  });

  it('row 9, streaming: what was on its way when the array died is lost', () => {
    const plan = planFailover(reportOf({ primary: silent, secondary: leftAlone, mode: 'streaming' }));
    expect(plan).toMatchObject({ verdict: 'unsafe', loss: { kind: 'unknown' } });
  });

  it('row 9, periodic: what was written since the last completed sync, with its age', () => {
    const plan = planFailover(
      reportOf({ primary: silent, secondary: leftAlone, mode: 'asynchronous', lastSync: '2026-11-28T11:55:00Z' }),
    );
    expect(plan).toMatchObject({
      verdict: 'unsafe',
      loss: { kind: 'since', at: '2026-11-28T11:55:00Z', ageSeconds: 300 },
    });
  });

  it.each(['syncing', 'stale', 'new', 'other'] as const)('row 9, the copy was %s: it is not whole', (sync) => {
    const plan = planFailover(reportOf({ primary: silent, secondary: { ...leftAlone, sync } }));
    expect(plan).toMatchObject({
      verdict: 'unsafe',
      loss: { kind: 'unknown', why: expect.stringContaining(`db is ${sync}`) },
    });
  });

  it('row 9, but the links to the silent array are up: it lives', () => {
    const plan = planFailover(reportOf({ primary: silent, secondary: { ...leftAlone, links: true } }));
    expect(plan).toMatchObject({
      verdict: 'unsafe',
      loss: { kind: 'unknown' },
      why: expect.stringContaining('it lives'),
    });
  });

  it('rows 2 to 4 with a container left on the stale copy', () => {
    const scene: Scene = { primary: { ...P, ...stopped }, secondary: { says: 'Pr', ...stopped }, used };
    const plan = planFailover(reportOf(scene));
    expect(plan).toMatchObject({ verdict: 'done', loss: { kind: 'unknown' } });
    expect(steps(plan)).toEqual([...RELEASE, ...FINISH]);
  });
});

describe('a failover that is not possible', () => {
  it.each<[string, Scene, number]>([
    [
      'row 1 before a failback is finished',
      { primary: { ...P, sync: 'syncing' }, secondary: S, lastActive: 'secondary' },
      1,
    ],
    ['row 1, never started', { primary: { ...P, state: 'new' }, secondary: { ...S, state: 'new' } }, 1],
    ['row 5', { primary: P, secondary: silent }, 5],
    ['row 6', { primary: { ...P, ...stopped, links: false }, secondary: silent }, 6],
    ['row 7', { primary: { ...P, ...stopped }, secondary: silent }, 7],
    ['row 8', { primary: { ...P, ...stopped, links: false }, secondary: silent, lastActive: 'secondary' }, 8],
    ['row 9 while the group is started: the silent array lives', { primary: silent, secondary: S }, 9],
    ['row 10', { primary: silent, secondary: silent }, 10],
    ['row 11: both Primary', { primary: P, secondary: P }, 11],
    ['row 11: both Secondary', { primary: S, secondary: S }, 11],
    ['row 12: no such group', { primary: { says: 'mismatch' }, secondary: S }, 12],
    ['row 12: failsafe', { primary: { ...P, state: 'failsafe' }, secondary: S }, 12],
  ])('%s', (_what, scene, row) => {
    const plan = planFailover(reportOf(scene));
    expect(plan).toMatchObject({ verdict: 'impossible', row, steps: [] });
    expect(plan.next).toMatch(/\S/);
  });
});

describe('who has to be stopped', () => {
  it('another node that lives is listed and waited for', () => {
    const plan = planFailover(reportOf({ primary: P, secondary: S, used: { side: 'primary', node: 'node2' } }));
    expect(steps(plan).slice(0, 2)).toEqual(['stop db on node2', 'wait-released']);
  });

  it('one without a daemon is not waited for, and told about', () => {
    const gone = { side: 'primary', node: 'node2', isAlive: false } as const;
    const plan = planFailover(reportOf({ primary: P, secondary: S, used: gone }));
    expect(steps(plan).slice(0, 2)).toEqual(['stop db on node2', STOP]);
    expect(plan.cautions.join()).toContain('the plugin does not run on node node2');
    // Or the last sync would be asked for again and again.
    const periodic: Scene = { primary: P, secondary: S, mode: 'asynchronous', used: gone };
    const synced = planFailover(reportOf(periodic), { synced: generationsOf(reportOf(periodic)) });
    expect(steps(synced)).not.toContain('primary: syncrcopy -w RCG1');
  });
});

describe('peer persistence', () => {
  const both = { side: 'primary', isOnBoth: true } as const;

  it('row 1: switches over under I/O; only what is mounted from one array is stopped', () => {
    const scene: Scene = { primary: P, secondary: S, hasSwitchover: true };
    const SWITCH = 'primary: setrcopygroup switchover -f RCG1';
    expect(steps(planFailover(reportOf({ ...scene, used: both })))).toEqual([SWITCH, ...FINISH]);
    expect(steps(planFailover(reportOf({ ...scene, used })))).toEqual([...RELEASE, SWITCH, ...FINISH]);
    const lagging = planFailover(reportOf({ ...scene, primary: { ...P, sync: 'syncing' } }));
    expect(steps(lagging)).toEqual(['wait-synced', SWITCH, ...FINISH]);
  });

  it('what was mounted before its data moved is told before anything overwrites them', () => {
    const moved = { side: 'primary', isOnBoth: true, apart: { side: 'secondary', moved: true } } as const;
    const plan = planFailover(reportOf({ primary: P, secondary: S, hasSwitchover: true, used: moved }));
    expect(plan.cautions.join()).toContain('db on node node1: its group moved from the secondary array while');
  });

  it('row 4: the arrays have failed over by themselves, and what is mounted from both goes on', () => {
    const plan = planFailover(reportOf({ primary: silent, secondary: { says: 'Pr', ...stopped }, used: both }));
    expect(plan).toMatchObject({ verdict: 'done', loss: { kind: 'none' } });
    expect(steps(plan)).toEqual(FINISH);
  });

  it('row 2: two arrays that both take writes under one device: it has to be stopped', () => {
    const plan = planFailover(
      reportOf({ primary: { ...P, ...stopped }, secondary: { says: 'Pr', ...stopped }, used: both }),
    );
    expect(plan).toMatchObject({ verdict: 'done', loss: { kind: 'unknown' } });
    expect(steps(plan)).toEqual([...RELEASE, ...FINISH]);
  });
});
