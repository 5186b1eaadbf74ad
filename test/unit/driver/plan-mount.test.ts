import { expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import type { ArrayClient } from '../../../src/contracts/array.js';
import { DriverError } from '../../../src/domain/errors.js';
import type { Override } from '../../../src/domain/override.js';
import type { Group, RemoteCopyGroup } from '../../../src/domain/replication.js';
import type { Volume } from '../../../src/domain/volume.js';
import { planMount, type MountPlan } from '../../../src/driver/plan-mount.js';

const silent = async (): Promise<never> => Promise.reject(new DriverError('unavailable', 'no answer'));

/** As an array shows the group that it is the primary of, while its links to the other one are down. */
const alone: RemoteCopyGroup = {
  name: 'RCG1',
  remoteName: 'RCG1.r1',
  role: 'primary',
  targets: [
    {
      name: 'peer',
      roleReversed: false,
      state: 'stopped',
      mode: 'synchronous',
      autoRecover: true,
      autoFailover: false,
      pathManagement: false,
    },
  ],
  members: [{ volume: 'dcv-1', remoteVolume: 'dcv-1', syncStatus: 'synced' }],
};

/** Only what a plan asks for. */
function arrayOf(label: string, answers: boolean): ArrayClient {
  const remoteCopy = answers
    ? { findGroup: async () => Promise.resolve(alone), linksUp: async () => Promise.resolve(false) }
    : { findGroup: silent, linksUp: silent };
  const findVluns = answers ? async () => Promise.resolve([]) : silent;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { label, findVluns, remoteCopy } as unknown as ArrayClient;
}

/** The plan of a mount from the primary array, while the secondary one is silent. */
async function planAlone(lastActive: Group['lastActive'], isOverridden: boolean): Promise<MountPlan> {
  const replication = {
    target: 'peer',
    mode: 'synchronous',
    differentSecondaryWwn: false,
    strict: false,
    removeEmptyGroup: 'always',
    cpgMap: new Map(),
    snapCpgMap: new Map(),
  } as const;
  const arrays = { primary: arrayOf('primary array', true), secondary: arrayOf('secondary array', false) };
  const group = { backend: 'DEFAULT', name: 'RCG1', remoteName: 'RCG1.r1', createdByUs: true, epoch: 1 };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const volume = {
    spec: { replicationGroup: 'g' },
    name: 'db',
    arrayName: 'dcv-1',
    wwn: { primary: 'aa', secondary: 'aa' },
    filesystem: { state: 'formatted', type: 'ext4', uuid: 'u' },
    everMounted: true,
  } as unknown as Volume;
  const override: Override = {
    volume: 'db',
    volumeId: 'v',
    side: 'primary',
    reason: 'fire',
    madeBy: 'n1',
    madeAt: '',
    until: '',
  };
  return planMount(
    new Backend({ name: 'DEFAULT', cpg: {}, snapCpg: {}, replication }, arrays),
    {
      volume,
      group: lastActive === undefined ? group : { ...group, lastActive },
      mountId: { id: 'm', life: 'l' },
      hostName: 'n1',
      ownHosts: ['n1'],
      initiators: { protocol: 'fc', names: [] },
      mountpoint: '/mounts/db',
      attachments: [],
      livingNodes: new Set(),
      override: isOverridden ? override : undefined,
    },
    AbortSignal.timeout(60_000),
  );
}

it('rule 10: what an override goes past counts as stale, since its array may return with it at any time', async () => {
  expect(await planAlone('secondary', true)).toMatchObject({ side: 'primary', isOtherStale: true });
  // Nothing was ever used there: it has the same data, or older ones that no host was given.
  expect(await planAlone('primary', false)).toMatchObject({ side: 'primary', isOtherStale: false });
});
