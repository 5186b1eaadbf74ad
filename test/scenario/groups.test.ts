import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayOf, operator } from '../pair-client.js';
import { arrayObjects, arrayOutline, arrayVolumes, stateOf } from '../simulator-state.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { commandsFor } from './group-commands.js';

const MAX_MEMBERS = 3;

let node: Node;
/** The arrays as their administrator uses them. */
let array: WsapiClient;
let partner: WsapiClient;

beforeAll(async () => {
  node = await startNode({ more: ['remove_empty_group = created'], seed: { maxVolumesPerGroup: MAX_MEMBERS } });
  const [primary, secondary] = node.simulator.ready.arrays;
  array = await new WsapiClient(primary).login();
  partner = await new WsapiClient(secondary).login();
});

afterAll(async () => {
  array.close();
  partner.close();
  const left = await arrayObjects(node.control);
  await node.close();
  expect([...left, ...(await hostLeftovers(node.dir))]).toEqual([]);
});

async function done(answer: Promise<string>): Promise<void> {
  expect(await answer).toBe('');
}

const create = async (name: string, group: string): Promise<void> =>
  done(node.docker.create(name, { size: '1', replicationGroup: group }));
const remove = async (...names: string[]): Promise<void> => {
  for (const name of names) await done(node.docker.remove(name));
};

const start = async (group: string): Promise<unknown> =>
  operator(arrayOf(node.pair, 'primary'), `startrcopygroup ${group}`);

/** State and number of members of each group of that name, on both arrays. */
async function groupStates(group: string): Promise<string[]> {
  const { arrays } = await stateOf(node.control);
  const groups = arrays.flatMap((each) => each.groups);
  return groups
    .filter(({ name }) => name === group || name.startsWith(`${group}.r`))
    .map(({ state, members }) => `${state}, ${members.length} members`);
}

interface GroupShape {
  mode?: number;
  userCpg?: string;
}

/** A group as an administrator makes it, by default one that fits hpe.conf. */
async function administratorGroup(name: string, { mode = 1, userCpg = 'cpg-a' }: GroupShape = {}): Promise<void> {
  const targets = [{ targetName: 'sim-b-rc', mode, userCPG: 'cpg-b', snapCPG: 'cpg-b-snap' }];
  await array.done('POST', '/remotecopygroups', {
    name,
    targets,
    localUserCPG: userCpg,
    localSnapCPG: 'cpg-a-snap',
  });
}

describe('rule 34: the group', () => {
  it('that we made goes with its last volume', async () => {
    await create('one', 'g');
    await create('two', 'g');
    await remove('one');
    expect(await groupStates('g')).toEqual(['started, 1 members', 'started, 1 members']);
    await remove('two');
    expect(await arrayObjects(node.control)).toEqual([]);
  });

  it('stays with a member that somebody added behind our back, and goes on replicating it', async () => {
    await create('ours', 'g');
    const { stop } = commandsFor(node.pair, 'g');
    await array.done('POST', '/volumes', { name: 'theirs', cpg: 'cpg-a', snapCPG: 'cpg-a-snap', sizeMiB: 1024 });
    await stop();
    const targets = [{ targetName: 'sim-b-rc', secVolumeName: 'theirs' }];
    const admission = { action: 1, volumeName: 'theirs', targets, volumeAutoCreation: true };
    await array.done('PUT', '/remotecopygroups/g', admission);
    await start('g');

    await remove('ours');
    expect(await groupStates('g')).toEqual(['started, 1 members', 'started, 1 members']);
    expect(await arrayObjects(node.control)).toEqual([
      'sim-a: volume theirs',
      'sim-a: group g',
      'sim-b: volume theirs',
      'sim-b: group g.r46750',
    ]);

    await stop();
    await array.done('PUT', '/remotecopygroups/g', { action: 2, volumeName: 'theirs' });
    await array.done('DELETE', '/remotecopygroups/g');
    await array.done('DELETE', '/volumes/theirs');
    await partner.done('DELETE', '/volumes/theirs');
  });

  it('that an administrator made stays, with remove_empty_group = created', async () => {
    await administratorGroup('theirs');
    await create('v', 'theirs');
    expect(await groupStates('theirs')).toEqual(['started, 1 members', 'started, 1 members']);
    await remove('v');
    expect(await groupStates('theirs')).toHaveLength(2);
    // Emptied by us, it protects nobody by being stopped: the next volume replicates.
    await create('w', 'theirs');
    expect(await groupStates('theirs')).toEqual(['started, 1 members', 'started, 1 members']);
    await remove('w');
    await commandsFor(node.pair, 'theirs')
      .stop()
      .catch(() => undefined);
    await array.done('DELETE', '/remotecopygroups/theirs');
  });
});

describe('rule 35: the state of the group', () => {
  it('stopped by an administrator stays stopped over Create and Remove, started is started again', async () => {
    await create('keeper', 'g');
    await commandsFor(node.pair, 'g').stop();
    await create('v', 'g');
    expect(await groupStates('g')).toEqual(['stopped, 2 members', 'stopped, 2 members']);
    await remove('v');
    expect(await groupStates('g')).toEqual(['stopped, 1 members', 'stopped, 1 members']);

    await start('g');
    await create('v', 'g');
    expect(await groupStates('g')).toEqual(['started, 2 members', 'started, 2 members']);
    await remove('v');
    expect(await groupStates('g')).toEqual(['started, 1 members', 'started, 1 members']);
    await remove('keeper');
  });

  it('is looked at again where an outage had stopped it, since the arrays may have started it by themselves meanwhile', async () => {
    await create('keeper', 'g');
    await create('v', 'g');
    await node.control.link(false);
    const slow = { method: 'GET', pathRegex: '/remotecopygroups/g' };
    const { name } = arrayOf(node.pair, 'secondary');
    await node.control.fault({ array: name, match: slow, effect: 'delay', ms: 1_500 });
    await node.control.clearLog();
    const removal = remove('v');
    const isAsked = async (): Promise<boolean> =>
      (await node.control.log()).some(
        ({ array: asked, path }) => asked !== name && path?.endsWith('/remotecopygroups/g'),
      );
    while (!(await isAsked())) await pause(10);
    await node.control.link(true);
    await removal;
    expect(await groupStates('g')).toEqual(['started, 1 members', 'started, 1 members']);
    await remove('keeper');
  });
});

describe('rule 36: array volumes are recognised by our whole tag', () => {
  it('of x, xx and x-1 only the one that is named goes', async () => {
    for (const name of ['x', 'xx', 'x-1']) await create(name, 'g');
    await remove('x');
    for (const name of ['xx', 'x-1']) expect(await arrayVolumes(node.control, name)).toHaveLength(2);
    expect(await arrayVolumes(node.control, 'x')).toEqual([]);
    await remove('xx', 'x-1');
  });

  it.each([
    ['no tag', ''],
    ['the tag of another volume', '{"volume_id":"1","name":"1","type":"Docker","display_name":"v"}'],
  ])('one with our name and %s is not deleted', async (_what, comment) => {
    await done(node.docker.create('v', { size: '1', backend: 'plain' }));
    const [ours] = await arrayVolumes(node.control, 'v');
    const path = `/volumes/${ours?.name}`;
    await array.done('PUT', path, { comment });
    const before = await arrayOutline(node.control);
    expect(await node.docker.remove('v')).toMatch(/is not ours: it has .*; it is not removed/);
    expect(await arrayOutline(node.control)).toEqual(before);

    await array.done('PUT', path, { comment: ours?.comment });
    await remove('v');
    expect(await arrayObjects(node.control)).toEqual([]);
  });
});

describe('rule 37: nothing is created in a group', () => {
  const refusal = async (group: string): Promise<string> => {
    const before = await arrayOutline(node.control);
    const error = await node.docker.create('v', { size: '1', replicationGroup: group });
    expect(await arrayOutline(node.control)).toEqual(before);
    expect((await node.docker.call('VolumeDriver.Get', { Name: 'v' })).Err).toMatch(/^there is no volume v; next: /);
    return error;
  };

  it.each([
    [
      'CPG',
      { userCpg: 'cpg-a-snap' },
      /does not fit backend DEFAULT: CPG is cpg-a-snap, the volume wants cpg-a; .*rolled back; next: /,
    ],
    [
      'mode',
      { mode: 2 },
      /does not fit backend DEFAULT: mode is asynchronous, hpe.conf says synchronous; .*rolled back; next: /,
    ],
  ])('of another %s', async (_what, shape, message) => {
    await administratorGroup('other', shape);
    expect(await refusal('other')).toMatch(message);
    await array.done('DELETE', '/remotecopygroups/other');
  });

  it('that replicates to another target', async () => {
    const { pair } = node.simulator;
    const [primary] = pair.arrays;
    await administratorGroup('other');
    await pair.exclusive(() => Object.assign(primary, { targetName: 'elsewhere' }));
    expect(await refusal('other')).toMatch(
      /group other does not fit backend DEFAULT: it replicates to elsewhere, hpe.conf says sim-b-rc; .*rolled back; next: /,
    );
    await pair.exclusive(() => Object.assign(primary, { targetName: 'sim-b-rc' }));
    await array.done('DELETE', '/remotecopygroups/other');
  });

  it('whose roles are reversed', async () => {
    await create('keeper', 'g');
    const type = commandsFor(node.pair, 'g');
    await type.stop();
    await type.failover();
    expect(await refusal('g')).toMatch(
      /group g is Primary on the primary array, Primary-Rev on the secondary: nothing is created .* next: .*setrcopygroup recover/,
    );
    await type.recover();
    expect(await refusal('g')).toMatch(/group g is Secondary-Rev on the primary array, Primary-Rev on the secondary/);
    await type.restore();
    await remove('keeper');
  });

  it('that is full', async () => {
    const names = Array.from({ length: MAX_MEMBERS }, (_, index) => `member-${index}`);
    for (const name of names) await create(name, 'g');
    expect(await refusal('g')).toMatch(/cannot admit the volume to remote copy group g: .*everything was rolled back/);
    expect(await groupStates('g')).toEqual(['started, 3 members', 'started, 3 members']);
    await remove(...names);
  });
});

describe('The initial synchronisation', () => {
  it('is left out for volumes just made that read as zeroes, and for no others', async () => {
    // What has to be copied now stays at 99 %.
    await node.control.holdSync(true);
    const synced = { thin: 3, dedup: 3, full: 2 };
    for (const [provisioning, status] of Object.entries(synced)) {
      // Of its own, since the next stop and start would have to copy again.
      const replicationGroup = `g-${provisioning}`;
      await done(node.docker.create(provisioning, { size: '1', replicationGroup, provisioning }));
      const { body } = await array.done('GET', `/remotecopygroups/${replicationGroup}`);
      expect([provisioning, body.at('volumes', 0, 'remoteVolumes', 0, 'syncStatus')]).toEqual([provisioning, status]);
    }
    await node.control.holdSync(false);
    await remove(...Object.keys(synced));
  });

  it('is not left out in a group that stays stopped: what is written until its start has to be copied', async () => {
    await create('keeper', 'g');
    await commandsFor(node.pair, 'g').stop();
    await create('v', 'g');
    await node.control.holdSync(true);
    await start('g');
    const { body } = await array.done('GET', '/remotecopygroups/g');
    expect(body.at('volumes', 1, 'remoteVolumes', 0, 'syncStatus')).toBe(2);
    await node.control.holdSync(false);
    await remove('v', 'keeper');
  });
});
