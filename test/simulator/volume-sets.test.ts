import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operator } from '../pair-client.js';
import { startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';
import type { WsapiClient } from './wsapi-client.js';

// On a busy machine.

let pair: StartedPair;
let a: WsapiClient;

beforeAll(async () => {
  const cpgs = [{ name: 'cpg-a' }, { name: 'cpg-a-snap' }, { name: 'cpg-dom', domain: 'dom1' }];
  pair = await startTestPair({
    seed: {
      arrays: [
        { domains: ['dom1'], cpgs },
        { licenses: ['Remote Copy'], flashCache: null },
      ],
    },
  });
  a = pair.a;
  for (const name of ['v1', 'v2', 'v3']) await a.done('POST', '/volumes', volumeBody(name));
  await a.done('POST', '/volumes', { name: 'dom-vol', cpg: 'cpg-dom', sizeMiB: 256, tpvv: true });
});
afterAll(async () => pair.close());

const getSet = async (name: string) => (await a.send('GET', `/volumesets/${name}`)).body;
const getRule = async (name: string) => (await a.send('GET', `/qos/vvset:${name}`)).body.value;

describe('volume sets (reference 4.6)', () => {
  it('are created, changed, renamed and deleted; their volumes stay', async () => {
    const answer = await a.done('POST', '/volumesets', { name: 's1', comment: 'mine', setmembers: ['v1'] });
    expect([answer.status, answer.location]).toEqual([201, '/api/v1/volumesets/s1']);
    await a.done('PUT', '/volumesets/s1', { action: 1, setmembers: ['v2', 'v3'] });
    await a.done('PUT', '/volumesets/s1', { action: 2, setmembers: ['v1'] });
    expect((await getSet('s1')).value).toMatchObject({
      name: 's1',
      comment: 'mine',
      setmembers: ['v2', 'v3'],
      count: 2,
      qosEnabled: false,
      flashCachePolicy: 2,
    });
    await a.done('PUT', '/volumesets/s1', { newName: 's2', flashCachePolicy: 1 });
    expect((await getSet('s2')).at('flashCachePolicy')).toBe(1);
    expect(await a.refusal('GET', '/volumesets/s1')).toBe('404/102');
    const all = (await a.send('GET', '/volumesets')).body;
    expect([all.at('total'), all.at('members', 0, 'name')]).toEqual([1, 's2']);
    await a.done('DELETE', '/volumesets/s2');
    expect(await a.refusal('DELETE', '/volumesets/s2')).toBe('404/102');
    expect((await a.send('GET', '/volumes/v2')).status).toBe(200);
  });

  it('keep their members from being deleted, and name them as they are called now', async () => {
    await a.done('POST', '/volumes', volumeBody('held'));
    await a.done('POST', '/volumesets', { name: 'keeper', setmembers: ['held'] });
    expect(await a.refusal('DELETE', '/volumes/held')).toBe('409/34');
    await a.done('PUT', '/volumes/held', { newName: 'renamed' });
    expect((await getSet('keeper')).at('setmembers')).toEqual(['renamed']);
    await a.done('PUT', '/volumesets/keeper', { action: 2, setmembers: ['renamed'] });
    expect((await getSet('keeper')).at('setmembers')).toEqual([]);
    await a.done('DELETE', '/volumes/renamed');
    await a.done('DELETE', '/volumesets/keeper');
  });

  it('keep an expired snapshot', async () => {
    const parameters = { name: 'snap', expirationHours: 1 };
    await a.done('POST', '/volumes/v1', { action: 'createSnapshot', parameters });
    await a.done('POST', '/volumesets', { name: 'keeper', setmembers: ['snap'] });
    await pair.control('POST', '/clock', { array: 'sim-a', hours: 2 });
    expect((await a.send('GET', '/volumes/snap')).status).toBe(200);
    await a.done('DELETE', '/volumesets/keeper');
    await pair.control('POST', '/clock', { array: 'sim-a', hours: 0.01 });
    expect(await a.refusal('GET', '/volumes/snap')).toBe('404/23');
  });

  it('belong to one domain', async () => {
    expect(await a.refusal('POST', '/volumesets', { name: 'd', domain: 'none' })).toBe('404/38');
    expect(await a.refusal('POST', '/volumesets', { name: 'd', setmembers: ['dom-vol'] })).toBe('409/1072');
    expect(await a.refusal('POST', '/volumesets', { name: 'd', domain: 'dom1', setmembers: ['v1'] })).toBe('409/1072');
    await a.done('POST', '/volumesets', { name: 'd', domain: 'dom1', setmembers: ['dom-vol'] });
    expect((await getSet('d')).at('domain')).toBe('dom1');
    expect(await a.refusal('PUT', '/volumesets/d', { action: 1, setmembers: ['v1'] })).toBe('409/1072');
    await a.done('DELETE', '/volumesets/d');
  });

  it.each([
    ['POST', '', { name: 'taken' }, '409/101'],
    ['POST', '', { name: 'x'.repeat(28) }, '400/57'],
    ['POST', '', { name: 'new', setmembers: ['none'] }, '404/23'],
    ['POST', '', { name: 'new', setmembers: ['v2', 'v2'] }, '400/1073'],
    ['POST', '', { name: 'new', flashCachePolicy: 1 }, '400/12'],
    ['PUT', '/none', { action: 1, setmembers: ['v2'] }, '404/102'],
    ['PUT', '/taken', { action: 1, setmembers: ['v1'] }, '409/1070'],
    ['PUT', '/taken', { action: 2, setmembers: ['v2'] }, '404/1071'],
    ['PUT', '/taken', { action: 1 }, '400/40'],
    ['PUT', '/taken', { action: 3 }, '501/9'],
    ['PUT', '/taken', { action: 7 }, '400/46'],
    ['PUT', '/taken', { newName: 'other' }, '409/101'],
  ])('refuse %s %s %j', async (method, path, body, refusal) => {
    for (const name of ['taken', 'other']) await a.send('POST', '/volumesets', { name, setmembers: ['v1'] });
    expect(await a.refusal(method, `/volumesets${path}`, body)).toBe(refusal);
    expect(await a.refusal('GET', '/volumesets/new')).toBe('404/102');
    expect((await getSet('taken')).at('setmembers')).toEqual(['v1']);
  });

  it('are listed by showvvset, with showqos for their rules', async () => {
    const [array] = pair.running.ready.arrays;
    await a.done('POST', '/volumesets', { name: 'cli-set', setmembers: ['v2', 'v3'] });
    const id = String((await getSet('cli-set')).at('id'));
    const csv = (command: string) => operator(array, `setclienv csvtable 1; ${command}`);
    expect((await csv('showvvset cli*')).split('\n').slice(0, 3)).toEqual([
      'Id,Name,Members',
      `${id},cli-set,v2`,
      `${id},cli-set,v3`,
    ]);
    expect(await csv('showvvset -vv v2')).toContain('cli-set');
    expect(await csv('showvvset none')).toBe('No vv set listed');
    expect(await csv('showqos')).toBe('No QoS rules listed');
    await a.done('POST', '/qos', { name: 'cli-set', ioMaxLimit: 500 });
    expect(await csv('showqos')).toMatch(/^\d+,vvset,cli-set,normal,on,--,500,--,--,--$/m);
    await a.done('DELETE', '/qos/vvset:cli-set');
    await a.done('DELETE', '/volumesets/cli-set');
  });
});

describe('QoS rules', () => {
  it('belong to a volume set, which cannot be deleted with one', async () => {
    await a.done('POST', '/volumesets', { name: 'gold' });
    const limits = { bwMaxLimitKB: 2048, ioMinGoal: 100, ioMaxLimit: 500, latencyGoal: 5 };
    const answer = await a.done('POST', '/qos', { name: 'gold', type: 1, priority: 3, ...limits, enable: true });
    expect([answer.status, answer.location]).toEqual([201, '/api/v1/qos/vvset:gold']);
    expect(await getRule('gold')).toMatchObject({
      type: 1,
      name: 'gold',
      enabled: true,
      priority: 3,
      ...limits,
      latencyGoaluSecs: 5000,
    });
    expect((await getSet('gold')).at('qosEnabled')).toBe(true);
    expect(await a.refusal('DELETE', '/volumesets/gold')).toBe('409/1074');
    await a.done('PUT', '/qos/vvset:gold', { enable: false, ioMaxLimitOP: 2, ioMinGoalOP: 1 });
    const rule = await getRule('gold');
    expect(rule).toMatchObject({ enabled: false, priority: 3, bwMaxLimitKB: 2048, ioMinGoal: 0 });
    expect(rule).not.toHaveProperty('ioMaxLimit');
    expect((await getSet('gold')).at('qosEnabled')).toBe(false);
    expect((await a.send('GET', '/qos')).body.at('total')).toBe(1);
    await a.done('DELETE', '/qos/vvset:gold');
    expect(await a.refusal('GET', '/qos/vvset:gold')).toBe('404/100');
    await a.done('DELETE', '/volumesets/gold');
  });

  it.each([
    ['POST', '', { name: 'none', ioMaxLimit: 1 }, '404/117'],
    ['POST', '', { name: 'ruled', ioMaxLimit: 1 }, '400/114'],
    ['POST', '', { name: 'bare', ioMaxLimit: 1, ioMinGoal: 2 }, '400/1075'],
    ['POST', '', { name: 'bare', ioMaxLimit: 1, ioMaxLimitOP: 2 }, '400/44'],
    ['POST', '', { name: 'bare', priority: 4 }, '400/46'],
    ['POST', '', { name: 'bare', type: 2 }, '501/9'],
    ['PUT', '/vvset:bare', { enable: true }, '404/100'],
    ['PUT', '/vvset:ruled', { ioMinGoal: 11 }, '400/1075'],
    ['DELETE', '/vvset:bare', undefined, '404/100'],
    ['GET', '/sys:all_others', undefined, '404/100'],
  ])('refuse %s %s %j', async (method, path, body, refusal) => {
    for (const name of ['ruled', 'bare']) await a.send('POST', '/volumesets', { name });
    await a.send('POST', '/qos', { name: 'ruled', ioMaxLimit: 10 });
    expect(await a.refusal(method, `/qos${path}`, body)).toBe(refusal);
    expect(await a.refusal('GET', '/qos/vvset:bare')).toBe('404/100');
    expect(await getRule('ruled')).toMatchObject({ ioMaxLimit: 10 });
  });
});

describe('licences, flash cache and versions', () => {
  it('differ between the arrays as the seed says', async () => {
    const names = async (client: WsapiClient) =>
      (await client.send('GET', '/system')).body.list('licenseInfo', 'licenses').map((each) => each.at('name'));
    expect(await names(a)).toEqual(expect.arrayContaining(['Compression', 'Priority Optimization', 'Virtual Lock']));
    expect(await names(pair.b)).toEqual(['Remote Copy']);
    await pair.b.done('POST', '/volumesets', { name: 's1' });
    expect(await pair.b.refusal('POST', '/qos', { name: 's1', ioMaxLimit: 1 })).toBe('403/1003');
    const compressed = { name: 'c', cpg: 'cpg-b', sizeMiB: 16_384, tpvv: true, compression: true };
    expect(await pair.b.refusal('POST', '/volumes', compressed)).toBe('403/1003');
  });

  it('a flash cache is made and removed, and needed for the policy of a set', async () => {
    expect((await a.send('GET', '/flashcache')).body.value).toMatchObject({ sizeGiB: 128, mode: 2 });
    const { b } = pair;
    expect(await b.refusal('GET', '/flashcache')).toBe('404/1077');
    expect(await b.refusal('PUT', '/volumesets/s1', { flashCachePolicy: 1 })).toBe('404/1077');
    await b.done('PUT', '/volumesets/s1', { flashCachePolicy: 2 });
    await b.done('POST', '/flashcache', { flashCache: { sizeGiB: 64, mode: 1 } });
    expect(await b.refusal('POST', '/flashcache', { flashCache: { sizeGiB: 64 } })).toBe('409/1076');
    await b.done('PUT', '/volumesets/s1', { flashCachePolicy: 1 });
    await b.done('DELETE', '/flashcache');
    expect((await b.send('GET', '/volumesets/s1')).body.at('flashCachePolicy')).toBe(2);
  });

  it('an old array says so, and knows no compression', async () => {
    const old = await startTestPair({ os: '3.2.2' });
    try {
      expect((await old.a.raw('GET', '/api')).body.value).toMatchObject({ minor: 5, build: 30202215 });
      expect(await old.a.refusal('POST', '/volumes', volumeBody('c', { compression: false }))).toBe('400/12');
    } finally {
      await old.close();
    }
  });
});
