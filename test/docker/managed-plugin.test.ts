import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { arrayOf, operator } from '../pair-client.js';
import { arrayObjects } from '../simulator-state.js';
import { hands } from './hands.js';
import { startManagedStack, type ManagedStack } from './managed-stack.js';

jest.setTimeout(300_000);

describe('the managed plugin on a real Docker engine', () => {
  let stack: ManagedStack;
  const hand = hands(() => stack);

  beforeAll(async () => {
    stack = await startManagedStack('hpe-managed');
  });
  afterEach(async () => {
    await hand.leaveNothing();
  });
  afterAll(async () => {
    await stack.stop();
  });

  it('create, run, write, failover, run, failback, run, rm', async () => {
    const [primary, secondary] = [arrayOf(stack.pair, 'primary'), arrayOf(stack.pair, 'secondary')];
    const remote = `RCG1.r${primary.systemId}`;
    await hand.create('db', 'replicationGroup=RCG1', 'size=1');
    await hand.run('db', 'db');
    expect(await hand.servedBy('db')).toEqual([primary.name]);
    await hand.inside('db', 'echo one > /data/one; sync');
    await hand.stop('db');
    expect(await hand.servedBy('db')).toEqual([]);

    await operator(primary, 'stoprcopygroup -f RCG1');
    await operator(secondary, `setrcopygroup failover -f ${remote}`);
    await hand.start('db');
    expect(await hand.servedBy('db')).toEqual([secondary.name]);
    expect(await hand.inside('db', 'cat /data/one; echo two > /data/two; sync')).toBe('one');
    await hand.stop('db');

    await operator(secondary, `setrcopygroup recover -f ${remote}`);
    await operator(secondary, `setrcopygroup restore -f ${remote}`);
    await hand.start('db');
    expect(await hand.servedBy('db')).toEqual([primary.name]);
    expect(await hand.inside('db', 'cat /data/one /data/two')).toBe('one\ntwo');
    await hand.rm('db');
    await hand.docker('volume', 'rm', 'db');
    expect(await arrayObjects(stack.control)).toEqual([]);
  });
});
