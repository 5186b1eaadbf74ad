import { describe, expect, it } from '@jest/globals';
import { decodeRecord, encodeRecord } from '../../../src/store/records.js';
import { aVolume } from '../../contract/store-records.js';

const written = (change: object): string => JSON.stringify({ schema: 1, record: { ...aVolume('db'), ...change } });

describe('the record of a volume', () => {
  const { fsType, ...before } = aVolume('db').spec;

  it('of a release that knew no xfs is one of ext4', () => {
    expect(decodeRecord('volume', 'db', written({ spec: before })).spec.fsType).toBe(fsType);
  });

  it('keeps the type of its file system', () => {
    const filesystem = { state: 'formatted', type: 'xfs', uuid: 'u' } as const;
    const volume = aVolume('db', { spec: { ...before, fsType: 'xfs' }, filesystem });
    expect(decodeRecord('volume', 'db', encodeRecord('volume', 'db', volume))).toEqual(volume);
  });

  it('says where a snapshot is, how long the array keeps it, and which schedule ends with it', () => {
    const schedule = { of: 'dcv-1', name: 'daily', frequency: '10 2 * * *', prefix: 'db', expirationHours: 5 };
    const origin = { kind: 'snapshot', of: 'db', ofId: 'id', side: 'secondary', expiresAt: 't', schedule } as const;
    const volume = aVolume('s', { origin });
    expect(decodeRecord('volume', 's', encodeRecord('volume', 's', volume))).toEqual(volume);
  });

  it('keeps both uuids of a copy that is being given its own', () => {
    const filesystem = { state: 'renewing', type: 'ext4', from: 'a', to: 'b' } as const;
    const volume = aVolume('db', { filesystem, origin: { kind: 'clone', of: 'web', ofId: 'w', side: 'primary' } });
    expect(decodeRecord('volume', 'db', encodeRecord('volume', 'db', volume))).toEqual(volume);
  });

  it('with another type is broken', () => {
    const filesystem = { state: 'formatted', type: 'btrfs', uuid: 'u' };
    expect(() => decodeRecord('volume', 'db', written({ filesystem }))).toThrow(/broken.*ext4.*xfs/);
  });
});
