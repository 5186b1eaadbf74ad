import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';
import { WsapiClient } from './wsapi-client.js';

// On a busy machine.

let pair: StartedPair;
let a: WsapiClient;

beforeAll(async () => {
  pair = await startTestPair({
    seed: {
      arrays: [
        { domains: ['dom1'], cpgs: [{ name: 'cpg-a' }, { name: 'cpg-a-snap' }, { name: 'cpg-dom', domain: 'dom1' }] },
      ],
    },
  });
  a = pair.a;
});
afterAll(async () => pair.close());

describe('sessions (reference 1)', () => {
  it('answers the version without a session', async () => {
    const client = new WsapiClient(pair.running.ready.arrays[0]);
    const answer = await client.raw('GET', '/api');
    expect(answer.body.value).toEqual({ major: 1, minor: 6, revision: 0, build: 30301215 });
    client.close();
  });

  it('creates, uses and deletes a session', async () => {
    const client = new WsapiClient(pair.running.ready.arrays[0]);
    const { user, password } = pair.running.ready.arrays[0];
    const answer = await client.send('POST', '/credentials', { user, password });
    const key = String(answer.body.at('key'));
    expect([answer.status, answer.location]).toEqual([201, `/api/v1/credentials/${key}`]);
    client.key = key;
    expect((await client.send('GET', '/system')).body.at('id')).toBe(46750);
    expect((await client.send('DELETE', `/credentials/${key}`)).status).toBe(200);
    expect(await client.refusal('GET', '/system')).toBe('403/6');
    expect(await client.refusal('POST', '/credentials', { user, password: 'wrong' })).toBe('403/5');
    client.close();
  });

  it('limits sessions in number and drops them when idle', async () => {
    const small = await startTestPair({ seed: { maxSessions: 2, sessionIdleSeconds: 1.2 } });
    try {
      const { user, password } = small.running.ready.arrays[0];
      await small.a.done('POST', '/credentials', { user, password });
      expect((await small.a.send('POST', '/credentials', { user, password })).status).toBe(503);
      // Use extends the life of one session past that of the other.
      for (let step = 0; step < 4; step += 1) {
        await new Promise((resolve) => setTimeout(resolve, 400));
        expect((await small.a.send('GET', '/wsapiconfiguration')).status).toBe(200);
      }
      expect((await small.a.send('GET', '/wsapiconfiguration')).body.at('sessionsInUse')).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect(await small.a.refusal('GET', '/system')).toBe('403/6');
    } finally {
      await small.close();
    }
  });
});

describe('what it does not know', () => {
  it.each([
    ['GET', '/nonsense', undefined, '404/11'],
    ['PUT', '/cpgs', {}, '501/9'],
    ['POST', '/volumes', { ...volumeBody('x'), colour: 'red' }, '400/12'],
    ['GET', '/volumes?colour=red', undefined, '400/12'],
    ['GET', '/volumes?query=name', undefined, '400/12'],
    ['POST', '/volumes', [], '400/12'],
  ])('%s %s is refused', async (method, path, body, refusal) => {
    expect(await a.refusal(method, path, body)).toBe(refusal);
  });

  it('names JSON errors', async () => {
    const answer = await a.raw('POST', '/api/v1/volumes', '{"name":');
    expect([answer.status, answer.body.at('code')]).toEqual([400, 60]);
  });
});

describe('system, CPGs, ports (reference 3)', () => {
  it('shows them', async () => {
    const system = await a.send('GET', '/system');
    expect(system.body.list('licenseInfo', 'licenses').map((each) => each.at('name'))).toContain('Compression');
    expect((await a.send('GET', '/cpgs/cpg-a')).body.at('name')).toBe('cpg-a');
    expect(await a.refusal('GET', '/cpgs/none')).toBe('404/15');
    const ports = (await a.send('GET', '/ports')).body.list('members');
    const kinds = ports.map((port) =>
      [port.at('mode'), port.at('linkState'), port.at('protocol'), port.at('type')].join(),
    );
    expect(kinds).toEqual(['2,4,1,1', '2,4,1,1', '2,4,2,8', '2,4,2,8', '4,4,4,7']);
    expect(ports[0]?.at('portWWN')).toBe('20110002AC00B69E');
    expect(ports[2]?.at('iSCSIName')).toBe('iqn.2000-05.com.3pardata:20210002ac00b69e');
  });
});

describe('volumes (reference 4)', () => {
  it('creates, shows, finds, changes and deletes', async () => {
    const answer = await a.done('POST', '/volumes', volumeBody('vol1', { sizeMiB: 1000, comment: 'mine' }));
    expect([answer.status, answer.location, answer.text]).toEqual([201, '/api/v1/volumes/vol1', '']);
    const volume = (await a.send('GET', '/volumes/vol1')).body;
    expect(String(volume.at('wwn'))).toMatch(/^60002AC0{10}[0-9A-F]{7}0000B69E$/);
    expect(volume.value).toMatchObject({
      sizeMiB: 1024,
      provisioningType: 2,
      userCPG: 'cpg-a',
      comment: 'mine',
      copyType: 1,
    });
    const query = encodeURIComponent(`"wwn EQ ${String(volume.at('wwn'))}"`);
    expect((await a.send('GET', `/volumes?query=${query}`)).body.at('members', 0, 'name')).toBe('vol1');
    expect((await a.send('GET', '/volumes?query="copyOf%20EQ%20vol1"')).body.value).toEqual({ total: 0, members: [] });
    await a.done('PUT', '/volumes/vol1', { newName: 'vol2', comment: 'yours' });
    expect(await a.refusal('GET', '/volumes/vol1')).toBe('404/23');
    expect((await a.send('GET', '/volumes/vol2')).body.value).toMatchObject({
      comment: 'yours',
      wwn: volume.at('wwn'),
    });
    await a.done('DELETE', '/volumes/vol2');
    expect(await a.refusal('DELETE', '/volumes/vol2')).toBe('404/23');
  });

  it.each([
    [{ name: 'x'.repeat(32) }, '400/57'],
    [{ name: 'a b' }, '400/69'],
    [{ name: '' }, '400/45'],
    [{ name: 7 }, '400/39'],
    [{ name: undefined }, '400/40'],
    [{ name: 'taken' }, '409/22'],
    [{ cpg: 'none' }, '404/15'],
    [{ sizeMiB: 255 }, '400/43'],
    [{ sizeMiB: 16_777_217 }, '400/28'],
    [{ comment: 'c'.repeat(512) }, '400/57'],
    [{ tdvv: true }, '400/44'],
    [{ tpvv: false, compression: true, sizeMiB: 16_384 }, '400/44'],
    [{ compression: true, sizeMiB: 1024 }, '400/115'],
  ])('refuses to create with %j', async (more, refusal) => {
    await a.send('POST', '/volumes', volumeBody('taken'));
    expect(await a.refusal('POST', '/volumes', volumeBody('new', more))).toBe(refusal);
    expect(await a.refusal('GET', '/volumes/new')).toBe('404/23');
  });
});

describe('hosts (reference 5.1)', () => {
  it('creates, finds by path, changes paths and deletes', async () => {
    await a.done('POST', '/hosts', { name: 'h1', iSCSINames: ['iqn.2020-01.test:one'], persona: 2 });
    await a.done('POST', '/hosts', { name: 'h2', FCWWNs: ['10000000c9000001'] });
    const find = async (query: string) =>
      (await a.send('GET', `/hosts?query=${encodeURIComponent(query)}`)).body
        .list('members')
        .map((host) => host.at('name'));
    expect(await find('"iSCSIPaths[name==iqn.2020-01.test:one]"')).toEqual(['h1']);
    expect(
      await find('"FCPaths[wwn==10000000C9000001 OR wwn==10000000C9000002] OR iSCSIPaths[name==iqn.x:y]"'),
    ).toEqual(['h2']);
    expect(await find('"FCPaths[wwn==10000000C9000009]"')).toEqual([]);
    const host = (await a.send('GET', '/hosts/h2')).body;
    expect(host.list('FCPaths').map((path) => path.at('portPos', 'node'))).toEqual([0, 1]);
    expect(host.at('iSCSIPaths')).toEqual([]);
    await a.done('PUT', '/hosts/h2', { pathOperation: 1, FCWWNs: ['10000000C9000002'] });
    expect(await find('"FCPaths[wwn==10000000C9000002]"')).toEqual(['h2']);
    await a.done('PUT', '/hosts/h2', { pathOperation: 2, FCWWNs: ['10000000C9000002'] });
    expect(await find('"FCPaths[wwn==10000000C9000002]"')).toEqual([]);
    expect(await a.refusal('POST', '/hosts', { name: 'h1' })).toBe('409/16');
    expect(await a.refusal('POST', '/hosts', { name: 'h3', iSCSINames: ['iqn.2020-01.test:one'] })).toBe('409/73');
    expect(await a.refusal('PUT', '/hosts/h2', { pathOperation: 1, FCWWNs: ['10000000C9000001'] })).toBe('409/73');
    expect(
      await a.refusal('POST', '/hosts', { name: 'h3', iSCSINames: ['iqn.x:z'], FCWWNs: ['10000000C9000003'] }),
    ).toBe('400/44');
    expect(await a.refusal('POST', '/hosts', { name: 'h3', domain: 'none' })).toBe('404/38');
    await a.done('DELETE', '/hosts/h1');
    await a.done('DELETE', '/hosts/h2');
    expect(await a.refusal('GET', '/hosts/h2')).toBe('404/17');
  });
});

const members = async (query: string) =>
  (await a.send('GET', `/vluns?query=${encodeURIComponent(`"${query}"`)}`)).body.list('members');

describe('CHAP of a host (reference 5.1, 4.7)', () => {
  const put = { chapOperation: 1, chapOperationMode: 1, chapName: 'user1' };
  const secret = 'sixteen-chars-ab';

  it('is set, shown without its secret, and removed', async () => {
    await a.done('POST', '/hosts', { name: 'chap1', iSCSINames: ['iqn.2020-01.test:chap1'] });
    expect((await a.send('GET', '/hosts/chap1')).body.at('initiatorChapEnabled')).toBe(false);
    await a.done('PUT', '/hosts/chap1', { ...put, chapSecret: secret });
    const host = (await a.send('GET', '/hosts/chap1')).body;
    expect([host.at('initiatorChapEnabled'), host.at('initiatorChapName')]).toEqual([true, 'user1']);
    const shown = [host.value, (await pair.control('GET', '/state')).value, (await pair.control('GET', '/log')).value];
    expect(JSON.stringify(shown)).not.toContain(secret);
    await a.done('PUT', '/hosts/chap1', { chapOperation: 2, chapOperationMode: 1 });
    expect((await a.send('GET', '/hosts/chap1')).body.at('initiatorChapName')).toBeUndefined();
    expect(await a.refusal('PUT', '/hosts/chap1', { chapOperation: 2 })).toBe('404/1041');
    await a.done('DELETE', '/hosts/chap1');
  });

  it.each([
    ['11 characters', { ...put, chapSecret: 'eleven-char' }, '400/1040'],
    ['17 characters', { ...put, chapSecret: `${secret}c` }, '400/1040'],
    ['a character that is not ASCII', { ...put, chapSecret: 'zwölf-zeichen' }, '400/69'],
    ['no secret', put, '400/40'],
    ['no mode', { ...put, chapOperationMode: undefined, chapSecret: secret }, '400/40'],
    ['an unknown operation', { ...put, chapOperation: 3, chapSecret: secret }, '400/46'],
    ['target CHAP, which is not simulated', { ...put, chapOperationMode: 2, chapSecret: secret }, '501/9'],
    ['a secret in hex, which is not simulated', { ...put, chapSecret: secret, chapSecretHex: true }, '501/9'],
  ])('refuses %s', async (_what, body, code) => {
    await a.done('POST', '/hosts', { name: 'chap2' });
    expect(await a.refusal('PUT', '/hosts/chap2', body)).toBe(code);
    await a.done('DELETE', '/hosts/chap2');
  });
});

describe('VLUNs (reference 5.2)', () => {
  beforeAll(async () => {
    await a.done('POST', '/hosts', { name: 'node1', iSCSINames: ['iqn.2020-01.test:node1'] });
    await a.done('POST', '/volumes', volumeBody('lun-vol1'));
    await a.done('POST', '/volumes', volumeBody('lun-vol2'));
  });

  it('makes an active VLUN for each port, listed before the template', async () => {
    const body = { volumeName: 'lun-vol1', lun: 0, autoLun: true, maxAutoLun: 0, hostname: 'node1' };
    const answer = await a.done('POST', '/vluns', body);
    expect([answer.status, answer.location]).toEqual([201, '/api/v1/vluns/lun-vol1,0,node1']);
    const vluns = await members('volumeName EQ lun-vol1');
    expect(vluns.map((vlun) => [vlun.at('active'), vlun.at('type'), vlun.at('portPos', 'node')])).toEqual([
      [true, 3, 0],
      [true, 3, 1],
      [false, 3, undefined],
    ]);
    expect(vluns[0]?.at('remoteName')).toBe('iqn.2020-01.test:node1');
    expect(vluns[2]?.at('remoteName')).toBeUndefined();
    // The next one gets the next LUN; its number cannot be taken again.
    const second = await a.done('POST', '/vluns', { ...body, volumeName: 'lun-vol2' });
    expect(second.location).toBe('/api/v1/vluns/lun-vol2,1,node1');
    expect(await members('hostname EQ node1')).toHaveLength(6);
    expect(await a.refusal('POST', '/vluns', { volumeName: 'lun-vol2', lun: 0, hostname: 'node1' })).toBe('409/18');
    expect(await a.refusal('DELETE', '/volumes/lun-vol1')).toBe('409/26');
    expect(await a.refusal('DELETE', '/hosts/node1')).toBe('409/26');
    expect((await a.send('GET', '/vluns/lun-vol1,0,node1')).body.at('active')).toBe(false);
    await a.done('DELETE', '/vluns/lun-vol1,0,node1');
    await a.done('DELETE', '/vluns/lun-vol2,1,node1?noVcn=true');
    expect(await members('hostname EQ node1')).toEqual([]);
    expect(await a.refusal('DELETE', '/vluns/lun-vol1,0,node1')).toBe('404/19');
  });

  it('a LUN that is taken is refused by what it is taken for', async () => {
    const vlun = { volumeName: 'lun-vol1', lun: 7 };
    const onPort = { ...vlun, portPos: { node: 0, slot: 2, cardPort: 1 } };
    await a.done('POST', '/vluns', onPort);
    expect((await a.send('POST', '/vluns', onPort)).text).toContain('LUN 7 is in use for port 0:2:1');
    const toHost = { ...vlun, hostname: 'node1' };
    expect((await a.send('POST', '/vluns', toHost)).text).toContain('LUN 7 is in use for host node1');
    await a.done('DELETE', '/vluns/lun-vol1,7,,0:2:1');
  });

  it('matched sets name their port', async () => {
    const portPos = { node: 0, slot: 2, cardPort: 1 };
    const answer = await a.done('POST', '/vluns', { volumeName: 'lun-vol1', lun: 5, hostname: 'node1', portPos });
    expect(answer.location).toBe('/api/v1/vluns/lun-vol1,5,node1,0:2:1');
    expect((await members('volumeName EQ lun-vol1')).map((vlun) => [vlun.at('active'), vlun.at('type')])).toEqual([
      [true, 4],
      [false, 4],
    ]);
    const other = { ...portPos, node: 1 };
    await a.done('POST', '/vluns', { volumeName: 'lun-vol1', lun: 5, hostname: 'node1', portPos: other });
    expect(await a.refusal('DELETE', '/vluns/lun-vol1,5,node1')).toBe('404/19');
    await a.done('DELETE', '/vluns/lun-vol1,5,node1,0:2:1');
    await a.done('DELETE', '/vluns/lun-vol1,5,node1,1:2:1');
  });

  it.each([
    [{ volumeName: 'none' }, '404/23'],
    [{ hostname: 'none' }, '404/17'],
    [{ lun: 16_385 }, '400/28'],
    [{ lun: undefined }, '400/40'],
    [{ hostname: undefined }, '400/55'],
    [{ portPos: { node: 7, slot: 7, cardPort: 7 } }, '404/20'],
    [{ portPos: { node: 0, slot: 3, cardPort: 1 } }, '400/21'],
  ])('refuses %j', async (more, refusal) => {
    const body = { volumeName: 'lun-vol1', lun: 1, hostname: 'node1', ...more };
    expect(await a.refusal('POST', '/vluns', body)).toBe(refusal);
  });

  it('keeps domains apart', async () => {
    await a.done('POST', '/volumes', { name: 'dom-vol', cpg: 'cpg-dom', sizeMiB: 256, tpvv: true });
    const answer = await a.send('POST', '/vluns', { volumeName: 'dom-vol', lun: 1, hostname: 'node1' });
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('must be in the same domain');
  });
});
