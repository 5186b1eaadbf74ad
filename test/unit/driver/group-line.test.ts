import { describe, expect, it, jest } from '@jest/globals';
import { DriverError } from '../../../src/domain/errors.js';
import { GroupLine, type GroupWork } from '../../../src/driver/group-line.js';
import type { GroupChange, Seat } from '../../../src/driver/seat.js';
import type { SeenGroup } from '../../../src/driver/seen-group.js';

const SEEN: SeenGroup = { record: undefined, groups: {}, failures: {}, at: 0 };
const CHANGE: GroupChange = { kind: 'tidy', emptyMayGo: false };
const NEVER = new AbortController().signal;

/** A line whose cycles only note how many took part. */
function lineOf(work: Partial<GroupWork> = {}): { line: GroupLine; cycles: number[] } {
  const cycles: number[] = [];
  const fence = { keys: ['group'], signal: NEVER, release: async () => Promise.resolve() };
  const line = new GroupLine({
    lock: async () => Promise.resolve({ fence, record: undefined }),
    look: async () => Promise.resolve(SEEN),
    async run(_fence, _seen, seats) {
      cycles.push(seats.length);
      for (const seat of seats) {
        seat.succeed();
        seat.end(undefined);
      }
      return Promise.resolve([]);
    },
    ...work,
  });
  return { line, cycles };
}

async function takePart(seat: Seat): Promise<void> {
  await seat.opened;
  await seat.take(CHANGE, NEVER);
  expect(await seat.over).toBeUndefined();
  seat.leave();
}

describe('Those who wait for a group', () => {
  it('go through one cycle together, at most 64 of them, and the rest through the next', async () => {
    const { line, cycles } = lineOf();
    await Promise.all(Array.from({ length: 70 }, async () => takePart(line.join())));
    expect(cycles).toEqual([64, 6]);
  });

  it('are told that the lock of the group was lost, which leaves them their way back', async () => {
    const look = async () => Promise.reject(new DriverError('fenced', 'the lease is lost'));
    const seat = lineOf({ look }).line.join();
    await expect(seat.opened).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('do not wait for those who leave, nor for one who comes to nothing', async () => {
    const { line, cycles } = lineOf();
    const [first, second, third] = [line.join(), line.join(), line.join()];
    third.leave();
    const taking = takePart(first);
    await second.opened;
    second.leave();
    await taking;
    expect(cycles).toEqual([1]);
  });

  it('wait some seconds for one who is slow, who then takes part in the next cycle', async () => {
    jest.useFakeTimers();
    try {
      const { line, cycles } = lineOf();
      const [quick, slow] = [line.join(), line.join()];
      const taking = takePart(quick);
      await slow.opened;
      await jest.advanceTimersByTimeAsync(9_000);
      expect(cycles).toEqual([]);
      await jest.advanceTimersByTimeAsync(2_000);
      await taking;
      expect(cycles).toEqual([1]);
      await takePart(slow);
      expect(cycles).toEqual([1, 1]);
    } finally {
      jest.useRealTimers();
    }
  });

  it('take part in the next cycle when the time of theirs did not suffice', async () => {
    const cycles: number[] = [];
    const { line } = lineOf({
      async run(_fence, _seen, [first, ...later]) {
        cycles.push(1 + later.length);
        first?.succeed();
        first?.end(undefined);
        return Promise.resolve(later);
      },
    });
    await Promise.all([1, 2, 3].map(async () => takePart(line.join())));
    expect(cycles).toEqual([3, 2, 1]);
  });

  it('are told when the lock cannot be had; who came later goes on waiting', async () => {
    const busy = new DriverError('busy', 'the group is in use by node b');
    let attempts = 0;
    let giveUp: (failure: DriverError) => void = () => undefined;
    const fence = { keys: ['group'], signal: NEVER, release: async () => Promise.resolve() };
    const { line, cycles } = lineOf({
      lock: async () => {
        attempts += 1;
        if (attempts > 1) return { fence, record: undefined };
        return new Promise<never>((_resolve, reject) => {
          giveUp = reject;
        });
      },
    });
    const early = line.join();
    const late = line.join();
    giveUp(busy);
    await expect(early.opened).rejects.toBe(busy);
    await takePart(late);
    expect(cycles).toEqual([1]);
  });
});
