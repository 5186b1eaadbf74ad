import { describe, expect, it } from '@jest/globals';
import { ProtectionWatch } from '../../../src/driver/protection-watch.js';
import { reportOf, type Scene } from '../domain/group-views.js';

const watch = (): ProtectionWatch => new ProtectionWatch(async () => Promise.resolve([]));
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

  it('knows nothing of what it has not seen', () => {
    const { since, sides } = watch().recall(seenAt('10:00:00', dead));
    expect([since, sides.primary.lastSeen]).toEqual(['2026-11-28T10:00:00Z', undefined]);
  });
});
