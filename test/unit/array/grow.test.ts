import { describe, expect, it } from '@jest/globals';
import { failureOf, soon, volumeAnswer, VOLUME_NAME } from './array-settings.js';
import { expectLogin, mockedArray, mockHttp } from './mocked-array.js';

mockHttp();

const WANTED = { name: VOLUME_NAME, tag: 'our tag', sizeMiB: 20_480 };
const path = `/volumes/${VOLUME_NAME}`;

/** The volume as it is, and what the array answers to its growth. */
function refusing(status: number, code?: number) {
  const { array, api } = mockedArray();
  expectLogin(api);
  api.get(path).twice().reply(200, volumeAnswer());
  api.put(path, { action: 3, sizeMiB: 10_240 }).reply(status, { code, desc: 'no' });
  return { array, api };
}

describe('growVolume', () => {
  it.each([20_480, 30_720])('sends nothing when the volume has %d MiB already', async (sizeMiB) => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get(path).reply(200, volumeAnswer({ sizeMiB }));
    expect(await array.growVolume(WANTED, soon())).toMatchObject({ sizeMiB });
  });

  it('leaves a volume of somebody else alone', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.get(path).reply(200, volumeAnswer({ comment: 'other' }));
    expect(await failureOf(array.growVolume(WANTED, soon()))).toMatchObject({ code: 'refused' });
  });

  it.each([
    [403, 150, 'refused', 'a volume of this kind'],
    [403, 153, 'refused', 'than its CPG may be'],
    [400, 24, 'refused', 'no space left'],
    [409, 151, 'busy', 'a copy of the volume is running'],
    [403, 120, 'refused', 'in a remote copy group'],
    [403, undefined, 'refused', 'HTTP 403: no'],
  ])('says why the array refuses: %d/%s', async (status, code, kind, words) => {
    const { array } = refusing(status, code);
    const failure = await failureOf(array.growVolume(WANTED, soon()));
    expect(failure.code).toBe(kind);
    expect(failure.message).toContain(words);
  });

  it.each([
    [403, 120],
    [403, 1_234],
    [403, undefined],
  ])('answers a copy as it is when the array leaves it to the group: %d/%s', async (status, code) => {
    const { array, api } = refusing(status, code);
    api.get(path).reply(200, volumeAnswer());
    expect(await array.growVolume({ ...WANTED, isCopy: true }, soon())).toMatchObject({ sizeMiB: 10_240 });
  });

  it.each([
    [403, 150],
    [403, 153],
    [403, 13],
    [400, 24],
    [409, 151],
  ])('does not take %d/%d of a copy for that', async (status, code) => {
    const { array } = refusing(status, code);
    expect(['refused', 'busy']).toContain(
      (await failureOf(array.growVolume({ ...WANTED, isCopy: true }, soon()))).code,
    );
  });
});
