import { describe, expect, it } from '@jest/globals';
import { needsAbilities, unmetNeeds } from '../../../src/domain/array-needs.js';
import type { VolumeSpec } from '../../../src/domain/volume.js';

const PLAIN: VolumeSpec = {
  sizeGiB: 16,
  provisioning: 'thin',
  compression: false,
  fsType: 'ext4',
  backend: 'DEFAULT',
  mountConflictDelay: 30,
};
const NEW = { osVersion: '3.3.1.215', licences: ['Remote Copy', 'Compression'] };

describe('what a volume needs of its array', () => {
  it('is nothing that every array does not have, unless it is asked for', () => {
    expect(needsAbilities(PLAIN)).toBe(false);
    expect(needsAbilities({ ...PLAIN, qosName: 'gold', cpg: 'FC' })).toBe(false);
    for (const wish of [{ provisioning: 'dedup' }, { compression: true }, { flashCache: true }] as const) {
      expect(needsAbilities({ ...PLAIN, ...wish })).toBe(true);
      expect(unmetNeeds({ ...PLAIN, ...wish }, NEW)).toEqual([]);
    }
  });

  it.each([
    [{ provisioning: 'dedup' }, '3.2.1.120', '3.2.1.119', 'provisioning=dedup needs 3PAR OS 3.2.1.120'],
    [{ flashCache: true }, '3.2.1.200', '3.2.1.120', 'flash-cache needs 3PAR OS 3.2.1.200'],
    [{ compression: true }, '3.3.1.0', '3.2.2.900', 'compression needs 3PAR OS 3.3.1'],
  ] as const)('%j: OS %s, not %s', (wish, enough, tooOld, words) => {
    const licences = NEW.licences;
    expect(unmetNeeds({ ...PLAIN, ...wish }, { osVersion: enough, licences })).toEqual([]);
    expect(unmetNeeds({ ...PLAIN, ...wish }, { osVersion: '10.5.0', licences })).toEqual([]);
    expect(unmetNeeds({ ...PLAIN, ...wish }, { osVersion: tooOld, licences })).toEqual([
      `${words}, and it runs ${tooOld}`,
    ]);
  });

  it('is a licence to compress, where the array tells its licences', () => {
    const compressed = { ...PLAIN, compression: true };
    const { osVersion } = NEW;
    expect(unmetNeeds(compressed, { osVersion, licences: ['3PAR Golden License'] })).toEqual([]);
    expect(unmetNeeds(compressed, { osVersion })).toEqual([]);
    expect(unmetNeeds(compressed, { osVersion, licences: ['Remote Copy'] })).toEqual([
      'compression needs a licence that it does not have',
    ]);
  });

  it('is a licence that has not expired', () => {
    const expired = [{ name: 'Compression', at: '2026-11-18T11:06:40.000Z' }];
    expect(
      unmetNeeds({ ...PLAIN, compression: true }, { osVersion: NEW.osVersion, licences: ['Remote Copy'], expired }),
    ).toEqual(['compression needs a licence, and its licence Compression has expired at 2026-11-18T11:06:40.000Z']);
  });
});
