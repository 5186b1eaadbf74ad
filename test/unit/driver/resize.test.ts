import { describe, expect, it } from '@jest/globals';
import type { DriverContext } from '../../../src/driver/context.js';
import { filled, fillSteps } from '../../../src/driver/mounted-size.js';
import { checkResize, checkSize } from '../../../src/driver/plan-resize.js';
import { grown } from '../../../src/driver/resize.js';
import { decodeRecord, encodeRecord } from '../../../src/store/records.js';
import { aVolume } from '../../contract/store-records.js';

const formatted = { state: 'formatted', type: 'ext4', uuid: 'u' } as const;
const used = aVolume('db', { filesystem: formatted, state: 'ready' });
const { sizeGiB } = used.spec;
const MIB = sizeGiB * 1024;

describe('the record of a volume that grows', () => {
  it('says that its file system has to follow, and what its Create asked for', () => {
    const after = grown(used, { primary: 3 * MIB, secondary: 3 * MIB });
    expect(after).toMatchObject({
      spec: { sizeGiB: 3 * sizeGiB },
      growth: { toGiB: 3 * sizeGiB },
      createdGiB: sizeGiB,
    });
    expect(filled(after)).not.toHaveProperty('growth');
    expect(decodeRecord('volume', 'db', encodeRecord('volume', 'db', after))).toEqual(after);
    // The first Create counts, also after a second grow.
    expect(grown(filled(after), { primary: 4 * MIB })).toMatchObject({ createdGiB: sizeGiB });
  });

  it('keeps the smaller size while the copies differ, whatever the file system has', () => {
    const between = grown(used, { primary: 3 * MIB, secondary: MIB });
    expect(between).toMatchObject({ spec: { sizeGiB }, growth: { toGiB: 3 * sizeGiB } });
    expect(between).not.toHaveProperty('createdGiB');
    expect(filled(between)).toEqual(between);
  });

  it('has nothing to follow when it was never formatted', () => {
    const fresh = aVolume('db', { filesystem: { state: 'never' } });
    expect(grown(fresh, { primary: 2 * MIB })).not.toHaveProperty('growth');
  });
});

describe('the file system of a volume that grows', () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const ctx = {} as unknown as DriverContext;
  const replicated = { ...used, spec: { ...used.spec, replicationGroup: 'g' } };

  it('rule 38: outgrows no copy of a replicated volume: after a failback it could not be mounted there', () => {
    expect(fillSteps(ctx, grown(replicated, { primary: MIB, secondary: 3 * MIB }))).toEqual([]);
    expect(fillSteps(ctx, grown(replicated, { primary: 3 * MIB, secondary: 3 * MIB }))).toHaveLength(1);
  });

  it('follows the only copy at once, although its size is not on record yet', () => {
    expect(fillSteps(ctx, { ...used, growth: { toGiB: 3 * sizeGiB } })).toHaveLength(1);
    expect(fillSteps(ctx, used)).toEqual([]);
  });
});

describe('a size that cannot be', () => {
  it.each([
    [used, sizeGiB - 1, 'invalid'],
    [{ ...used, state: 'deleting' as const }, sizeGiB + 1, 'refused'],
  ])('is refused before any array is asked (%#)', (volume, toGiB, code) => {
    expect(() => checkResize(volume, toGiB)).toThrow(expect.objectContaining({ code }));
  });

  it.each([0, -1, 1.5, 16_385, Number.NaN])('is %d', (toGiB) => {
    expect(() => checkSize(toGiB)).toThrow('whole number of GiB from 1 to 16384');
  });

  it('is none that the volume has, or a larger one', () => {
    expect(() => checkResize(used, sizeGiB)).not.toThrow();
    expect(() => checkResize(used, 16_384)).not.toThrow();
    expect(() => checkSize(16_384)).not.toThrow();
  });
});
