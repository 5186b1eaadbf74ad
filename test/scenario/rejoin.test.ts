import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Site } from './site.js';

const SECOND = 'b'.repeat(64);

let site: Site;

beforeAll(async () => {
  site = await Site.start();
});
afterEach(async () => {
  await site.calmDown();
});
afterAll(async () => {
  await site.close();
});

/** What has been done to the array since the first container was started, and is over. */
const EVENTS: Record<string, (volume: Awaited<ReturnType<Site['createVolume']>>) => Promise<void>> = {
  'failed over and brought home': async ({ type }) => {
    await type.stop();
    await type.failover();
    await type.recover();
    await type.restore();
  },
  'without power': async () => {
    await site.node.control.power(site.primary, false);
    await site.node.control.power(site.primary, true);
  },
};

for (const [event, happen] of Object.entries(EVENTS)) {
  it(`a second container does not join a device that was cut off while the array was ${event}`, async () => {
    const { docker } = site.node;
    const volume = await site.createVolume();
    const mountpoint = await site.mount(volume);
    await writeFile(path.join(mountpoint, 'before'), 'acknowledged', { flush: true });
    const held = await open(path.join(mountpoint, 'held'), 'w');
    await happen(volume);
    try {
      // What is acknowledged is a mount that reaches the array, or none.
      await expect(docker.mount(volume.name, SECOND)).rejects.toThrow(/next: stop all containers that use/);
    } finally {
      await held.close();
    }
    await docker.unmount(volume.name, SECOND);
    await site.unmount(volume);
    const again = await site.mount(volume);
    expect(await readFile(path.join(again, 'before'), 'utf8')).toBe('acknowledged');
    await site.unmount(volume);
    expect(await docker.remove(volume.name)).toBe('');
  });
}
