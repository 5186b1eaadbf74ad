import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { readFile, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { askDaemon } from '../../src/commands/daemon-client.js';
import { growVolume } from '../../src/simulator/grow.js';
import { arrayOf, operator } from '../pair-client.js';
import { arrayObjects, stateOf } from '../simulator-state.js';
import { Site, waitFor, type Replica } from './site.js';
import { itWithXfs } from '../has-xfs.js';

/** hpe.conf names no shorter one; a Mount waits half of it for a copy. */
const TIMEOUT = ['docker_timeout = 20'];

/** The other array has a pair of the first two. */
const CPGS = ['cpg-a', 'cpg-a-snap', 'cpg-a-own'].map((name) => ({ name }));

let site: Site;
let source: Replica;
/** A file in the source, which stays mounted. */
let file: string;

beforeAll(async () => {
  site = await Site.start({ more: TIMEOUT, seed: { arrays: [{ cpgs: CPGS }] } });
  source = await site.createVolume();
  file = path.join(await site.mount(source), 'file');
  await writeFile(file, 'before', { flush: true });
});
afterEach(async () => {
  await site.node.control.holdCopies(false);
});
afterAll(async () => {
  await site.calmDown();
  expect(await site.node.docker.remove(source.name)).toBe('');
  expect(await arrayObjects(site.node.control)).toEqual([]);
  await site.close();
});

const clone = async (name: string, options: Record<string, string> = {}): Promise<string> =>
  site.node.docker.create(name, { cloneOf: source.name, ...options });
const remove = async (name: string): Promise<string> => site.node.docker.remove(name);
const unmount = async (name: string): Promise<void> => expect(await site.node.docker.unmount(name)).toBe('');
const recordOf = async (name: string) => (await site.node.records('volume')).find((each) => each.name === name);
/** Names of what the array with that role has, without the source. */
async function volumesOn(array: string): Promise<string[]> {
  const { arrays } = await stateOf(site.node.control);
  const volumes = arrays.find((each) => each.name === array)?.volumes ?? [];
  return volumes.map((each) => each.name).filter((name) => name !== source.arrayVolume);
}

it('a clone of a mounted volume has its data of that moment, and is mounted beside it with a uuid of its own', async () => {
  const { docker } = site.node;
  expect(await clone('c1')).toBe('');
  expect(await clone('c1')).toBe('');
  await writeFile(file, 'after', { flush: true });
  const mountpoint = await docker.mount('c1');
  expect(await readFile(path.join(mountpoint, 'file'), 'utf8')).toBe('before');
  await writeFile(path.join(mountpoint, 'file'), 'of the clone');
  expect(await readFile(file, 'utf8')).toBe('after');
  await unmount('c1');
  const [record, of] = [await recordOf('c1'), await recordOf(source.name)];
  expect(record).toMatchObject({
    state: 'ready',
    filesystem: { state: 'formatted', type: 'ext4' },
    origin: { kind: 'clone', of: source.name, ofId: of?.id, side: 'primary' },
  });
  expect(record?.filesystem).not.toEqual(of?.filesystem);
  expect(record?.spec.replicationGroup).toBeUndefined();
  expect(await readFile(path.join(await docker.mount('c1'), 'file'), 'utf8')).toBe('of the clone');
  await unmount('c1');
  expect(await remove('c1')).toBe('');
});

it('Create ends while the array copies; Mount waits for the end, and says what it waited for', async () => {
  const { docker, control } = site.node;
  await control.holdCopies(true);
  expect(await clone('c2')).toBe('');
  await expect(docker.mount('c2')).rejects.toThrow(
    /is still copying vol-1 to volume c2 \(task \d+, since .*showtask -active/,
  );
  expect(await docker.create('s2', { virtualCopyOf: 'c2' })).toMatch(/volume c2 is still being copied itself \(task/);
  const mounting = docker.mount('c2');
  await control.holdCopies(false);
  await mounting;
  await unmount('c2');
  expect(await remove('c2')).toBe('');
});

it('a clone is removed while the array copies, with all that the array made for the copy', async () => {
  const { control } = site.node;
  await control.holdCopies(true);
  expect(await clone('c3')).toBe('');
  expect(await volumesOn(site.primary)).toHaveLength(3);
  expect(await remove(source.name)).toMatch(/is being copied to its clone c3/);
  expect(await remove('c3')).toBe('');
  expect(await volumesOn(site.primary)).toEqual([]);
  const { arrays } = await stateOf(control);
  expect(arrays.flatMap(({ tasks }) => tasks.filter(({ status }) => status === 'active'))).toEqual([]);
});

itWithXfs(
  'a larger clone is as large as it is to be when it is mounted first, beside its source with xfs',
  async () => {
    const { docker } = site.node;
    const of = await site.createVolume(undefined, { fsType: 'xfs' });
    await site.mount(of);
    expect(await docker.create('c4', { cloneOf: of.name, size: '2' })).toBe('');
    const mountpoint = await docker.mount('c4');
    expect(await docker.status('c4')).toMatchObject({ size: 2, fsType: 'xfs' });
    expect((await statfs(mountpoint)).blocks * 4096).toBeGreaterThan(1.5 * 1024 ** 3);
    await unmount('c4');
    expect(await docker.create('c4', { cloneOf: of.name, size: '3' })).toMatch(/exists already .*size: wanted 3, is 2/);
    await site.unmount(of);
    for (const name of ['c4', of.name]) expect(await remove(name)).toBe('');
  },
);

/** A volume without a copy that holds a file system. */
async function plainVolume(name: string, options: Record<string, string> = {}): Promise<void> {
  const { docker } = site.node;
  expect(await docker.create(name, { size: '1', backend: 'plain', ...options })).toBe('');
  await docker.mount(name);
  await unmount(name);
}

const resize = async (volume: string, gib: number): Promise<unknown> =>
  askDaemon(path.join(site.node.dir, 'state'), '/resize', { volume, gib });

it('the clone of a volume that has grown is as large, also when nobody told us, and its file system follows', async () => {
  const { docker, simulator } = site.node;
  await plainVolume('grown');
  await resize('grown', 2);
  expect(await docker.create('c9', { cloneOf: 'grown' })).toBe('');
  expect(await recordOf('c9')).toMatchObject({ spec: { sizeGiB: 2 }, growth: { toGiB: 2 } });
  const name = String((await docker.status('grown'))['arrayVolume']);
  await simulator.pair.exclusive(async () => {
    for (const array of simulator.pair.arrays.slice(0, 1)) await growVolume(array, { name, byMiB: 256 });
  });
  expect(await docker.create('c10', { cloneOf: 'grown', size: '2' })).toMatch(/has 2.25 GiB, .* cannot be smaller/);
  expect(await docker.create('c10', { cloneOf: 'grown' })).toBe('');
  expect(await recordOf('c10')).toMatchObject({ spec: { sizeGiB: 2.25 }, growth: { toGiB: 2.25 } });
  for (const each of ['c9', 'c10']) {
    await docker.mount(each);
    await unmount(each);
  }
  for (const each of ['c9', 'c10', 'grown']) expect(await remove(each)).toBe('');
});

it('a larger clone that is to be grown while the array copies is refused, and gets its size all the same', async () => {
  const { docker, control } = site.node;
  await plainVolume('small');
  await control.holdCopies(true);
  expect(await docker.create('c11', { cloneOf: 'small', size: '2' })).toBe('');
  await expect(resize('c11', 3)).rejects.toThrow(/small is still being copied to volume c11/);
  expect(await recordOf('c11')).toMatchObject({ growth: { toGiB: 2 } });
  await control.holdCopies(false);
  await docker.mount('c11');
  expect(await docker.status('c11')).toMatchObject({ size: 2 });
  await unmount('c11');
  for (const each of ['c11', 'small']) expect(await remove(each)).toBe('');
});

/** The array answers each request to grow with that. */
const refuseToGrow = async (effect: { status: number; code: number }): Promise<void> =>
  site.node.control.fault({
    array: site.primary,
    match: { method: 'PUT', pathRegex: '/volumes/dcv-' },
    effect: 'error',
    times: 1000,
    ...effect,
  });

it('a larger clone that its array refuses to grow says so in inspect, and resize gives it either size', async () => {
  const { docker, control } = site.node;
  await plainVolume('small');
  for (const toGiB of [2, 1]) {
    await control.holdCopies(true);
    expect(await docker.create('c13', { cloneOf: 'small', size: '2' })).toBe('');
    await refuseToGrow({ status: 403, code: 153 });
    await control.holdCopies(false);
    await docker.mount('c13');
    expect(await docker.status('c13')).toMatchObject({
      size: 1,
      growingTo: 2,
      growthRefused: expect.stringMatching(
        /stays at 1 GiB: .*larger than its CPG may be.*; next: hpe-volume-plugin resize c13 2 tries it again, hpe-volume-plugin resize c13 1 /,
      ),
    });
    expect(await docker.create('c13', { cloneOf: 'small', size: '2' })).toBe('');
    await expect(resize('c13', 3)).rejects.toThrow(/larger than its CPG may be.*the volume has 1 GiB as before/);
    expect(await docker.status('c13')).toMatchObject({ growingTo: 2, growthRefused: expect.any(String) });
    await unmount('c13');
    await control.clearFaults();
    await resize('c13', toGiB);
    const status = await docker.status('c13');
    expect(status).toMatchObject({ size: toGiB });
    expect(status).not.toHaveProperty('growthRefused');
    expect(await docker.create('c13', { cloneOf: 'small', size: '2' })).toMatch(
      toGiB === 2 ? /^$/ : /size: wanted 2, is 1/,
    );
    expect(await remove('c13')).toBe('');
  }
  expect(await remove('small')).toBe('');
});

it('a larger clone that its array cannot grow at this moment is grown later without a word', async () => {
  const { docker, control } = site.node;
  await plainVolume('small');
  await control.holdCopies(true);
  expect(await docker.create('c14', { cloneOf: 'small', size: '2' })).toBe('');
  await refuseToGrow({ status: 409, code: 151 });
  await control.holdCopies(false);
  await docker.mount('c14');
  expect(await docker.status('c14')).toMatchObject({ size: 1, growingTo: 2 });
  expect(await docker.status('c14')).not.toHaveProperty('growthRefused');
  await unmount('c14');
  await control.clearFaults();
  // The recovery round.
  await site.node.restart();
  await waitFor(async () => (await docker.status('c14'))['size'] === 2);
  for (const each of ['c14', 'small']) expect(await remove(each)).toBe('');
});

it('is made where its source is, as far as it is not told otherwise', async () => {
  const { docker } = site.node;
  await plainVolume('placed', { cpg: 'cpg-a-snap', snapcpg: 'cpg-a' });
  const places = [
    [{ snapcpg: 'cpg-a-snap' }, { cpg: 'cpg-a-snap', snapCpg: 'cpg-a-snap' }],
    [{ cpg: 'cpg-a' }, { cpg: 'cpg-a', snapCpg: 'cpg-a' }],
  ] as const;
  for (const [options, place] of places) {
    expect(await docker.create('c12', { cloneOf: 'placed', ...options })).toBe('');
    expect(await docker.status('c12')).toMatchObject(place);
    expect(await remove('c12')).toBe('');
  }
  expect(await remove('placed')).toBe('');
});

it('of a replicated volume needs no pair in cpg_map, since it has no copy, and a CPG that is not there is told before', async () => {
  const { docker, control } = site.node;
  expect(await clone('c15', { cpg: 'cpg-a-own' })).toBe('');
  expect(await docker.status('c15')).toMatchObject({ cpg: 'cpg-a-own', snapCpg: 'cpg-a-snap' });
  expect(await remove('c15')).toBe('');
  await control.clearLog();
  for (const options of [{ cpg: 'nothing' }, { snapcpg: 'nothing' }] as const) {
    expect(await clone('c15', options)).toMatch(/^primary array .* has no CPG nothing; .*nothing was changed$/);
  }
  const changes = (await control.log()).filter(({ method, path: at }) => method === 'POST' && at?.includes('/volumes'));
  expect(changes).toEqual([]);
});

it('the clone of a failed over volume is made on the array that is active now, and mounted from there', async () => {
  const { docker } = site.node;
  const volume = await site.createFailedOver();
  expect(await docker.create('c5', { cloneOf: volume.name })).toBe('');
  expect(await volumesOn(site.secondary)).toHaveLength(2);
  await docker.mount('c5');
  await unmount('c5');
  expect(await recordOf('c5')).toMatchObject({ origin: { side: 'secondary' } });
  expect(await remove('c5')).toBe('');
  await volume.type.recover();
  await volume.type.restore();
  expect(await remove(volume.name)).toBe('');
});

it('a snapshot and another clone can be cloned, also before their first mount', async () => {
  const { docker } = site.node;
  expect(await docker.create('s1', { virtualCopyOf: source.name })).toBe('');
  expect(await docker.create('c9', { cloneOf: 's1' })).toBe('');
  expect(await docker.create('c10', { cloneOf: 'c9' })).toBe('');
  const mountpoint = await docker.mount('c10');
  expect(await readFile(path.join(mountpoint, 'file'), 'utf8')).toBe('after');
  await unmount('c10');
  for (const name of ['s1', 'c9', 'c10']) expect(await remove(name)).toBe('');
  expect(await volumesOn(site.primary)).toEqual([]);
});

it('is refused: what is not there, what was never formatted, what is smaller, and the other options', async () => {
  const { docker } = site.node;
  const empty = await site.createVolume();
  expect(await docker.create('c6', { cloneOf: 'nothing' })).toMatch(/there is no volume nothing/);
  expect(await docker.create('c6', { cloneOf: 'c6' })).toMatch(/clone of itself/);
  expect(await docker.create('c6', { cloneOf: empty.name })).toMatch(/never been mounted/);
  const large = await site.createVolume(undefined, { size: '3' });
  await site.useOnce(large);
  expect(await docker.create('c6', { cloneOf: large.name, size: '2' })).toMatch(/cannot be smaller/);
  for (const each of [empty, large]) expect(await remove(each.name)).toBe('');
  expect(await volumesOn(site.primary)).toEqual([]);
});

it('rule 36: a source whose volume is no longer as we tagged it is not copied', async () => {
  const { simulator } = site.node;
  const comments = async (change: (comment: string) => string): Promise<void> =>
    simulator.pair.exclusive(async () => {
      const found = simulator.pair.arrays[0]?.volumes.get(source.arrayVolume);
      if (found !== undefined) found.comment = change(found.comment);
      return Promise.resolve();
    });
  await comments((comment) => `not ${comment}`);
  expect(await clone('c7')).toMatch(/another volume .* it is not copied/);
  await comments((comment) => comment.replace('not ', ''));
  expect(await volumesOn(site.primary)).toEqual([]);
});

it('a copy that the array has given up is not mounted, and can be removed', async () => {
  const { docker, control } = site.node;
  await control.holdCopies(true);
  expect(await clone('c8')).toBe('');
  const task = (await stateOf(control)).arrays[0]?.tasks.find(({ status }) => status === 'active');
  await operator(arrayOf(site.node.pair, 'primary'), `canceltask -f ${task?.id}`);
  await expect(docker.mount('c8')).rejects.toThrow(/broken off .*docker volume rm c8/);
  expect(await docker.create('s8', { virtualCopyOf: 'c8' })).toMatch(/volume c8 is a broken copy.*docker volume rm c8/);
  expect(await remove('c8')).toBe('');
  expect(await volumesOn(site.primary)).toEqual([]);
});
