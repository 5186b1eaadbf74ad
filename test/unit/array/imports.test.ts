import { describe, expect, it } from '@jest/globals';
import nock from 'nock';
import type { ArrayClient } from '../../../src/contracts/array.js';
import { failureOf, soon, volumeAnswer } from './array-settings.js';
import { describeChanges, type ChangeCase } from './change-cases.js';
import { mocked, mockHttp } from './mocked-array.js';

const OLD = 'oracle_01';
const NEW = 'dcv-AAAAAAAAAAAAAAAAAAAAAA';
const WWN = '60002ac0000000000000000700001234';
const gone = { code: 23, desc: 'volume does not exist' };
const old = (changes: Record<string, unknown> = {}): Record<string, unknown> =>
  volumeAnswer({ name: OLD, comment: 'theirs', ...changes });
const renamed = (changes: Record<string, unknown> = {}): Record<string, unknown> => old({ name: NEW, ...changes });
const get = (api: nock.Scope, name = OLD): nock.Interceptor => api.get(`/volumes/${name}`);

mockHttp();

const rename = async (array: ArrayClient): Promise<void> => array.imports.rename({ name: OLD, wwn: WWN }, NEW, soon());
const comment = async (array: ArrayClient): Promise<void> =>
  array.imports.changeComment({ name: OLD, wwn: WWN }, { from: 'theirs', to: 'our tag' }, soon());

const CASES: ChangeCase[] = [
  {
    name: 'rename',
    run: rename,
    before(api) {
      get(api, NEW).reply(404, gone);
      get(api).reply(200, old());
    },
    change: (api) => api.put(`/volumes/${OLD}`, { newName: NEW }),
    done: (api) => get(api, NEW).reply(200, renamed()),
    undone: (api) => get(api, NEW).reply(404, gone),
  },
  {
    name: 'comment',
    run: comment,
    before: (api) => get(api).reply(200, old()),
    change: (api) => api.put(`/volumes/${OLD}`, { comment: 'our tag' }),
    done: (api) => get(api).reply(200, old({ comment: 'our tag' })),
    undone: (api) => get(api).reply(200, old()),
  },
];

describeChanges(CASES);

describe.each(CASES)('imports: $name', (each) => {
  it('needs no change when it is so already', async () => {
    const { array, api } = mocked();
    each.done(api);
    await each.run(array);
    expect(api.isDone()).toBe(true);
  });
});

describe('imports', () => {
  it.each([
    [
      'another volume has the new name',
      (api: nock.Scope) => get(api, NEW).reply(200, renamed({ wwn: 'F'.repeat(32) })),
      'exists',
    ],
    [
      'another volume has the old name',
      (api: nock.Scope) => {
        get(api, NEW).reply(404, gone);
        get(api).reply(200, old({ wwn: 'F'.repeat(32) }));
      },
      'refused',
    ],
    [
      'no volume has either',
      (api: nock.Scope) => {
        get(api, NEW).reply(404, gone);
        get(api).reply(404, gone);
      },
      'not-found',
    ],
  ] as const)('rule 15: nothing is renamed when %s', async (_what, answers, code) => {
    const { array, api } = mocked();
    answers(api);
    expect((await failureOf(rename(array))).code).toBe(code);
    expect(api.isDone()).toBe(true);
  });

  it.each([
    ['of another volume', { wwn: 'F'.repeat(32) }],
    ['that somebody has changed', { comment: 'of somebody else' }],
  ])('rule 15: a comment %s is left alone', async (_what, changes) => {
    const { array, api } = mocked();
    get(api).reply(200, old(changes));
    expect((await failureOf(comment(array))).code).toBe('refused');
    expect(api.isDone()).toBe(true);
  });

  it('tell what speaks against taking a volume over', async () => {
    const look = async (changes: Record<string, unknown>) => {
      const { array, api } = mocked();
      get(api).reply(200, old(changes));
      const members = [{ name: 'a', setmembers: ['x', OLD] }, { name: 'b', setmembers: [`${OLD}x`] }, { name: 'c' }];
      api.get('/volumesets').reply(200, { total: 3, members });
      return array.imports.look(OLD, soon());
    };
    const nothing = { isSnapshot: false, isCopy: false, isReadOnly: false, group: undefined, expiresAt: undefined };
    expect(await look({ rcopyStatus: 1 })).toMatchObject({ ...nothing, sets: ['a'] });
    expect(await look({ rcopyStatus: 2 })).toMatchObject({ group: 'whose name the array does not tell' });
    expect(await look({ rcopyStatus: 2, rcopyGroup: 'g' })).toMatchObject({ group: 'g' });
    expect(await look({ copyType: 3, readOnly: true })).toMatchObject({ isSnapshot: true, isReadOnly: true });
    expect(await look({ copyType: 2 })).toMatchObject({ isCopy: true });
    expect(await look({ expirationTimeSec: 1_800_000_000 })).toMatchObject({ expiresAt: '2027-01-15T08:00:00.000Z' });
  });
});
