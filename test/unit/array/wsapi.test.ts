import { describe, expect, it } from '@jest/globals';
import nock from 'nock';
import { getEventListeners } from 'node:events';
import { inspect } from 'node:util';
import { Connections } from '../../../src/array/connections.js';
import { connectArray } from '../../../src/array/three-par.js';
import {
  failureOf,
  KEYS,
  memoryPins,
  PASSWORD,
  recordingLogger,
  settingsFor,
  soon,
  SYSTEM,
  volumeAnswer,
  VOLUME_NAME,
} from './array-settings.js';
import { expectLogin, mockedArray, mockHttp } from './mocked-array.js';
import { readBack } from '../../read-back.js';

const KEY_HEADER = 'X-HP3PAR-WSAPI-SessionKey';
const withKey = (key: string) => ({ reqheaders: { [KEY_HEADER]: key } });

/** The read of `identity`, after a login. */
function system(api: nock.Scope): nock.Interceptor {
  expectLogin(api);
  return api.get('/system');
}

mockHttp();

describe('a call', () => {
  it('leaves nothing on the signal of its caller, answered or refused', async () => {
    const { array, api } = mockedArray();
    const { signal } = new AbortController();
    system(api).reply(200, SYSTEM);
    await array.identity(signal);
    api.get(`/volumes/${VOLUME_NAME}`).reply(500);
    await failureOf(array.findVolume(VOLUME_NAME, signal));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('sessions', () => {
  it('logs in once for calls that start together, and deletes the session at the end', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/system', undefined, withKey(KEYS[0])).reply(200, SYSTEM);
    api.get(`/volumes/${VOLUME_NAME}`, undefined, withKey(KEYS[0])).reply(200, volumeAnswer());
    const [identity, volume] = await Promise.all([array.identity(soon()), array.findVolume(VOLUME_NAME, soon())]);
    expect(identity).toEqual({ name: '3par-a', systemId: 1234, osVersion: '3.3.1.215' });
    expect(volume).toEqual({
      name: VOLUME_NAME,
      wwn: '60002ac0000000000000000700001234',
      sizeMiB: 10_240,
      provisioning: 'thin',
      compression: false,
      cpg: 'FC_r1',
      snapCpg: 'FC_r1s',
      comment: 'our tag',
    });
    expect(await array.identity(soon())).toEqual(identity);
    api.delete(`/credentials/${KEYS[0]}`).reply(200);
    await array.close();
  });

  it.each([
    ['401', 401, {}],
    ['403 with code 6', 403, { code: 6, desc: 'invalid session key' }],
  ])('renews an expired session once after %s, also for a change', async (_name, status, body) => {
    const { array, api } = mockedArray();
    expectLogin(api, KEYS[0]);
    api.get('/system').reply(200, SYSTEM);
    await array.identity(soon());
    api.get(`/volumes/${VOLUME_NAME}`, undefined, withKey(KEYS[0])).reply(200, volumeAnswer({ comment: '' }));
    api.put(`/volumes/${VOLUME_NAME}`, { comment: 't' }, withKey(KEYS[0])).reply(status, body);
    expectLogin(api, KEYS[1]);
    api.put(`/volumes/${VOLUME_NAME}`, { comment: 't' }, withKey(KEYS[1])).reply(200);
    api.get(`/volumes/${VOLUME_NAME}`, undefined, withKey(KEYS[1])).reply(200, volumeAnswer({ comment: 't' }));
    await array.tagVolume(VOLUME_NAME, 't', soon());
    expect(api.isDone()).toBe(true);
  });

  it('are shared by clients of the same array and user, and end with the last of them', async () => {
    const { logger } = recordingLogger();
    const deps = { pins: memoryPins(), logger };
    const connections = new Connections(deps);
    const settings = settingsFor('https://array.test:8080/api/v1');
    const [one, two] = ['array of backend one', 'array of backend two'].map((label) =>
      connectArray({ ...settings, label }, { ...deps, connections }),
    );
    const api = nock('https://array.test:8080/api/v1');
    expectLogin(api);
    api.get('/system').times(2).reply(200, SYSTEM);
    await one?.identity(soon());
    await one?.close();
    await two?.identity(soon());
    api.get('/volumes/x').reply(401);
    api.post('/credentials').reply(403, { code: 5 });
    for (const volume of ['x', 'y']) {
      const failure = await failureOf(two?.findVolume(volume, soon()) ?? Promise.resolve());
      expect(failure.message).toMatch(/^array of backend two .*user or password refused/);
    }
    await two?.close();
  });

  it('renews once for many calls that find the session expired together', async () => {
    const { array, api } = mockedArray();
    expectLogin(api, KEYS[0]);
    api.get('/system').reply(200, SYSTEM);
    await array.identity(soon());
    for (const name of ['a', 'b', 'c']) {
      api.get(`/volumes/${name}`, undefined, withKey(KEYS[0])).reply(403, { code: 6 });
      api.get(`/volumes/${name}`, undefined, withKey(KEYS[1])).reply(404, { code: 23 });
    }
    expectLogin(api, KEYS[1]);
    const found = await Promise.all(['a', 'b', 'c'].map(async (name) => array.findVolume(name, soon())));
    expect(found).toEqual([undefined, undefined, undefined]);
  });

  it('gives up when the renewed session is not accepted either', async () => {
    const { array, api } = mockedArray();
    expectLogin(api, KEYS[0]);
    api.get('/system').reply(403, { code: 6 });
    expectLogin(api, KEYS[1]);
    api.get('/system').reply(403, { code: 6 });
    const failure = await failureOf(array.identity(soon()));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain('does not accept the session');
  });

  it('does not log in again for another 403', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/system').reply(403, { code: 13, desc: 'permission denied' });
    const failure = await failureOf(array.identity(soon()));
    expect(failure.code).toBe('refused');
    expect(failure.toUserText()).toMatch(/HTTP 403, code 13.*next: give the user/);
  });

  it('remembers a refused password instead of asking again', async () => {
    const { array, api } = mockedArray();
    api.post('/credentials').reply(403, { code: 5, desc: 'invalid user or password' });
    for (let call = 0; call < 3; call += 1) {
      const failure = await failureOf(array.identity(soon()));
      expect(failure.code).toBe('unavailable');
      expect(failure.message).toContain('user or password refused');
    }
  });

  it('lets one caller give up without failing the others that wait for the same login', async () => {
    const { array, api } = mockedArray();
    api.post('/credentials').delay(300).reply(201, { key: KEYS[0] });
    api.get('/volumes/b').reply(404, { code: 23 });
    const [first, second] = await Promise.all([
      failureOf(array.findVolume('a', soon(50))),
      array.findVolume('b', soon()),
    ]);
    expect(first.code).toBe('unavailable');
    expect(second).toBeUndefined();
  });
});

describe('a busy or silent array', () => {
  it('rides out a storm of 503, at the login and at a change', async () => {
    const { array, api } = mockedArray();
    api.post('/credentials').twice().reply(503, { code: 1, desc: 'maximum number of WSAPI connections' });
    expectLogin(api);
    api.get(`/volumes/${VOLUME_NAME}`).reply(200, volumeAnswer());
    api.delete(`/volumes/${VOLUME_NAME}`).twice().reply(503);
    api.delete(`/volumes/${VOLUME_NAME}`).reply(200);
    api.get(`/volumes/${VOLUME_NAME}`).reply(404, { code: 23 });
    await array.removeVolume(VOLUME_NAME, 'our tag', soon());
    expect(api.isDone()).toBe(true);
  });

  it('stops waiting for a busy array when the caller has no more time', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/system').times(3).reply(503, { code: 1, desc: 'busy' });
    const started = performance.now();
    const failure = await failureOf(array.identity(soon(1_200)));
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(failure.code).toBe('unavailable');
    nock.cleanAll();
  });

  it('repeats a read whose connection broke, and a change only when it certainly was not sent', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/system').replyWithError(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    api.get('/system').reply(200, SYSTEM);
    await array.identity(soon());
    api.get(`/volumes/${VOLUME_NAME}`).reply(200, volumeAnswer({ comment: '' }));
    const refused = Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:8080'), { code: 'ECONNREFUSED' });
    api.put(`/volumes/${VOLUME_NAME}`).replyWithError(refused);
    api.put(`/volumes/${VOLUME_NAME}`).reply(200);
    api.get(`/volumes/${VOLUME_NAME}`).reply(200, volumeAnswer({ comment: 't' }));
    await array.tagVolume(VOLUME_NAME, 't', soon());
    expect(api.isDone()).toBe(true);
  });

  it('calls an array that refuses connections unavailable, by its label', async () => {
    const { array, api } = mockedArray();
    const refused = Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:8080'), { code: 'ECONNREFUSED' });
    api.post('/credentials').times(3).replyWithError(refused);
    const failure = await failureOf(array.identity(soon()));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toMatch(/^primary array \(https:\/\/array\.test:8080\) cannot be reached: .*ECONNREFUSED/);
  });

  it('knows that a change was not made when already the login got no answer', async () => {
    const { array, api } = mockedArray();
    api
      .post('/credentials')
      .times(3)
      .replyWithError(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }));
    const failure = await failureOf(readBack(array.remoteCopy.startGroup('rcg1', soon())));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain('no login');
  });

  it('ends a call that hangs at the deadline of its caller', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/system').delay(5_000).reply(200, SYSTEM);
    const started = performance.now();
    const failure = await failureOf(array.identity(soon(1_000)));
    expect(performance.now() - started).toBeLessThan(4_000);
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain('GET /system');
    nock.abortPendingRequests();
  });
});

describe('answers that cannot be trusted', () => {
  it.each([
    ['no JSON', '{"id":12'],
    ['an empty body', ''],
    ['another type', '[]'],
    ['a member of the wrong type', JSON.stringify({ ...SYSTEM, id: '1234' })],
    ['a missing member', JSON.stringify({ id: 1234 })],
  ])('refuses %s without showing the body', async (_name, body) => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/system').reply(200, body);
    const failure = await failureOf(array.identity(soon()));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain('the answer to GET /system cannot be understood');
    expect(failure.message).not.toContain('{');
  });

  it('does not take half a list for the whole', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    const member = { volumeName: VOLUME_NAME, hostname: 'h', lun: 0, active: false };
    api
      .get('/vluns')
      .query({ query: `"volumeName EQ ${VOLUME_NAME}"` })
      .reply(200, { total: 2, members: [member] });
    const failure = await failureOf(array.findVluns(VOLUME_NAME, soon()));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain('it counts 2 members and has sent 1: half a list proves nothing');
    expect(failure.next).toContain('showversion');
  });

  it('takes only the right error number for the absence of an object', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/volumes/x').reply(404, { code: 11, desc: 'no such URI' });
    api.get('/volumes/y').reply(404, '<html>not found</html>');
    api.get('/volumes/z').reply(404, { code: 23, desc: 'volume does not exist' });
    expect((await failureOf(array.findVolume('x', soon()))).code).toBe('unavailable');
    expect((await failureOf(array.findVolume('y', soon()))).code).toBe('unavailable');
    expect(await array.findVolume('z', soon())).toBeUndefined();
  });

  it('does not take the answer about another object for the one that it asked for', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/volumes/x').reply(200, volumeAnswer());
    expect((await failureOf(array.findVolume('x', soon()))).message).toContain('cannot be understood: name');
  });

  it('does not take an export whose host is missing for the export to another host', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    const members = [{ volumeName: VOLUME_NAME, lun: 0, active: false }];
    api.get('/vluns').query(true).reply(200, { total: 1, members });
    api.get('/hosts/h').reply(404, { code: 17 });
    const failure = await failureOf(array.removeVluns(VOLUME_NAME, 'h', soon()));
    expect(failure.message).toContain('it names neither host nor port');
  });

  it.each([
    ['no key', { token: 'tell-nobody' }],
    ['a key that fits no header', { key: 'tell-nobody\r\n\ud800' }],
  ])('refuses a login answer with %s, and asks again at the next call', async (_name, answer) => {
    const { array, api } = mockedArray();
    api.post('/credentials').reply(201, answer);
    const failure = await failureOf(array.identity(soon()));
    expect(failure.code).toBe('unavailable');
    expect(inspect(failure)).not.toContain('tell-nobody');
    system(api).reply(200, SYSTEM);
    expect((await array.identity(soon())).systemId).toBe(1234);
    api.delete(`/credentials/${KEYS[0]}`).reply(200);
    await array.close();
  });
});

describe('an array that answers, but not as it should', () => {
  it.each<[string, (api: nock.Scope) => unknown, RegExp]>([
    ['a wrong password', (api) => api.post('/credentials').reply(403, { code: 5 }), /correct .*hpe3par_password/],
    ['a login that it does not know', (api) => api.post('/credentials').reply(401), /correct .*hpe3par_password/],
    ['a login answer without a key', (api) => api.post('/credentials').reply(200, '<html>'), /hpe3par_api_url/],
    ['a login at another server', (api) => api.post('/credentials').reply(404, '<html>'), /hpe3par_api_url/],
    ['a login that fails', (api) => api.post('/credentials').reply(500, { code: 1 }), /showwsapi$/],
    ['an answer that is no JSON', (api) => system(api).reply(200, '<html>'), /hpe3par_api_url/],
    ['an address that it does not know', (api) => system(api).reply(404, '<html>'), /hpe3par_api_url/],
    ['a failure of its own', (api) => system(api).reply(500, { code: 1 }), /showsys -d/],
  ])('says what to do about %s', async (_name, answer, next) => {
    const { array, api } = mockedArray();
    answer(api);
    const failure = await failureOf(array.identity(soon()));
    expect(failure.code).toBe('unavailable');
    expect(failure.next).toMatch(next);
  });

  it('says what to do while it is busy', async () => {
    const { array, api } = mockedArray();
    system(api).times(8).reply(503);
    const failure = await failureOf(array.identity(soon(1_500)));
    expect(failure.code).toBe('unavailable');
    expect(failure.next).toMatch(/showwsapi/);
    nock.cleanAll();
  });
});

describe('secrets', () => {
  it('are in no error and in no log line, whatever fails', async () => {
    const { array, api, log } = mockedArray();
    const broken = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    const failures = [];
    api.post('/credentials').times(3).replyWithError(broken);
    failures.push(await failureOf(array.identity(soon())));
    expectLogin(api);
    api.get('/system').times(3).replyWithError(broken);
    failures.push(await failureOf(array.identity(soon())));
    api.get('/system').reply(500, { code: 1, desc: `internal error, session ${KEYS[0]}, password ${PASSWORD}` });
    failures.push(await failureOf(array.identity(soon())));
    api.get('/system').reply(200, 'garbage');
    failures.push(await failureOf(array.identity(soon())));
    api.get('/system').delay(2_000).reply(200, SYSTEM);
    failures.push(await failureOf(array.identity(soon(50))));
    nock.abortPendingRequests();
    api.get('/system').reply(401);
    api.post('/credentials').reply(403, { code: 5, desc: `bad password ${PASSWORD}` });
    failures.push(await failureOf(array.identity(soon())));
    for (const failure of failures) {
      const everything = [
        inspect(failure, { depth: 20, showHidden: true }),
        JSON.stringify(failure),
        failure.toUserText(),
      ].join('\n');
      expect(everything).not.toContain(PASSWORD);
      for (const key of KEYS) expect(everything).not.toContain(key);
    }
    expect(log()).not.toContain(PASSWORD);
    for (const key of KEYS) expect(log()).not.toContain(key);
  });
});
