import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { release } from '../../src/commands/release.js';
import type { SimulatedArray } from '../../src/simulator/array.js';
import { createHost, deleteHost } from '../../src/simulator/hosts.js';
import { createSnapshot } from '../../src/simulator/snapshots.js';
import { createVlun, removeVlun } from '../../src/simulator/vluns.js';
import { createVolumeSet, deleteVolumeSet } from '../../src/simulator/volume-sets.js';
import { createVolume, deleteVolume } from '../../src/simulator/volumes.js';
import { arrayObjects, arrayOutline, stateOf } from '../simulator-state.js';
import { Site, waitFor } from './site.js';

const UUID = '7f1c2f0a-5f0e-4f5b-9a35-0c8a8f5f2d11';
const PLAIN = { backend: 'plain' };

let site: Site;

beforeAll(async () => {
  site = await Site.start();
});
afterAll(async () => {
  await site.calmDown();
  expect((await arrayObjects(site.node.control)).filter((each) => !each.includes('volume old'))).toEqual([]);
  await site.close();
});

const made = { cpg: 'cpg-a', snapCpg: 'cpg-a-snap', tpvv: true, tdvv: false, compression: false };

/** What an administrator does there. */
async function onArray(work: (array: SimulatedArray) => unknown): Promise<void> {
  const { pair } = site.node.simulator;
  const [array] = pair.arrays;
  if (array === undefined) throw new Error('no array');
  await pair.exclusive(async () => void (await work(array)));
}

/** What an administrator made on the array, long ago; with a file system that holds a file, unless it is to be blank. */
async function oldVolume(name: string, { comment = '', blank = false } = {}): Promise<void> {
  await onArray(async (array) => createVolume(array, { ...made, name, sizeMiB: 1280, comment }));
  if (blank) return;
  const { arrays } = await stateOf(site.node.control);
  const file = arrays[0]?.volumes.find((each) => each.name === name)?.dataFile ?? '';
  execFileSync('mkfs.ext4', ['-q', '-F', '-U', UUID, file], { stdio: 'pipe' });
}

const importAs = async (name: string, importVol: string, options: Record<string, string> = {}): Promise<string> =>
  site.node.docker.create(name, { importVol, ...PLAIN, ...options });
const found = async (name: string) =>
  (await stateOf(site.node.control)).arrays[0]?.volumes.find((each) => each.name === name);
const releaseIt = async (name: string): Promise<string[]> =>
  release([name, '--state-dir', path.join(site.node.dir, 'state')]);

it('a volume of the array is imported with its data, and released with its former name and comment', async () => {
  const { docker } = site.node;
  await oldVolume('old_data', { comment: 'of accounting' });
  expect(await importAs('imported', 'old_data')).toBe('');
  expect(await importAs('imported', 'old_data')).toBe('');
  expect(await importAs('other', 'old_data')).toMatch(/has no volume old_data/);
  expect(await found('old_data')).toBeUndefined();
  const arrayVolume = String((await docker.status('imported'))['arrayVolume']);
  expect(await found(arrayVolume)).toMatchObject({ comment: expect.stringContaining('"display_name":"imported"') });
  const mountpoint = await docker.mount('imported');
  await writeFile(path.join(mountpoint, 'file'), 'x');
  await expect(releaseIt('imported')).rejects.toThrow(/imported is in use on node node1/);
  expect(await docker.unmount('imported')).toBe('');
  expect(await readFile(path.join(await docker.mount('imported'), 'file'), 'utf8')).toBe('x');
  expect(await docker.unmount('imported')).toBe('');
  const [record] = await site.node.records('volume');
  expect(record).toMatchObject({
    spec: { sizeGiB: 1.25 },
    filesystem: { state: 'formatted', type: 'ext4', uuid: UUID },
    origin: { kind: 'import', formerName: 'old_data', formerComment: 'of accounting' },
  });
  expect(await releaseIt('imported')).toEqual([expect.stringMatching(/is called old_data on primary array .* again/)]);
  expect(await found('old_data')).toMatchObject({ comment: 'of accounting' });
  expect(await site.node.records('volume')).toEqual([]);
  expect(await importAs('again', 'old_data')).toBe('');
  expect(await readFile(path.join(await docker.mount('again'), 'file'), 'utf8')).toBe('x');
  expect(await docker.unmount('again')).toBe('');
  expect(await docker.remove('again')).toBe('');
  expect(await found('old_data')).toBeUndefined();
});

it('rule 18: a blank volume is imported, and never formatted', async () => {
  const { docker } = site.node;
  await oldVolume('old_blank', { blank: true });
  expect(await importAs('blank', 'old_blank')).toBe('');
  await expect(docker.mount('blank')).rejects.toThrow(/came from old_blank, should be ext4 or xfs, .*nothing/);
  await releaseIt('blank');
  expect(await found('old_blank')).toMatchObject({ comment: '' });
});

it('a snapshot of the array is imported under a name of snapshots', async () => {
  const { docker, simulator } = site.node;
  await oldVolume('old_parent');
  const snapshot = { of: 'old_parent', name: 'old_snap', comment: '', readOnly: false };
  await onArray(async (array) => createSnapshot(simulator.pair, array, snapshot));
  expect(await importAs('snap', 'old_snap')).toBe('');
  expect(await docker.status('snap')).toMatchObject({ arrayVolume: expect.stringMatching(/^dcs-.{22}$/) });
  await docker.mount('snap');
  expect(await docker.unmount('snap')).toBe('');
  expect(await docker.remove('snap')).toBe('');
  expect(await found('old_parent')).toBeDefined();
});

it('rule 15: a snapshot that remote copy keeps for itself is not imported', async () => {
  const { docker, simulator, control } = site.node;
  await oldVolume('old_member', { blank: true });
  for (const name of ['rcpy.7.g1', 'sv.rcpy.8.g1']) {
    const snapshot = { of: 'old_member', name, comment: '', readOnly: false };
    await onArray(async (array) => createSnapshot(simulator.pair, array, snapshot));
    const outline = await arrayOutline(control);
    expect(await importAs('resync', name)).toMatch(/belongs to remote copy.*it is not imported/);
    expect(await arrayOutline(control)).toEqual(outline);
    await onArray(async (array) => deleteVolume(array, name));
  }
  await expect(docker.status('resync')).rejects.toThrow(/there is no volume resync/);
});

describe('what is in use is refused, and stays as it is', () => {
  beforeAll(async () => oldVolume('old_used'));

  const uses: [string, RegExp, (array: SimulatedArray) => void, (array: SimulatedArray) => void][] = [
    [
      'exported',
      /is exported to other/,
      (array) => {
        createHost(array, {
          name: 'other',
          domain: undefined,
          persona: 2,
          descriptors: {},
          wwns: [],
          iqns: ['iqn.other'],
        });
        const template = { hostname: 'other', pos: undefined, autoLun: false, maxAutoLun: 0 };
        createVlun(array, { volumeName: 'old_used', lun: 7, ...template });
      },
      (array) => {
        removeVlun(array, { volume: 'old_used', lun: 7, host: 'other', pos: undefined });
        deleteHost(array, 'other');
      },
    ],
    [
      'in a volume set',
      /is in volume set a_set/,
      (array) => createVolumeSet(array, { name: 'a_set', domain: undefined, comment: '', members: ['old_used'] }),
      (array) => deleteVolumeSet(array, 'a_set'),
    ],
    [
      'expiring',
      /is deleted by the array at 20/,
      (array) => void (array.getVolume('old_used').expiresAt = new Date(Date.now() + 86_400_000)),
      (array) => void (array.getVolume('old_used').expiresAt = undefined),
    ],
    [
      'read-only',
      /is read-only/,
      (array) => void (array.getVolume('old_used').readOnly = true),
      (array) => void (array.getVolume('old_used').readOnly = false),
    ],
  ];
  it.each(uses)('%s', async (_what, message, use, end) => {
    const { control } = site.node;
    await onArray(use);
    const outline = await arrayOutline(control);
    expect(await importAs('used', 'old_used')).toMatch(message);
    expect(await arrayOutline(control)).toEqual(outline);
    await onArray(end);
  });

  it.each(uses)('%s, also when that begins while it is being imported', async (_what, message, use, end) => {
    const { control } = site.node;
    const match = { method: 'PUT', pathRegex: '/volumes/old_used$' };
    await control.fault({ array: site.primary, match, effect: 'delay', ms: 500 });
    const answer = importAs('used', 'old_used');
    await waitFor(async () => (await control.faults()).length === 0);
    await onArray(use);
    const outline = await arrayOutline(control);
    const refusal = await answer;
    expect(refusal).toMatch(message);
    expect(refusal).toContain('everything was rolled back');
    expect(await arrayOutline(control)).toEqual(outline);
    await onArray(end);
  });

  it('ours already, in a group, or not there', async () => {
    const ours = await site.createVolume();
    expect(await importAs('used', ours.arrayVolume)).toMatch(/belongs to this plugin, or the old one, already/);
    expect(await site.node.docker.remove(ours.name)).toBe('');
    expect(await importAs('used', 'nothing')).toMatch(/has no volume nothing/);
  });
});

it('rule 39: a tag that the array takes off after the release was undone is put on again', async () => {
  const { docker, control } = site.node;
  await oldVolume('old_late', { comment: 'theirs' });
  expect(await importAs('late', 'old_late')).toBe('');
  const arrayVolume = String((await docker.status('late'))['arrayVolume']);
  const put = (nth: number) => ({ method: 'PUT', pathRegex: '/volumes/old_late$', nth });
  await control.fault({ array: site.primary, match: put(1), effect: 'late', ms: 1_500 });
  // The way back to our name takes longer than the array needs to do it.
  await control.fault({ array: site.primary, match: put(2), effect: 'delay', ms: 3_000 });
  await expect(releaseIt('late')).rejects.toThrow(/take the tag off .*may or may not be done/);
  expect(await found(arrayVolume)).toMatchObject({ comment: 'theirs' });
  // The recovery round, which looks for what the array has made late.
  await site.node.restart();
  await waitFor(async () => (await found(arrayVolume))?.comment.includes('"display_name":"late"') === true);
  await docker.mount('late');
  expect(await docker.unmount('late')).toBe('');
  expect(await docker.remove('late')).toBe('');
});

it('a volume that was not imported is not released', async () => {
  const volume = await site.createVolume();
  await expect(releaseIt(volume.name)).rejects.toThrow(/was not imported/);
  await expect(releaseIt('nothing')).rejects.toThrow(/nothing/);
  expect(await site.node.docker.remove(volume.name)).toBe('');
});
