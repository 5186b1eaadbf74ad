import { stat } from 'node:fs/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { admitBody, groupBody, startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';
import type { WsapiClient } from './wsapi-client.js';

// On a busy machine.

let pair: StartedPair;
afterEach(async () => pair.close());

const MIRROR = 'g1.r46750';

/** Group `g1` with member `vol1`, admitted and not started. */
async function makeGroup(seed: object = {}): Promise<void> {
  pair = await startTestPair({ seed });
  await pair.a.done('POST', '/volumes', volumeBody('vol1', { comment: 'tag' }));
  await pair.a.done('POST', '/remotecopygroups', groupBody('g1'));
  await pair.a.done('PUT', '/remotecopygroups/g1', admitBody('vol1'));
}

const methodOf = (action: number) => (action >= 6 ? 'POST' : 'PUT');
const groupPath = (client: WsapiClient) => `/remotecopygroups/${client === pair.a ? 'g1' : MIRROR}`;
const act = (client: WsapiClient, action: number) => client.done(methodOf(action), groupPath(client), { action });
const refused = (client: WsapiClient, action: number) =>
  client.refusal(methodOf(action), groupPath(client), { action });

describe('groups and members (reference 6.2, 6.4)', () => {
  it('mirrors the group, creates the secondary untagged with the same WWN, and takes everything apart again', async () => {
    await makeGroup();
    const first = (await pair.a.done('GET', '/volumes/vol1')).body;
    const second = (await pair.b.done('GET', '/volumes/vol1')).body;
    expect(second.value).toMatchObject({ wwn: first.at('wwn'), comment: '', userCPG: 'cpg-b', snapCPG: 'cpg-b-snap' });
    expect([first.at('rcopyGroup'), second.at('rcopyGroup')]).toEqual(['g1', MIRROR]);
    expect((await stat(`${pair.dir}/sim-b/volumes/vol1`)).size).toBe(256 * 1024 * 1024);
    await pair.a.done('POST', '/volumes', volumeBody('vol2'));
    await pair.a.done('PUT', '/remotecopygroups/g1', admitBody('vol2', { differentSecondaryWWN: true }));
    const own = String((await pair.b.done('GET', '/volumes/vol2')).body.at('wwn'));
    expect(own).toMatch(/0000B69F$/);
    await pair.a.done('PUT', '/remotecopygroups/g1', { action: 2, volumeName: 'vol2' });
    expect((await pair.b.send('GET', '/volumes/vol2')).status).toBe(200);
    await pair.a.done('DELETE', '/remotecopygroups/g1/volumes/vol1?removeSecondaryVolume=true');
    expect(await pair.b.refusal('GET', '/volumes/vol1')).toBe('404/23');
    expect((await pair.a.done('GET', '/remotecopygroups/g1')).body.at('volumes')).toEqual([]);
    expect((await pair.a.done('GET', '/remotecopygroups/g1/targets')).body.at('members', 0, 'targetName')).toBe(
      'sim-b-rc',
    );
    await act(pair.a, 3);
    await act(pair.a, 4);
    await pair.a.done('DELETE', '/remotecopygroups/g1?keepSnap=false');
    expect(await pair.a.refusal('GET', '/remotecopygroups/g1')).toBe('404/187');
    expect(await pair.b.refusal('GET', `/remotecopygroups/${MIRROR}`)).toBe('404/187');
    await pair.a.done('DELETE', '/volumes/vol1');
  });

  it('refuses on a started group', async () => {
    await makeGroup();
    await act(pair.a, 3);
    await pair.a.done('POST', '/volumes', volumeBody('vol2'));
    expect(await pair.a.refusal('PUT', '/remotecopygroups/g1', admitBody('vol2'))).toBe('403/215');
    expect(await pair.a.refusal('PUT', '/remotecopygroups/g1', { action: 2, volumeName: 'vol1' })).toBe('403/215');
    expect(await pair.a.refusal('DELETE', '/remotecopygroups/g1')).toBe('403/215');
    expect(await refused(pair.a, 3)).toBe('403/215');
    expect(await refused(pair.b, 7)).toBe('403/215');
    expect(await pair.a.refusal('DELETE', '/volumes/vol1')).toBe('403/120');
    expect(await pair.b.refusal('DELETE', '/volumes/vol1')).toBe('403/120');
    await pair.a.done('POST', '/remotecopygroups', groupBody('periodic', 2));
    expect(await pair.a.refusal('PUT', '/remotecopygroups/periodic', { action: 3 })).toBe('400/236');
  });

  it('refuses what does not fit', async () => {
    await makeGroup({ emptyGroupStart: 'refused' });
    const create = async (more: object) =>
      pair.a.refusal('POST', '/remotecopygroups', { ...groupBody('new'), ...more });
    const target = { targetName: 'sim-b-rc', mode: 1, userCPG: 'cpg-b', snapCPG: 'cpg-b-snap' };
    expect(await create({ name: 'g1' })).toBe('409/237');
    expect(await create({ name: 'x'.repeat(23) })).toBe('400/57');
    expect(await create({ name: 'a/b' })).toBe('400/69');
    expect(await create({ targets: [{ ...target, targetName: 'none' }] })).toBe('403/1011');
    expect(await create({ targets: [{ ...target, mode: 5 }] })).toBe('400/46');
    expect(await create({ targets: [{ ...target, userCPG: 'cpg-a' }] })).toBe('404/15');
    expect(await create({ targets: [{ ...target, remoteUserCPG: 'cpg-b' }] })).toBe('400/12');
    const modify = async (more: object) =>
      pair.a.refusal('PUT', '/remotecopygroups/g1', { targets: [{ targetName: 'sim-b-rc', ...more }] });
    expect(await modify({ syncPeriod: 300 })).toBe('403/1016');
    expect(await modify({ syncPeriod: 299 })).toBe('400/115');
    expect(await modify({ syncPeriod: 300, policies: {} })).toBe('400/44');
    expect(await modify({ policies: { overPeriodAlert: true } })).toBe('403/1018');
    await pair.a.done('POST', '/volumes', volumeBody('vol2', { snapCPG: undefined }));
    await pair.b.done('POST', '/volumes', volumeBody('vol3', { cpg: 'cpg-b', snapCPG: 'cpg-b' }));
    await pair.a.done('POST', '/volumes', volumeBody('vol3'));
    const admit = async (volume: string, more: object = {}) =>
      pair.a.refusal('PUT', '/remotecopygroups/g1', admitBody(volume, more));
    expect(await admit('vol1')).toBe('409/1033');
    expect(await admit('vol2')).toBe('403/1029');
    expect(await admit('vol3')).toBe('409/1034');
    expect(await admit('none')).toBe('404/23');
    expect(
      await admit('vol3', { targets: [{ targetName: 'sim-b-rc', secVolumeName: 'none' }], volumeAutoCreation: false }),
    ).toBe('404/1035');
    expect(await refused(pair.b, 3)).toBe('403/1019');
    expect(await refused(pair.a, 7)).toBe('403/1020');
    expect(await refused(pair.b, 7)).toBe('403/1023');
    expect(await refused(pair.a, 10)).toBe('400/29');
    await pair.a.done('POST', '/remotecopygroups', groupBody('empty'));
    expect(await pair.a.refusal('PUT', '/remotecopygroups/empty', { action: 3 })).toBe('400/1021');
  });

  it('refuses to take a failed over group apart', async () => {
    await makeGroup();
    await act(pair.a, 3);
    await act(pair.a, 4);
    await act(pair.b, 7);
    expect(await pair.a.refusal('DELETE', '/remotecopygroups/g1')).toBe('403/1025');
    expect(await pair.b.refusal('DELETE', `/remotecopygroups/${MIRROR}`)).toBe('403/1025');
    expect(await pair.a.refusal('PUT', '/remotecopygroups/g1', { action: 2, volumeName: 'vol1' })).toBe('403/1026');
    expect(await refused(pair.a, 3)).toBe('403/1022');
  });
});
