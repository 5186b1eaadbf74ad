import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { FaultSpec } from '../../src/simulator/faults.js';
import { arrayOf } from '../pair-client.js';
import { failure, hands } from './hands.js';
import { startStack, type Stack } from './stack.js';

jest.setTimeout(400_000);

/** Docker's own limit for a Mount. */
const DOCKER_LIMIT_MS = 120_000;
/** Less than the daemon gives one call; the four that an export needs, and twice the roles, are too slow for Docker. */
const CALL_MS = 29_000;
const ROLES_MS = 6_000;
const ROLLBACK_MS = 90_000;

describe('an array that answers, but slowly', () => {
  let stack: Stack;
  const hand = hands(() => stack);

  beforeAll(async () => {
    // The daemon believes that it has more time than Docker gives it.
    stack = await startStack({ driver: 'hpe-slow', mode: 'synchronous', more: ['docker_timeout = 600'] });
  });
  afterEach(async () => {
    await stack.control.clearFaults();
    await hand.leaveNothing();
  });
  afterAll(async () => {
    await stack.stop();
  });

  it("a Mount that outlasts Docker's limit is rolled back without being asked, and the next start succeeds", async () => {
    await hand.create('vol', 'replicationGroup=RCG4', 'size=1');
    const array = arrayOf(stack.pair, 'primary').name;
    const slow = async (match: FaultSpec['match'], ms: number): Promise<void> =>
      stack.control.fault({ array, match, effect: 'delay', ms, times: 100 });
    await slow({ pathRegex: '/remotecopygroups' }, ROLES_MS);
    await slow({ pathRegex: '/hosts' }, CALL_MS);
    // Not the first look at the exports, which belongs to the planning.
    await slow({ pathRegex: '/vluns', nth: 2 }, CALL_MS);
    const start = performance.now();
    expect(await failure(hand.run('slow', 'vol'))).toContain('deadline exceeded');
    expect(performance.now() - start).toBeGreaterThan(DOCKER_LIMIT_MS - 1000);
    await stack.control.clearFaults();
    await hand.eventuallyUnused('vol', ROLLBACK_MS);
    await hand.start('slow');
    await hand.inside('slow', 'echo written > /data/f; sync');
    await hand.stop('slow');
    expect(await hand.servedBy('vol')).toEqual([]);
  });
});
