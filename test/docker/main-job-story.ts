import { expect } from '@jest/globals';
import { arrayOf, operator, type ReplicationMode } from '../pair-client.js';
import { arrayObjects } from '../simulator-state.js';
import type { hands } from './hands.js';
import type { Stack } from './stack.js';

interface Job {
  stack: Pick<Stack, 'pair' | 'control'>;
  hand: ReturnType<typeof hands>;
  mode: ReplicationMode;
}

/** What the plugin is for: create, run, write, fail over, run, fail back, run, remove; and nothing is left. */
export async function expectMainJob({ stack, hand, mode }: Job): Promise<void> {
  const [primary, secondary] = [arrayOf(stack.pair, 'primary'), arrayOf(stack.pair, 'secondary')];
  const remote = `RCG1.r${primary.systemId}`;
  await hand.create('db', 'replicationGroup=RCG1', 'size=1');
  await hand.run('db', 'db');
  expect(await hand.servedBy('db')).toEqual([primary.name]);
  await hand.inside('db', 'echo one > /data/one; sync');
  await hand.stop('db');
  expect(await hand.servedBy('db')).toEqual([]);
  if (mode === 'asynchronous') await stack.control.sync('RCG1');

  await hand.start('db');
  await hand.inside('db', 'echo two > /data/two; sync');
  await hand.stop('db');
  await operator(primary, 'stoprcopygroup -f RCG1');
  await operator(secondary, `setrcopygroup failover -f ${remote}`);
  await hand.start('db');
  expect(await hand.servedBy('db')).toEqual([secondary.name]);
  // A periodic group holds the last completed sync: what was written after it is lost with the primary.
  const survived = mode === 'synchronous' ? 'one\ntwo' : 'one';
  expect(await hand.inside('db', 'cat /data/one /data/two 2>/dev/null || true')).toBe(survived);
  await hand.inside('db', 'echo three > /data/three; sync');
  await hand.stop('db');

  await operator(secondary, `setrcopygroup recover -f ${remote}`);
  await operator(secondary, `setrcopygroup restore -f ${remote}`);
  await hand.start('db');
  expect(await hand.servedBy('db')).toEqual([primary.name]);
  expect(await hand.inside('db', 'cat /data/one /data/two /data/three 2>/dev/null || true')).toBe(`${survived}\nthree`);
  await hand.rm('db');
  await hand.docker('volume', 'rm', 'db');
  expect(await arrayObjects(stack.control)).toEqual([]);
}
