import { describe, expect, it } from '@jest/globals';
import nock from 'nock';
import type { CreateSnapshot } from '../../../src/contracts/snapshots.js';
import { failureOf, soon, volumeAnswer, VOLUME_NAME } from './array-settings.js';
import { describeChanges, type ChangeCase } from './change-cases.js';
import { mocked, mockHttp } from './mocked-array.js';

const NAME = 'dcs-AAAAAAAAAAAAAAAAAAAAAA';
const WANTED: CreateSnapshot = { name: NAME, of: VOLUME_NAME, tag: 'our tag' };
const EXPIRY = 1_800_000_000;
const UNTIL = new Date(EXPIRY * 1000).toISOString();
const gone = { code: 23, desc: 'volume does not exist' };

const answer = (changes: Record<string, unknown> = {}): Record<string, unknown> =>
  volumeAnswer({ name: NAME, copyType: 3, copyOf: VOLUME_NAME, provisioningType: 3, userCPG: undefined, ...changes });
const get = (api: nock.Scope): nock.Interceptor => api.get(`/volumes/${NAME}`);
const asksFor = (parameters: Record<string, unknown>) => (api: nock.Scope) =>
  api.post(`/volumes/${VOLUME_NAME}`, {
    action: 'createSnapshot',
    parameters: { name: NAME, comment: 'our tag', ...parameters },
  });

mockHttp();

const CASES: ChangeCase[] = [
  {
    name: 'ensure',
    run: async (array) => array.snapshots.ensure({ ...WANTED, expirationHours: 3 }, soon()),
    change: asksFor({ expirationHours: 3 }),
    done: (api) => get(api).reply(200, answer({ expirationTimeSec: EXPIRY })),
    undone: (api) => get(api).reply(404, gone),
  },
  {
    name: 'retain',
    run: async (array) => array.snapshots.retain(WANTED, { retentionHours: 2, expirationHours: 3 }, soon()),
    before: (api) => get(api).reply(200, answer()),
    change: (api) => api.put(`/volumes/${NAME}`, { retentionHours: 2, expirationHours: 3 }),
    done: (api) => get(api).reply(200, answer({ retentionTimeSec: EXPIRY, expirationTimeSec: EXPIRY })),
    undone: (api) => get(api).reply(200, answer()),
  },
  {
    name: 'remove',
    run: async (array) => array.snapshots.remove(NAME, 'our tag', soon()),
    before: (api) => get(api).reply(200, answer()),
    change: (api) => api.delete(`/volumes/${NAME}`),
    done: (api) => get(api).reply(404, gone),
    undone: (api) => get(api).reply(200, answer()),
  },
];

describeChanges(CASES);

describe('snapshots', () => {
  it('are told with their volume, WWN and times', async () => {
    const { array, api } = mocked();
    get(api).reply(200, answer({ expirationTimeSec: EXPIRY, retentionTimeSec: EXPIRY }));
    expect((await array.snapshots.look(NAME, soon())).snapshot).toEqual({
      name: NAME,
      wwn: '60002ac0000000000000000700001234',
      sizeMiB: 10_240,
      of: VOLUME_NAME,
      comment: 'our tag',
      expiresAt: UNTIL,
      retainedUntil: UNTIL,
    });
  });

  it('that are gone are told with the time of the array, which alone proves that they expired', async () => {
    const { array, api } = mocked();
    get(api).reply(404, gone, { Date: 'Sat, 28 Nov 2026 14:00:00 GMT' });
    get(api).reply(404, gone);
    expect(await array.snapshots.look(NAME, soon())).toEqual({
      snapshot: undefined,
      arrayTime: '2026-11-28T14:00:00.000Z',
    });
    expect(await array.snapshots.look(NAME, soon())).toEqual({ snapshot: undefined });
    get(api).reply(200, answer({ expirationTimeSec: Number.MAX_SAFE_INTEGER }));
    expect((await failureOf(array.snapshots.look(NAME, soon()))).code).toBe('unavailable');
    get(api).reply(404, { code: 11, desc: 'no such address' });
    expect((await failureOf(array.snapshots.look(NAME, soon()))).code).toBe('unavailable');
  });

  it.each([
    ['of another volume', { copyOf: 'dcv-other' }, 'a snapshot of dcv-other'],
    ['with another comment', { comment: 'our tag ' }, '"our tag "'],
    ['that is none', { copyType: 1, copyOf: undefined }, 'it is no snapshot'],
  ])('%s of that name is somebody else’s', async (_name, changes, words) => {
    const { array, api } = mocked();
    asksFor({})(api).reply(409, { code: 22, desc: 'volume exists' });
    get(api).reply(200, answer(changes));
    const failure = await failureOf(array.snapshots.ensure(WANTED, soon()));
    expect(failure.code).toBe('exists');
    expect(failure.message).toContain(words);
  });

  it('under retention cannot be removed, and say until when; another refusal stays what it is', async () => {
    const { array, api } = mocked();
    get(api)
      .times(6)
      .reply(200, answer({ retentionTimeSec: EXPIRY }));
    api.delete(`/volumes/${NAME}`).reply(403, { code: 1234, desc: 'volume is retained' });
    const retained = await failureOf(array.snapshots.remove(NAME, 'our tag', soon()));
    expect(retained.code).toBe('refused');
    expect(retained.toUserText()).toContain(`keeps snapshot ${NAME} until ${UNTIL}`);
    api.delete(`/volumes/${NAME}`).reply(409, { code: 26, desc: 'exported' });
    const exported = await failureOf(array.snapshots.remove(NAME, 'our tag', soon()));
    expect(exported.message).not.toContain(UNTIL);
    // The retention is over by the array's own clock.
    api
      .delete(`/volumes/${NAME}`)
      .reply(403, { code: 1234, desc: 'no' }, { Date: new Date(EXPIRY * 1000 + 1).toUTCString() });
    expect((await failureOf(array.snapshots.remove(NAME, 'our tag', soon()))).message).not.toContain(UNTIL);
    nock.cleanAll();
  });

  it('of somebody else are neither removed nor retained', async () => {
    const { array, api } = mocked();
    get(api)
      .twice()
      .reply(200, answer({ comment: 'theirs' }));
    expect((await failureOf(array.snapshots.remove(NAME, 'our tag', soon()))).code).toBe('refused');
    expect((await failureOf(array.snapshots.retain(WANTED, { retentionHours: 1 }, soon()))).code).toBe('refused');
  });

  it('may be retained when that cannot be read back', async () => {
    const { array, api } = mocked();
    get(api).reply(200, answer());
    api.put(`/volumes/${NAME}`).reply(200);
    get(api).reply(500, { code: 1, desc: 'internal server error' });
    const failure = await failureOf(array.snapshots.retain(WANTED, { retentionHours: 1 }, soon()));
    expect(failure.code).toBe('unknown-outcome');
  });

  it('that are retained already stay as they are', async () => {
    const { array, api } = mocked();
    get(api).reply(200, answer({ retentionTimeSec: EXPIRY }));
    expect((await array.snapshots.retain(WANTED, { retentionHours: 9 }, soon())).retainedUntil).toBe(UNTIL);
  });

  it('are listed by the volume that they were made of, whoever made them', async () => {
    const { array, api } = mocked();
    const members = [
      { name: NAME, copyOf: VOLUME_NAME, copyType: 3, comment: 'our tag' },
      { name: 'pqr.20261128', copyOf: VOLUME_NAME, copyType: 3 },
      { name: 'a-clone', copyOf: VOLUME_NAME, copyType: 2 },
      { name: 'dcs-other', copyOf: `${VOLUME_NAME}x`, copyType: 3 },
    ];
    api
      .get('/volumes')
      .query({ query: `"copyOf EQ ${VOLUME_NAME}"` })
      .reply(200, { total: 4, members });
    expect(await array.snapshots.list(VOLUME_NAME, soon())).toEqual([
      { name: NAME, comment: 'our tag' },
      { name: 'pqr.20261128', comment: '' },
    ]);
    api.get('/volumes').query(true).reply(200, { total: 9, members });
    expect((await failureOf(array.snapshots.list(VOLUME_NAME, soon()))).code).toBe('unavailable');
  });
});
