import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { DriverContext } from '../../../src/driver/context.js';
import { Recovery } from '../../../src/driver/recover.js';

type Parts = ConstructorParameters<typeof Recovery>[1];

const WORK = { id: 'w', volume: 'v', backend: 'b', side: 'primary', arrayName: 'dcv-1', host: 'node1' };
const RECORD = { arrayName: 'dcv-1', wwn: { primary: 'aaaa', secondary: 'bbbb' } };

/** One round with an export that was left on an array that is back; returns what was done, in order. */
async function roundWith(there: { volume?: object; mount?: { wwn: string } }): Promise<string[]> {
  const did: string[] = [];
  const signal = new AbortController().signal;
  const store = {
    list: async () => Promise.resolve([]),
    watch: () => () => undefined,
    find: async (kind: string) => Promise.resolve(kind === 'volume' ? there.volume : undefined),
  };
  const removeVluns = async (volume: string) => Promise.resolve(void did.push(`unexport ${volume}`));
  const ctx = {
    store,
    journal: {
      mounts: () => [],
      findMount: () => there.mount,
      deferredRemovals: () => (did.includes('done') ? [] : [WORK]),
      removeDeferredRemoval: async () => Promise.resolve(void did.push('done')),
      waits: () => [],
    },
    groups: { owed: async () => Promise.resolve([]) },
    backends: { all: () => [], get: () => ({ name: 'b', array: () => ({ removeVluns }) }) },
    connector: () => ({ detach: async (wwn: string) => Promise.resolve(void did.push(`detach ${wwn}`)) }),
    logger: { warn: () => undefined },
    node: { id: 'n1' },
  };
  const operations = {
    withVolume: async (_of: object, _signal: object, work: (held: object, known: object) => unknown) =>
      work({ signal }, {}),
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const recovery = new Recovery(ctx as unknown as DriverContext, { operations } as unknown as Parts);
  recovery.start();
  const deadline = performance.now() + 5_000;
  while (!did.includes('done') && performance.now() < deadline) await pause(10);
  await recovery.stop();
  return did;
}

describe('an export that was left on an array without power', () => {
  it('rule 27: the disks that the kernel found when the array came back go with it, before and in the same round', async () => {
    expect(await roundWith({ volume: RECORD })).toEqual(['detach aaaa', 'unexport dcv-1', 'detach aaaa', 'done']);
  });

  it('leaves a volume alone that is mounted here from the other array under the same WWN', async () => {
    expect(await roundWith({ volume: RECORD, mount: { wwn: 'aaaa' } })).toEqual(['unexport dcv-1', 'done']);
  });

  it('takes nothing away for a new volume of that name', async () => {
    expect(await roundWith({ volume: { ...RECORD, arrayName: 'dcv-2' } })).toEqual(['unexport dcv-1', 'done']);
    expect(await roundWith({})).toEqual(['unexport dcv-1', 'done']);
  });
});
