import { describe, expect, it } from '@jest/globals';
import nock from 'nock';
import { Connections } from '../../../src/array/connections.js';
import { connectArray } from '../../../src/array/three-par.js';
import { DriverError } from '../../../src/domain/errors.js';
import { Secret } from '../../../src/domain/secret.js';
import { failureOf, memoryPins, PASSWORD, recordingLogger, settingsFor, soon, SYSTEM } from './array-settings.js';
import { expectLogin, mockedArray, mockHttp } from './mocked-array.js';

mockHttp();

describe('a password that has to be fetched', () => {
  it('is asked for with each call until it is there, and the array hears nothing before', async () => {
    let away = true;
    const { array, api } = mockedArray({
      password: async () => {
        if (away) throw new DriverError('unavailable', 'etcd does not answer', { next: 'look' });
        return Promise.resolve(new Secret(PASSWORD));
      },
    });
    const unasked: string[] = [];
    nock.emitter.on('no match', (request: { path?: string }) => unasked.push(String(request.path)));
    for (let i = 0; i < 2; i += 1) {
      expect(await failureOf(array.identity(soon()))).toMatchObject({
        code: 'unavailable',
        message: 'primary array (https://array.test:8080): etcd does not answer',
        next: 'look',
      });
    }
    expect(unasked).toEqual([]);
    away = false;
    expectLogin(api);
    api.get('/system').reply(200, SYSTEM);
    await array.identity(soon());
    expect(unasked).toEqual([]);
  });

  it('leads to one session for clients whose passwords turn out to be the same', async () => {
    const { logger } = recordingLogger();
    const deps = { pins: memoryPins(), logger };
    const connections = new Connections(deps);
    const settings = settingsFor('https://array.test:8080/api/v1', {
      password: async () => Promise.resolve(new Secret(PASSWORD)),
    });
    const clients = [1, 2].map(() => connectArray(settings, { ...deps, connections }));
    const api = nock('https://array.test:8080/api/v1');
    expectLogin(api);
    api.get('/system').times(2).reply(200, SYSTEM);
    await Promise.all(clients.map(async (client) => client.identity(soon())));
    api.delete(/credentials/).reply(200);
    await Promise.all(clients.map(async (client) => client.close()));
  });

  it('that comes after the client was closed makes no session', async () => {
    let come: ((secret: Secret) => void) | undefined;
    const { array } = mockedArray({ password: async () => new Promise((resolve) => (come = resolve)) });
    const call = failureOf(array.identity(soon()));
    await array.close();
    come?.(new Secret(PASSWORD));
    expect(await call).toMatchObject({ code: 'unavailable', message: expect.stringContaining('closed') });
  });
});
