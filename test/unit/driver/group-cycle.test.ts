import { describe, expect, it } from '@jest/globals';
import type { LockedGroup } from '../../../src/driver/locked-group.js';
import { runCycle } from '../../../src/driver/group-cycle.js';
import { Seat, type GroupChange } from '../../../src/driver/seat.js';
import type { SeenGroup } from '../../../src/driver/seen-group.js';
import { DriverError } from '../../../src/domain/errors.js';
import type { Group, RemoteCopyGroup } from '../../../src/domain/replication.js';

const NAMES = { backend: 'b', name: 'g', remoteName: 'g.r1' };
const RECORD: Group = { ...NAMES, createdByUs: true, epoch: 0, isMade: true, owesStart: 'stopped' };

const TARGET = { name: 't', roleReversed: false };
const MEMBER = { volume: 'v', remoteVolume: 'v', syncStatus: 'new' };
const groupWith = (state: string, members: unknown[]) => ({
  name: 'g',
  remoteName: 'g.r1',
  role: 'primary',
  targets: [{ ...TARGET, state }],
  members,
});

interface Given {
  record: Group;
  group: object;
  /** The group, if it has changed since it was seen. */
  now?: object;
  failures?: object;
  change: GroupChange;
}

/** One cycle for one change. Returns its seat, the record that is left, and how often the arrays were looked at again. */
async function run(
  remoteCopy: object,
  { record: before, group, now = group, failures = {}, change }: Given,
): Promise<{ seat: Seat; record: Group | undefined; looks: number }> {
  let looks = 0;
  let record: Group | undefined = before;
  const backend = {
    name: 'b',
    array: () => ({ remoteCopy }),
    placeOf: () => ({ cpg: { primary: 'c', secondary: 'c' }, snapCpg: { primary: 's', secondary: 's' } }),
    replication: () => ({ target: 't', mode: 'synchronous' }),
  };
  const seen = { record, groups: { primary: group }, failures, at: performance.now() };
  const quiet = (): void => undefined;
  const locked = {
    id: { backend, name: 'g' },
    lost: new AbortController().signal,
    stopMayComeLate: false,
    expectLateStop: quiet,
    look: async () => {
      looks += 1;
      return Promise.resolve({ ...seen, groups: { primary: now } });
    },
    record: async (next: Group | undefined) => Promise.resolve(void (record = next)),
    isReferenced: async () => Promise.resolve(true),
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  };
  const seat = new Seat(quiet);
  void seat.take(change, locked.lost).catch(quiet);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  await runCycle(locked as unknown as LockedGroup, seen as unknown as SeenGroup, [seat]);
  return { seat, record, looks };
}

/** A cycle without any change of a group that we have made, and never saw as wanted; what is asked of the array, in order. */
async function resumed(set: () => Promise<void>): Promise<{ asked: string[]; record: Group | undefined }> {
  const asked: string[] = [];
  const group = groupWith('stopped', [MEMBER]);
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
  const { record } = await run(remoteCopy, { record: RECORD, group, change: { kind: 'tidy', emptyMayGo: false } });
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

const { isMade: _made, owesStart: _owed, ...CALM } = RECORD;
const DISMISSAL = { kind: 'dismiss' as const, volume: 'v', check: () => undefined, emptyMayGo: false };

it('a volume is not refused its way out because the arrays have started its group by themselves since it was seen stopped', async () => {
  const asked: string[] = [];
  const others = [{ ...MEMBER, volume: 'w' }];
  const done = (what: string, answer?: unknown) => async () => {
    asked.push(what);
    return Promise.resolve(async () => Promise.resolve(answer));
  };
  const remoteCopy = {
    stopGroup: done('stop'),
    dismiss: done('dismiss'),
    startGroup: done('start', groupWith('started', others)),
    findGroup: async () => Promise.resolve(groupWith('started', others)),
  };
  const [group, now] = ['stopped', 'started'].map((state) => groupWith(state, [MEMBER, ...others]));
  const { seat, record } = await run(remoteCopy, {
    record: CALM,
    group: group ?? {},
    now: now ?? {},
    change: DISMISSAL,
  });
  await seat.dismissed;
  expect(asked).toEqual(['stop', 'dismiss', 'start']);
  expect(record).toEqual(CALM);
});

it('a group that an outage has stopped is not looked at again while an array is silent, which would be waited for twice', async () => {
  const others = [{ ...MEMBER, volume: 'w' }];
  const stopped = groupWith('stopped', others);
  const remoteCopy = {
    dismiss: async () => Promise.resolve(async () => Promise.resolve()),
    findGroup: async () => Promise.resolve(stopped),
  };
  const group = groupWith('stopped', [MEMBER, ...others]);
  const given = { record: CALM, group, change: DISMISSAL };
  expect((await run(remoteCopy, given)).looks).toBe(1);
  const failures = { secondary: { silent: true, text: 'no answer' } };
  const { seat, looks } = await run(remoteCopy, { ...given, failures });
  await seat.dismissed;
  expect(looks).toBe(0);
});

describe('A volume whose dismissal the array has acknowledged', () => {
  /** It shows the volume as a member for so many looks more. */
  async function dismissed(looks: number, others: unknown[] = []) {
    const asked: string[] = [];
    let left = looks;
    const members = (): unknown[] => [...(left-- > 0 ? [MEMBER] : []), ...others];
    const remoteCopy = {
      stopGroup: async () => Promise.resolve(async () => Promise.resolve()),
      dismiss: async () =>
        Promise.resolve(async () => {
          if (members().includes(MEMBER)) throw new DriverError('unavailable', 'it is still a member');
        }),
      startGroup: async () => {
        asked.push('start');
        return Promise.resolve(async () => Promise.resolve(groupWith('started', members())));
      },
      findGroup: async () => Promise.resolve(groupWith('stopped', members())),
      async removeGroup() {
        asked.push('remove');
        if (members().length > 0) return Promise.reject(new DriverError('refused', 'it has members'));
        return Promise.resolve();
      },
    };
    const group = groupWith('started', [MEMBER, ...others]);
    const { seat, record } = await run(remoteCopy, { record: CALM, group, change: DISMISSAL });
    const shown = await seat.dismissed.then(
      () => 'out',
      (failure: DriverError) => failure.message,
    );
    return { asked, record, shown, failure: (await seat.over)?.message };
  }

  it('rule 31: is out when the array shows it, and its group is started', async () => {
    const { record, ...rest } = await dismissed(0, [{ ...MEMBER, volume: 'w' }]);
    expect(rest).toEqual({ asked: ['start'], shown: 'out', failure: undefined });
    expect(record).toEqual(CALM);
  });

  it('rule 31: is not out when the array goes on showing it, and the others are replicated again', async () => {
    const { record, ...rest } = await dismissed(9, [{ ...MEMBER, volume: 'w' }]);
    const text = 'it is still a member';
    expect(rest).toEqual({ asked: ['start'], shown: text, failure: text });
    expect(record).toEqual(CALM);
  });

  it('rule 34: takes its group along, though the array shows it for a moment more', async () => {
    expect(await dismissed(2)).toMatchObject({ asked: ['remove', 'remove'], shown: 'out', failure: undefined });
  });

  it('rule 34: leaves the group to a member that stays', async () => {
    expect(await dismissed(9)).toMatchObject({ asked: ['remove', 'remove', 'start'], shown: 'it is still a member' });
  });
});
