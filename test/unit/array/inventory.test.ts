import { describe, expect, it } from '@jest/globals';
import { failureOf, soon, volumeAnswer, VOLUME_NAME } from './array-settings.js';
import { expectLogin, mockedArray, mockHttp } from './mocked-array.js';
import { vlun } from './vlun-answers.js';

mockHttp();

describe('the list of everything that an array has', () => {
  it('has our volumes in full, and of the strangest of others the name', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    const snapshot = {
      ...(volumeAnswer() as object),
      name: 'dcs-1',
      provisioningType: 3,
      copyType: 3,
      copyOf: VOLUME_NAME,
      creationTime8601: '2026-11-28T15:00:00+01:00',
      expirationTime8601: '2026-11-29T15:00:00+01:00',
    };
    const members = [volumeAnswer(), snapshot, { name: '.srdata', wwn: 'none', sizeMiB: 'huge' }];
    api.get('/volumes').reply(200, { total: 3, members });
    const found = await array.inventory.listVolumes(soon());
    expect(found.map((each) => each.name)).toEqual([VOLUME_NAME, 'dcs-1', '.srdata']);
    expect(found[0]?.details).toMatchObject({ name: VOLUME_NAME, sizeMiB: 10_240, provisioning: 'thin' });
    expect(found[1]?.details).toMatchObject({
      snapshotOf: VOLUME_NAME,
      provisioning: 'other',
      createdAt: '2026-11-28T14:00:00.000Z',
      expiresAt: '2026-11-29T14:00:00.000Z',
    });
    expect(found[2]).toEqual({ name: '.srdata', comment: '' });
    await array.close();
  });

  it('of which a part is missing proves nothing', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/volumes').reply(200, { total: 2, members: [volumeAnswer()] });
    expect(await failureOf(array.inventory.listVolumes(soon()))).toMatchObject({ code: 'unavailable' });
    await array.close();
  });

  it('has the exports of all volumes; an array without any says so with an error number', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get('/vluns').reply(200, { total: 1, members: [vlun({})] });
    expect(await array.inventory.listVluns(soon())).toHaveLength(1);
    api.get('/vluns').reply(404, { code: 19, desc: 'vlun does not exist' });
    expect(await array.inventory.listVluns(soon())).toEqual([]);
    await array.close();
  });
});
