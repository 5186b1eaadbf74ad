import { describe, expect, it } from '@jest/globals';
import { failureOf, soon, SYSTEM } from './array-settings.js';
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
});
