import { describe, expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import type { GroupObservation } from '../../../src/backend/observe.js';
import { isPaired, isSplit } from '../../../src/backend/paired.js';
import type { ArrayClient } from '../../../src/contracts/array.js';
import type { GroupTarget, RemoteCopyGroup, Side, SyncStatus } from '../../../src/domain/replication.js';

// Nothing of it is asked.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const NOBODY = { label: 'an array' } as ArrayClient;

const backend = (witness?: string): Backend =>
  new Backend(
    {
      name: 'DEFAULT',
      cpg: {},
      snapCpg: {},
      replication: {
        target: 'peer',
        mode: 'synchronous',
        ...(witness === undefined ? {} : { witness }),
        differentSecondaryWwn: false,
        strict: false,
        removeEmptyGroup: 'always',
        cpgMap: new Map(),
        snapCpgMap: new Map(),
      },
    },
    { primary: NOBODY, secondary: NOBODY },
  );

function group(
  role: 'primary' | 'secondary',
  target: Partial<GroupTarget> = {},
  syncStatus: SyncStatus = 'synced',
): RemoteCopyGroup {
  const member = { volume: 'v', remoteVolume: 'v' };
  return {
    name: 'g',
    remoteName: 'g.r1',
    role,
    targets: [
      {
        name: 'peer',
        roleReversed: false,
        state: 'started',
        mode: 'synchronous',
        autoRecover: true,
        autoFailover: true,
        pathManagement: true,
        ...target,
      },
    ],
    members: [
      { ...member, syncStatus: 'synced' },
      { ...member, volume: 'other', syncStatus },
    ],
  };
}

const seen = (groups: Partial<Record<Side, RemoteCopyGroup>>): GroupObservation => ({ groups, failures: {} });
const WHOLE = seen({ primary: group('primary'), secondary: group('secondary') });
const ONE_WWN = { wwn: { primary: 'aa', secondary: 'aa' } };

describe('a pair', () => {
  it('is one when both arrays show it started and synced, whichever of them is active', () => {
    expect(isPaired(backend('10.0.0.3'), ONE_WWN, WHOLE)).toBe(true);
    const turned = {
      primary: group('secondary', { roleReversed: true }),
      secondary: group('primary', { roleReversed: true }),
    };
    expect(isPaired(backend('10.0.0.3'), ONE_WWN, seen(turned))).toBe(true);
  });

  it.each<[string, Partial<Record<Side, RemoteCopyGroup>>]>([
    ['one array is silent', { primary: group('primary') }],
    ['it is stopped on one side', { primary: group('primary'), secondary: group('secondary', { state: 'stopped' }) }],
    [
      'paths are not managed on one side',
      { primary: group('primary', { pathManagement: false }), secondary: group('secondary') },
    ],
    ['another member is not synced', { primary: group('primary', {}, 'syncing'), secondary: group('secondary') }],
    ['both are primary', { primary: group('primary'), secondary: group('primary', { roleReversed: true }) }],
    ['both are secondary', { primary: group('secondary', { roleReversed: true }), secondary: group('secondary') }],
    [
      'the partner has another name',
      { primary: group('primary', { name: 'stranger' }), secondary: group('secondary') },
    ],
  ])('is none when %s', (_title, groups) => {
    expect(isPaired(backend('10.0.0.3'), ONE_WWN, seen(groups))).toBe(false);
  });

  it('is none with two WWNs, with one that is not known, or without a witness', () => {
    expect(isPaired(backend('10.0.0.3'), { wwn: { primary: 'aa', secondary: 'ab' } }, WHOLE)).toBe(false);
    expect(isPaired(backend('10.0.0.3'), { wwn: {} }, WHOLE)).toBe(false);
    expect(isPaired(backend(), ONE_WWN, WHOLE)).toBe(false);
  });

  it('is split when both arrays claim the role Primary, and only then', () => {
    expect(isSplit(seen({ primary: group('primary'), secondary: group('primary', { roleReversed: true }) }))).toBe(
      true,
    );
    expect(isSplit(WHOLE)).toBe(false);
    expect(isSplit(seen({ secondary: group('primary', { roleReversed: true }) }))).toBe(false);
  });
});
