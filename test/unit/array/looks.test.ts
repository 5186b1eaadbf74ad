import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { Looks } from '../../../src/array/looks.js';

beforeEach(() => {
  jest.useFakeTimers();
  jest.advanceTimersByTime(60_000);
});

afterEach(() => {
  jest.useRealTimers();
});

it('an answer serves once', () => {
  const looks = new Looks<string>();
  looks.keep('a', 'seen', performance.now());
  expect(looks.take('b')).toBeUndefined();
  expect(looks.take('a')?.answer).toBe('seen');
  expect(looks.take('a')).toBeUndefined();
});

it('an answer serves for five seconds from when it was asked for', () => {
  const looks = new Looks<string>();
  looks.keep('a', 'seen', performance.now() - 4_000);
  jest.advanceTimersByTime(999);
  expect(looks.take('a')?.answer).toBe('seen');
  looks.keep('a', 'seen', performance.now() - 4_000);
  jest.advanceTimersByTime(1_000);
  expect(looks.take('a')).toBeUndefined();
});

it('an answer that may not be true any more is forgotten', () => {
  const looks = new Looks<string>();
  for (const about of ['a', 'b', 'c']) looks.keep(about, 'seen', performance.now());
  looks.forget('a');
  expect([looks.take('a'), looks.take('b')?.answer]).toEqual([undefined, 'seen']);
  looks.forgetAll();
  expect(looks.take('c')).toBeUndefined();
});
