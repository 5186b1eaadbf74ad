import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects, arrayOutline, arrayVolumes, stateOf } from '../simulator-state.js';
import { arrayCalls } from './array-calls.js';

const PLAIN = { size: '1', backend: 'plain' };
const REPLICATED = { size: '1', replicationGroup: 'g1' };

let node: Node;

beforeAll(async () => {
  node = await startNode();
});

afterAll(async () => {
  const left = await arrayObjects(node.control);
  await node.close();
  expect([...left, ...(await hostLeftovers(node.dir))]).toEqual([]);
});

const callTitles = async (work: () => Promise<unknown>): Promise<string[]> =>
  (await arrayCalls(node, work)).map((call) => call.title);

async function done(answer: Promise<string>): Promise<void> {
  expect(await answer).toBe('');
}

describe('What dockerd asks first', () => {
  it('is a volume driver whose volumes are seen by all hosts', async () => {
    expect(await node.docker.call('Plugin.Activate')).toMatchObject({ Implements: ['VolumeDriver'] });
    expect(await node.docker.call('VolumeDriver.Capabilities')).toMatchObject({ Capabilities: { Scope: 'global' } });
  });
});

describe.each([
  { kind: 'plain', options: PLAIN, arrays: 1 },
  { kind: 'replicated', options: REPLICATED, arrays: 2 },
])('A $kind volume', ({ options, arrays }) => {
  it('is made once: the same Create again succeeds, another one shows the difference, and neither changes anything', async () => {
    await done(node.docker.create('v', options));
    expect(await arrayVolumes(node.control, 'v')).toHaveLength(arrays);
    const before = await arrayOutline(node.control);

    expect(await callTitles(async () => done(node.docker.create('v', options)))).toEqual([]);
    expect(await node.docker.create('v', { ...options, size: '2', provisioning: 'full' })).toBe(
      'volume v exists already with other options (size: wanted 2, is 1; provisioning: wanted full, is thin); next: use it as it is, or choose another name',
    );
    expect(await arrayOutline(node.control)).toEqual(before);
    await done(node.docker.remove('v'));
    expect(await arrayObjects(node.control)).toEqual([]);
  });

  it('is listed and found while it exists, and has a path while it is mounted', async () => {
    const { docker } = node;
    await done(docker.create('v', options));
    expect(await docker.call('VolumeDriver.List')).toMatchObject({ Volumes: [{ Name: 'v', Mountpoint: '' }] });
    expect(await docker.call('VolumeDriver.Path', { Name: 'v' })).toMatchObject({ Mountpoint: '', Err: '' });
    const mountpoint = await docker.mount('v');
    expect(await docker.call('VolumeDriver.List')).toMatchObject({ Volumes: [{ Name: 'v', Mountpoint: mountpoint }] });
    expect(await docker.call('VolumeDriver.Path', { Name: 'v' })).toMatchObject({ Mountpoint: mountpoint });
    await done(docker.unmount('v'));
    expect(await docker.call('VolumeDriver.Path', { Name: 'v' })).toMatchObject({ Mountpoint: '' });
    await done(docker.remove('v'));
    expect((await docker.call('VolumeDriver.List')).Volumes).toEqual([]);
    for (const method of ['Get', 'Path']) {
      expect((await docker.call(`VolumeDriver.${method}`, { Name: 'v' })).Err).toMatch(/^there is no volume v; next: /);
    }
  });

  it('that is gone already is removed with success, and cannot be mounted', async () => {
    await done(node.docker.remove('never-made'));
    await expect(node.docker.mount('never-made')).rejects.toThrow('there is no volume never-made');
  });
});

describe('Create refuses, without any array call,', () => {
  it.each([
    ['an unknown option', 'v', { ...PLAIN, colour: 'red' }, /^unknown option "colour" \(known: size, /],
    ['an option with other capitals', 'v', { ...PLAIN, Size: '1' }, /unknown option "Size", did you mean size\?/],
    [
      'a size that is no number',
      'v',
      { ...PLAIN, size: '1G' },
      /option size: "1G" is not a whole number of GiB from 1/,
    ],
    ['a size of nothing', 'v', { ...PLAIN, size: '0' }, /option size: "0" is not a whole number of GiB/],
    ['unknown provisioning', 'v', { ...PLAIN, provisioning: 'thick' }, /"thick" is not thin, dedup or full/],
    ['odd compression', 'v', { ...PLAIN, compression: 'yes' }, /option compression: "yes" is not True or False/],
    [
      'full and compressed',
      'v',
      { ...PLAIN, size: '16', provisioning: 'full', compression: 'True' },
      /do not compress a fully provisioned volume/,
    ],
    ['compression of a small volume', 'v', { ...PLAIN, compression: 'True' }, /at least 16 GiB/],
    ['a bad delay', 'v', { ...PLAIN, mountConflictDelay: '-1' }, /option mountConflictDelay: "-1" is not a whole/],
    ['an unknown backend', 'v', { backend: 'gold' }, /no backend "gold" \(it has: DEFAULT, plain\)/],
    [
      'a group name that is too long',
      'v',
      { replicationGroup: 'g'.repeat(23) },
      /replicationGroup "g+" cannot be used/,
    ],
    ['no group on a replicated backend', 'v', { size: '1' }, /DEFAULT replicates.*next: add -o replicationGroup=NAME/],
    ['a group on a plain backend', 'v', { ...PLAIN, replicationGroup: 'g' }, /plain has no replication_device.*next: /],
    ['a name that is a path', '../v', PLAIN, /the volume name "\.\.\/v" cannot be used: letters, digits/],
    ['an empty name', '', PLAIN, /the volume name is empty/],
    ['several mistakes, all named at once', 'v', { size: 'x', colour: 'red' }, /option size: "x".*"colour"/],
  ])('%s', async (_what, name, options, message) => {
    const calls = await callTitles(async () => expect(await node.docker.create(name, options)).toMatch(message));
    expect(calls).toEqual([]);
    expect((await node.docker.call('VolumeDriver.List')).Volumes).toEqual([]);
  });
});

describe('The options', () => {
  it.each([
    [{ size: '1' }, { sizeMiB: 1024, provisioning: 'tpvv', compression: false }],
    [
      { size: '2', provisioning: 'thin' },
      { sizeMiB: 2048, provisioning: 'tpvv', compression: false },
    ],
    [
      { size: '1', provisioning: 'full' },
      { sizeMiB: 1024, provisioning: 'full', compression: false },
    ],
    [
      { size: '1', provisioning: 'dedup' },
      { sizeMiB: 1024, provisioning: 'tdvv', compression: false },
    ],
    [
      { size: '16', compression: 'True' },
      { sizeMiB: 16_384, provisioning: 'tpvv', compression: true },
    ],
    [
      { size: '16', compression: 'false' },
      { sizeMiB: 16_384, provisioning: 'tpvv', compression: false },
    ],
    [{}, { sizeMiB: 102_400, provisioning: 'tpvv', compression: false }],
  ])('%j arrive on the array', async (options, expected) => {
    await done(node.docker.create('v', { backend: 'plain', ...options }));
    expect(await arrayVolumes(node.control, 'v')).toEqual([expect.objectContaining(expected)]);
    await done(node.docker.remove('v'));
  });

  it('arrive on both arrays of a replicated volume', async () => {
    await done(node.docker.create('v', { ...REPLICATED, provisioning: 'dedup' }));
    const expected = expect.objectContaining({ sizeMiB: 1024, provisioning: 'tdvv' });
    expect(await arrayVolumes(node.control, 'v')).toEqual([expected, expected]);
    await done(node.docker.remove('v'));
  });
});

describe('Get', () => {
  it('tells size, provisioning, backend, CPGs, name and WWN on the array, and who has it mounted', async () => {
    await done(node.docker.create('v', PLAIN));
    const unused = await node.docker.status('v');
    const [onArray] = await arrayVolumes(node.control, 'v');
    expect(unused).toMatchObject({
      size: 1,
      provisioning: 'thin',
      compression: false,
      backend: 'plain',
      state: 'ready',
      cpg: 'cpg-a',
      snapCpg: 'cpg-a-snap',
      mountConflictDelay: 30,
      holder: null,
      mounts: 0,
    });
    expect(unused['arrayVolume']).toBe(onArray?.name);
    expect(unused['wwn']).toMatch(/^60002ac[0-9a-f]{25}$/);
    expect(unused).not.toHaveProperty('replication');

    await node.docker.mount('v', 'first');
    await node.docker.mount('v', 'second');
    const holder = { node: 'node1', array: 'primary', state: 'attached' };
    expect(await node.docker.status('v')).toMatchObject({ holder, mounts: 2 });
    await done(node.docker.unmount('v', 'first'));
    await done(node.docker.unmount('v', 'second'));
    await done(node.docker.remove('v'));
  });

  it('tells group, mode, both roles, state, sync status, active array and the age of all that', async () => {
    await done(node.docker.create('v', REPLICATED));
    const replication = await polledReplication('v');
    expect(replication).toMatchObject({
      group: 'g1',
      remoteGroup: 'g1.r46750',
      mode: 'synchronous',
      active: 'primary',
      primary: { role: 'Primary', state: 'started', syncStatus: 'synced' },
      secondary: { role: 'Secondary', state: 'started', syncStatus: 'synced' },
      ageSeconds: expect.any(Number),
    });
    await done(node.docker.remove('v'));
  });
});

/** What Get says of replication, once the poll after the Create has been answered. */
async function polledReplication(name: string): Promise<object> {
  for (;;) {
    const { replication } = await node.docker.status(name);
    const known = replication as { primary?: { syncStatus?: string } };
    if (known.primary?.syncStatus === 'synced') return known;
    await pause(20);
  }
}

describe('Reads', () => {
  it('rule 40: Get, List and Path, 200 times each, call no array and change neither arrays nor metadata', async () => {
    await done(node.docker.create('v', REPLICATED));
    await node.docker.mount('v');
    const before = { arrays: await stateOf(node.control), records: await allRecords() };
    const calls = await callTitles(async () => {
      for (let round = 0; round < 200; round += 1) {
        expect((await node.docker.call('VolumeDriver.Get', { Name: 'v' })).Err).toBe('');
        expect((await node.docker.call('VolumeDriver.List')).Volumes).toHaveLength(1);
        expect((await node.docker.call('VolumeDriver.Path', { Name: 'v' })).Mountpoint).toMatch(/\/v$/);
      }
    });
    // The daemon has been restarted to read its records, and its poll has to log in.
    expect(calls.filter((call) => !call.includes('credentials'))).toEqual([]);
    expect({ arrays: await stateOf(node.control), records: await allRecords() }).toEqual(before);
    await done(node.docker.unmount('v'));
    await done(node.docker.remove('v'));
  });
});

const allRecords = async (): Promise<unknown[]> => {
  const kinds = ['volume', 'group', 'attachment', 'operation'] as const;
  const records = [];
  for (const kind of kinds) records.push(await node.records(kind));
  return records;
};
