import { expect, expectEqual } from './checks.js';
import { docker } from './docker.js';
import { pathGroups, pathStates } from './san.js';

/** WWID of the map of a Docker volume. */
export async function mapOf(volume: string): Promise<string> {
  const { Status } = await docker.inspectVolume(volume);
  return `3${String(Status['wwn']).toLowerCase()}`;
}

/** Target ports of the paths that I/O may go to, sorted. */
export async function workingPorts(map: string): Promise<string[]> {
  const working = (await pathStates(map)).filter(({ isActive, checker }) => isActive && checker === 'ready');
  return working.map(({ target }) => target).toSorted();
}

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
