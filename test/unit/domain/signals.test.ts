import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { firstOf, within, withTimeLimit } from '../../../src/domain/signals.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Whether it fires within 1 s, while garbage is collected and nobody else holds the signal. */
async function fires(make: () => AbortSignal): Promise<boolean> {
  const seen: boolean[] = [];
  make().addEventListener('abort', () => seen.push(true));
  for (let i = 0; i < 20 && seen.length === 0; i += 1) {
    await pause(50);
    collectGarbage();
  }
  return seen.length > 0;
}

afterEach(() => {
  jest.useRealTimers();
});

describe('signals', () => {
  const never = new AbortController().signal;

  it('a time limit fires after garbage was collected', async () => {
    expect(await fires(() => within(300))).toBe(true);
    expect(await fires(() => within(300, never))).toBe(true);
    expect(await fires(() => firstOf(never, within(300)))).toBe(true);
    expect(await fires(() => within(60_000, firstOf(never, within(300, never)), never))).toBe(true);
    expect(await fires(() => firstOf(AbortSignal.timeout(300), never))).toBe(true);
  });

  it('fires at once with the reason of the first that has fired', () => {
    const reason = new Error('why');
    const source = new AbortController();
    const joined = [firstOf(never, source.signal), within(60_000, never, source.signal)];
    expect(joined.map(({ aborted }) => aborted)).toEqual([false, false]);
    source.abort(reason);
    joined.push(firstOf(source.signal, AbortSignal.abort('later')), within(1, never, source.signal));
    expect(joined.map((signal): unknown => signal.reason)).toEqual([reason, reason, reason, reason]);
  });

  it('is a TimeoutError when the time is over', async () => {
    const signal = within(1);
    await pause(20);
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
    expect(within(10).aborted).toBe(false);
  });

  it('leaves nothing on a signal that lives on', async () => {
    const long = new AbortController();
    const source = new AbortController();
    for (let i = 0; i < 50; i += 1) {
      within(1, long.signal);
      firstOf(long.signal, source.signal);
    }
    source.abort();
    await pause(50);
    expect(getEventListeners(long.signal, 'abort')).toEqual([]);
  });

  it('leaves nothing on a signal that lives on when garbage was collected meanwhile', async () => {
    const long = new AbortController();
    const sources = Array.from({ length: 50 }, () => new AbortController());
    for (const { signal } of sources) {
      within(60_000, long.signal, signal);
      firstOf(signal, long.signal);
    }
    await pause(10);
    collectGarbage();
    for (const source of sources) source.abort();
    expect(getEventListeners(long.signal, 'abort')).toHaveLength(0);
  });

  it('a time limit leaves neither timer nor listener when its work has ended, however it did', async () => {
    jest.useFakeTimers();
    const long = new AbortController();
    const seen: AbortSignal[] = [];
    const work = async (signal: AbortSignal): Promise<string> => {
      seen.push(signal);
      expect(jest.getTimerCount()).toBe(1);
      return Promise.resolve('done');
    };
    expect(await withTimeLimit(60_000, long.signal, work)).toBe('done');
    const failing = withTimeLimit(60_000, long.signal, async (signal) => {
      await work(signal);
      throw new Error('why');
    });
    await expect(failing).rejects.toThrow('why');
    expect([jest.getTimerCount(), getEventListeners(long.signal, 'abort')]).toEqual([0, []]);
    expect(seen.map(({ aborted }) => aborted)).toEqual([false, false]);
  });

  it('a time limit fires while its work goes on, by its time and by its signal', async () => {
    jest.useFakeTimers();
    const source = new AbortController();
    const fired: unknown[] = [];
    const work = async (signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          fired.push(signal.reason);
          resolve();
        });
      });
    const [byTime, bySignal] = [withTimeLimit(300, source.signal, work), withTimeLimit(60_000, source.signal, work)];
    jest.advanceTimersByTime(300);
    await byTime;
    source.abort('given up');
    await bySignal;
    expect(fired).toEqual([expect.objectContaining({ name: 'TimeoutError' }), 'given up']);
    await withTimeLimit(1, source.signal, async (signal) => Promise.resolve(fired.push(signal.reason)));
    expect(fired[2]).toBe('given up');
  });
});
