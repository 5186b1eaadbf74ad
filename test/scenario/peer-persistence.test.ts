import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { Site, type Replica } from './site.js';

const run = promisify(execFile);
const OTHER_ID = 'b'.repeat(64);

/** Writes a file through to the array. @throws when the device is cut off */
async function write(mountpoint: string, file: string): Promise<void> {
  await writeFile(path.join(mountpoint, file), `content of ${file}`, { flush: true });
  await run('sync', ['--file-system', mountpoint]);
}

const filesIn = async (mountpoint: string): Promise<string[]> => (await readdir(mountpoint)).toSorted();

/** What `docker volume inspect` says of its holder. */
const holderOf = async (site: Site, { name }: Replica): Promise<unknown> =>
  (await site.node.docker.status(name))['holder'];

describe('with a quorum witness', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start({ hasWitness: true });
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => site.close());

  it('makes groups with the three policies, on both arrays, and both copies with one WWN', async () => {
    const volume = await site.createVolume();
    for (const array of site.node.simulator.arrays) {
      const [group] = [...array.groups.values()];
      expect(group?.policies).toMatchObject({ autoFailover: true, pathManagement: true, autoRecover: true });
      expect(group?.state).toBe('started');
    }
    const [wwn, otherWwn] = site.node.simulator.arrays.map((array) => array.getVolume(volume.arrayVolume).wwn);
    expect(wwn).toBe(otherWwn);
    expect(await site.node.docker.remove(volume.name)).toBe('');
  });

  it('mounts from both arrays; what is mounted goes on through a switchover there and back, and the end takes both exports away', async () => {
    const volume = await site.createVolume();
    const mountpoint = await site.mount(volume);
    expect(await site.exporting(volume)).toEqual([site.primary, site.secondary]);
    await write(mountpoint, 'before');
    await volume.type.switchover();
    await write(mountpoint, 'there');
    // One more container joins what is mounted.
    expect(await site.node.docker.mount(volume.name, OTHER_ID)).toBe(mountpoint);
    expect(await site.node.docker.unmount(volume.name, OTHER_ID)).toBe('');
    await volume.type.switchBack();
    await write(mountpoint, 'back');
    await site.unmount(volume);
    expect(await site.exporting(volume)).toEqual([]);

    await volume.type.switchover();
    const again = await site.mount(volume);
    expect(await holderOf(site, volume)).toMatchObject({ array: 'secondary' });
    expect(await site.exporting(volume)).toEqual([site.primary, site.secondary]);
    expect(await filesIn(again)).toEqual(['back', 'before', 'there']);
    await site.unmount(volume);
    expect(await site.exporting(volume)).toEqual([]);
    await volume.type.switchBack();
    expect(await site.node.docker.remove(volume.name)).toBe('');
  });
});
