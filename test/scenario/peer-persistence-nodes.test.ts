import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects, stateOf } from '../simulator-state.js';
import { startTwoHosts, waitFor, type Replica, type Site, type TwoHosts } from './site.js';

let site: Site;
let first: Node;
let second: Node;
let close: TwoHosts['close'];

beforeAll(async () => {
  ({ site, first, second, close } = await startTwoHosts({ hasWitness: true }));
});
afterEach(async () => {
  await site.calmDown();
  expect(await arrayObjects(first.control)).toEqual([]);
  expect(await hostLeftovers(first.dir)).toEqual([]);
});
afterAll(async () => {
  await close();
});

/** `array: host` of each export. */
async function exportsOf({ arrayVolume }: Replica): Promise<string[]> {
  const { arrays } = await stateOf(first.control);
  const found = arrays.flatMap(({ name, vluns }) =>
    vluns.filter((each) => each.volume === arrayVolume).map((each) => `${name}: ${each.host ?? 'a port'}`),
  );
  return [...new Set(found)].toSorted();
}

const create = async (): Promise<Replica> => site.createVolume(undefined, { mountConflictDelay: '2' });

describe('a volume that another node has mounted from both arrays', () => {
  it('rule 25: its exports go from both arrays before the new ones, and what it writes then reaches neither copy', async () => {
    const volume = await create();
    const old = await open(path.join(await first.docker.mount(volume.name), 'file'), 'w');
    try {
      await old.write('before');
      await old.sync();
      expect(await exportsOf(volume)).toEqual([`${site.primary}: node1`, `${site.secondary}: node1`]);
      await first.control.clearLog();
      const mountpoint = await second.docker.mount(volume.name);
      expect(await exportsOf(volume)).toEqual([`${site.primary}: node2`, `${site.secondary}: node2`]);
      const changes = (await first.control.log()).filter(
        ({ method, path: called }) => method !== 'GET' && called?.includes('/vluns') === true,
      );
      // On each array one for each port; those of the old node are gone before the first new one.
      const order = [...Array.from({ length: 4 }, () => 'DELETE'), ...Array.from({ length: 4 }, () => 'POST')];
      expect(changes.map(({ method }) => method)).toEqual(order);
      await old.write(' and after');
      await old.sync().catch(() => undefined);
      expect(await readFile(path.join(mountpoint, 'file'), 'utf8')).toBe('before');
      await expect(first.docker.mount(volume.name)).rejects.toThrow(/^fenced: volume .* node node2 holds it now/);
    } finally {
      await old.close();
    }
    expect(await first.docker.unmount(volume.name)).toBe('');
    expect(await exportsOf(volume)).toEqual([`${site.primary}: node2`, `${site.secondary}: node2`]);
    expect(await second.docker.unmount(volume.name)).toBe('');
    expect(await exportsOf(volume)).toEqual([]);
    expect(await first.docker.remove(volume.name)).toBe('');
  });

  it('rule 25: a dead array from which the other one has taken over keeps the old export until it is back', async () => {
    const volume = await create();
    await first.docker.mount(volume.name);
    await first.control.power(site.primary, false);
    const roleThere = async (): Promise<string | undefined> =>
      (await stateOf(first.control)).arrays[1]?.groups[0]?.role;
    await waitFor(async () => (await roleThere()) === 'primary');
    await second.docker.mount(volume.name);
    expect(await exportsOf(volume)).toEqual([`${site.primary}: node1`, `${site.secondary}: node2`]);
    expect(await first.docker.unmount(volume.name)).toBe('');
    expect(await second.docker.unmount(volume.name)).toBe('');
    await first.control.power(site.primary, true);
    await second.restart();
    await waitFor(async () => (await exportsOf(volume)).length === 0);
    await volume.type.switchBack();
    expect(await first.docker.remove(volume.name)).toBe('');
  });
});
