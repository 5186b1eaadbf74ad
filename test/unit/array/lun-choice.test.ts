import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { Vlun } from '../../../src/contracts/array.js';
import { LunChoice } from '../../../src/array/lun-choice.js';

const NOTHING = new Set<number>();
const host = 'node-1';
const vlun = (lun: number, volume = 'another'): Vlun => ({ volume, host, lun, active: false, port: undefined });
let luns: LunChoice;

/** Some time before now, in ms. */
const look = (exports: Vlun[], ago = 0): void => luns.keep(host, { exports, at: performance.now() - ago });

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
  jest.advanceTimersByTime(60_000);
  luns = new LunChoice();
});

afterEach(() => {
  jest.useRealTimers();
});

it('chooses nothing for a host that nobody looked at, or not lately', () => {
  const chosen = (of: string): number | undefined => {
    const claim = luns.begin(of, 'db', NOTHING);
    luns.end(claim);
    return claim.lun;
  };
  expect(chosen(host)).toBeUndefined();
  look([], 5_001);
  expect(chosen(host)).toBeUndefined();
  look([], 4_999);
  expect(chosen('node-2')).toBeUndefined();
  expect(chosen(host)).toBe(0);
});

it('chooses nothing for a volume that the host has', () => {
  look([vlun(7, 'db')]);
  expect(luns.begin(host, 'db', NOTHING).lun).toBeUndefined();
});

it('gives each export under way a LUN of its own, and none that is shown or to be avoided', () => {
  look([vlun(0), vlun(2)]);
  const chosen = ['a', 'b', 'c'].map((volume) => luns.begin(host, volume, new Set([3])).lun);
  expect(chosen).toEqual([1, 4, 5]);
});

it('goes on counting the LUN of one that has ended until a later look tells', () => {
  look([]);
  const first = luns.begin(host, 'a', NOTHING);
  jest.advanceTimersByTime(100);
  luns.end(first);
  expect(luns.begin(host, 'b', NOTHING).lun).toBe(1);
  jest.advanceTimersByTime(1);
  // It was undone.
  look([vlun(1, 'b')]);
  expect(luns.begin(host, 'c', NOTHING).lun).toBe(0);
});

it('counts what the array has chosen as soon as it has said so', () => {
  const chosen = luns.begin(host, 'a', NOTHING);
  look([]);
  chosen.lun = 0;
  expect(luns.begin(host, 'b', NOTHING).lun).toBe(1);
});

it('proposes nothing while the array is choosing, and goes on when it has failed to', () => {
  const choosing = luns.begin(host, 'a', NOTHING);
  look([]);
  const beside = luns.begin(host, 'b', NOTHING);
  expect(beside.lun).toBeUndefined();
  luns.end(choosing);
  beside.lun = 0;
  expect(luns.begin(host, 'c', NOTHING).lun).toBe(1);
});

it('does not propose for a minute what was refused', () => {
  luns.refuse(host, 0);
  look([]);
  expect(luns.begin(host, 'a', NOTHING).lun).toBe(1);
  jest.advanceTimersByTime(65_000);
  look([]);
  expect(luns.begin(host, 'b', NOTHING).lun).toBe(0);
});
