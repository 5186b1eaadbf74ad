import { expect, it } from '@jest/globals';
import type { LockedGroup } from '../../../src/driver/locked-group.js';
import { runCycle } from '../../../src/driver/group-cycle.js';
import { Seat } from '../../../src/driver/seat.js';
import type { SeenGroup } from '../../../src/driver/seen-group.js';
import type { Group, RemoteCopyGroup } from '../../../src/domain/replication.js';

const NAMES = { backend: 'b', name: 'g', remoteName: 'g.r1' };
const RECORD: Group = { ...NAMES, createdByUs: true, epoch: 0, isMade: true, owesStart: 'stopped' };

/** A cycle without any change of a group that we have made, and never saw as wanted; what is asked of the array, in order. */
async function resumed(set: () => Promise<void>): Promise<{ asked: string[]; record: Group | undefined }> {
  const asked: string[] = [];
  let record: Group | undefined = RECORD;
  const target = { name: 't', roleReversed: false, state: 'stopped' };
  const members = [{ volume: 'v', remoteVolume: 'v', syncStatus: 'new' }];
  const group = { name: 'g', remoteName: 'g.r1', role: 'primary', targets: [target], members };
  const remoteCopy = {
    resumeGroup: () => ({
      set: async () => {
        asked.push('set');
        await set();
      },
      confirm: async (found: RemoteCopyGroup) => Promise.resolve(found),
    }),
    startGroup: async () => {
      asked.push('start');
      return Promise.resolve(async () => Promise.resolve(group));
    },
    findGroup: async () => Promise.resolve(group),
  };
  const backend = {
    name: 'b',
    array: () => ({ remoteCopy }),
    placeOf: () => ({ cpg: { primary: 'c', secondary: 'c' }, snapCpg: { primary: 's', secondary: 's' } }),
    replication: () => ({ target: 't', mode: 'synchronous' }),
  };
  const seen = { record: RECORD, groups: { primary: group }, failures: {}, at: performance.now() };
  const quiet = (): void => undefined;
  const locked = {
    id: { backend, name: 'g' },
    lost: new AbortController().signal,
    stopMayComeLate: false,
    expectLateStop: quiet,
    look: async () => Promise.resolve(seen),
    record: async (next: Group | undefined) => Promise.resolve(void (record = next)),
    isReferenced: async () => Promise.resolve(true),
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  };
  const seat = new Seat(quiet);
  void seat.take({ kind: 'tidy', emptyMayGo: false }, locked.lost);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  await runCycle(locked as unknown as LockedGroup, seen as unknown as SeenGroup, [seat]);
  return { asked, record };
}

it('a group whose cycle ended before it was seen as wanted gets its policies and its period before it is started', async () => {
  const { asked, record } = await resumed(async () => Promise.resolve());
  expect(asked).toEqual(['set', 'start']);
  expect(record).toEqual({ ...NAMES, createdByUs: true, epoch: 0 });
});

it('a group that we have made is not started without its policies', async () => {
  const { asked, record } = await resumed(async () => Promise.reject(new Error('refused')));
  expect(asked).toEqual(['set']);
  expect(record).toEqual(RECORD);
});
