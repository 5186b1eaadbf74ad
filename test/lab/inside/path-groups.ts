import { expect, expectEqual } from './checks.js';
import { pathGroups } from './san.js';

/**
 * @throws unless the map has exactly these two groups of paths, by their target ports: the one that is in use, and the one that
 * stands by
 */
export async function expectPathGroups(map: string, ports: { active: string[]; standby: string[] }): Promise<void> {
  const { vendor, product, groups } = await pathGroups(map);
  expectEqual([vendor, product], ['3PARdata', 'VV'], 'vendor and product');
  const seen = groups
    .map(({ priority, paths }) => ({
      priority,
      checkers: paths.map(({ checker }) => checker),
      targets: paths.map(({ target }) => target).toSorted(),
    }))
    .toSorted((one, other) => other.priority - one.priority);
  const wanted = [
    { priority: 50, checkers: ['ready', 'ready'], targets: ports.active.toSorted() },
    { priority: 1, checkers: ['ghost', 'ghost'], targets: ports.standby.toSorted() },
  ];
  expectEqual(seen, wanted, 'groups of paths');
  const [used] = groups.filter(({ state }) => state === 'active');
  expect(used?.priority === 50, `the group in use: ${JSON.stringify(used)}`);
}
