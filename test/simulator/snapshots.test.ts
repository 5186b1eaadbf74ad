import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { admitBody, groupBody, startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';
import type { WsapiClient } from './wsapi-client.js';

// On a busy machine.

let pair: StartedPair;
let a: WsapiClient;

beforeAll(async () => {
  pair = await startTestPair({ fabric: 'loopback' });
  a = pair.a;
});
afterAll(async () => pair.close());

const take = (of: string, name: string, more: object = {}, client = a) =>
  client.send('POST', `/volumes/${of}`, { action: 'createSnapshot', parameters: { name, ...more } });
const refusalOf = (of: string, name: string, more: object = {}) =>
  a.refusal('POST', `/volumes/${of}`, { action: 'createSnapshot', parameters: { name, ...more } });
const get = async (name: string, client = a) => (await client.send('GET', `/volumes/${name}`)).body;
const copiesOf = async (name: string) =>
  (await a.send('GET', `/volumes?query=${encodeURIComponent(`"copyOf EQ ${name}"`)}`)).body
    .list('members')
    .map((each) => each.at('name'));
const dataFile = (array: 'sim-a' | 'sim-b', name: string) => join(pair.dir, array, 'volumes', name);

/** 256 MiB with this text at the start. */
const fill = (array: 'sim-a' | 'sim-b', name: string, text: string) =>
  writeFile(dataFile(array, name), text, { flag: 'r+' });
const contentOf = async (array: 'sim-a' | 'sim-b', name: string) =>
  (await readFile(dataFile(array, name))).subarray(0, 5).toString();

const hours = async (of: string) => {
  const volume = await get(of);
  const after = (name: string) => (Number(volume.at(name)) - Number(volume.at('creationTimeSec'))) / 3600;
  return [after('expirationTimeSec'), after('retentionTimeSec')].map((each) => Math.round(each * 100) / 100);
};

describe('a snapshot (reference 4.1, 4.3)', () => {
  it('shows its family, and holds what its parent held', async () => {
    await a.done('POST', '/volumes', volumeBody('base'));
    await fill('sim-a', 'base', 'first');
    const answer = await take('base', 'snap', { comment: 'mine' });
    expect([answer.status, answer.location, answer.text]).toEqual([201, '/api/v1/volumes/snap', '']);
    await fill('sim-a', 'base', 'later');
    expect(await contentOf('sim-a', 'snap')).toBe('first');
    const [base, snap] = [await get('base'), await get('snap')];
    expect(snap.value).toMatchObject({
      copyType: 3,
      provisioningType: 3,
      copyOf: 'base',
      parentId: base.at('id'),
      baseId: base.at('id'),
      snapCPG: 'cpg-a-snap',
      sizeMiB: 256,
      readOnly: false,
      comment: 'mine',
    });
    expect(snap.at('userCPG')).toBeUndefined();
    expect(snap.at('expirationTimeSec')).toBeUndefined();
    expect(snap.at('wwn')).not.toBe(base.at('wwn'));
    expect([base.at('copyType'), base.at('copyOf')]).toEqual([1, undefined]);
    await take('snap', 'snap-of-snap', { readOnly: true });
    expect((await get('snap-of-snap')).value).toMatchObject({
      copyOf: 'snap',
      parentId: snap.at('id'),
      baseId: base.at('id'),
      readOnly: true,
    });
    expect(await copiesOf('base')).toEqual(['snap']);
  });

  it('keeps its parent from being deleted, and is deleted itself', async () => {
    expect(await a.refusal('DELETE', '/volumes/base')).toBe('409/32');
    expect(await a.refusal('DELETE', '/volumes/snap')).toBe('409/32');
    for (const name of ['snap-of-snap', 'snap', 'base']) await a.done('DELETE', `/volumes/${name}`);
    expect(await readdir(join(pair.dir, 'sim-a', 'volumes'))).toEqual([]);
  });

  it('is exported like a volume', async () => {
    await a.done('POST', '/volumes', volumeBody('base'));
    await take('base', 'snap', { readOnly: true });
    await a.done('POST', '/hosts', { name: 'node1', iSCSINames: ['iqn.2020-01.test:node1'] });
    await a.done('POST', '/vluns', { volumeName: 'snap', lun: 4, hostname: 'node1' });
    const shown = join(pair.dir, 'fabric', 'iqn.2020-01.test:node1', 'iqn.2000-05.com.3pardata:20210002ac00b69e-lun-4');
    expect(JSON.parse(await readFile(`${shown}.json`, 'utf8'))).toMatchObject({ sizeBytes: 2 ** 28, readOnly: true });
    expect(await a.refusal('DELETE', '/volumes/snap')).toBe('409/26');
    await a.done('DELETE', '/vluns/snap,4,node1');
    for (const name of ['snap', 'base']) await a.done('DELETE', `/volumes/${name}`);
  });

  it.each([
    ['a parent that is missing', 'none', {}, '404/23'],
    ['a name that is taken', 'parent', { name: 'parent' }, '409/22'],
    ['a name of 32 characters', 'parent', { name: 'x'.repeat(32) }, '400/57'],
    ['a parent without snapshot space', 'bare', {}, '403/1052'],
    ['no expiration', 'parent', { expirationHours: 0 }, '400/115'],
    ['an expiration after 5 years', 'parent', { expirationHours: 43_801 }, '400/43'],
    ['a retention after 14 days', 'parent', { retentionHours: 337 }, '400/43'],
    ['a retention after the expiration', 'parent', { expirationHours: 2, retentionHours: 3 }, '400/1051'],
    ['what it does not know', 'parent', { colour: 'red' }, '400/12'],
  ])('is refused for %s', async (_what, of, more, refusal) => {
    await a.send('POST', '/volumes', volumeBody('parent'));
    await a.send('POST', '/volumes', volumeBody('bare', { snapCPG: undefined }));
    expect(await refusalOf(of, 'never', more)).toBe(refusal);
    expect(await a.refusal('GET', '/volumes/never')).toBe('404/23');
  });

  it('needs the licences for virtual copies and for retention', async () => {
    const poor = await startTestPair({ seed: { licenses: ['Virtual Copy'] } });
    const poorer = await startTestPair({ seed: { licenses: [] } });
    try {
      for (const { a: array } of [poor, poorer]) await array.done('POST', '/volumes', volumeBody('base'));
      expect((await take('base', 's1', { retentionHours: 1 }, poor.a)).status).toBe(403);
      expect((await take('base', 's1', {}, poor.a)).status).toBe(201);
      expect((await take('base', 's1', {}, poorer.a)).status).toBe(403);
    } finally {
      await poor.close();
      await poorer.close();
    }
  });
});

describe('the time of a snapshot', () => {
  const state = async () => (await pair.control('GET', '/state')).list('arrays')[0];
  const clock = (by: number) => pair.control('POST', '/clock', { array: 'sim-a', hours: by });

  it('is over when the clock says so: retained it cannot be deleted, expired it is gone', async () => {
    await a.done('POST', '/volumes', volumeBody('old'));
    await take('old', 'timed', { expirationHours: 24, retentionHours: 12 });
    expect(await hours('timed')).toEqual([24, 12]);
    expect(String((await get('timed')).at('expirationTime8601'))).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);
    expect(await a.refusal('DELETE', '/volumes/timed')).toBe('403/1050');
    const before = Date.parse(String((await state())?.at('now')));
    await clock(13);
    expect(Date.parse(String((await state())?.at('now'))) - before).toBeGreaterThanOrEqual(13 * 3_600_000);
    expect(await copiesOf('old')).toEqual(['timed']);
    await clock(11);
    expect(await copiesOf('old')).toEqual([]);
    expect(await readdir(join(pair.dir, 'sim-a', 'volumes'))).not.toContain('timed');
  });

  it('retained no longer, it can be deleted', async () => {
    await take('old', 'kept', { retentionHours: 1 });
    expect(await a.refusal('DELETE', '/volumes/kept')).toBe('403/1050');
    await clock(1);
    await a.done('DELETE', '/volumes/kept');
  });

  it('does not end while it is exported or has snapshots itself', async () => {
    await take('old', 'busy', { expirationHours: 1 });
    await take('busy', 'child', { expirationHours: 2 });
    await a.done('POST', '/vluns', { volumeName: 'child', lun: 1, hostname: 'node1' });
    await clock(3);
    expect([...(await copiesOf('old')), ...(await copiesOf('busy'))]).toEqual(['busy', 'child']);
    await a.done('DELETE', '/vluns/child,1,node1');
    await clock(0.01);
    expect([...(await copiesOf('old')), ...(await copiesOf('busy'))]).toEqual([]);
  });

  it('is changed by PUT; a retention only grows', async () => {
    await take('old', 'put', { expirationHours: 10, retentionHours: 4 });
    expect(await a.refusal('PUT', '/volumes/put', { retentionHours: 3 })).toBe('403/1050');
    expect(await a.refusal('PUT', '/volumes/put', { retentionHours: 11 })).toBe('400/1051');
    expect(await a.refusal('PUT', '/volumes/put', { expirationHours: 5, rmExpTime: true })).toBe('400/44');
    expect(await a.refusal('PUT', '/volumes/put', { expirationHours: 3 })).toBe('400/1051');
    await a.done('PUT', '/volumes/put', { newName: 'renamed', comment: 'x', expirationHours: 20, retentionHours: 5 });
    expect(await hours('renamed')).toEqual([20, 5]);
    await a.done('PUT', '/volumes/renamed', { rmExpTime: true });
    expect((await get('renamed')).at('expirationTimeSec')).toBeUndefined();
    await clock(6);
    await a.done('DELETE', '/volumes/renamed');
  });

  it('goes by on an array without power, too; what is over then goes when it is back', async () => {
    await take('old', 'asleep', { expirationHours: 1 });
    await pair.control('POST', '/power', { array: 'sim-a', on: false });
    await clock(2);
    expect((await state())?.list('volumes').map((each) => each.at('name'))).toContain('asleep');
    await pair.control('POST', '/power', { array: 'sim-a', on: true });
    await clock(0.01);
    await a.login();
    expect(await copiesOf('old')).toEqual([]);
  });
});

describe('snapshots of a member of a remote copy group', () => {
  it('are taken on both sides with what was written last, and keep the secondary from being removed', async () => {
    await a.done('POST', '/volumes', volumeBody('member'));
    await a.done('POST', '/remotecopygroups', groupBody('rcg'));
    await a.done('PUT', '/remotecopygroups/rcg', admitBody('member'));
    await a.done('PUT', '/remotecopygroups/rcg', { action: 3 });
    await fill('sim-a', 'member', 'newer');
    for (const client of [a, pair.b]) expect((await take('member', 'member-snap', {}, client)).status).toBe(201);
    expect([await contentOf('sim-a', 'member-snap'), await contentOf('sim-b', 'member-snap')]).toEqual([
      'newer',
      'newer',
    ]);
    expect((await get('member-snap', pair.b)).at('rcopyGroup')).toBeUndefined();
    await a.done('PUT', '/remotecopygroups/rcg', { action: 4 });
    expect((await a.send('PUT', '/remotecopygroups/rcg', admitBody('member-snap'))).status).toBe(403);
    const dismissal = '/remotecopygroups/rcg/volumes/member?removeSecondaryVolume=true';
    expect(await a.refusal('DELETE', dismissal)).toBe('409/32');
    await pair.b.done('DELETE', '/volumes/member-snap');
    await a.done('DELETE', dismissal);
  });
});
