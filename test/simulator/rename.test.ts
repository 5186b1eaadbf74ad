import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { admitBody, groupBody, startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';
import type { WsapiClient } from './wsapi-client.js';

// On a busy machine.

let pair: StartedPair;
let a: WsapiClient;

beforeAll(async () => {
  pair = await startTestPair({ fabric: 'loopback' });
  a = pair.a;
  for (const name of ['old', 'other']) await a.done('POST', '/volumes', volumeBody(name));
});
afterAll(async () => pair.close());

const snapshot = (of: string, name: string) =>
  a.done('POST', `/volumes/${of}`, { action: 'createSnapshot', parameters: { name } });
const rename = (name: string, newName: string) => a.send('PUT', `/volumes/${name}`, { newName });

it('a volume is renamed with its export, snapshots and sets', async () => {
  const iqn = 'iqn.2020-01.test:node1';
  await a.done('POST', '/hosts', { name: 'node1', iSCSINames: [iqn] });
  await a.done('POST', '/vluns', { volumeName: 'old', lun: 1, hostname: 'node1' });
  await snapshot('old', 'snap');
  await a.done('POST', '/volumesets', { name: 'set', setmembers: ['old'] });
  const before = (await a.send('GET', '/volumes/old')).body;
  const answer = await rename('old', 'new');
  expect([answer.status, answer.location]).toEqual([200, '/api/v1/volumes/new']);
  expect((await a.send('GET', '/volumes/new')).body.value).toEqual({ ...(before.value as object), name: 'new' });
  expect(await a.refusal('GET', '/volumes/old')).toBe('404/23');
  const link = join(pair.dir, 'fabric', iqn, 'iqn.2000-05.com.3pardata:20210002ac00b69e-lun-1');
  expect(await readlink(link)).toBe(join(pair.dir, 'sim-a', 'volumes', 'new'));
  const vluns = (await a.send('GET', '/vluns?query=%22volumeName%20EQ%20new%22')).body;
  expect(vluns.at('total')).toBe(3);
  expect((await a.send('GET', '/volumes/snap')).body.at('copyOf')).toBe('new');
  expect((await a.send('GET', '/volumesets/set')).body.at('setmembers')).toEqual(['new']);
});

it('a snapshot is renamed; to its own name changes nothing', async () => {
  expect([(await rename('snap', 'snap2')).status, (await rename('snap2', 'snap2')).status]).toEqual([200, 200]);
  expect((await a.send('GET', '/volumes/snap2')).body.at('copyOf')).toBe('new');
});

it.each([
  ['a name that is taken', 'other', 'new', '409/22'],
  ['a volume that is missing', 'none', 'name', '404/23'],
  ['32 characters', 'other', 'x'.repeat(32), '400/57'],
  ['a blank', 'other', 'a b', '400/69'],
  ['nothing', 'other', '', '400/45'],
])('%s is refused, with the comment as it was', async (_what, name, newName, refusal) => {
  expect(await a.refusal('PUT', `/volumes/${name}`, { newName, comment: 'changed' })).toBe(refusal);
  expect((await a.send('GET', '/volumes/other')).body.value).toMatchObject({ name: 'other', comment: '' });
});

it('a member of a group and the ends of a copy keep their names', async () => {
  await pair.control('POST', '/copy-hold', { hold: true });
  const parameters = { destVolume: 'copy', destCPG: 'cpg-a', snapCPG: 'cpg-a-snap', online: true, tpvv: true };
  await a.done('POST', '/volumes/other', { action: 'createPhysicalCopy', parameters });
  for (const name of ['other', 'copy']) {
    expect(await a.refusal('PUT', `/volumes/${name}`, { newName: 'name' })).toBe('409/151');
  }
  await pair.control('POST', '/copy-hold', { hold: false });
  await a.done('PUT', '/volumes/copy', { newName: 'clone' });
  await a.done('POST', '/remotecopygroups', groupBody('g1'));
  await a.done('PUT', '/remotecopygroups/g1', admitBody('clone'));
  for (const client of [a, pair.b]) {
    expect(await client.refusal('PUT', '/volumes/clone', { newName: 'name' })).toBe('403/120');
    await client.done('PUT', '/volumes/clone', { comment: 'changed' });
  }
});
