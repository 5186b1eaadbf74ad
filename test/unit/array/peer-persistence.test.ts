import { describe, expect, it } from '@jest/globals';
import type nock from 'nock';
import type { CreateGroup } from '../../../src/contracts/array.js';
import { failureOf, GROUP_WANTED, soon, VOLUME_NAME } from './array-settings.js';
import { expectLogin, mockedArray, mockHttp } from './mocked-array.js';
import { FIRST, HOST, LOST, PORTS, SECOND, vlun, vlunsOf, vlunsTo } from './vlun-answers.js';
import { makeWholeGroup } from '../../read-back.js';

mockHttp();

const WANTED: CreateGroup = { ...GROUP_WANTED, name: 'group', failsOver: true };
const ALL = { autoFailover: true, pathManagement: true, autoRecover: true };

const group = (policies: Record<string, boolean>): nock.Body => ({
  name: WANTED.name,
  role: 1,
  remoteGroupName: `${WANTED.name}.r1234`,
  localUserCPG: WANTED.localCpg,
  localSnapCPG: WANTED.localSnapCpg,
  targets: [
    {
      targetName: WANTED.target,
      mode: 1,
      state: 1,
      roleReversed: false,
      remoteUserCPG: WANTED.remoteCpg,
      remoteSnapCPG: WANTED.remoteSnapCpg,
      policies,
    },
  ],
  volumes: [],
});
const groupGet = (api: nock.Scope): nock.Interceptor => api.get(`/remotecopygroups/${WANTED.name}`);
const setsAll = (api: nock.Scope): nock.Interceptor =>
  api.put(`/remotecopygroups/${WANTED.name}`, { targets: [{ targetName: WANTED.target, policies: ALL }] });

describe('the policies of peer persistence', () => {
  it('are set together, in one request, right after the creation, and read back', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.post('/remotecopygroups').reply(201);
    setsAll(api).reply(200);
    groupGet(api).reply(200, group(ALL));
    const made = await makeWholeGroup(array.remoteCopy, WANTED, soon());
    expect(made.targets).toMatchObject([ALL]);
    expect(api.isDone()).toBe(true);
  });

  it.each(['autoFailover', 'pathManagement', 'autoRecover'])(
    'are sent once more when %s was lost on the way',
    async (lost) => {
      const { array, api } = mockedArray();
      expectLogin(api);
      api.post('/remotecopygroups').reply(201);
      setsAll(api).reply(200);
      groupGet(api).reply(200, group({ ...ALL, [lost]: false }));
      setsAll(api).reply(200);
      groupGet(api).reply(200, group(ALL));
      expect((await makeWholeGroup(array.remoteCopy, WANTED, soon())).targets).toMatchObject([ALL]);
      expect(api.isDone()).toBe(true);
    },
  );

  it('are an error when the array says yes and does not have them', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.post('/remotecopygroups').reply(201);
    setsAll(api).twice().reply(200);
    groupGet(api)
      .reply(200, group({ autoRecover: true }))
      .persist();
    const failure = await failureOf(makeWholeGroup(array.remoteCopy, WANTED, soon()));
    expect(failure).toMatchObject({ code: 'unavailable', message: expect.stringContaining('policies') });
  });
});

describe('the quorum witness', () => {
  const target = (api: nock.Scope): nock.Interceptor => api.get('/remotecopytargets/targetArray');

  it.each([
    ['an address', { name: 'targetArray', quorumIpAddress: '10.0.0.3' }, '10.0.0.3'],
    ['an empty text', { name: 'targetArray', quorumIpAddress: '' }, undefined],
    ['nothing', { name: 'targetArray' }, undefined],
  ])('is read from the remote copy target: %s', async (_title, body, witness) => {
    const { array, api } = mockedArray();
    expectLogin(api);
    target(api).reply(200, body);
    expect(await array.remoteCopy.findWitness('targetArray', soon())).toBe(witness);
  });

  it('is none where there is no such target; an array that does not answer is an error', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    target(api).reply(404, { code: 1037, desc: 'no such target' });
    expect(await array.remoteCopy.findWitness('targetArray', soon())).toBeUndefined();
    api.persist().get('/remotecopytargets/targetArray').replyWithError(LOST);
    expect((await failureOf(array.remoteCopy.findWitness('targetArray', soon()))).code).toBe('unavailable');
  });
});

describe('an export that is looked for', () => {
  const hostGet = (api: nock.Scope): nock.Interceptor => api.get(`/hosts/${HOST}`);
  const [first, second] = [vlun({ type: 4, portPos: FIRST }), vlun({ type: 4, portPos: SECOND })];
  const iscsiHost = { name: HOST, iSCSIPaths: [{ name: 'iqn.1993-08.org.debian:01:1' }] };

  it.each([
    ['on all ports', [first, second], 3],
    ['on one port only', [first], undefined],
    [
      'to another host',
      [
        { ...first, hostname: `${HOST}x` },
        { ...second, hostname: `${HOST}x` },
      ],
      undefined,
    ],
    ['nowhere', [], undefined],
  ])('is there when it is shown %s', async (_title, members, lun) => {
    const { array, api } = mockedArray();
    expectLogin(api);
    vlunsTo(api).optionally().reply(200, { total: members.length, members });
    vlunsOf(api).optionally().reply(200, { total: members.length, members });
    hostGet(api).optionally().reply(200, iscsiHost);
    api.get('/ports').optionally().reply(200, PORTS);
    const found = await array.findExport(VOLUME_NAME, HOST, soon());
    expect(found?.lun).toBe(lun);
    if (lun !== undefined) expect(found?.targets.length).toBe(2);
  });
});
