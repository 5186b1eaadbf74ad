import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { planFailover } from '../../../src/domain/plan-failover.js';
import type { GroupReport, ProtectionMemory } from '../../../src/domain/group-report.js';
import { protectionFile } from '../../../src/store/protection-file.js';
import { ProtectionWatch } from '../../../src/driver/protection-watch.js';
import { reportOf, type Scene } from '../domain/group-views.js';

const nowhere = { load: async () => Promise.resolve([]), save: async () => Promise.resolve() };
const watch = (): ProtectionWatch => new ProtectionWatch(async () => Promise.resolve([]), nowhere);
const seenAt = (at: string, scene: Scene) => ({ ...reportOf(scene), at: `2026-11-28T${at}Z` });

const whole: Scene = { primary: { says: 'P' }, secondary: { says: 'S' } };
const stopped = { state: 'stopped', sync: 'not-synced' } as const;
const alone: Scene = { primary: { says: 'P', ...stopped }, secondary: { says: 'S', ...stopped } };
const dead: Scene = { primary: { says: 'silent' }, secondary: { says: 'S', ...stopped, links: false } };

describe('the watch over what protects a group', () => {
  it('knows since when it is protected, and since when it is not', () => {
    const known = watch();
    known.note(seenAt('10:00:00', whole));
    expect(known.recall(seenAt('10:01:00', whole)).since).toBe('2026-11-28T10:00:00Z');
    expect(known.recall(seenAt('10:02:00', alone)).since).toBe('2026-11-28T10:02:00Z');
    expect(known.recall(seenAt('10:03:00', dead)).since).toBe('2026-11-28T10:02:00Z');
  });

  it('says of a silent array how it was when it last answered', () => {
    const known = watch();
    known.note(seenAt('10:00:00', whole));
    expect(known.recall(seenAt('10:01:00', dead)).sides.primary.lastSeen).toMatchObject({
      at: '2026-11-28T10:00:00Z',
      isProtected: true,
      isAlone: false,
    });
    known.note(seenAt('10:02:00', alone));
    expect(known.recall(seenAt('10:03:00', dead)).sides.primary.lastSeen).toMatchObject({ isAlone: true });
    expect(known.recall(seenAt('10:04:00', whole)).sides.primary.lastSeen).toBeUndefined();
  });

  it('does not forget that an array went on alone when an older poll is heard after it', () => {
    const known = watch();
    known.note(seenAt('10:00:05', alone));
    known.note(seenAt('10:00:00', whole));
    expect(known.recall(seenAt('10:00:15', dead)).sides.primary.lastSeen).toMatchObject({ isAlone: true });
  });

  it('knows nothing of what it has not seen', () => {
    const { since, sides } = watch().recall(seenAt('10:00:00', dead));
    expect([since, sides.primary.lastSeen]).toEqual(['2026-11-28T10:00:00Z', undefined]);
  });
});

describe('what is kept over a restart of the daemon', () => {
  let dir: string;
  let heard: GroupReport[];
  let warned: string[];
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'hpe-protection-'));
    heard = [];
    warned = [];
  });
  afterEach(async () => rm(dir, { recursive: true }));
  const file = (): string => path.join(dir, 'protection.json');
  /** A daemon that looks once. */
  async function begin(): Promise<ProtectionWatch> {
    const memories = protectionFile(dir, { warn: (what) => void warned.push(what) });
    const begun = new ProtectionWatch(async () => Promise.resolve(heard), memories);
    await begun.load();
    return begun;
  }
  async function lookOnce(...reports: GroupReport[]): Promise<void> {
    heard = reports;
    const begun = await begin();
    begun.start();
    await begun.stop();
  }

  it('an array that went on alone and then fell silent is not called whole after a restart', async () => {
    await lookOnce(seenAt('10:00:00', alone));
    const plan = planFailover((await begin()).recall(seenAt('10:00:30', dead)));
    expect(plan).toMatchObject({ verdict: 'unsafe', loss: { kind: 'unknown', why: 'what it took alone' } });
    expect(plan.why).toContain('when it last answered, at 2026-11-28T10:00:00Z');
  });

  it('what was protected is known with its age, and a time in which nobody looked is told', async () => {
    await lookOnce(seenAt('10:00:00', whole));
    const soon = planFailover((await begin()).recall(seenAt('10:00:30', dead)));
    expect(soon).toMatchObject({ verdict: 'ready', why: expect.stringContaining('at 2026-11-28T10:00:00Z') });
    expect(soon.cautions.join()).not.toContain('did not look again');
    const late = planFailover((await begin()).recall(seenAt('11:00:00', dead)));
    expect(late.cautions.join()).toContain(
      'last at 2026-11-28T10:00:00Z and did not look again before 2026-11-28T11:00:00Z',
    );
  });

  it('a clock that was a day ahead once makes nobody blind: what is seen then counts, and what is not seen is told', async () => {
    const ahead = { ...seenAt('10:00:00', whole), at: '2026-11-29T10:00:00Z' };
    await lookOnce(ahead);
    const unseen = planFailover((await begin()).recall(seenAt('10:00:30', dead)));
    expect(unseen.cautions.join()).toContain('did not look again');
    await lookOnce(seenAt('10:01:00', alone));
    expect(planFailover((await begin()).recall(seenAt('10:01:30', dead)))).toMatchObject({ verdict: 'unsafe' });
  });

  it('a silence that was seen before the restart is no time in which nobody looked', async () => {
    await lookOnce(seenAt('10:00:00', whole));
    await lookOnce(seenAt('10:00:15', dead));
    const { sides } = (await begin()).recall(seenAt('11:00:00', dead));
    expect(sides.primary.lastSeen).toMatchObject({ at: '2026-11-28T10:00:00Z', missedAt: '2026-11-28T10:00:15Z' });
  });

  it('"no since" goes on; "yes since" begins anew when nobody looked for long', async () => {
    await lookOnce(seenAt('10:00:00', alone));
    expect((await begin()).recall(seenAt('11:00:00', alone)).since).toBe('2026-11-28T10:00:00Z');
    await lookOnce(seenAt('12:00:00', whole));
    expect((await begin()).recall(seenAt('12:01:00', whole)).since).toBe('2026-11-28T12:00:00Z');
    expect((await begin()).recall(seenAt('13:00:00', whole)).since).toBe('2026-11-28T13:00:00Z');
  });

  it('rule 40: who asks writes nothing, and a look that sees nothing new neither', async () => {
    const saved: ProtectionMemory[][] = [];
    const memories = {
      load: async () => Promise.resolve(saved.at(-1) ?? []),
      save: async (each: ProtectionMemory[]) => Promise.resolve(void saved.push(structuredClone(each))),
    };
    const beginOn = async (): Promise<ProtectionWatch> => {
      const begun = new ProtectionWatch(async () => Promise.resolve(heard), memories);
      await begun.load();
      return begun;
    };
    const lookedAt = async (begun: ProtectionWatch): Promise<void> => {
      begun.start();
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    const asked = await beginOn();
    asked.recall(seenAt('10:00:00', whole));
    expect(saved).toEqual([]);
    heard = [seenAt('10:00:05', whole)];
    await lookedAt(asked);
    expect(saved).toHaveLength(1);
    await asked.stop();
    heard = [seenAt('10:00:20', whole)];
    const next = await beginOn();
    await lookedAt(next);
    expect(saved).toHaveLength(2);
    await next.stop();
    // Its age is kept at the stop.
    expect(saved.at(-1)?.[0]?.at).toBe('2026-11-28T10:00:20Z');
  });

  it('a damaged file is told, and counts as none', async () => {
    await writeFile(file(), '[{"backend":');
    expect((await begin()).recall(seenAt('10:00:00', dead)).sides.primary.lastSeen).toBeUndefined();
    expect(warned).toEqual([expect.stringContaining('cannot be read')]);
  });
});
