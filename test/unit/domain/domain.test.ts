import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { asDriverError, DriverError, Explanation, KINDS, type ErrorCode } from '../../../src/domain/errors.js';
import { withMountId, withoutMountId } from '../../../src/domain/mount-ids.js';
import {
  arrayHostName,
  arraySnapshotName,
  arrayVolumeName,
  checkGroupName,
  checkVolumeName,
} from '../../../src/domain/names.js';

const problemOf = (work: () => unknown): DriverError => {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof DriverError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
};

describe('names', () => {
  it.each([
    ['d03338a9-9115-48a3-8dfc-35cdfcdc15a7', 'dcv-0DM4qZEVSKON-DXN-NwVpw'],
    ['ecffc30f-98cb-4cf5-85ee-d7309cc17cd2', 'dcv-7P-DD5jLTPWF7tcwnMF80g'],
    ['ffffffff-ffff-4fff-bfff-ffffffffffff', 'dcv---------T-.----------w'],
    ['fbefbefb-efbe-4fbe-bfbe-fbefbefbefbe', 'dcv-........T76-vvvvvvvvvg'],
  ])('volume %s is %s on the array', (uuid, name) => {
    expect(arrayVolumeName(uuid)).toBe(name);
  });

  it('a snapshot has the same name behind another prefix', () => {
    expect(arraySnapshotName('2f823bdc-e36e-4dc8-bd15-de1c7a28ff31')).toBe('dcs-L4I73ONuTci9Fd4ceij-MQ');
  });

  it('different volumes have different array names that fit the limit', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.uuid(), (a, b) => {
        expect(arrayVolumeName(a)).toHaveLength(26);
        expect(arrayVolumeName(a) === arrayVolumeName(b)).toBe(a === b);
      }),
    );
  });

  it.each(['', '../x', 'a/b', 'a b', 'é1', 'a:b', '-x', '.x', 'x'.repeat(201), 'a\n', '😀'])(
    'refuses the volume name %j',
    (name) => {
      expect(problemOf(() => checkVolumeName(name)).code).toBe('invalid');
    },
  );

  it.each(['db', 'DB_1.2-x', 'f'.repeat(64)])('takes the volume name %s', (name) => {
    expect(checkVolumeName(name)).toBe(name);
  });

  it('refuses a group name that leaves no room for the suffix of the peer', () => {
    expect(checkGroupName('g'.repeat(22))).toHaveLength(22);
    expect(problemOf(() => checkGroupName('g'.repeat(23))).code).toBe('invalid');
  });

  it('any host name becomes one that the array takes', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (hostname) => {
        expect(arrayHostName(hostname)).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$/);
      }),
    );
    expect(arrayHostName('node1.example.com')).toBe('node1');
  });
});

describe('mount ids', () => {
  const once = withMountId([], { id: 'a', life: '1' });

  it('docker cp on a running container mounts and unmounts its id once more', () => {
    const during = withMountId(once, { id: 'a', life: '1' });
    expect(withoutMountId(during, 'a')).toEqual(once);
    expect(withoutMountId(once, 'a')).toEqual([]);
  });

  it('after a crash of dockerd the same id counts as one', () => {
    expect(withMountId(once, { id: 'a', life: '2' })).toEqual([{ id: 'a', count: 1, life: '2' }]);
  });

  it('an unknown id takes nobody away', () => {
    expect(withoutMountId(once, 'b')).toEqual(once);
  });
});

describe('errors', () => {
  it('are one line for the user, with the way back and the next step', () => {
    const error = new DriverError('refused', 'no\nanswer', { rollback: 'done', next: 'look' });
    expect(error.toUserText()).toBe('no answer; everything was rolled back; next: look');
  });

  it.each(Object.entries(KINDS))(
    'one of the kind %s that does not say what to do next says what its kind does',
    (code, { next }) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      expect(new DriverError(code as ErrorCode, 'seen').toUserText()).toBe(`seen; next: ${next}`);
    },
  );

  it('an explanation that was asked for has nothing added to it', () => {
    expect(new Explanation(['one', 'two']).toUserText()).toBe('one two');
  });

  it('any thrown value becomes one', () => {
    expect(asDriverError('x').code).toBe('internal');
    expect(asDriverError(new DOMException('t', 'TimeoutError')).code).toBe('unavailable');
  });
});
