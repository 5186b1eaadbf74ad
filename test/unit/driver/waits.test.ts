import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Waits } from '../../../src/driver/waits.js';

const HOUR = 3_600_000;

describe('how long something is looked for', () => {
  let now = 0;
  beforeEach(() => {
    jest.spyOn(performance, 'now').mockImplementation(() => now);
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('counts from the first look, for each on its own, and begins anew after its end', () => {
    const waits = new Waits(HOUR);
    expect(waits.isOver('one')).toBe(false);
    now += HOUR;
    expect([waits.isOver('one'), waits.isOver('two')]).toEqual([false, false]);
    now += 1;
    expect([waits.isOver('one'), waits.isOver('two')]).toEqual([true, false]);
    waits.end('one');
    expect(waits.isOver('one')).toBe(false);
  });
});
