import { describe, expect, it } from '@jest/globals';
import nock from 'nock';
import type { CreateClone } from '../../../src/contracts/clones.js';
import { ownershipTag } from '../../../src/domain/tag.js';
import { failureOf, soon, volumeAnswer, VOLUME_NAME } from './array-settings.js';
import { describeChanges, type ChangeCase } from './change-cases.js';
import { mocked, mockHttp } from './mocked-array.js';

const NAME = 'dcv-CCCCCCCCCCCCCCCCCCCCCC';
const WANTED: CreateClone = {
  name: NAME,
  of: VOLUME_NAME,
  cpg: 'FC_r1',
  snapCpg: 'FC_r1s',
  provisioning: 'thin',
  compression: false,
  tag: 'our tag',
};
const SOURCE_TAG = ownershipTag({ id: 'b7a1f0d2-6c1e-4f0a-9a51-0c1d2e3f4a5b', name: 'db' });
const gone = { code: 23, desc: 'volume does not exist' };
const answer = (changes: Record<string, unknown> = {}): Record<string, unknown> =>
  volumeAnswer({ name: NAME, copyType: 2, copyOf: 'vvcp.rw', ...changes });
const get = (api: nock.Scope, name = NAME): nock.Interceptor => api.get(`/volumes/${name}`);
const task = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  id: 12,
  type: 18,
  name: NAME,
  status: 2,
  startTime: '10:20',
  ...changes,
});
const tasks = (api: nock.Scope, ...members: object[]): nock.Scope =>
  api.get('/tasks').reply(200, { total: members.length, members });
const helper = (name: string, copyOf: string, changes: object = {}): Record<string, unknown> =>
  volumeAnswer({ name, copyType: 3, copyOf, comment: undefined, ...changes });

mockHttp();

const begin = (api: nock.Scope): nock.Interceptor =>
  api.post(`/volumes/${VOLUME_NAME}`, {
    action: 'createPhysicalCopy',
    parameters: { destVolume: NAME, destCPG: 'FC_r1', snapCPG: 'FC_r1s', online: true, tpvv: true },
  });

const CASES: ChangeCase[] = [
  {
    name: 'ensure',
    run: async (array) => array.clones.ensure(WANTED, soon()),
    change: begin,
    done(api) {
      get(api)
        .twice()
        .reply(200, answer({ comment: undefined }));
      api.put(`/volumes/${NAME}`, { comment: 'our tag' }).reply(200);
      get(api).reply(200, answer());
    },
    undone: (api) => get(api).reply(404, gone),
  },
  {
    name: 'stop',
    run: async (array) => array.clones.stop(NAME, soon(2_500)),
    before: (api) => tasks(api, task()),
    change: (api) => api.put('/tasks/12', { action: 1 }),
    done: (api) => tasks(api, task({ status: 3 })),
    undone: (api) => tasks(api, task()),
  },
];

describeChanges(CASES);

describe('clones', () => {
  it('that are being copied are told with their task and the snapshots between them and their source', async () => {
    const { array, api } = mocked();
    get(api).reply(200, answer());
    tasks(api, task({ id: 3, status: 1 }), task({ id: 4, name: `${NAME}x` }), task());
    get(api, 'vvcp.rw').reply(200, helper('vvcp.rw', 'vvcp.ro'));
    get(api, 'vvcp.ro').reply(200, helper('vvcp.ro', VOLUME_NAME));
    get(api, VOLUME_NAME).reply(200, volumeAnswer({ copyType: 1, comment: SOURCE_TAG }));
    expect(await array.clones.look(NAME, soon())).toMatchObject({
      copy: 'running',
      task: 'task 12, since 10:20',
      helpers: ['vvcp.rw', 'vvcp.ro'],
      volume: { name: NAME, comment: 'our tag' },
    });
  });

  it('of a snapshot: what has a comment is never one of the array’s own snapshots', async () => {
    const { array, api } = mocked();
    get(api).reply(200, answer());
    tasks(api, task());
    get(api, 'vvcp.rw').reply(200, helper('vvcp.rw', 'dcs-source'));
    get(api, 'dcs-source').reply(200, helper('dcs-source', VOLUME_NAME, { comment: SOURCE_TAG }));
    expect((await array.clones.look(NAME, soon()))?.helpers).toEqual(['vvcp.rw']);
  });

  it.each([
    ['theirs', { copyType: 1, comment: undefined }],
    ['theirs, with a comment', { copyType: 1, comment: 'payroll' }],
    ['gone', undefined],
  ])('rule 15: an administrator’s snapshots of what is %s are none of the array’s own', async (_whose, end) => {
    const { array, api } = mocked();
    get(api).reply(200, answer({ copyOf: 'before-upgrade' }));
    tasks(api, task());
    get(api, 'before-upgrade').reply(200, helper('before-upgrade', 'theirs'));
    if (end === undefined) get(api, 'theirs').reply(404, gone);
    else get(api, 'theirs').reply(200, volumeAnswer({ name: 'theirs', ...end }));
    expect(await array.clones.look(NAME, soon())).toMatchObject({ copy: 'running', helpers: [] });
  });

  it('are done when the array says so, without a look at its tasks', async () => {
    const { array, api } = mocked();
    get(api).reply(200, answer({ copyType: 1, copyOf: undefined }));
    expect(await array.clones.look(NAME, soon())).toMatchObject({ copy: 'done', helpers: [] });
    get(api).reply(404, gone);
    expect(await array.clones.look(NAME, soon())).toBeUndefined();
  });

  it('whose task has ended without them are broken, unless they were done in between', async () => {
    for (const [copyType, copy] of [
      [2, 'broken'],
      [1, 'done'],
    ] as const) {
      const { array, api } = mocked();
      get(api).reply(200, answer());
      tasks(api, task({ status: 4 }));
      get(api, 'vvcp.rw').reply(404, gone);
      get(api).reply(200, answer({ copyType }));
      expect((await array.clones.look(NAME, soon()))?.copy).toBe(copy);
    }
  });

  it.each([
    ['with another comment', { comment: 'theirs' }, 'refused', 'theirs'],
    ['with another shape', { comment: undefined, provisioningType: 1 }, 'exists', 'provisioning is "full"'],
  ])('%s of that name is somebody else’s, and not tagged', async (_name, changes, code, words) => {
    const { array, api } = mocked();
    begin(api).reply(409, { code: 22, desc: 'volume exists' });
    get(api).times(2).reply(200, answer(changes));
    const failure = await failureOf(array.clones.ensure(WANTED, soon()));
    expect(failure.code).toBe(code);
    expect(failure.message).toContain(words);
    nock.cleanAll();
  });

  it('need no stop when no task of theirs is active', async () => {
    const { array, api } = mocked();
    tasks(api, task({ status: 1 }), task({ name: 'another' }));
    await array.clones.stop(NAME, soon());
    expect(api.isDone()).toBe(true);
  });

  it('rule 15: of the snapshots that the array made, only what is still a snapshot without a comment is deleted', async () => {
    const { array, api } = mocked();
    get(api, 'vvcp.rw').twice().reply(200, helper('vvcp.rw', 'vvcp.ro'));
    api.delete('/volumes/vvcp.rw').reply(200);
    get(api, 'vvcp.rw').reply(404, gone);
    get(api, 'vvcp.ro').reply(200, helper('vvcp.ro', VOLUME_NAME, { comment: 'somebody’s' }));
    get(api, 'a-volume').reply(200, helper('a-volume', VOLUME_NAME, { copyType: 1 }));
    get(api, 'gone').reply(404, gone);
    await array.clones.removeHelpers(['vvcp.rw', 'vvcp.ro', 'a-volume', 'gone'], soon());
    expect(api.isDone()).toBe(true);
  });
});
