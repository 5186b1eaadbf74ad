import { describe, expect, it } from '@jest/globals';
import nock from 'nock';
import { setTimeout as pause } from 'node:timers/promises';
import type { Initiators } from '../../../src/contracts/array.js';
import { failureOf, soon, VOLUME_NAME } from './array-settings.js';
import { expectLogin, mockedArray, mockHttp } from './mocked-array.js';
import { FIRST, HOST, hostsWith, IQN, LOST, NOTHING, PORTS, SECOND, vlun, vlunsOf, vlunsTo } from './vlun-answers.js';

mockHttp();

const ISCSI: Initiators = { protocol: 'iscsi', names: [IQN] };
const OF_FIRST = vlun({ type: 4, portPos: FIRST });
const OF_SECOND = vlun({ type: 4, portPos: SECOND });
const TARGETS = [
  { name: 'iqn.2000-05.com.3pardata:a', portal: { host: '10.1.0.1', port: 3260 } },
  { name: 'iqn.2000-05.com.3pardata:b', portal: { host: '10.1.0.2', port: 3260 } },
];

/** A client that has logged in, read the ports, and ensured its host entry. */
async function client(changes: Parameters<typeof mockedArray>[0] = {}) {
  const mock = mockedArray(changes);
  expectLogin(mock.api);
  mock.api.get('/ports').reply(200, PORTS);
  hostsWith(mock.api, IQN).reply(200, { total: 1, members: [{ name: HOST, iSCSIPaths: [{ name: IQN }] }] });
  await mock.array.ensureHost(HOST, ISCSI, soon());
  return mock;
}

const locationOf = (lun: number, port = '0:2:1') => ({
  Location: `/api/v1/vluns/${VOLUME_NAME},${lun},${HOST},${port}`,
});
const postsFirst = (api: nock.Scope, lowest = 0): nock.Interceptor =>
  api.post('/vluns', {
    volumeName: VOLUME_NAME,
    hostname: HOST,
    portPos: FIRST,
    lun: lowest,
    autoLun: true,
    maxAutoLun: 0,
  });
const posts = (api: nock.Scope, portPos: typeof FIRST, lun = 3): nock.Interceptor =>
  api.post('/vluns', { volumeName: VOLUME_NAME, hostname: HOST, portPos, lun });
const shows = (api: nock.Scope, ...members: object[]): nock.Scope =>
  vlunsOf(api).reply(200, { total: members.length, members });
const deletes = (api: nock.Scope, lun: number, port: string): nock.Interceptor =>
  api.delete(`/vluns/${VOLUME_NAME},${lun},${HOST},${port}`);

describe('an export', () => {
  it('is one template for each ready port, on the LUN that the array chooses on the first one', async () => {
    const { array, api } = await client();
    postsFirst(api).reply(201, undefined, locationOf(3));
    posts(api, SECOND).reply(201, undefined, locationOf(3, '1:2:1'));
    shows(api, vlun({ active: true, remoteName: IQN, portPos: FIRST }), OF_FIRST, OF_SECOND);
    expect(await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).toEqual({
      host: HOST,
      lun: 3,
      targets: TARGETS,
    });
  });

  it('counts only when every port shows it', async () => {
    const { array, api } = await client();
    postsFirst(api).reply(201, undefined, locationOf(3));
    posts(api, SECOND).reply(201);
    vlunsOf(api)
      .reply(200, { total: 3, members: [OF_FIRST, { ...OF_SECOND, lun: 4 }, { ...OF_SECOND, hostname: `${HOST}x` }] })
      .persist();
    const failure = await failureOf(array.ensureVlun(VOLUME_NAME, { host: HOST }, soon()));
    expect(failure).toMatchObject({ code: 'unavailable', message: expect.stringContaining('0:2:1, 1:2:1') });
    nock.cleanAll();
  });

  it('is found when the answer for the first port was lost, and goes on from there', async () => {
    const { array, api } = await client();
    postsFirst(api).replyWithError(LOST);
    shows(api, OF_FIRST);
    posts(api, SECOND).reply(201);
    shows(api, OF_FIRST, OF_SECOND);
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(3);
  });

  it('has an unknown outcome when an answer was lost and nothing is shown', async () => {
    for (const lost of ['first', 'second']) {
      const { array, api } = await client();
      if (lost === 'first') postsFirst(api).replyWithError(LOST);
      else {
        postsFirst(api).reply(201, undefined, locationOf(3));
        posts(api, SECOND).replyWithError(LOST);
      }
      vlunsOf(api)
        .reply(200, { total: 1, members: [{ ...OF_SECOND, hostname: 'another' }] })
        .persist();
      expect((await failureOf(array.ensureVlun(VOLUME_NAME, { host: HOST }, soon()))).code).toBe('unknown-outcome');
      nock.cleanAll();
    }
  });

  it('has an unknown outcome also when another port was refused', async () => {
    const third = { ...PORTS.members[1], portPos: { node: 2, slot: 2, cardPort: 1 }, iSCSIName: 'iqn.x:c' };
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/ports').reply(200, { total: 6, members: [...PORTS.members, third] });
    hostsWith(api, IQN).reply(200, { total: 1, members: [{ name: HOST, iSCSIPaths: [{ name: IQN }] }] });
    await array.ensureHost(HOST, ISCSI, soon());
    postsFirst(api).reply(201, undefined, locationOf(3));
    posts(api, SECOND).reply(400, { code: 12, desc: 'no' });
    posts(api, third.portPos).replyWithError(LOST);
    vlunsOf(api)
      .reply(200, { total: 1, members: [OF_FIRST] })
      .persist();
    expect((await failureOf(array.ensureVlun(VOLUME_NAME, { host: HOST }, soon()))).code).toBe('unknown-outcome');
    nock.cleanAll();
  });

  it('that was there already in part keeps its LUN and is completed, and what was made beside it goes', async () => {
    const { array, api } = await client();
    postsFirst(api).reply(201, undefined, locationOf(5));
    posts(api, SECOND, 5).reply(201);
    const beside = [
      { ...OF_FIRST, lun: 5 },
      { ...OF_SECOND, lun: 5 },
    ];
    shows(api, OF_SECOND, ...beside);
    deletes(api, 5, '0:2:1').reply(200);
    deletes(api, 5, '1:2:1').reply(200);
    shows(api, OF_SECOND);
    posts(api, FIRST).reply(201);
    shows(api, OF_FIRST, OF_SECOND);
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(3);
  });

  it('that names no port, as older releases make it, is one on every port', async () => {
    const { array, api } = await client();
    postsFirst(api).reply(409, { code: 18, desc: 'exists' });
    shows(api, vlun());
    shows(api, vlun());
    expect(await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).toEqual({
      host: HOST,
      lun: 3,
      targets: TARGETS,
    });
    postsFirst(api).reply(201, undefined, locationOf(4));
    posts(api, SECOND, 4).reply(201);
    shows(api, vlun(), { ...OF_FIRST, lun: 4 }, { ...OF_SECOND, lun: 4 });
    deletes(api, 4, '0:2:1').reply(200);
    deletes(api, 4, '1:2:1').reply(200);
    shows(api, vlun());
    shows(api, vlun());
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(3);
  });

  it('whose LUN another export has on a further port is taken back and made on a higher one', async () => {
    const { array, api } = await client();
    const taken = { code: 18, desc: 'LUN in use' };
    postsFirst(api).reply(201, undefined, locationOf(3));
    posts(api, SECOND).reply(409, taken);
    shows(api, OF_FIRST);
    shows(api, OF_FIRST);
    deletes(api, 3, '0:2:1').reply(200);
    shows(api);
    postsFirst(api, 4).reply(201, undefined, locationOf(6));
    posts(api, SECOND, 6).reply(201);
    shows(api, { ...OF_FIRST, lun: 6 }, { ...OF_SECOND, lun: 6 });
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(6);
  });

  it('gets no LUN at which the host still has a disk: one that was cut off would write into it', async () => {
    const { array, api } = await client();
    const full = { code: 4711, desc: 'no LUN is free' };
    const choice = (lun: number, maxAutoLun: number) =>
      api.post('/vluns', { volumeName: VOLUME_NAME, hostname: HOST, portPos: FIRST, lun, autoLun: true, maxAutoLun });
    posts(api, FIRST, 0).reply(409, { code: 18, desc: 'LUN in use' });
    choice(2, 3).reply(409, full);
    choice(6, 0).reply(201, undefined, locationOf(6));
    posts(api, SECOND, 6).reply(201);
    shows(api, { ...OF_FIRST, lun: 6 }, { ...OF_SECOND, lun: 6 });
    const { lun } = await array.ensureVlun(VOLUME_NAME, { host: HOST, avoid: [5, 1, 4] }, soon());
    expect(lun).toBe(6);
    expect(api.isDone()).toBe(true);
  });

  it('that an array makes at such a LUN nevertheless is taken back and refused', async () => {
    const { array, api } = await client();
    posts(api, FIRST, 0).reply(201, undefined, locationOf(1));
    deletes(api, 1, '0:2:1').reply(200);
    shows(api);
    const failure = await failureOf(array.ensureVlun(VOLUME_NAME, { host: HOST, avoid: [1] }, soon()));
    expect(failure).toMatchObject({ code: 'refused', message: expect.stringContaining('at LUN 1') });
    expect(api.isDone()).toBe(true);
  });

  it('is given up when every LUN that is chosen is taken on another port', async () => {
    const { array, api } = await client();
    for (const lun of [3, 4, 5]) {
      postsFirst(api, lun === 3 ? 0 : lun).reply(201, undefined, locationOf(lun));
      posts(api, SECOND, lun).reply(409, { code: 18, desc: 'LUN in use' });
      shows(api, { ...OF_FIRST, lun });
      if (lun === 5) break;
      shows(api, { ...OF_FIRST, lun });
      deletes(api, lun, '0:2:1').reply(200);
      shows(api);
    }
    expect((await failureOf(array.ensureVlun(VOLUME_NAME, { host: HOST }, soon()))).message).toContain('code 18');
  });

  it('has nothing under way any more when it fails', async () => {
    const { array, api } = await client();
    let isPosted = false;
    postsFirst(api).reply(201, undefined, locationOf(3));
    posts(api, SECOND).reply(async () => {
      await pause(300);
      isPosted = true;
      return [400, { code: 12, desc: 'no' }];
    });
    shows(api, OF_FIRST);
    await failureOf(array.ensureVlun(VOLUME_NAME, { host: HOST }, soon()));
    expect(isPosted).toBe(true);
  });

  it('makes its host entry again when that went with its last export in the meantime', async () => {
    const { array, api } = await client();
    postsFirst(api).reply(404, { code: 17, desc: 'host does not exist' });
    hostsWith(api, IQN).reply(200, NOTHING);
    api.post('/hosts').reply(201);
    postsFirst(api).reply(201, undefined, locationOf(3));
    posts(api, SECOND).reply(201);
    shows(api, OF_FIRST, OF_SECOND);
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(3);
  });

  it('to a host entry in another domain is refused with the way out', async () => {
    const { array, api } = await client();
    postsFirst(api).reply(400, { code: 1002, desc: 'volume and host must be in the same domain' });
    shows(api);
    const failure = await failureOf(array.ensureVlun(VOLUME_NAME, { host: HOST }, soon()));
    expect(failure).toMatchObject({ code: 'refused', message: expect.stringContaining('another domain') });
    expect(failure.next).toContain('movetodomain');
  });
});

describe('an export to a host whose exports were asked for in time', () => {
  const taken = { code: 18, desc: 'LUN in use' };
  const toHost = (...luns: number[]) => luns.map((lun) => vlun({ volumeName: 'another', lun, portPos: FIRST }));

  /** Asks for the host, as a Mount does, and beside that for what it has. */
  async function looked(members: object[]) {
    const mock = await client();
    vlunsTo(mock.api).reply(200, { total: members.length, members });
    await findAgain(mock);
    return mock;
  }

  async function findAgain({ array, api }: Pick<Awaited<ReturnType<typeof client>>, 'array' | 'api'>) {
    hostsWith(api, IQN).reply(200, { total: 1, members: [{ name: HOST, iSCSIPaths: [{ name: IQN }] }] });
    await array.findHost(ISCSI, soon());
  }

  it('goes to all ports at once, on the lowest LUN that the host has neither an export nor a disk at', async () => {
    const { array, api } = await looked(toHost(0, 1, 4));
    posts(api, FIRST, 3).reply(201, undefined, locationOf(3));
    posts(api, SECOND, 3).reply(201, undefined, locationOf(3, '1:2:1'));
    shows(api, OF_FIRST, OF_SECOND);
    const made = await array.ensureVlun(VOLUME_NAME, { host: HOST, avoid: [2] }, soon());
    expect(made).toEqual({ host: HOST, lun: 3, targets: TARGETS });
  });

  it('leaves the LUN to the array when that one was taken meanwhile, and nothing on it', async () => {
    const { array, api } = await looked(toHost(0, 1, 2));
    posts(api, FIRST, 3).reply(201, undefined, locationOf(3));
    posts(api, SECOND, 3).reply(409, taken);
    shows(api, OF_FIRST);
    shows(api, OF_FIRST);
    deletes(api, 3, '0:2:1').reply(200);
    shows(api);
    postsFirst(api, 4).reply(201, undefined, locationOf(4));
    posts(api, SECOND, 4).reply(201);
    shows(api, { ...OF_FIRST, lun: 4 }, { ...OF_SECOND, lun: 4 });
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(4);
  });

  it('leaves the LUN to the array also when that gives it to nobody, and proposes another one next', async () => {
    const { array, api } = await looked(toHost(0, 1, 2));
    for (const port of [FIRST, SECOND]) posts(api, port, 3).reply(409, { code: 99, desc: 'LUN and persona' });
    shows(api);
    shows(api);
    postsFirst(api, 4).reply(201, undefined, locationOf(5));
    posts(api, SECOND, 5).reply(201);
    shows(api, { ...OF_FIRST, lun: 5 }, { ...OF_SECOND, lun: 5 });
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(5);
    const members = toHost(0, 1, 2);
    vlunsTo(api).reply(200, { total: members.length, members });
    await findAgain({ array, api });
    for (const port of [FIRST, SECOND]) posts(api, port, 4).reply(201);
    shows(api, { ...OF_FIRST, lun: 4 }, { ...OF_SECOND, lun: 4 });
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(4);
  });

  it('is what the array shows when an answer was lost', async () => {
    const { array, api } = await looked(toHost(0, 1, 2));
    posts(api, FIRST, 3).replyWithError(LOST);
    posts(api, SECOND, 3).reply(201);
    shows(api, OF_FIRST, OF_SECOND);
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(3);
  });

  it('makes its host entry again when that went with its last export after the look', async () => {
    const { array, api } = await looked([]);
    const gone = { code: 17, desc: 'host does not exist' };
    for (const port of [FIRST, SECOND]) posts(api, port, 0).reply(404, gone);
    // Both look for it; one of them makes it, and the other one finds that.
    hostsWith(api, IQN).times(2).reply(200, NOTHING);
    api.post('/hosts').reply(201);
    api.post('/hosts').reply(409, { code: 16, desc: 'exists' });
    hostsWith(api, IQN).reply(200, { total: 1, members: [{ name: HOST, iSCSIPaths: [{ name: IQN }] }] });
    for (const port of [FIRST, SECOND]) posts(api, port, 0).reply(201);
    shows(api, { ...OF_FIRST, lun: 0 }, { ...OF_SECOND, lun: 0 });
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(0);
  });

  it('stays on the LUN of an earlier one that the look did not show, and takes back the new one', async () => {
    const { array, api } = await looked([]);
    for (const port of [FIRST, SECOND]) posts(api, port, 0).reply(201);
    const made = [
      { ...OF_FIRST, lun: 0 },
      { ...OF_SECOND, lun: 0 },
    ];
    shows(api, OF_FIRST, OF_SECOND, ...made);
    deletes(api, 0, '0:2:1').reply(200);
    deletes(api, 0, '1:2:1').reply(200);
    shows(api, OF_FIRST, OF_SECOND);
    shows(api, OF_FIRST, OF_SECOND);
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(3);
  });

  it('is done when the LUN was taken by itself', async () => {
    const { array, api } = await looked(toHost(0, 1, 2));
    posts(api, FIRST, 3).reply(409, taken);
    posts(api, SECOND, 3).reply(409, taken);
    shows(api, OF_FIRST, OF_SECOND);
    expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(3);
  });

  it('takes no LUN that another one was asked for and is not shown yet', async () => {
    const { array, api } = await looked([]);
    const other = 'another-of-ours';
    const asked: unknown[] = [];
    const postsAll = api
      .post('/vluns', (body: { volumeName?: string; lun?: number }) => asked.push([body.volumeName, body.lun]) > 0)
      .times(4)
      .reply(201);
    const shown = (volumeName: string, lun: number) =>
      [FIRST, SECOND].map((portPos) => vlun({ volumeName, lun, portPos }));
    shows(api, ...shown(VOLUME_NAME, 0));
    api
      .get('/vluns')
      .query({ query: `"volumeName EQ ${other}"` })
      .reply(200, { total: 2, members: shown(other, 1) });
    const luns = await Promise.all(
      [VOLUME_NAME, other].map(async (name) => (await array.ensureVlun(name, { host: HOST }, soon())).lun),
    );
    expect(luns).toEqual([0, 1]);
    expect(new Set(asked.map(String))).toEqual(new Set([`${VOLUME_NAME},0`, `${other},1`]));
    expect(postsAll.isDone()).toBe(true);
  });

  it('is left to the array when the volume is there already, or the host could not be asked', async () => {
    for (const answer of [
      { status: 200, body: { total: 1, members: [OF_SECOND] } },
      { status: 400, body: {} },
    ]) {
      const mock = await client();
      vlunsTo(mock.api).reply(answer.status, answer.body);
      await findAgain(mock);
      const { array, api } = mock;
      postsFirst(api).reply(201, undefined, locationOf(3));
      posts(api, SECOND, 3).reply(201);
      shows(api, OF_FIRST, OF_SECOND);
      expect((await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon())).lun).toBe(3);
    }
  });

  it('is not asked for of an entry that was removed since', async () => {
    const { array, api } = await client();
    vlunsTo(api).reply(200, NOTHING);
    api.get(`/hosts/${HOST}`).reply(200, { name: HOST, descriptors: { comment: 'hpe-volume-plugin' } });
    api.delete(`/hosts/${HOST}`).reply(200);
    await array.removeVluns(VOLUME_NAME, HOST, soon());
    let isAsked = false;
    vlunsTo(api)
      .optionally()
      .reply(200, () => {
        isAsked = true;
        return NOTHING;
      });
    hostsWith(api, IQN).reply(200, NOTHING);
    expect(await array.findHost(ISCSI, soon())).toBeUndefined();
    expect(isAsked).toBe(false);
  });
});

describe('the ports of an export', () => {
  it('are those that hpe.conf lists, with its port number; one that is not ready is named in the log', async () => {
    const portals = [
      { host: '10.1.0.2', port: 3261 },
      { host: '10.1.0.3', port: 3260 },
    ];
    const { array, api, log } = await client({ portals });
    const { total, ...auto } = { total: 1, lun: 0, autoLun: true, maxAutoLun: 0 };
    api
      .post('/vluns', { volumeName: VOLUME_NAME, hostname: HOST, portPos: SECOND, ...auto })
      .reply(201, undefined, locationOf(3, '1:2:1'));
    vlunsOf(api).reply(200, { total, members: [OF_SECOND] });
    const { targets } = await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon());
    expect(targets).toEqual([{ name: 'iqn.2000-05.com.3pardata:b', portal: portals[0] }]);
    expect(log()).toMatch(/no ready iSCSI ports.*"missing":"10.1.0.3"/);
    expect(await array.targetNames('iscsi', soon())).toEqual(TARGETS.map(({ name }) => name));
  });

  it('cannot be none: what the array has is named, and looked for again next time', async () => {
    const { array, api } = await client({ portals: [{ host: '10.9.9.9', port: 3260 }] });
    const failure = await failureOf(array.ensureVlun(VOLUME_NAME, { host: HOST }, soon()));
    expect(failure.code).toBe('refused');
    expect(failure.message).toContain('(10.9.9.9); ready are 0:2:1 (10.1.0.1), 1:2:1 (10.1.0.2)');
    api.get('/ports').reply(200, { total: 0, members: [] });
    const again = await failureOf(array.ensureVlun(VOLUME_NAME, { host: HOST }, soon()));
    expect(again.message).toContain('ready are none');
  });

  const WWN = '10000090FA000001';
  const fcHost = (paths: object[]) => ({ total: 1, members: [{ name: HOST, FCPaths: paths, iSCSIPaths: [] }] });
  async function fcClient(paths: object[]) {
    const mock = mockedArray();
    expectLogin(mock.api);
    mock.api.get('/ports').reply(200, PORTS);
    mock.api.get('/hosts').query(true).reply(200, fcHost(paths));
    await mock.array.ensureHost(HOST, { protocol: 'fc', names: [WWN.toLowerCase()] }, soon());
    return mock;
  }

  it('are with Fibre Channel those that this host’s initiators are logged in at', async () => {
    const there = { node: 1, slot: 1, cardPort: 1 };
    const { array, api } = await fcClient([
      { wwn: WWN, portPos: there },
      { wwn: WWN, portPos: { node: 3, slot: 1, cardPort: 1 } },
      { wwn: '10000090FA00FFFF', portPos: { node: 0, slot: 1, cardPort: 1 } },
    ]);
    api
      .post('/vluns', (body: { portPos?: unknown }) => JSON.stringify(body.portPos) === JSON.stringify(there))
      .reply(201);
    vlunsOf(api)
      .twice()
      .reply(200, { total: 1, members: [vlun({ portPos: there })] });
    const { targets } = await array.ensureVlun(VOLUME_NAME, { host: HOST }, soon());
    expect(targets).toEqual([{ name: '21010002ac018d7c' }]);
  });

  it('cannot be none with Fibre Channel, either: the host is not zoned', async () => {
    const { array } = await fcClient([{ wwn: WWN }]);
    const failure = await failureOf(array.ensureVlun(VOLUME_NAME, { host: HOST }, soon()));
    expect(failure.code).toBe('refused');
    expect(failure.message).toMatch(/no initiator of host entry node-1 is logged in .* not zoned .*0:1:1 \(2001/);
    expect(failure.next).toContain(`showhost -pathsum ${HOST}`);
  });

  it('are known by name for good, also when the array is silent', async () => {
    const { array, api } = await client();
    postsFirst(api).reply(400, { code: 12, desc: 'no' });
    shows(api);
    await failureOf(array.ensureVlun(VOLUME_NAME, { host: HOST }, soon()));
    api.get('/ports').reply(500);
    expect(await array.targetNames('fc', soon())).toEqual(['20010002ac018d7c', '21010002ac018d7c']);
  });
});

describe('the removal of an export', () => {
  const ours = { name: HOST, descriptors: { comment: 'hpe-volume-plugin' } };

  it('takes every template to that host and no other, then our own host entry', async () => {
    const { array, api, log } = mockedArray();
    expectLogin(api);
    const members = [
      vlun({ active: true, portPos: FIRST }),
      vlun(),
      OF_FIRST,
      { ...OF_SECOND, lun: 4 },
      vlun({ hostname: `${HOST}x` }),
      vlun({ volumeName: `${VOLUME_NAME}x` }),
    ];
    vlunsTo(api).reply(200, { total: 6, members });
    api.delete(`/vluns/${VOLUME_NAME},3,${HOST}`).reply(200);
    deletes(api, 3, '0:2:1').reply(200);
    deletes(api, 4, '1:2:1').reply(404, { code: 19 });
    vlunsTo(api).reply(404, { code: 19, desc: 'VLUN does not exist' });
    api.get(`/hosts/${HOST}`).reply(200, ours);
    api.delete(`/hosts/${HOST}`).reply(409, { code: 26, desc: 'exported' });
    await array.removeVluns(VOLUME_NAME, HOST, soon());
    expect(log()).toContain('the host entry without exports was left on the array');
  });

  it('takes our host entry, too, when the array finishes the removal after its answer', async () => {
    const { array, api, log } = mockedArray();
    expectLogin(api);
    vlunsTo(api)
      .twice()
      .reply(200, { total: 1, members: [vlun()] });
    api.get(`/hosts/${HOST}`).reply(200, ours);
    api.delete(`/vluns/${VOLUME_NAME},3,${HOST}`).reply(200);
    api.delete(`/hosts/${HOST}`).reply(409, { code: 26, desc: 'exported' });
    vlunsTo(api).reply(200, NOTHING);
    api.delete(`/hosts/${HOST}`).reply(200);
    await array.removeVluns(VOLUME_NAME, HOST, soon());
    expect(api.isDone()).toBe(true);
    expect(log()).not.toContain('was left on the array');
  });

  it('is not done as long as one port shows it', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    vlunsTo(api).reply(200, { total: 2, members: [OF_FIRST, OF_SECOND] });
    api.get(`/hosts/${HOST}`).reply(200, ours);
    deletes(api, 3, '0:2:1').reply(200);
    deletes(api, 3, '1:2:1').replyWithError(LOST);
    vlunsTo(api)
      .reply(200, { total: 1, members: [OF_SECOND] })
      .persist();
    expect((await failureOf(array.removeVluns(VOLUME_NAME, HOST, soon()))).code).toBe('unknown-outcome');
    nock.cleanAll();
  });

  it('succeeds without an export, also when our host entry cannot be looked at or removed', async () => {
    const no = { code: 13, desc: 'permission denied' };
    const troubles: ((api: nock.Scope) => unknown)[] = [
      (api) => api.get(`/hosts/${HOST}`).reply(403, no),
      (api) => [api.get(`/hosts/${HOST}`).reply(200, ours), api.delete(`/hosts/${HOST}`).reply(403, no)],
    ];
    for (const trouble of troubles) {
      const { array, api, log } = mockedArray();
      expectLogin(api);
      vlunsTo(api).reply(404, { code: 19, desc: 'VLUN does not exist' });
      trouble(api);
      await array.removeVluns(VOLUME_NAME, HOST, soon());
      expect(log()).toContain('the host entry without exports was left on the array');
    }
  });

  describe('after a look that was asked in time for it', () => {
    const theirs = { name: HOST, descriptors: { comment: 'made by hand' } };
    const expectRemoval = (api: nock.Scope): void => {
      api.delete(`/vluns/${VOLUME_NAME},3,${HOST}`).reply(200);
      vlunsTo(api).reply(200, NOTHING);
    };
    const until = async (isDone: () => boolean): Promise<void> => {
      while (!isDone()) await pause(5);
    };

    it('asks nothing again', async () => {
      const { array, api } = mockedArray();
      expectLogin(api);
      vlunsTo(api).reply(200, { total: 1, members: [vlun()] });
      api.get(`/hosts/${HOST}`).reply(200, theirs);
      array.lookBeforeRemoval(VOLUME_NAME, HOST, soon());
      await until(() => api.isDone());
      expectRemoval(api);
      await array.removeVluns(VOLUME_NAME, HOST, soon());
      expect(api.isDone()).toBe(true);
    });

    it.each([
      ['failed', 403, { code: 13, desc: 'permission denied' }],
      ['saw nothing', 200, NOTHING],
    ])('asks again when that %s', async (_what, status, answer) => {
      const { array, api } = mockedArray();
      expectLogin(api);
      vlunsTo(api).reply(status, answer);
      api.get(`/hosts/${HOST}`).twice().reply(200, theirs);
      array.lookBeforeRemoval(VOLUME_NAME, HOST, soon());
      await until(() => api.pendingMocks().length === 1);
      await pause(20);
      vlunsTo(api).reply(200, { total: 1, members: [vlun()] });
      expectRemoval(api);
      await array.removeVluns(VOLUME_NAME, HOST, soon());
      expect(api.isDone()).toBe(true);
    });
  });

  it('leaves a host entry that somebody else made', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    vlunsTo(api).reply(200, { total: 1, members: [vlun()] });
    api.delete(`/vluns/${VOLUME_NAME},3,${HOST}`).reply(200);
    vlunsTo(api).reply(200, NOTHING);
    api.get(`/hosts/${HOST}`).reply(200, { name: HOST, descriptors: { comment: 'made by hand' } });
    await array.removeVluns(VOLUME_NAME, HOST, soon());
    expect(api.isDone()).toBe(true);
  });
});
