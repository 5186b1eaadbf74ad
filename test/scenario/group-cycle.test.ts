import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultSpec } from '../../src/simulator/faults.js';
import type { Group } from '../../src/domain/replication.js';
import { openEmbeddedStore } from '../../src/store/embedded-store.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayOf } from '../pair-client.js';
import { arrayObjects, arrayOutline, arrayVolumes, stateOf } from '../simulator-state.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { commandsFor } from './group-commands.js';
import { waitFor } from './site.js';

const GROUP = 'g';
const OPTIONS = { size: '1', replicationGroup: GROUP };
const KEEPER = 'keeper';
const EIGHT = Array.from({ length: 8 }, (_, index) => `v${index}`);

let node: Node;
let primary: string;
let secondary: string;

beforeAll(async () => {
  node = await startNode();
  primary = arrayOf(node.pair, 'primary').name;
  secondary = arrayOf(node.pair, 'secondary').name;
});

afterEach(async () => {
  await node.control.clearFaults();
  expect(await node.records('operation')).toEqual([]);
  expect(await node.records('group')).toEqual([]);
  expect(await arrayObjects(node.control)).toEqual([]);
});

afterAll(async () => {
  await node.close();
  expect(await hostLeftovers(node.dir)).toEqual([]);
});

async function done(...answers: Promise<string>[]): Promise<void> {
  expect((await Promise.all(answers)).filter((each) => each !== '')).toEqual([]);
}

const create = async (name: string): Promise<string> => node.docker.create(name, OPTIONS);
const remove = async (name: string): Promise<string> => node.docker.remove(name);

/** State and number of members of the group on both arrays. */
async function groupStates(): Promise<string[]> {
  const { arrays } = await stateOf(node.control);
  return arrays.flatMap(({ groups }) => groups.map(({ state, members }) => `${state}, ${members.length} members`));
}

/** Changes of the group that the primary array was asked for: a stop, a start, and one for each member. */
async function groupChanges(): Promise<number> {
  const log = await node.control.log();
  return log.filter((entry) => entry.method === 'PUT' && entry.path?.endsWith(`remotecopygroups/${GROUP}`)).length;
}

const CHANGE = `remotecopygroups/${GROUP}$`;

/** The nth change of the group from now on fails: a stop, then one for each member, then a start. */
const failChange = async (nth: number, more: Partial<FaultSpec> = {}): Promise<void> =>
  node.control.fault({ array: primary, match: { method: 'PUT', pathRegex: CHANGE, nth }, effect: 'error', ...more });

describe('Volumes that wait for the same group', () => {
  it('are admitted together: twenty Creates are one stop and one start, and so are eight Removes', async () => {
    await done(create(KEEPER));
    await node.control.clearLog();
    const more = Array.from({ length: 12 }, (_, index) => `w${index}`);
    await done(...[...EIGHT, ...more].map(create));
    expect(await groupChanges()).toBe(22);
    expect(await groupStates()).toEqual(['started, 21 members', 'started, 21 members']);
    await done(...more.map(remove));

    await node.control.clearLog();
    await done(...EIGHT.map(remove));
    // Those that were still looking for exports when the first ones were ready come in the next cycle.
    expect(await groupChanges()).toBeLessThanOrEqual(EIGHT.length + 4);
    expect(await groupStates()).toEqual(['started, 1 members', 'started, 1 members']);
    await done(remove(KEEPER));
  });

  it('one of them fails alone: it is rolled back, the others are made, and the group is stopped once', async () => {
    await done(create(KEEPER));
    await node.control.clearLog();
    await failChange(4);
    const answers = await Promise.all(EIGHT.map(create));
    const failed = EIGHT.filter((_, index) => answers[index] !== '');
    expect(failed).toHaveLength(1);
    expect(answers.join('')).toMatch(/^cannot admit the volume to remote copy group g: .*everything was rolled back/);
    expect(await groupChanges()).toBe(EIGHT.length + 2);
    expect(await groupStates()).toEqual(['started, 8 members', 'started, 8 members']);
    for (const name of EIGHT)
      expect(await arrayVolumes(node.control, name)).toHaveLength(failed.includes(name) ? 0 : 2);
    await done(...EIGHT.map(remove), remove(KEEPER));
  });

  it('are admitted side by side, and one that the array refuses meanwhile is asked for again, alone', async () => {
    await done(create(KEEPER));
    await node.control.latency(30);
    await node.control.clearLog();
    await failChange(4, { status: 403, code: 284 });
    await done(...EIGHT.map(create));
    const log = (await node.control.log()).filter((call) => call.method === 'PUT' && call.path?.endsWith(`/${GROUP}`));
    await node.control.latency(0);
    const [, ...admissions] = log.toSorted((a, b) => a.startMs - b.startMs).slice(0, -1);
    const again = admissions.pop();
    expect(admissions).toHaveLength(EIGHT.length);
    const [second] = admissions.slice(1);
    expect(second?.startMs).toBeLessThan(admissions[0]?.endMs ?? 0);
    expect(again?.startMs).toBeGreaterThanOrEqual(Math.max(...admissions.map((each) => each.endMs)));
    expect(await groupStates()).toEqual(['started, 9 members', 'started, 9 members']);
    await done(...EIGHT.map(remove), remove(KEEPER));
  });

  it('come, go and are mounted at the same time, and nobody waits in a circle', async () => {
    await done(create(KEEPER), ...EIGHT.map(create));
    const mounted = node.docker.mount(KEEPER);
    await done(create('one'), ...EIGHT.slice(0, 4).map(remove), create('two'));
    expect(await mounted).toMatch(/keeper$/);
    expect(await groupStates()).toEqual(['started, 7 members', 'started, 7 members']);
    await done(node.docker.unmount(KEEPER));
    // The same volume is mounted and removed at once: one of the two comes too late, and neither waits for the other's locks.
    for (const name of EIGHT.slice(4)) {
      const [mountError] = await Promise.all([node.docker.mount(name).then(() => '', String), remove(name)]);
      if (mountError === '') await done(node.docker.unmount(name));
    }
    await done(remove('one'), remove('two'), ...EIGHT.map(remove), remove(KEEPER));
  });

  it('rules 33 and 37: none leaves or joins when the roles flip while the cycle waits for a slow one', async () => {
    await done(create(KEEPER), create('leaver'));
    const before = await arrayOutline(node.control);
    const type = commandsFor(node.pair, GROUP);
    const slow = { method: 'POST', pathRegex: '/volumes$' };
    await node.control.fault({ array: primary, match: slow, effect: 'delay', ms: 6_000 });
    const joining = create('joiner');
    await waitFor(() => node.simulator.pair.faults.list().length === 0);
    await node.control.clearLog();
    const leaving = remove('leaver');
    await waitFor(async () => (await node.control.log()).filter((call) => call.path?.includes('/vluns')).length === 2);
    await type.stop();
    await type.failover();
    expect(await joining).toMatch(/group g is Primary on the primary array, Primary-Rev .*everything was rolled back/);
    expect(await leaving).toMatch(/leaver is not removed while group g is failed over.*everything was rolled back/);
    await type.recover();
    await type.restore();
    expect(await arrayOutline(node.control)).toEqual(before);
    await done(remove('leaver'), remove(KEEPER));
  });
});

describe('rule 35: the state of the group', () => {
  it.each([
    { state: 'started', first: 2 },
    { state: 'stopped', first: 1 },
  ])('$state is kept when the admission or the dismissal fails', async ({ state, first }) => {
    await done(create(KEEPER), create('leaver'));
    if (state === 'stopped') await commandsFor(node.pair, GROUP).stop();
    const before = await arrayOutline(node.control);
    await failChange(first);
    expect(await create('joiner')).toMatch(/^cannot admit the volume .*everything was rolled back/);
    expect(await arrayOutline(node.control)).toEqual(before);
    // A refusal: with an error that leaves open what was done, Remove would go on.
    await failChange(first, { status: 409, code: 120 });
    expect(await remove('leaver')).toMatch(/^cannot take the volume out of .*everything was rolled back/);
    expect(await arrayOutline(node.control)).toEqual(before);
    expect(await node.records('group')).toEqual([expect.not.objectContaining({ owesStart: expect.anything() })]);
    await done(remove('leaver'), remove(KEEPER));
  });

  it('a start that failed is owed by the group, and the next volume that comes or goes starts it', async () => {
    await done(create(KEEPER), create('leaver'));
    // The start, and what the array is asked again for it.
    await failChange(3);
    expect(await remove('leaver')).toMatch(
      /^cannot restart remote copy group g.*finished later, or by the same command/,
    );
    expect(await groupStates()).toEqual(['stopped, 1 members', 'stopped, 1 members']);
    await done(create('joiner'));
    expect(await groupStates()).toEqual(['started, 2 members', 'started, 2 members']);
    await done(remove('leaver'), remove('joiner'), remove(KEEPER));
  });

  it('a daemon that was killed between stop and start starts the group when it is there again', async () => {
    await done(create(KEEPER));
    await leaveOwed('stopped');
    await commandsFor(node.pair, GROUP).stop();
    await node.restart();
    await waitFor(async () => (await groupStates()).every((each) => each === 'started, 1 members'));
    expect(await recordsOfGroup()).toMatchObject([{ createdByUs: true, remoteName: 'g.r46750' }]);
    await done(remove(KEEPER));
  });

  it('a daemon that was killed just before its stop starts nothing, and expects the stop for some minutes', async () => {
    await done(create(KEEPER), create('leaver'));
    await leaveOwed('stopping');
    await node.control.clearLog();
    await node.restart();
    await waitFor(async () =>
      (await node.control.log()).some((call) => call.path?.endsWith(`remotecopygroups/${GROUP}`)),
    );
    await pause(500);
    expect(await groupChanges()).toBe(0);
    await done(remove('leaver'));
    expect(await node.records('group')).toMatchObject([{ owesStart: 'stopping' }]);
    await done(create('joiner'));
    const { now } = performance;
    jest.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 5 * 60_000);
    try {
      await done(create('second'));
    } finally {
      jest.restoreAllMocks();
    }
    expect(await node.records('group')).toEqual([expect.not.objectContaining({ owesStart: expect.anything() })]);
    await done(remove('joiner'), remove('second'), remove(KEEPER));
  });

  it('a daemon that was killed around its stop starts the group, once', async () => {
    await done(create(KEEPER));
    await leaveOwed('stopping');
    await commandsFor(node.pair, GROUP).stop();
    await node.restart();
    await waitFor(async () => (await groupStates()).every((each) => each === 'started, 1 members'));
    expect(await recordsOfGroup()).toHaveLength(1);
    await commandsFor(node.pair, GROUP).stop();
    await node.restart();
    await done(create('joiner'));
    expect(await groupStates()).toEqual(['stopped, 2 members', 'stopped, 2 members']);
    await done(remove('joiner'), remove(KEEPER));
  });

  it('a daemon that was killed after it made a group, and before anybody joined it, removes it', async () => {
    await node.stopDaemon();
    await withStore(async (store) => {
      const fence = await store.lock(['test'], AbortSignal.timeout(1000));
      const value = {
        backend: 'DEFAULT',
        name: GROUP,
        remoteName: '',
        createdByUs: true,
        epoch: 0,
        owesStart: 'stopped' as const,
      };
      await store.commit(fence, [{ put: 'group', key: `DEFAULT/${GROUP}`, value }]);
    });
    await administratorGroup();
    await node.restart();
    await waitFor(async () => (await arrayObjects(node.control)).length === 0);
    expect(await recordsOfGroup()).toEqual([]);
  });
});

describe('rule 33: a volume that leaves its group', () => {
  const never = { startMs: NaN, endMs: NaN };
  const copiesOf = async (name: string): Promise<number> => (await arrayVolumes(node.control, name)).length;

  it('keeps both copies when its dismissal was acknowledged and not made, and goes with the same command', async () => {
    await done(create(KEEPER), create('leaver'));
    await node.control.clearLog();
    await failChange(2, { effect: 'ok-not-done' });
    expect(await remove('leaver')).toMatch(
      /acknowledged the dismissal of dcv-.* but it is still a member; what is left is finished later/,
    );
    expect(await copiesOf('leaver')).toBe(2);
    expect(await groupStates()).toEqual(['started, 2 members', 'started, 2 members']);
    await done(remove('leaver'));
    expect(await copiesOf('leaver')).toBe(0);
    expect(await groupStates()).toEqual(['started, 1 members', 'started, 1 members']);
    await done(remove(KEEPER));
  });

  it('loses its second copy only when it was seen to be out, and the deletion of the first was acknowledged', async () => {
    await done(create(KEEPER), create('leaver'));
    const [volume] = await arrayVolumes(node.control, 'leaver');
    const reads = { method: 'GET', pathRegex: CHANGE };
    await node.control.fault({ array: primary, match: reads, effect: 'delay', ms: 1_000, times: 20 });
    await node.control.clearLog();
    await done(remove('leaver'));
    await node.control.clearFaults();
    const log = (await node.control.log()).toSorted((a, b) => a.startMs - b.startMs);
    const times = (array: string, method: string, end: string): { startMs: number; endMs: number }[] =>
      log.filter((each) => each.array === array && each.method === method && each.path?.endsWith(end) === true);
    const [, dismissal = never] = times(primary, 'PUT', `/${GROUP}`);
    const readBack = times(primary, 'GET', `/${GROUP}`).find(({ startMs }) => startMs >= dismissal.endMs) ?? never;
    const [first = never] = times(primary, 'DELETE', `/volumes/${volume?.name}`);
    const [second = never] = times(secondary, 'DELETE', `/volumes/${volume?.name}`);
    expect(readBack.endMs - readBack.startMs).toBeGreaterThanOrEqual(900);
    expect(second.startMs).toBeGreaterThanOrEqual(Math.max(readBack.endMs, first.endMs));
    await done(remove(KEEPER));
  });

  it('keeps its second copy while the array does not answer for the first', async () => {
    await done(create(KEEPER), create('leaver'));
    const deletion = { method: 'DELETE', pathRegex: '/volumes/dcv-' };
    await node.control.fault({ array: primary, match: deletion, effect: 'error' });
    expect(await remove('leaver')).toMatch(/^cannot delete the volume on the primary array: .*finished later/);
    expect(await copiesOf('leaver')).toBe(2);
    expect(await groupStates()).toEqual(['started, 1 members', 'started, 1 members']);
    await done(remove('leaver'));
    expect(await copiesOf('leaver')).toBe(0);
    await done(remove(KEEPER));
  });
});

describe('rule 34: an empty group', () => {
  it('that an administrator made stays when the first volume is rolled back, and goes with its last volume', async () => {
    await administratorGroup();
    const before = await arrayOutline(node.control);
    await failChange(1);
    expect(await create('refused')).toMatch(/^cannot admit the volume .*everything was rolled back/);
    expect(await arrayOutline(node.control)).toEqual(before);
    expect(await recordsOfGroup()).toEqual([]);
    await done(create('v'));
    expect(await recordsOfGroup()).toMatchObject([{ createdByUs: false, remoteName: 'g.r46750' }]);
    await done(remove('v'));
  });

  it('of ours goes, though the rollback of its only volume comes after the others have left', async () => {
    await done(create('leaver'));
    // Neither is the second volume admitted for certain, nor can it be dismissed at once.
    await failChange(3, { times: 100 });
    expect(await create('undone')).toContain('the rollback is not finished yet');
    await node.control.clearFaults();
    await done(remove('leaver'));
    expect(await groupStates()).toEqual(['started, 1 members', 'started, 1 members']);
    await node.restart();
    await waitFor(async () => (await arrayObjects(node.control)).length === 0);
  });
});

describe('A group whose natural direction was turned round', () => {
  it('is left by its volumes on the side that is primary now, and takes no new one', async () => {
    await done(create(KEEPER), create('leaver'));
    await commandsFor(node.pair, GROUP).turnRound();
    const before = await arrayOutline(node.control);
    expect(await create('v')).toMatch(
      / group g is Secondary on the primary array, Primary on the secondary.*everything was rolled back/,
    );
    expect(await arrayOutline(node.control)).toEqual(before);
    await done(remove('leaver'));
    expect(await groupStates()).toEqual(['started, 1 members', 'started, 1 members']);
    await done(remove(KEEPER));
  });
});

describe('An unfinished Create', () => {
  it('that waits for the secondary array blocks neither Create nor Remove in its group', async () => {
    await done(create(KEEPER), create('leaver'));
    const copies = { method: 'GET', pathRegex: '/volumes/dcv-' };
    await node.control.fault({ array: secondary, match: copies, effect: 'error', times: 1_000 });
    expect(await create('waiting')).toContain('the rollback is not finished yet');
    const [copy] = await arrayVolumes(node.control, 'waiting');
    await node.control.clearFaults();
    const own = { method: 'GET', pathRegex: `/volumes/${copy?.name}` };
    await node.control.fault({ array: secondary, match: own, effect: 'error', times: 1_000 });

    await done(create('joiner'), remove('leaver'));
    expect(await groupStates()).toEqual(['started, 2 members', 'started, 2 members']);
    expect(await create('waiting')).toMatch(/an earlier create of volume waiting is not finished/);
    await node.control.clearFaults();
    await done(create('waiting'));
    expect(await groupStates()).toEqual(['started, 3 members', 'started, 3 members']);
    await done(remove('waiting'), remove('joiner'), remove(KEEPER));
  });
});

/** As somebody else makes it, so that it fits hpe.conf. */
async function administratorGroup(): Promise<void> {
  const targets = [{ targetName: 'sim-b-rc', mode: 1, userCPG: 'cpg-b', snapCPG: 'cpg-b-snap' }];
  const shape = { name: GROUP, targets, localUserCPG: 'cpg-a', localSnapCPG: 'cpg-a-snap' };
  const array = await new WsapiClient(arrayOf(node.pair, 'primary')).login();
  await array.done('POST', '/remotecopygroups', shape);
  array.close();
}

type Store = Awaited<ReturnType<typeof openEmbeddedStore>>;

/** Works on the metadata of the daemon, which has to be down. */
async function withStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openEmbeddedStore(path.join(node.dir, 'state'), { id: 'test', name: 'node1' });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** As a daemon leaves the record of the group that is killed around its stop; the daemon is down then. */
async function leaveOwed(owesStart: 'stopping' | 'stopped'): Promise<void> {
  await node.stopDaemon();
  await withStore(async (store) => {
    const key = `DEFAULT/${GROUP}`;
    const group = await store.find('group', key, AbortSignal.timeout(1000));
    if (group === undefined) throw new Error('no record of the group');
    const fence = await store.lock(['test'], AbortSignal.timeout(1000));
    await store.commit(fence, [{ put: 'group', key, value: { ...group, owesStart } }]);
  });
}

/** Once no start is owed any more. */
async function recordsOfGroup(): Promise<Group[]> {
  for (;;) {
    const groups = await node.records('group');
    if (groups.every((group) => group.owesStart === undefined)) return groups;
    await pause(100);
  }
}
