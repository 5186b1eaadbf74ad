import { describe, expect, it } from '@jest/globals';
import { Backend, type BackendSettings } from '../../../src/backend/backend.js';
import type { ArrayClient } from '../../../src/contracts/array.js';

const array = {} as ArrayClient;
const PLAIN: BackendSettings = { name: 'plain', cpg: { primary: 'FC' }, snapCpg: { primary: 'SNAP' } };
const PAIR: BackendSettings = {
  name: 'pair',
  cpg: { primary: 'FC', secondary: 'FC_far' },
  snapCpg: { primary: 'SNAP', secondary: 'SNAP_far' },
  replication: {
    target: 'far',
    mode: 'synchronous',
    differentSecondaryWwn: true,
    strict: false,
    removeEmptyGroup: 'always',
    cpgMap: new Map([['SSD', 'SSD_far']]),
    snapCpgMap: new Map([['SSD', 'SSD_far']]),
  },
};
const plain = new Backend(PLAIN, { primary: array });
const following = new Backend({ ...PLAIN, snapCpg: PLAIN.cpg, snapshotsFollow: true }, { primary: array });
const pair = new Backend(PAIR, { primary: array, secondary: array });

const one = (cpg: string, snapCpg: string) => ({ cpg: { primary: cpg }, snapCpg: { primary: snapCpg } });

describe('where a volume is made', () => {
  it.each([
    ['hpe.conf says it', plain, {}, one('FC', 'SNAP')],
    ['cpg says it', plain, { cpg: 'SSD' }, one('SSD', 'SNAP')],
    ['snapcpg says it for its snapshots', plain, { snapCpg: 'SSD' }, one('FC', 'SSD')],
    ['without hpe3par_snapcpg its snapshots follow cpg', following, { cpg: 'SSD' }, one('SSD', 'SSD')],
    ['without hpe3par_snapcpg snapcpg still counts', following, { snapCpg: 'NL' }, one('FC', 'NL')],
  ])('%s', (_what, backend, options, place) => {
    expect(backend.placeOf(options)).toEqual(place);
  });

  it('is mapped to the secondary array', () => {
    expect(pair.placeOf({})).toEqual({ cpg: PAIR.cpg, snapCpg: PAIR.snapCpg });
    expect(pair.placeOf({ cpg: 'SSD' })).toEqual({
      cpg: { primary: 'SSD', secondary: 'SSD_far' },
      snapCpg: PAIR.snapCpg,
    });
    // hpe.conf may leave the pair of its own first CPG out.
    expect(pair.placeOf({ cpg: 'FC', snapCpg: 'SSD' })).toEqual({
      cpg: PAIR.cpg,
      snapCpg: { primary: 'SSD', secondary: 'SSD_far' },
    });
  });

  it('rule 37: is refused when hpe.conf does not say where the copy would be', () => {
    expect(() => pair.placeOf({ cpg: 'NL' })).toThrow('cpg_map of backend pair has no pair for CPG NL');
    expect(() => pair.placeOf({ snapCpg: 'NL' })).toThrow('snap_cpg_map of backend pair has no pair for CPG NL');
  });
});
