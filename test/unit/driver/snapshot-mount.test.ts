import { expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import type { ArrayClient } from '../../../src/contracts/array.js';
import type { Attachment } from '../../../src/domain/attachment.js';
import { DriverError } from '../../../src/domain/errors.js';
import type { Side } from '../../../src/domain/replication.js';
import { planMount } from '../../../src/driver/plan-mount.js';
import { aVolume, anAttachment } from '../../contract/store-records.js';

const silent = async (): Promise<never> => Promise.reject(new DriverError('unavailable', 'no answer'));

/** Only what a plan asks for. */
const arrayOf = (findVluns: () => Promise<unknown>): ArrayClient =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  ({ label: 'array', findVluns, findHost: async () => Promise.resolve(undefined) }) as unknown as ArrayClient;

const sides: Side[] = ['primary', 'secondary'];

it.each(sides)(
  'a snapshot on the %s array is mounted and taken over there alone, whether or not the other array answers',
  async (side) => {
    const answers = arrayOf(async () => Promise.resolve([]));
    const arrays = { primary: arrayOf(silent), secondary: arrayOf(silent), [side]: answers };
    const origin = { kind: 'snapshot', of: 'db', ofId: 'd', side } as const;
    const from: Attachment = { ...anAttachment('s'), node: 'other', host: 'there', side };
    const plan = await planMount(
      new Backend({ name: 'DEFAULT', cpg: {}, snapCpg: {} }, arrays),
      {
        volume: aVolume('s', { origin, wwn: { [side]: 'aa' } }),
        group: undefined,
        mountId: { id: 'm', life: 'l' },
        hostName: 'here',
        ownHosts: ['here'],
        initiators: { protocol: 'fc', names: [] },
        mountpoint: '/mounts/s',
        attachments: [from],
        takeOverFrom: from,
        livingNodes: new Set(),
        override: undefined,
      },
      AbortSignal.timeout(10_000),
    );
    expect(plan).toMatchObject({ side, leftOver: [], takeOver: { sides: [side], later: [{ side, host: 'there' }] } });
    expect(plan.takeOver?.later).toHaveLength(1);
  },
);
