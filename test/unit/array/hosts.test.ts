import { describe, expect, it } from '@jest/globals';
import nock from 'nock';
import type { Initiators } from '../../../src/contracts/array.js';
import { Secret } from '../../../src/domain/secret.js';
import { failureOf, soon } from './array-settings.js';
import { expectLogin, mockedArray, mockHttp } from './mocked-array.js';
import { HOST, hostsWith, IQN, LOST, NOTHING, PORTS } from './vlun-answers.js';

mockHttp();

const OURS = { comment: 'hpe-volume-plugin' };
const ISCSI: Initiators = { protocol: 'iscsi', names: [IQN] };

/** A client that has logged in and read the ports. */
function client(changes: Parameters<typeof mockedArray>[0] = {}) {
  const mock = mockedArray(changes);
  expectLogin(mock.api);
  mock.api.get('/ports').reply(200, PORTS);
  return mock;
}

const entry = (changes: object = {}): { total: number; members: object[] } => ({
  total: 1,
  members: [{ name: HOST, FCPaths: [], iSCSIPaths: [{ name: IQN }], descriptors: OURS, ...changes }],
});

describe('the host entry', () => {
  it('is the one that has the initiator, whatever its name', async () => {
    const { array, api } = client();
    hostsWith(api, IQN).reply(200, entry({ name: 'admins-name', descriptors: {} }));
    expect(await array.ensureHost(HOST, ISCSI, soon())).toBe('admins-name');
  });

  it('is made when there is none, and found when the answer was lost', async () => {
    const { array, api } = client();
    hostsWith(api, IQN).reply(200, NOTHING);
    const body = { name: HOST, persona: 2, iSCSINames: [IQN], descriptors: OURS };
    api.post('/hosts', body).replyWithError(LOST);
    hostsWith(api, IQN).reply(200, entry());
    expect(await array.ensureHost(HOST, ISCSI, soon())).toBe(HOST);
  });

  it('gets the domain of the CPG, which is asked for once', async () => {
    for (const domain of ['finance', undefined]) {
      const { array, api } = client({ cpg: 'FC_r6' });
      api.get('/cpgs/FC_r6').reply(200, { name: 'FC_r6', ...(domain === undefined ? {} : { domain }) });
      for (let time = 0; time < 2; time += 1) {
        hostsWith(api, IQN).reply(200, NOTHING);
        const members = { name: HOST, persona: 2, iSCSINames: [IQN], descriptors: OURS };
        api.post('/hosts', { ...members, ...(domain === undefined ? {} : { domain }) }).reply(201);
        expect(await array.ensureHost(HOST, ISCSI, soon())).toBe(HOST);
      }
    }
  });

  it('of the same name with other initiators is not taken over', async () => {
    const { array, api } = client();
    hostsWith(api, IQN).twice().reply(200, NOTHING);
    api.post('/hosts').reply(409, { code: 16, desc: 'host exists' });
    const failure = await failureOf(array.ensureHost(HOST, ISCSI, soon()));
    expect(failure.code).toBe('exists');
    expect(failure.next).toContain(`showhost -pathsum ${HOST}`);
  });
});

describe('the host entry of Fibre Channel', () => {
  const names = ['10:00:00:90:fa:00:00:01', '10000090fa000002'];
  const FC: Initiators = { protocol: 'fc', names };
  const [A, B] = ['10000090FA000001', '10000090FA000002'];
  const hosts = (api: nock.Scope): nock.Interceptor =>
    api.get('/hosts').query({ query: `"FCPaths[wwn==${A} OR wwn==${B}]"` });
  const withA = (comment: object) => entry({ FCPaths: [{ wwn: A }], iSCSIPaths: [], descriptors: comment });

  it('is asked for in the array’s spelling, and may not be two', async () => {
    const { array, api } = client();
    const members = [A, B].map((wwn, index) => ({ name: index === 0 ? 'one' : 'two', FCPaths: [{ wwn }] }));
    hosts(api).reply(200, { total: 2, members });
    const failure = await failureOf(array.ensureHost(HOST, FC, soon()));
    expect(failure.code).toBe('refused');
    expect(failure.message).toContain('one, two');
  });

  it('gets the WWPNs that it lacks when it is ours', async () => {
    const { array, api, log } = client();
    hosts(api).reply(200, withA(OURS));
    api.put(`/hosts/${HOST}`, { pathOperation: 1, FCWWNs: [B] }).reply(200);
    hosts(api).reply(200, entry({ FCPaths: [{ wwn: A }, { wwn: B }] }));
    expect(await array.ensureHost(HOST, FC, soon())).toBe(HOST);
    expect(log()).not.toContain('lacks initiators');
  });

  it('does not get them when it is somebody else’s, or when the array refuses: the log names them', async () => {
    for (const isOurs of [true, false]) {
      const { array, api, log } = client();
      hosts(api).reply(200, withA(isOurs ? OURS : { comment: 'made by hand' }));
      if (isOurs) {
        api.put(`/hosts/${HOST}`).reply(409, { code: 73, desc: 'path in use' });
        hosts(api).reply(200, withA(OURS));
      }
      expect(await array.ensureHost(HOST, FC, soon())).toBe(HOST);
      expect(log()).toMatch(/lacks initiators of this host.*10000090fa000002/);
    }
  });
});

describe('CHAP', () => {
  const SECRET = 'q7TzKw3mPxN9bRcd';
  const chap = { name: 'node-1.example', secret: new Secret(SECRET) };
  const initiators: Initiators = { ...ISCSI, chap };
  const body = { chapOperation: 1, chapOperationMode: 1, chapName: chap.name, chapSecret: SECRET };
  const shown = { initiatorChapEnabled: true, initiatorChapName: chap.name };
  const hostGet = (api: nock.Scope): nock.Interceptor => api.get(`/hosts/${HOST}`);
  const [before] = entry().members;
  const [after] = entry(shown).members;

  it('is given to the host entry and read back, and then again only when the entry does not show the name', async () => {
    const { array, api, log } = client();
    hostsWith(api, IQN).reply(200, entry());
    api.put(`/hosts/${HOST}`, body).reply(200);
    hostGet(api).reply(200, after);
    await array.ensureHost(HOST, initiators, soon());
    hostsWith(api, IQN).reply(200, entry(shown));
    await array.ensureHost(HOST, initiators, soon());
    hostsWith(api, IQN).reply(200, entry({ ...shown, initiatorChapName: 'another' }));
    api.put(`/hosts/${HOST}`, body).reply(200);
    hostGet(api).reply(200, after);
    await array.ensureHost(HOST, initiators, soon());
    expect(log()).not.toContain(SECRET);
  });

  it('is given once by each process, and when the secret is another', async () => {
    const { array, api } = client();
    hostsWith(api, IQN).twice().reply(200, entry(shown));
    api.put(`/hosts/${HOST}`, body).reply(200);
    api.put(`/hosts/${HOST}`, { ...body, chapSecret: `${SECRET}2` }).reply(200);
    hostGet(api).twice().reply(200, after);
    await array.ensureHost(HOST, initiators, soon());
    await array.ensureHost(HOST, { ...ISCSI, chap: { ...chap, secret: new Secret(`${SECRET}2`) } }, soon());
    expect(api.isDone()).toBe(true);
  });

  it('is given again after a target port refused it: somebody may have changed it on the array', async () => {
    const { array, api } = client();
    hostsWith(api, IQN).twice().reply(200, entry(shown));
    api.put(`/hosts/${HOST}`, body).twice().reply(200);
    hostGet(api).twice().reply(200, after);
    await array.ensureHost(HOST, initiators, soon());
    await array.ensureHost(HOST, { ...ISCSI, chap: { ...chap, wasRefused: true } }, soon());
    expect(api.isDone()).toBe(true);
  });

  it('is sent again by the next mount when the answer was lost, although the entry shows the name', async () => {
    const { array, api } = client();
    hostsWith(api, IQN).reply(200, entry(shown));
    hostsWith(api, IQN).reply(200, entry({ ...shown, initiatorChapName: 'another' }));
    hostsWith(api, IQN).reply(200, entry(shown));
    api.put(`/hosts/${HOST}`, body).reply(200);
    api.put(`/hosts/${HOST}`, body).replyWithError(LOST);
    api.put(`/hosts/${HOST}`, body).reply(200);
    hostGet(api).times(3).reply(200, after);
    for (let mounts = 0; mounts < 3; mounts += 1) await array.ensureHost(HOST, initiators, soon());
    expect(api.isDone()).toBe(true);
  });

  it('fails the mount when the array does not take it, and says nothing of the secret', async () => {
    const { array, api, log } = client();
    hostsWith(api, IQN).twice().reply(200, entry());
    api.put(`/hosts/${HOST}`).reply(400, { code: 57, desc: `chapSecret ${SECRET} is too long` });
    hostGet(api).reply(200, before);
    const refused = await failureOf(array.ensureHost(HOST, initiators, soon()));
    expect(refused.message).toContain('chapSecret *** is too long');
    api.put(`/hosts/${HOST}`).reply(200);
    hostGet(api).reply(200, before).persist();
    const failure = await failureOf(array.ensureHost(HOST, initiators, soon()));
    expect(failure.message).toContain('does not show the name');
    expect(log() + refused.toUserText() + String(refused.stack)).not.toContain(SECRET);
    nock.cleanAll();
  });

  it('that the entry asks for and hpe.conf does not is named in the log', async () => {
    const { array, api, log } = client();
    hostsWith(api, IQN).reply(200, entry(shown));
    await array.ensureHost(HOST, ISCSI, soon());
    expect(log()).toContain('the host entry asks for CHAP');
  });
});
