import { describe, expect, it } from '@jest/globals';
import nock from 'nock';
import { Connections } from '../../../src/array/connections.js';
import { connectArray } from '../../../src/array/three-par.js';
import { failureOf, memoryPins, recordingLogger, settingsFor, soon, SYSTEM } from './array-settings.js';
import { expectLogin, mockedArray, mockHttp } from './mocked-array.js';
import { LOST } from './vlun-answers.js';

mockHttp();

describe('the last contact', () => {
  it('is unknown before the first call, an answer also when it is a refusal, and a failure with its reason', async () => {
    const { array, api } = mockedArray();
    expect(array.lastContact()).toBeUndefined();

    expectLogin(api);
    api.get('/system').reply(200, SYSTEM);
    await array.identity(soon());
    const first = array.lastContact();
    expect(first).toEqual({ at: expect.any(Number) });

    api.get('/volumes/x').reply(403, { code: 13, desc: 'permission denied' });
    await failureOf(array.findVolume('x', soon()));
    expect(array.lastContact()).not.toHaveProperty('failure');

    api.get('/volumes/x').times(3).replyWithError(LOST);
    const failure = await failureOf(array.findVolume('x', soon()));
    expect(array.lastContact()).toEqual({ at: expect.any(Number), failure: failure.toUserText() });
  });

  it('is that of all clients of the same array and user, each with its own name in it', async () => {
    const deps = { pins: memoryPins(), logger: recordingLogger().logger };
    const connections = new Connections(deps);
    const clientOf = (label: string, username?: string) =>
      connectArray(
        { ...settingsFor('https://array.test:8080/api/v1'), label, ...(username === undefined ? {} : { username }) },
        { ...deps, connections },
      );
    const [one, two, other] = [clientOf('array of one'), clientOf('array of two'), clientOf('array of three', 'other')];
    expect([one.access() === two.access(), one.access() === other.access()]).toEqual([true, false]);

    const api = nock('https://array.test:8080/api/v1');
    expectLogin(api);
    api.get('/system').reply(200, SYSTEM);
    await one.identity(soon());
    expect(two.lastContact()).toEqual(one.lastContact());
    api.get('/volumes/x').times(3).replyWithError(LOST);
    await failureOf(one.findVolume('x', soon()));
    expect(one.lastContact()?.failure).toMatch(/^array of one \(/);
    expect(two.lastContact()?.failure).toMatch(/^array of two \(/);
    expect(other.lastContact()).toBeUndefined();
  });
});
