import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { failure, hands } from './hands.js';
import { startStack, type Stack } from './stack.js';

jest.setTimeout(400_000);

/** Docker's own limit for a Mount. */
const DOCKER_LIMIT_MS = 120_000;
const ROLLBACK_MS = 90_000;

describe('an array that answers, but slowly', () => {
  let stack: Stack;
  const hand = hands(() => stack);

  beforeAll(async () => {
    // The daemon believes that it has more time than Docker gives it.
    stack = await startStack({ driver: 'hpe-slow', mode: 'synchronous', more: ['docker_timeout = 600'] });
  });
  afterEach(async () => {
    await stack.control.latency(0);
    await hand.leaveNothing();
  });
  afterAll(async () => {
    await stack.stop();
  });

  it("a Mount that outlasts Docker's limit is rolled back without being asked, and the next start succeeds", async () => {
    await hand.create('vol', 'backend=plain', 'size=1');
    await stack.control.latency(25_000);
    const start = performance.now();
    expect(await failure(hand.run('slow', 'vol'))).toContain('deadline exceeded');
    expect(performance.now() - start).toBeGreaterThan(DOCKER_LIMIT_MS - 1000);
    await stack.control.latency(0);
    await hand.eventuallyUnused('vol', ROLLBACK_MS);
    await hand.start('slow');
    await hand.inside('slow', 'echo written > /data/f; sync');
    await hand.stop('slow');
    expect(await hand.servedBy('vol')).toEqual([]);
  });
});
