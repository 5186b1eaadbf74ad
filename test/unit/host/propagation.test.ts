import { describe, expect, it } from '@jest/globals';
import { parseMountinfo } from '../../../src/host/mountinfo.js';
import { findTakenAlong, isReceivedElsewhere } from '../../../src/host/propagation.js';

const OURS = [
  '1 0 254:0 / / rw shared:10 - ext4 /dev/vda rw',
  '2 1 7:3 / /var/lib/plugin/mounts/db rw shared:20 - ext4 /dev/loop3 rw',
];

/** Ids of the foreign mounts that go with ours. */
function goWithOurs(lists: string[][], ours = OURS): number[] {
  const views = [ours, ...lists].map((lines) => parseMountinfo(lines.join('\n')));
  const [view = []] = views;
  const entry = view.find(({ id }) => id === 2);
  if (entry === undefined) throw new Error('no mount of our own');
  const ids = findTakenAlong({ entry, view }, views).map(({ id }) => id);
  return ids.filter((id) => id !== 2);
}

const copy = (id: number, parentId: number, target = '/var/lib/plugin/mounts/db'): string =>
  `${id} ${parentId} 7:3 / ${target} rw - ext4 /dev/loop3 rw`;
const root = (id: number, groups: string): string => `${id} 0 254:0 / / rw ${groups} - ext4 /dev/vda rw`;

describe('an umount takes along', () => {
  it.each([
    ['a copy on a peer', 'shared:10'],
    ['a copy on a slave', 'master:10'],
    ['a copy on a slave that is shared itself', 'shared:30 master:10'],
    ['a copy whose nearest visible source is our group', 'master:99 propagate_from:10'],
  ])('%s', (_what, groups) => {
    expect(goWithOurs([[root(31, groups), copy(32, 31)]])).toEqual([32]);
  });

  it('a copy on a slave of a slave of a slave, in whatever order they are seen', () => {
    const last = [root(51, 'master:40'), copy(52, 51)];
    const middle = [root(41, 'shared:40 master:30'), copy(42, 41)];
    const first = [root(31, 'shared:30 master:10'), copy(32, 31)];
    expect(goWithOurs([last, middle, first])).toEqual([52, 42, 32]);
  });

  it('a copy in the place where another process sees our directory of mounts', () => {
    const elsewhere = '41 31 254:0 /var/lib/plugin/mounts /mnt rw master:10 - ext4 /dev/vda rw';
    expect(goWithOurs([['31 0 0:50 / / rw - overlay overlay rw', elsewhere, copy(42, 41, '/mnt/db')]])).toEqual([42]);
  });
});

describe('an umount leaves', () => {
  it.each([
    ['a copy on a private mount', [root(31, ''), copy(32, 31)]],
    ['a copy on a mount of another group', [root(31, 'shared:11 master:12'), copy(32, 31)]],
    ['a bind at another place', [root(31, 'master:10'), copy(32, 31, '/srv/db')]],
    ["a container's bind", ['31 0 0:50 / / rw - overlay overlay rw', copy(32, 31, '/var/lib/plugin/mounts/db')]],
    ['a copy with a mount below it', [root(31, 'master:10'), copy(32, 31), '33 32 0:60 / /below rw - tmpfs t rw']],
    ['a mount whose parent cannot be seen', [copy(32, 31)]],
    ['a bind of a part of the volume', [root(31, 'master:10'), copy(32, 31).replace('7:3 /', '7:3 /part')]],
  ])('%s', (_what, lines) => {
    expect(goWithOurs([lines.map((line) => line.replace('rw  -', 'rw -'))])).toEqual([]);
  });

  it('everything elsewhere when our own parent is private, or only receives', () => {
    for (const groups of ['', ' master:10']) {
      const ours = [OURS[0]?.replace(' shared:10', groups) ?? '', OURS[1] ?? ''];
      expect(goWithOurs([[root(31, 'shared:10'), copy(32, 31)]], ours)).toEqual([]);
    }
  });
});

describe('what a plugin mounts', () => {
  const plugin = (groups: string): string[] => [
    '1 0 254:0 / / rw - overlay overlay rw',
    `2 1 254:0 /plugins/7 /opt/hpe/data rw ${groups} - ext4 /dev/vda rw`,
  ];
  const isShown = (own: string[], ...others: string[][]): boolean => {
    const [view = [], ...rest] = [own, ...others].map((lines) => parseMountinfo(lines.join('\n')));
    return isReceivedElsewhere({ directory: '/opt/hpe/data', view }, [view, ...rest]);
  };

  it('is seen by whoever has a mount of its group, or of one that receives from it', () => {
    expect(isShown(plugin('shared:10'), [root(31, 'shared:10')])).toBe(true);
    expect(isShown(plugin('shared:10'), [root(31, 'shared:30 master:10')])).toBe(true);
  });

  it('is seen by nobody when its directory has lost its peer, or is private', () => {
    expect(isShown(plugin('shared:10'), [root(31, 'shared:11')])).toBe(false);
    expect(isShown(plugin(''), [root(31, 'shared:10')])).toBe(false);
    expect(isShown(plugin('shared:10'))).toBe(false);
    // Another process of the same namespace is no outside.
    expect(isShown(plugin('shared:10'), plugin('shared:10'))).toBe(false);
  });
});
