import { describe, expect, it } from '@jest/globals';
import {
  checkOverrideRequest,
  LONGEST_OVERRIDE,
  parseDuration,
  parseSide,
  type OverrideRequest,
} from '../../../src/domain/override.js';

describe('what an operator may ask for', () => {
  it.each([
    ['3s', 3],
    ['45s', 45],
    ['30m', 1_800],
    ['2h', 7_200],
    ['24h', 86_400],
    ['1440m', 86_400],
  ])('lasts %s: %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it.each(['', '30', 'm', '0m', '-5m', '1.5h', '30 m', '30min', '1d', '1h30m', '25h', '86401s', '999999999h', '３０m'])(
    'refuses the duration %j',
    (text) => {
      expect(() => parseDuration(text)).toThrow(/like 45s, 30m or 2h|from 1s to 24h/);
    },
  );

  it('takes the two sides, and no other word', () => {
    expect([parseSide('primary'), parseSide('secondary')]).toEqual(['primary', 'secondary']);
    for (const text of ['', 'Primary', 'primry', 'both']) expect(() => parseSide(text)).toThrow(/primary or secondary/);
  });

  it('needs a reason of one line, and a time', () => {
    const request: OverrideRequest = { volume: 'db', side: 'primary', seconds: 60, reason: '  the fire ' };
    expect(checkOverrideRequest(request)).toEqual({ ...request, reason: 'the fire' });
    for (const reason of ['', ' \t', 'a\nb', 'x'.repeat(301)])
      expect(() => checkOverrideRequest({ ...request, reason })).toThrow(/reason/);
    for (const seconds of [0, -1, 0.5, Number.NaN, LONGEST_OVERRIDE + 1])
      expect(() => checkOverrideRequest({ ...request, seconds })).toThrow(/from 1s to 24h/);
  });
});
