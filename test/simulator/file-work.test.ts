import { describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { asFileWork, countingFileWork, fileWorkBefore } from '../../src/simulator/file-work.js';

/** A timer comes a little early or late. */
const NEAR_MS = 25;
const work = async (ms: number): Promise<void> => asFileWork(async () => pause(ms));

/** What a request spends with files, in ms. */
async function spentOn(request: () => Promise<void>): Promise<number> {
  const spent = { ms: 0 };
  await countingFileWork(spent, request);
  return spent.ms;
}

function expectNear(ms: number, expected: number): void {
  expect(Math.abs(ms - expected)).toBeLessThan(NEAR_MS);
}

describe('file work of a request', () => {
  it('is what it spends with files, and nothing else', async () => {
    expectNear(
      await spentOn(async () => {
        await pause(60);
        await work(60);
      }),
      60,
    );
  });

  it('counts work within such work once', async () => {
    expectNear(await spentOn(async () => asFileWork(async () => work(60))), 60);
  });

  it('is what others spend with files while it waits for them, and not what they did before, or otherwise', async () => {
    const other = spentOn(async () => {
      await work(100);
      await pause(100);
    });
    await pause(50);
    const waited = await spentOn(async () => {
      const noteTurn = fileWorkBefore();
      await other;
      noteTurn();
    });
    expectNear(await other, 100);
    expectNear(waited, 50);
  });
});
