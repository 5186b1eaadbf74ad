import { describe, expect, it } from '@jest/globals';
import nock from 'nock';
import type { ArrayVolume, CreateGroup, CreateVolume } from '../../../src/contracts/array.js';
import { describeChanges, type ChangeCase } from './change-cases.js';
import { failureOf, GROUP_WANTED, soon, volumeAnswer, VOLUME_NAME } from './array-settings.js';
import { expectLogin, mockedArray, mockHttp } from './mocked-array.js';
import { HOST, LOST, vlun, vlunsTo } from './vlun-answers.js';
import { admitAndLook, makeWholeGroup, readBack } from '../../read-back.js';

const GROUP = GROUP_WANTED.name;

const VOLUME: CreateVolume = {
  name: VOLUME_NAME,
  cpg: 'FC_r1',
  snapCpg: 'FC_r1s',
  sizeMiB: 10_240,
  provisioning: 'thin',
  compression: false,
  tag: 'our tag',
};
const { tag: comment, ...SHAPE } = VOLUME;
const SEEN: ArrayVolume = { ...SHAPE, comment, wwn: '60002ac0000000000000000a00000001' };

function groupAnswer(state: number, members: string[] = [], target: Record<string, unknown> = {}): nock.Body {
  return {
    name: GROUP,
    role: 1,
    remoteGroupName: `${GROUP}.r1234`,
    localUserCPG: 'FC_r1',
    localSnapCPG: 'FC_r1s',
    targets: [
      {
        targetName: 'targetArray',
        mode: 1,
        state,
        roleReversed: false,
        remoteUserCPG: 'FC_r6',
        remoteSnapCPG: 'FC_r6s',
        policies: { autoRecover: true },
        ...target,
      },
    ],
    volumes: members.map((name) => ({
      localVolumeName: name,
      localVolumeId: 7,
      remoteVolumes: [{ remoteVolumeName: name, targetName: 'targetArray', syncStatus: 3 }],
    })),
  };
}

mockHttp();

const groupGet = (api: nock.Scope): nock.Interceptor => api.get(`/remotecopygroups/${GROUP}`);
const setsPolicies = (api: nock.Scope): nock.Interceptor =>
  api.put(`/remotecopygroups/${GROUP}`, {
    targets: [{ targetName: 'targetArray', policies: { autoRecover: true } }],
  });
const volumeGet = (api: nock.Scope): nock.Interceptor => api.get(`/volumes/${VOLUME_NAME}`);
const gone = { code: 23, desc: 'volume does not exist' };
const noGroup = { code: 187, desc: 'group does not exist' };
const put = (action: number) => (api: nock.Scope) =>
  api.put(`/remotecopygroups/${GROUP}`, (body: { action?: number }) => body.action === action);

const CASES: ChangeCase[] = [
  {
    name: 'makeVolume',
    run: async (array) => readBack(array.makeVolume(VOLUME, soon())),
    change: (api) => api.post('/volumes'),
    done: (api) => volumeGet(api).reply(200, volumeAnswer()),
    undone: (api) => volumeGet(api).reply(404, gone),
  },
  {
    name: 'tagVolume',
    run: async (array) => array.tagVolume(VOLUME_NAME, 'our tag', soon()),
    before: (api) => volumeGet(api).reply(200, volumeAnswer({ comment: undefined })),
    change: (api) => api.put(`/volumes/${VOLUME_NAME}`, { comment: 'our tag' }),
    done: (api) => volumeGet(api).reply(200, volumeAnswer()),
    undone: (api) => volumeGet(api).reply(200, volumeAnswer({ comment: undefined })),
  },
  {
    name: 'growVolume',
    run: async (array) => array.growVolume({ name: VOLUME_NAME, tag: 'our tag', sizeMiB: 20_480 }, soon()),
    before: (api) => volumeGet(api).reply(200, volumeAnswer()),
    change: (api) => api.put(`/volumes/${VOLUME_NAME}`, { action: 3, sizeMiB: 10_240 }),
    done: (api) => volumeGet(api).reply(200, volumeAnswer({ sizeMiB: 20_480 })),
    undone: (api) => volumeGet(api).reply(200, volumeAnswer()),
  },
  {
    name: 'removeVolume',
    run: async (array) => array.removeVolume(VOLUME_NAME, 'our tag', soon()),
    before: (api) => volumeGet(api).reply(200, volumeAnswer()),
    change: (api) => api.delete(`/volumes/${VOLUME_NAME}`),
    done: (api) => volumeGet(api).reply(404, gone),
    undone: (api) => volumeGet(api).reply(200, volumeAnswer()),
  },
  {
    name: 'deleteVolume',
    run: async (array) => readBack(array.deleteVolume(SEEN, 'our tag', soon())),
    change: (api) => api.delete(`/volumes/${VOLUME_NAME}`),
    done: (api) => volumeGet(api).reply(404, gone),
    undone: (api) => volumeGet(api).reply(200, volumeAnswer()),
  },
  {
    name: 'removeVluns',
    run: async (array) => array.removeVluns(VOLUME_NAME, HOST, soon()),
    before: (api) => {
      vlunsTo(api).reply(200, { total: 2, members: [vlun(), vlun({ volumeName: `${VOLUME_NAME}x`, lun: 4 })] });
      api.get(`/hosts/${HOST}`).reply(200, { name: HOST, descriptors: { comment: 'hpe-volume-plugin' } });
    },
    change: (api) => api.delete(`/vluns/${VOLUME_NAME},3,${HOST}`),
    done: (api) => vlunsTo(api).reply(200, { total: 1, members: [vlun({ volumeName: `${VOLUME_NAME}x`, lun: 4 })] }),
    undone: (api) => vlunsTo(api).reply(200, { total: 1, members: [vlun()] }),
  },
  {
    name: 'makeGroup',
    run: async (array) => makeWholeGroup(array.remoteCopy, GROUP_WANTED, soon()),
    change: (api) => api.post('/remotecopygroups'),
    done(api) {
      setsPolicies(api).reply(200);
      groupGet(api).reply(200, groupAnswer(1));
      // After a lost answer it is looked for at once, and seen again in the end.
      groupGet(api).optionally().reply(200, groupAnswer(1));
    },
    undone(api) {
      setsPolicies(api).optionally().reply(200);
      return groupGet(api).reply(404, noGroup);
    },
  },
  {
    name: 'removeGroup',
    run: async (array) => array.remoteCopy.removeGroup(GROUP, soon()),
    before: (api) => groupGet(api).reply(200, groupAnswer(5)),
    change: (api) => api.delete(`/remotecopygroups/${GROUP}`),
    done: (api) => groupGet(api).reply(404, noGroup),
    undone: (api) => groupGet(api).reply(200, groupAnswer(5)),
  },
  {
    name: 'admit',
    run: async (array) =>
      array.remoteCopy.admit(
        { group: GROUP, volume: VOLUME_NAME, target: 'targetArray', differentSecondaryWwn: true, isBlank: true },
        soon(),
      ),
    readBackByCaller: true,
    change: put(1),
    done: (api) =>
      groupGet(api)
        .optionally()
        .reply(200, groupAnswer(5, [VOLUME_NAME])),
    undone: (api) => groupGet(api).reply(200, groupAnswer(5, [`${VOLUME_NAME}x`])),
  },
  {
    name: 'dismiss',
    run: async (array) => readBack(array.remoteCopy.dismiss(GROUP, VOLUME_NAME, soon())),
    change: put(2),
    done: (api) => groupGet(api).reply(200, groupAnswer(5, [`${VOLUME_NAME}x`])),
    undone: (api) => groupGet(api).reply(200, groupAnswer(5, [VOLUME_NAME])),
  },
  {
    name: 'startGroup',
    run: async (array) => readBack(array.remoteCopy.startGroup(GROUP, soon())),
    change: put(3),
    done: (api) => {
      groupGet(api).reply(200, groupAnswer(2));
      groupGet(api).reply(200, groupAnswer(3));
    },
    undone: (api) => groupGet(api).reply(200, groupAnswer(5)),
  },
  {
    name: 'stopGroup',
    run: async (array) => readBack(array.remoteCopy.stopGroup(GROUP, soon())),
    change: put(4),
    done: (api) => groupGet(api).reply(200, groupAnswer(5)),
    undone: (api) => groupGet(api).reply(200, groupAnswer(3)),
  },
];

describeChanges(CASES);

describe('volumes', () => {
  it.each([
    ['another comment', { comment: 'our tag ' }, 'comment is "our tag " instead of "our tag"'],
    ['another size', { sizeMiB: 20_480 }, 'size in MiB is 20480 instead of 10240'],
    ['another CPG', { userCPG: 'SSD' }, 'CPG is "SSD" instead of "FC_r1"'],
    ['another kind', { provisioningType: 3 }, 'provisioning is "other" instead of "thin"'],
  ])('does not take a volume of that name with %s for its own', async (_name, changes, words) => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.post('/volumes').reply(409, { code: 22, desc: 'volume exists' });
    volumeGet(api).reply(200, volumeAnswer(changes));
    const failure = await failureOf(readBack(array.makeVolume(VOLUME, soon())));
    expect(failure.code).toBe('exists');
    expect(failure.message).toContain(words);
  });

  it('accepts its own volume that is there already', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.post('/volumes').reply(409, { code: 22, desc: 'volume exists' });
    volumeGet(api).reply(200, volumeAnswer());
    expect((await readBack(array.makeVolume(VOLUME, soon()))).wwn).toBe('60002ac0000000000000000700001234');
  });

  it.each([
    ['dedup', false, { tpvv: false, tdvv: true }],
    ['full', false, { tpvv: false }],
    ['thin', true, { tpvv: true, compression: true }],
  ] as const)('asks for %s (compression %s)', async (provisioning, compression, members) => {
    const { array, api } = mockedArray();
    expectLogin(api);
    const { name, cpg, sizeMiB, tag } = VOLUME;
    api.post('/volumes', { name, cpg, snapCPG: 'FC_r1s', sizeMiB, comment: tag, ...members }).reply(201);
    const provisioningType = { thin: 2, dedup: 6, full: 1 }[provisioning];
    volumeGet(api).reply(200, volumeAnswer({ provisioningType, compressionState: compression ? 1 : 2 }));
    const made = await readBack(array.makeVolume({ ...VOLUME, provisioning, compression }, soon()));
    expect(made).toMatchObject({ provisioning, compression });
  });

  it('neither removes nor tags a volume of somebody else', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    volumeGet(api)
      .times(3)
      .reply(200, volumeAnswer({ comment: 'our tag, or nearly' }));
    expect((await failureOf(array.removeVolume(VOLUME_NAME, 'our tag', soon()))).code).toBe('refused');
    expect((await failureOf(array.removeVolume(VOLUME_NAME, '', soon()))).code).toBe('refused');
    expect((await failureOf(array.tagVolume(VOLUME_NAME, 'our tag', soon()))).code).toBe('refused');
    const theirs = { ...SEEN, comment: 'our tag, or nearly' };
    expect((await failureOf(array.deleteVolume(theirs, 'our tag', soon()))).code).toBe('refused');
  });

  it.each([
    ['exported', 409, 26, 'still exported'],
    ['a group member', 403, 120, 'remote copy group'],
  ])('does not remove a volume that is %s', async (_name, status, code, words) => {
    const { array, api } = mockedArray();
    expectLogin(api);
    volumeGet(api).twice().reply(200, volumeAnswer());
    api.delete(`/volumes/${VOLUME_NAME}`).reply(status, { code, desc: 'no' });
    const failure = await failureOf(array.removeVolume(VOLUME_NAME, 'our tag', soon()));
    expect(failure.code).toBe('refused');
    expect(failure.message).toContain(words);
  });

  it('has nothing to remove where nothing is', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    volumeGet(api).reply(404, gone);
    await array.removeVolume(VOLUME_NAME, 'our tag', soon());
    expect(api.isDone()).toBe(true);
  });

  it('cannot be given a name that leads elsewhere', async () => {
    const { array } = mockedArray();
    expect((await failureOf(array.findVolume('../credentials', soon()))).code).toBe('internal');
    expect((await failureOf(array.findVluns('a" OR "b', soon()))).code).toBe('internal');
  });
});

describe('remote copy groups', () => {
  it('maps what an array says, in numbers, to words', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    const periodic = groupAnswer(9, [VOLUME_NAME], { mode: 3, syncPeriod: 900, roleReversed: true });
    const odd = { name: 'odd', role: 3 };
    const text = JSON.stringify({ total: 2, members: [periodic, odd] }).replace(
      '"syncStatus":3',
      '"syncStatus":4,"volumeLastSyncTime":"2026-03-05T10:19:42+01:00"',
    );
    api.get('/remotecopygroups').reply(200, text);
    expect(await array.remoteCopy.listGroups(soon())).toEqual([
      {
        name: GROUP,
        remoteName: `${GROUP}.r1234`,
        role: 'primary',
        localCpg: 'FC_r1',
        localSnapCpg: 'FC_r1s',
        targets: [
          {
            name: 'targetArray',
            mode: 'asynchronous',
            autoRecover: true,
            autoFailover: false,
            pathManagement: false,
            state: 'logging',
            roleReversed: true,
            syncPeriod: 900,
            remoteCpg: 'FC_r6',
            remoteSnapCpg: 'FC_r6s',
          },
        ],
        members: [
          {
            volume: VOLUME_NAME,
            remoteVolume: VOLUME_NAME,
            syncStatus: 'not-synced',
            lastSync: '2026-03-05T09:19:42.000Z',
          },
        ],
      },
    ]);
  });

  it('gives a periodic group its policies and its period in requests of their own, also after a lost answer', async () => {
    const wanted: CreateGroup = { ...GROUP_WANTED, mode: 'asynchronous', syncPeriod: 600 };
    for (const lost of [false, true]) {
      const { array, api } = mockedArray();
      expectLogin(api);
      const post = api.post(
        '/remotecopygroups',
        (body: { targets: { mode: number }[] }) => body.targets[0]?.mode === 2,
      );
      if (lost) {
        post.replyWithError(LOST);
        groupGet(api).reply(200, groupAnswer(1, [], { mode: 2, syncPeriod: 900 }));
      } else {
        post.reply(201);
      }
      setsPolicies(api).reply(200);
      api.put(`/remotecopygroups/${GROUP}`, { targets: [{ targetName: 'targetArray', syncPeriod: 600 }] }).reply(200);
      groupGet(api).reply(200, groupAnswer(1, [], { mode: 2, syncPeriod: 600 }));
      const group = await makeWholeGroup(array.remoteCopy, wanted, soon());
      expect(group.targets[0]?.syncPeriod).toBe(600);
    }
  });

  it('lets a new group start by itself when the links are back', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.post('/remotecopygroups').reply(201);
    setsPolicies(api).reply(200);
    groupGet(api).reply(200, groupAnswer(1));
    await makeWholeGroup(array.remoteCopy, GROUP_WANTED, soon());
    expect(api.isDone()).toBe(true);
  });

  it.each([
    ['target', { targetName: 'elsewhere' }, 'it replicates to elsewhere instead of targetArray'],
    ['mode', { mode: 4 }, 'mode is streaming instead of synchronous'],
    ['remote CPG', { remoteUserCPG: undefined }, 'remote CPG is unset instead of FC_r6'],
  ])('does not take a group with another %s for the wanted one', async (_name, target, words) => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.post('/remotecopygroups').reply(409, { code: 237, desc: 'group exists' });
    groupGet(api).reply(200, groupAnswer(1, [], target));
    const failure = await failureOf(makeWholeGroup(array.remoteCopy, GROUP_WANTED, soon()));
    expect(failure.code).toBe('exists');
    expect(failure.message).toContain(words);
  });

  it('never takes a group that was there before for its own, even if it is as wanted', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.post('/remotecopygroups').reply(409, { code: 237, desc: 'group exists' });
    groupGet(api).reply(200, groupAnswer(1));
    const failure = await failureOf(makeWholeGroup(array.remoteCopy, GROUP_WANTED, soon()));
    expect(failure.code).toBe('exists');
    expect(failure.message).toContain(`has a remote copy group ${GROUP} already`);
  });

  it('does not call its own new group somebody else’s when the array made it otherwise than asked', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.post('/remotecopygroups').reply(201);
    setsPolicies(api).reply(200);
    groupGet(api).reply(200, groupAnswer(1, [], { mode: 4 }));
    const failure = await failureOf(makeWholeGroup(array.remoteCopy, GROUP_WANTED, soon()));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain('mode is streaming instead of synchronous');
  });

  it('does not take a group with members for the new one whose answer was lost', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    api.post('/remotecopygroups').replyWithError(LOST);
    groupGet(api).reply(200, groupAnswer(1, ['somebody-elses']));
    const failure = await failureOf(makeWholeGroup(array.remoteCopy, GROUP_WANTED, soon()));
    expect(failure.code).toBe('exists');
    expect(failure.message).toContain('somebody-elses');
  });

  it('admits without a WWN of its own where the array does not know that, and says so', async () => {
    const { array, api, log } = mockedArray();
    expectLogin(api);
    const targets = [{ targetName: 'targetArray', secVolumeName: VOLUME_NAME }];
    const body = { action: 1, volumeName: VOLUME_NAME, targets, volumeAutoCreation: true };
    api
      .put(`/remotecopygroups/${GROUP}`, { ...body, differentSecondaryWWN: true })
      .reply(400, { code: 12, desc: 'invalid input', ref: 'differentSecondaryWWN' });
    api.put(`/remotecopygroups/${GROUP}`, body).reply(200);
    groupGet(api).reply(200, groupAnswer(5, [VOLUME_NAME]));
    const wwn = { differentSecondaryWwn: true };
    const admission = { group: GROUP, volume: VOLUME_NAME, target: 'targetArray', isBlank: false, ...wwn };
    const group = await admitAndLook(array.remoteCopy, admission, soon());
    expect(group?.members.map((member) => member.volume)).toEqual([VOLUME_NAME]);
    expect(log()).toContain('both copies have the same');
  });

  it('rule 9: an array that knows no skipInitialSync still gives the copy a WWN of its own', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    const targets = [{ targetName: 'targetArray', secVolumeName: VOLUME_NAME }];
    const body = { action: 1, volumeName: VOLUME_NAME, targets, volumeAutoCreation: true, differentSecondaryWWN: true };
    api
      .put(`/remotecopygroups/${GROUP}`, { ...body, skipInitialSync: true })
      .reply(400, { code: 12, desc: 'invalid input', ref: 'skipInitialSync' });
    api.put(`/remotecopygroups/${GROUP}`, body).reply(200);
    groupGet(api).reply(200, groupAnswer(5, [VOLUME_NAME]));
    const flags = { differentSecondaryWwn: true, isBlank: true };
    await admitAndLook(
      array.remoteCopy,
      { group: GROUP, volume: VOLUME_NAME, target: 'targetArray', ...flags },
      soon(),
    );
  });

  it('takes "started" at a start for success, and a refused admission for what it is', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    put(3)(api).reply(403, { code: 215, desc: 'group is started' });
    groupGet(api).reply(200, groupAnswer(3));
    await readBack(array.remoteCopy.startGroup(GROUP, soon()));
    put(1)(api).reply(403, { code: 215, desc: 'group is started' });
    groupGet(api).reply(200, groupAnswer(3));
    const admission = {
      group: GROUP,
      volume: VOLUME_NAME,
      target: 'targetArray',
      differentSecondaryWwn: false,
      isBlank: true,
    };
    expect((await failureOf(array.remoteCopy.admit(admission, soon()))).code).toBe('refused');
  });

  it('keeps a group that has a member', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    groupGet(api).reply(200, groupAnswer(5, ['somebody-elses']));
    const failure = await failureOf(array.remoteCopy.removeGroup(GROUP, soon()));
    expect(failure.code).toBe('refused');
    expect(failure.message).toContain('somebody-elses');
  });

  it('stops a started empty group before it removes it, and has nothing to remove where none is', async () => {
    const { array, api } = mockedArray();
    expectLogin(api);
    groupGet(api).reply(200, groupAnswer(3));
    put(4)(api).reply(200);
    groupGet(api).reply(200, groupAnswer(5));
    api.delete(`/remotecopygroups/${GROUP}`).reply(200);
    groupGet(api).twice().reply(404, noGroup);
    await array.remoteCopy.removeGroup(GROUP, soon());
    await array.remoteCopy.removeGroup(GROUP, soon());
    expect(api.isDone()).toBe(true);
  });
});
