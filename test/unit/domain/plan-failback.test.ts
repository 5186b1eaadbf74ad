import { describe, expect, it } from '@jest/globals';
import type { FailoverPlan, Step } from '../../../src/domain/failover-plan.js';
import { planFailback } from '../../../src/domain/plan-failback.js';
import { reportOf, type Scene } from './group-views.js';

const words = (step: Step): string => {
  if (step.kind === 'array') return `${step.side}: ${step.command}`;
  if (step.kind === 'stop-containers') return `stop ${step.volumes.join()} on ${step.nodeName}`;
  return step.kind;
};
const steps = (plan: FailoverPlan): string[] => plan.steps.map(words);
const RECOVER = 'secondary: setrcopygroup recover -f RCG1.r7';
const RESTORE = 'secondary: setrcopygroup restore -f RCG1.r7';
const RELEASE = ['stop db on node1', 'wait-released'];
const COME_HOME = [...RELEASE, RESTORE, 'wait-synced', 'start-containers', 'verify'];
const used = { side: 'secondary' } as const;
const stopped = { state: 'stopped', sync: 'not-synced' } as const;
const P = { says: 'P' } as const;
const S = { says: 'S' } as const;
const silent = { says: 'silent' } as const;

const failedOver: Scene = {
  primary: { ...P, ...stopped },
  secondary: { says: 'Pr', ...stopped },
  lastActive: 'secondary',
};

describe('a failback', () => {
  it.each<[string, Scene]>([
    ['row 2: the old primary still says Primary', failedOver],
    ['row 3: the old primary came back as Secondary-Rev', { ...failedOver, primary: { says: 'Sr', ...stopped } }],
  ])('%s: copied back while the containers run, and stopped for the change only', (_what, scene) => {
    const plan = planFailback(reportOf({ ...scene, used }));
    expect(plan).toMatchObject({ verdict: 'ready', to: 'primary', loss: { kind: 'none' } });
    expect(steps(plan)).toEqual([RECOVER, 'wait-synced', ...COME_HOME]);
    expect(plan.loss.why).toContain('after a failover with a loss: what only the primary array has');
    expect(plan.steps[0]).toMatchObject({ destroys: expect.stringContaining('the primary array') });
  });

  it('row 3, being copied back: waits first', () => {
    const scene: Scene = { primary: { says: 'Sr', sync: 'syncing' }, secondary: { says: 'Pr' }, used };
    const plan = planFailback(reportOf(scene));
    expect(steps(plan)).toEqual(['wait-synced', ...COME_HOME]);
  });

  it('row 3, copied back', () => {
    const plan = planFailback(reportOf({ primary: { says: 'Sr' }, secondary: { says: 'Pr' }, used }));
    expect(steps(plan)).toEqual(COME_HOME);
  });

  it('of a container that writes to the stale copy: what it wrote would be overwritten', () => {
    const plan = planFailback(reportOf({ ...failedOver, used: { side: 'primary' } }));
    expect(plan).toMatchObject({ verdict: 'unsafe', loss: { kind: 'unknown', why: expect.stringContaining('db') } });
    expect(steps(plan).slice(0, 3)).toEqual([...RELEASE, RECOVER]);
  });

  it('a container left on the stale copy does not live through a copy back that somebody has begun by hand', () => {
    const scene: Scene = { primary: { says: 'Sr' }, secondary: { says: 'Pr' }, used: { side: 'primary' } };
    for (const each of [scene, { ...scene, hasSwitchover: true as const }]) {
      const plan = planFailback(reportOf(each));
      expect(plan).toMatchObject({ verdict: 'unsafe', loss: { kind: 'unknown' } });
      expect(steps(plan).slice(0, 3)).toEqual([...RELEASE, RESTORE]);
    }
  });

  it('row 1, home and synced: nothing is left to do', () => {
    const plan = planFailback(reportOf({ primary: P, secondary: S, lastActive: 'secondary' }));
    expect(plan).toMatchObject({ verdict: 'done', to: 'primary' });
    expect(steps(plan)).toEqual(['start-containers', 'verify']);
  });

  it('row 1, home and not synced yet: waits', () => {
    const plan = planFailback(reportOf({ primary: { ...P, sync: 'syncing' }, secondary: S, lastActive: 'secondary' }));
    expect(plan).toMatchObject({ verdict: 'done', to: 'primary' });
    expect(steps(plan)).toEqual(['wait-synced', 'start-containers', 'verify']);
  });

  it('row 1, never failed over, and stopped: says that nothing protects it', () => {
    const plan = planFailback(reportOf({ primary: { ...P, ...stopped }, secondary: { ...S, ...stopped } }));
    expect(plan).toMatchObject({ verdict: 'done', why: expect.stringContaining('nothing protects it') });
    expect(plan.next).toContain('startrcopygroup RCG1');
  });

  it.each<[string, Scene, number]>([
    [
      'row 1 stopped, used last on the other side: either copy may be newer',
      { primary: { ...P, ...stopped }, secondary: { ...S, ...stopped }, lastActive: 'secondary' },
      1,
    ],
    ['row 2 with the links down', { ...failedOver, secondary: { says: 'Pr', ...stopped, links: false } }, 2],
    ['row 4', { primary: silent, secondary: { says: 'Pr', ...stopped } }, 4],
    ['row 5', { primary: P, secondary: silent }, 5],
    ['row 6', { primary: { ...P, ...stopped, links: false }, secondary: silent }, 6],
    ['row 7', { primary: { ...P, ...stopped }, secondary: silent }, 7],
    ['row 8', { primary: { ...P, ...stopped, links: false }, secondary: silent, lastActive: 'secondary' }, 8],
    ['row 9', { primary: silent, secondary: { ...S, ...stopped } }, 9],
    ['row 10', { primary: silent, secondary: silent }, 10],
    ['row 11', { primary: P, secondary: P }, 11],
    ['row 12', { primary: { says: 'mismatch' }, secondary: S }, 12],
  ])('is not possible: %s', (_what, scene, row) => {
    const plan = planFailback(reportOf(scene));
    expect(plan).toMatchObject({ verdict: 'impossible', row, steps: [] });
    expect(plan.next).toMatch(/\S/);
  });
});
