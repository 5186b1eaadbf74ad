import { afterAll, afterEach, beforeEach } from '@jest/globals';
import nock from 'nock';
import type { ArrayClient } from '../../../src/contracts/array.js';
import type { ArraySettings } from '../../../src/array/settings.js';
import { connectArray } from '../../../src/array/three-par.js';
import { KEYS, memoryPins, PASSWORD, recordingLogger, settingsFor } from './array-settings.js';

const ORIGIN = 'https://array.test:8080';

/** For the top of a test file: nothing leaves the process, every announced request has to be made, http is left as it was. */
export function mockHttp(): void {
  beforeEach(() => {
    nock.disableNetConnect();
  });
  afterEach(() => {
    const pending = nock.pendingMocks();
    nock.cleanAll();
    if (pending.length > 0) throw new Error(`never called: ${pending.join(', ')}`);
  });
  // The next test file of the same jest worker would otherwise meet nock's patched http module.
  afterAll(() => {
    nock.restore();
  });
}

/** A client of the mocked array, and the mock below `/api/v1`. */
export function mockedArray(changes: Partial<ArraySettings> = {}): {
  array: ArrayClient;
  api: nock.Scope;
  log: () => string;
} {
  const { logger, text } = recordingLogger();
  const array = connectArray(settingsFor(`${ORIGIN}/api/v1`, changes), { pins: memoryPins(), logger });
  return { array, api: nock(`${ORIGIN}/api/v1`), log: text };
}

/** The next login gives that key. */
export function expectLogin(api: nock.Scope, key: string = KEYS[0]): void {
  api.post('/credentials', { user: '3paradm', password: PASSWORD }).reply(201, { key });
}

/** The same with a login that is answered. */
export function mocked(): ReturnType<typeof mockedArray> {
  const mock = mockedArray();
  expectLogin(mock.api);
  return mock;
}
