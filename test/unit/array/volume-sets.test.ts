import { describe, expect, it } from '@jest/globals';
import type nock from 'nock';
import { failureOf, soon, SYSTEM, VOLUME_NAME } from './array-settings.js';
import { describeChanges, type ChangeCase } from './change-cases.js';
import { expectLogin, mockedArray, mockHttp } from './mocked-array.js';

const GOLD = 'gold_set';
const OWN = { name: 'vvs-AAAAAAAAAAAAAAAAAAAAAA', volume: VOLUME_NAME, tag: 'our tag' };
const noSet = { code: 102, desc: 'set does not exist' };

mockHttp();

const setGet = (api: nock.Scope, name: string): nock.Interceptor => api.get(`/volumesets/${name}`);
const gold = (members: string[], changes: Record<string, unknown> = {}): nock.Body => ({
  id: 1,
  name: GOLD,
  setmembers: members,
  qosEnabled: true,
  flashCachePolicy: 2,
  ...changes,
});
const own = (changes: Record<string, unknown> = {}): nock.Body => ({
  id: 2,
  name: OWN.name,
  comment: 'our tag',
  setmembers: [VOLUME_NAME],
  flashCachePolicy: 1,
  ...changes,
});

const CASES: ChangeCase[] = [
  {
    name: 'ensureMember',
    run: async ({ volumeSets }) => volumeSets.ensureMember(GOLD, VOLUME_NAME, soon()),
    before: (api) => setGet(api, GOLD).reply(200, gold([`${VOLUME_NAME}x`])),
    change: (api) => api.put(`/volumesets/${GOLD}`, { action: 1, setmembers: [VOLUME_NAME] }),
    done: (api) => setGet(api, GOLD).reply(200, gold([`${VOLUME_NAME}x`, VOLUME_NAME])),
    undone: (api) => setGet(api, GOLD).reply(200, gold([`${VOLUME_NAME}x`])),
  },
  {
    name: 'removeMember',
    run: async ({ volumeSets }) => volumeSets.removeMember(GOLD, VOLUME_NAME, soon()),
    before: (api) => setGet(api, GOLD).reply(200, gold([VOLUME_NAME])),
    change: (api) => api.put(`/volumesets/${GOLD}`, { action: 2, setmembers: [VOLUME_NAME] }),
    done: (api) => setGet(api, GOLD).reply(200, { name: GOLD }),
    undone: (api) => setGet(api, GOLD).reply(200, gold([VOLUME_NAME])),
  },
  {
    name: 'ensureCachedSet, its creation',
    run: async ({ volumeSets }) => volumeSets.ensureCachedSet({ ...OWN, domain: 'dom' }, soon()),
    change: (api) =>
      api.post('/volumesets', { name: OWN.name, comment: 'our tag', setmembers: [VOLUME_NAME], domain: 'dom' }),
    done: (api) => setGet(api, OWN.name).reply(200, own()),
    undone: (api) => setGet(api, OWN.name).reply(404, noSet),
  },
  {
    name: 'ensureCachedSet, its policy',
    run: async ({ volumeSets }) => volumeSets.ensureCachedSet(OWN, soon()),
    before: (api) => {
      api.post('/volumesets').reply(201);
      setGet(api, OWN.name).reply(200, own({ flashCachePolicy: undefined }));
    },
    change: (api) => api.put(`/volumesets/${OWN.name}`, { flashCachePolicy: 1 }),
    done: (api) => setGet(api, OWN.name).reply(200, own()),
    undone: (api) => setGet(api, OWN.name).reply(200, own({ flashCachePolicy: 2 })),
  },
  {
    name: 'removeSet',
    run: async ({ volumeSets }) => volumeSets.removeSet(OWN.name, 'our tag', soon()),
    before: (api) => setGet(api, OWN.name).reply(200, own()),
    change: (api) => api.delete(`/volumesets/${OWN.name}`),
    done: (api) => setGet(api, OWN.name).reply(404, noSet),
    undone: (api) => setGet(api, OWN.name).reply(200, own()),
  },
];

describeChanges(CASES);

describe('volume sets', () => {
  it('that are as wanted already are not changed', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    setGet(api, GOLD).reply(200, gold([VOLUME_NAME]));
    await array.volumeSets.ensureMember(GOLD, VOLUME_NAME, soon());
    setGet(api, GOLD).reply(200, gold([]));
    await array.volumeSets.removeMember(GOLD, VOLUME_NAME, soon());
    setGet(api, GOLD).reply(404, noSet);
    await array.volumeSets.removeMember(GOLD, VOLUME_NAME, soon());
    setGet(api, OWN.name).reply(404, noSet);
    await array.volumeSets.removeSet(OWN.name, 'our tag', soon());
  });

  it('that do not exist cannot be joined', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    setGet(api, GOLD).reply(404, noSet);
    const failure = await failureOf(array.volumeSets.ensureMember(GOLD, VOLUME_NAME, soon()));
    expect(failure.code).toBe('not-found');
    expect(failure.next).toContain('showvvset');
  });

  it.each([
    ['comment', { comment: 'our tag ' }],
    ['member', { setmembers: [`${VOLUME_NAME}x`] }],
    ['members', { setmembers: [VOLUME_NAME, 'admins'] }],
  ])('rule 36: one of that name with another %s is not ours', async (_what, changes) => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.post('/volumesets').reply(409, { code: 101, desc: 'set exists' });
    setGet(api, OWN.name).reply(200, own(changes));
    expect((await failureOf(array.volumeSets.ensureCachedSet(OWN, soon()))).code).toBe('exists');
  });

  it('rule 36: one with another comment is not removed', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    setGet(api, OWN.name).reply(200, own({ comment: 'ours tag' }));
    expect((await failureOf(array.volumeSets.removeSet(OWN.name, 'our tag', soon()))).code).toBe('refused');
  });

  it('have a QoS rule, or certainly none', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    const rule = (): nock.Interceptor => api.get(`/qos/vvset%3A${GOLD}`);
    rule().reply(200, { id: 3, type: 1, name: GOLD, enabled: true });
    expect(await array.volumeSets.hasQosRule(GOLD, soon())).toBe(true);
    rule().reply(404, { code: 100, desc: 'no QoS rule' });
    expect(await array.volumeSets.hasQosRule(GOLD, soon())).toBe(false);
    rule().reply(404, 'not found');
    expect((await failureOf(array.volumeSets.hasQosRule(GOLD, soon()))).code).toBe('unavailable');
  });
});

describe('what an array has', () => {
  it('is its version, and the licences where it tells them', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/system').reply(200, { ...SYSTEM, licenseInfo: { licenses: [{ name: 'Golden License' }] } });
    expect(await array.features(soon())).toEqual({ osVersion: '3.3.1.215', licences: ['Golden License'] });
    api.get('/system').reply(200, { ...SYSTEM, licenseInfo: undefined });
    expect(await array.features(soon())).toEqual({ osVersion: '3.3.1.215' });
    const licenses = [
      { name: 'Compression', expiryTimeSec: 1_795_000_000 },
      { name: 'Remote Copy', expiryTimeSec: 1_799_000_000 },
      { name: 'Virtual Copy' },
    ];
    const dated = { ...SYSTEM, licenseInfo: { licenses } };
    // By the array's clock, whatever ours says; one that tells no time is believed.
    api.get('/system').reply(200, dated, { Date: 'Sat, 28 Nov 2026 18:00:00 GMT' });
    expect(await array.features(soon())).toEqual({
      osVersion: '3.3.1.215',
      licences: ['Remote Copy', 'Virtual Copy'],
      expired: [{ name: 'Compression', at: '2026-11-18T11:06:40.000Z' }],
    });
    api.get('/system').reply(200, dated, { Date: 'Sat, 28 Nov 2020 18:00:00 GMT' });
    expect((await array.features(soon())).licences).toHaveLength(3);
    api.get('/system').reply(200, dated);
    expect((await array.features(soon())).licences).toHaveLength(3);
  });

  it('is a CPG with its domain, or certainly none', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/cpgs/FC_r1').reply(200, { id: 1, name: 'FC_r1', domain: 'dom', state: 1 });
    expect(await array.findCpg('FC_r1', soon())).toEqual({ name: 'FC_r1', domain: 'dom' });
    api.get('/cpgs/FC_r1').reply(404, { code: 15, desc: 'CPG does not exist' });
    expect(await array.findCpg('FC_r1', soon())).toBeUndefined();
  });
});
