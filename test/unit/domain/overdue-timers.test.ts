import { describe, expect, it } from '@jest/globals';
import { overdueTimersHaveFired, withEachLook } from '../../../src/domain/overdue-timers.js';

/** As after SIGSTOP: nothing has its turn, and timers become overdue. */
function standStill(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('rule 24: a lock that ran out while the process stood still is noticed', () => {
  it('when it stood still before the look', async () => {
    const lost = new AbortController();
    setTimeout(() => lost.abort(), 20);
    standStill(60);
    await overdueTimersHaveFired();
    expect(lost.signal.aborted).toBe(true);
  });

  it('when it stood still in the middle of the look, among the answers that have come', async () => {
    const lost = new AbortController();
    setTimeout(() => lost.abort(), 20);
    const looked = overdueTimersHaveFired().then(() => lost.signal.aborted);
    setImmediate(() => standStill(60));
    expect(await looked).toBe(true);
  });

  it('when it stood still in the middle of the look', async () => {
    const lost = new AbortController();
    setTimeout(() => lost.abort(), 20);
    const looked = overdueTimersHaveFired().then(() => lost.signal.aborted);
    standStill(60);
    expect(await looked).toBe(true);
  });

  it('when it stood still at the end of the look, after the timers had their turn', async () => {
    const lost = new AbortController();
    setImmediate(() => setImmediate(() => standStill(120)));
    const looked = overdueTimersHaveFired().then(() => lost.signal.aborted);
    setTimeout(() => lost.abort(), 40);
    expect(await looked).toBe(true);
  });

  it('when it stood still between two timers, and the event loop took the time from before that', async () => {
    const lost = new AbortController();
    const end = performance.now() + 20;
    setTimeout(() => lost.abort(), 20);
    const unwatch = withEachLook(() => void (performance.now() >= end && lost.abort()));
    const looked = await new Promise<boolean>((resolve) => {
      setTimeout(() => {
        standStill(60);
        setTimeout(() => undefined, 1_000);
        resolve(overdueTimersHaveFired().then(() => lost.signal.aborted));
      }, 5);
    });
    unwatch();
    expect(looked).toBe(true);
  });
});
