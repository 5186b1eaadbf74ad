import { describe, expect, it } from '@jest/globals';
import type { ArrayClient } from '../../../src/contracts/array.js';
import { DriverError } from '../../../src/domain/errors.js';
import type { MountPlan } from '../../../src/driver/plan-mount.js';
import { findPassiveCopy } from '../../../src/driver/passive-copy.js';

const PORTS = ['iqn.2000-05.com.3pardata:a'];

/** What a mount from the secondary array says of the other copy, and whom it asked for that. */
async function passiveOf(
  wwn: { primary?: string; secondary?: string },
  targetNames: ArrayClient['targetNames'] = async () => Promise.resolve(PORTS),
  signal = AbortSignal.timeout(60_000),
) {
  const asked: string[] = [];
  const backend = {
    array: (side: string) => ({
      targetNames: async (...args: Parameters<ArrayClient['targetNames']>) => {
        asked.push(`${side} ${args[0]}`);
        return targetNames(...args);
      },
    }),
  };
  const initiators: MountPlan['initiators'] = { protocol: 'fc', names: [] };
  const plan = {
    side: 'secondary',
    isOtherStale: true,
    initiators,
    volume: { wwn },
  } as const;
  return { found: await findPassiveCopy(backend, plan, signal), asked };
}

describe('the copy that may have no path', () => {
  it('is told by its WWN, and its array is not asked', async () => {
    const { found, asked } = await passiveOf({ primary: 'aa', secondary: 'bb' });
    expect(found).toEqual({ wwn: 'aa', targetNames: [], isStale: true });
    expect(asked).toEqual([]);
  });

  it('is told by the ports of its array when both have one WWN', async () => {
    const { found, asked } = await passiveOf({ primary: 'aa', secondary: 'aa' });
    expect(found).toEqual({ wwn: 'aa', targetNames: PORTS, isStale: true });
    expect(asked).toEqual(['primary fc']);
  });

  it('is told by nothing else when its array is silent, which is not waited for', async () => {
    const silent = async (_protocol: unknown, signal: AbortSignal): Promise<string[]> =>
      new Promise((_resolve, reject) => {
        const fail = (): void => reject(new DriverError('unavailable', 'no answer'));
        if (signal.aborted) fail();
        signal.addEventListener('abort', fail);
      });
    const began = performance.now();
    const { found } = await passiveOf({ primary: 'aa', secondary: 'aa' }, silent);
    expect(found).toEqual({ wwn: 'aa', targetNames: [], isStale: true });
    expect(performance.now() - began).toBeLessThan(10_000);
    const gaveUp = AbortSignal.abort(new DriverError('fenced', 'the lock is lost'));
    await expect(passiveOf({ primary: 'aa', secondary: 'aa' }, silent, gaveUp)).rejects.toMatchObject({
      code: 'fenced',
    });
  });

  it('is none without a partner', async () => {
    expect((await passiveOf({ secondary: 'aa' })).found).toBeUndefined();
  });
});
