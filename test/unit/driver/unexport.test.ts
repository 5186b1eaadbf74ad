import { expect, it } from '@jest/globals';
import type { Backend } from '../../../src/backend/backend.js';
import type { DeferredRemoval } from '../../../src/contracts/node-journal.js';
import { DriverError } from '../../../src/domain/errors.js';
import type { DriverContext } from '../../../src/driver/context.js';
import { unexport } from '../../../src/driver/unmount.js';

it('what a silent array keeps is on record once, however often it is tried', async () => {
  const kept: DeferredRemoval[] = [];
  const journal = {
    deferredRemovals: () => kept,
    saveDeferredRemoval: async (work: DeferredRemoval) => Promise.resolve(void kept.push(work)),
  };
  const removeVluns = async () => Promise.reject(new DriverError('unavailable', 'no answer'));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const parts = {
    ctx: { journal, logger: { warn: () => undefined } },
    backend: { name: 'b', array: () => ({ removeVluns }) },
  } as unknown as { ctx: DriverContext; backend: Backend };
  const of = { volume: 'v', arrayName: 'dcv-1', side: 'secondary', host: 'node1' } as const;
  const { signal } = new AbortController();
  await unexport(parts, of, signal);
  await unexport(parts, of, signal);
  await unexport(parts, { ...of, host: 'node2' }, signal);
  expect(kept.map(({ host }) => host)).toEqual(['node1', 'node2']);
});
