import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startEtcd, type Etcd } from '../etcd.js';
import type { Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects } from '../simulator-state.js';
import { Site, waitFor } from './site.js';

/** What an array in trouble may cost a user before the answer comes. */
const PROMPT_MS = 10_000;

async function timed<T>(work: Promise<T>): Promise<{ result: T; ms: number }> {
  const started = performance.now();
  const result = await work;
  return { result, ms: performance.now() - started };
}

/** Waits until the node's cache has all that the metadata have, that volume too. */
async function cachedAll({ dir }: Node, volume: string): Promise<void> {
  const folder = path.join(dir, 'state', 'cache');
  await waitFor(async () => {
    const files = await readdir(folder).catch(() => []);
    const texts = await Promise.all(files.map(async (name) => readFile(path.join(folder, name), 'latin1')));
    return ['!whole', `volume/${volume}`].every((key) => texts.some((text) => text.includes(key)));
  });
}

describe('dead arrays', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start();
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => site.close());

  const powerOff = async (array: string) => site.node.control.power(array, false);
  const powerOn = async (array: string) => site.node.control.power(array, true);

  it.each(['primary', 'secondary', 'both'])(
    'the daemon starts and answers at once with dead arrays: %s',
    async (dead) => {
      const volume = await site.createVolume();
      if (dead !== 'secondary') await powerOff(site.primary);
      if (dead !== 'primary') await powerOff(site.secondary);
      const { docker } = site.node;
      await site.node.restart();
      const { result, ms } = await timed(
        Promise.all([
          docker.call('Plugin.Activate'),
          docker.call('VolumeDriver.Capabilities'),
          docker.call('VolumeDriver.List'),
          docker.call('VolumeDriver.Get', { Name: volume.name }),
        ]),
      );
      expect(ms).toBeLessThan(1_000);
      expect(result[0]).toMatchObject({ Implements: ['VolumeDriver'] });
      expect(result[1]).toMatchObject({ Capabilities: { Scope: 'global' } });
      expect(result[2]?.Volumes?.map((each) => each.Name)).toContain(volume.name);
      expect(result[3]?.Volume?.Status).toMatchObject({ state: 'ready', arrayVolume: volume.arrayVolume });
    },
  );

  it('verbs that need a dead array fail soon and name it, and work without a restart when it is back', async () => {
    const { docker } = site.node;
    const volume = await site.createVolume();
    const options = { size: '1', backend: 'plain' };
    expect(await docker.create('plain-old', options)).toBe('');
    await powerOff(site.primary);
    const attempts = await Promise.all([
      timed(docker.create('plain-new', options)),
      timed(docker.create('replicated-new', { size: '1', replicationGroup: 'NEW' })),
      timed(docker.mount('plain-old').catch(String)),
      timed(docker.remove('plain-old')),
      timed(docker.remove(volume.name)),
    ]);
    for (const { result, ms } of attempts) {
      expect(result).toMatch(/primary array of backend (plain|DEFAULT)/);
      expect(ms).toBeLessThan(PROMPT_MS);
    }
    await powerOn(site.primary);
    expect(await docker.create('plain-new', options)).toBe('');
    expect(await docker.create('replicated-new', { size: '1', replicationGroup: 'NEW' })).toBe('');
    await docker.mount('plain-old');
    expect(await docker.unmount('plain-old')).toBe('');
    for (const name of ['plain-old', 'plain-new', 'replicated-new']) expect(await docker.remove(name)).toBe('');
  });

  it('a plain backend on a live array works while the other array is dead, a replicated Create is refused', async () => {
    const { docker } = site.node;
    await powerOff(site.secondary);
    expect(await docker.create('alone', { size: '1', backend: 'plain' })).toBe('');
    await writeFile(path.join(await docker.mount('alone'), 'file'), 'x');
    expect(await docker.unmount('alone')).toBe('');
    expect(await docker.remove('alone')).toBe('');
    const { result, ms } = await timed(docker.create('pair', { size: '1', replicationGroup: 'PAIR' }));
    expect(result).toMatch(/target sim-b-rc is not up and ready.*rolled back/);
    expect(ms).toBeLessThan(PROMPT_MS);
    expect((await docker.call('VolumeDriver.List')).Volumes?.map((each) => each.Name)).not.toContain('pair');
  });

  it('rule 29: Unmount ends soon with the array dead, and the export goes when the array is back', async () => {
    const volume = await site.createVolume();
    await site.mount(volume);
    await powerOff(site.primary);
    const { ms } = await timed(site.unmount(volume));
    expect(ms).toBeLessThan(30_000);
    expect(await hostLeftovers(site.node.dir)).toEqual([]);
    expect(await site.exporting(volume)).toEqual([site.primary]);
    await powerOn(site.primary);
    await site.node.restart();
    await waitFor(async () => (await site.node.docker.status(volume.name))['holder'] === null);
    await waitFor(async () => (await site.exporting(volume)).length === 0);
    expect((await site.node.docker.status(volume.name))['mounts']).toBe(0);
  });

  it('the primary array dies in use: nothing that was written is lost, its stale copy is not used, and all goes home', async () => {
    const volume = await site.createVolume();
    const before = path.join(await site.mount(volume), 'before');
    await writeFile(before, 'before', { flush: true });
    await powerOff(site.primary);
    await site.unmount(volume);
    await volume.type.failover();
    const mountpoint = await site.mount(volume);
    expect(await readFile(path.join(mountpoint, 'before'), 'utf8')).toBe('before');
    await writeFile(path.join(mountpoint, 'after'), 'after');
    await site.unmount(volume);

    await powerOn(site.primary);
    expect(await site.exporting(volume)).toEqual([site.primary]);
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
    await site.unmount(volume);

    await volume.type.recover();
    await volume.type.restore();
    expect((await readdir(await site.mount(volume))).filter((name) => name !== 'lost+found')).toEqual([
      'after',
      'before',
    ]);
    expect(await site.exporting(volume)).toEqual([site.primary]);
  });

  it('rule 46: a member that is still attached to the dead array does not keep the others from being mounted', async () => {
    const [first, second] = [await site.createVolume('SHARED'), await site.createVolume('SHARED')];
    await site.useOnce(first);
    await site.mount(second);
    await powerOff(site.primary);
    await first.type.failover();
    expect(await site.mountedFrom(first)).toEqual([site.secondary]);
  });
});

describe('the metadata in etcd', () => {
  let etcd: Etcd;
  let site: Site;
  beforeAll(async () => {
    etcd = await startEtcd();
    site = await Site.start({ more: [`host_etcd_ip_address = ${etcd.host}`] });
  });
  afterEach(async () => {
    etcd.resume();
    await site.calmDown();
  });
  afterAll(async () => {
    await site.close();
    await etcd.stop();
  });

  const keys = async (): Promise<string[]> =>
    (await etcd.ctl('get', '--prefix', '--keys-only', '/hpe-volume-plugin/')).split('\n').filter((key) => key !== '');

  it('the main verbs work and leave only the marks of the metadata and the presence of the node', async () => {
    const { docker } = site.node;
    const volume = await site.createVolume();
    await writeFile(path.join(await site.mount(volume), 'file'), 'x');
    await site.unmount(volume);
    expect(await readFile(path.join(await site.mount(volume), 'file'), 'utf8')).toBe('x');
    expect(await docker.status(volume.name)).toMatchObject({ holder: { node: 'node1', array: 'primary' }, mounts: 1 });
    expect((await docker.call('VolumeDriver.List')).Volumes?.map((each) => each.Name)).toEqual([volume.name]);
    await site.unmount(volume);
    expect(await docker.remove(volume.name)).toBe('');
    expect(await arrayObjects(site.node.control)).toEqual([]);
    expect(await keys()).toEqual([
      expect.stringMatching(/^\/hpe-volume-plugin\/v1\/node\/[0-9a-f-]{36}$/),
      '/hpe-volume-plugin/v1/root',
      '/hpe-volume-plugin/v1/volume-index',
    ]);
  });

  it('without etcd: changes are refused soon, what is known is shown as stale, nothing is "not found"', async () => {
    const { docker } = site.node;
    const volume = await site.createVolume();
    await docker.call('VolumeDriver.List');
    etcd.pause();
    const changes = await Promise.all([
      timed(docker.create('fresh', { size: '1', backend: 'plain' })),
      timed(docker.remove(volume.name)),
      timed(docker.mount(volume.name).catch(String)),
    ]);
    for (const { result, ms } of changes) {
      expect(result).toMatch(/etcd at .* does not answer/);
      expect(ms).toBeLessThan(5_000);
    }
    expect(await docker.status(volume.name)).toMatchObject({ stale: expect.stringContaining('etcd') });
    expect((await docker.call('VolumeDriver.List')).Volumes?.map((each) => each.Name)).toContain(volume.name);
    await expect(docker.call('VolumeDriver.Get', { Name: 'never-seen' })).rejects.toThrow('socket hang up');
  });

  it('without etcd: the daemon starts, and shows what was known before as stale', async () => {
    const { docker } = site.node;
    const volume = await site.createVolume();
    await cachedAll(site.node, volume.name);
    etcd.pause();
    await site.node.restart();
    const status = await docker.status(volume.name);
    expect(status).toMatchObject({ state: 'ready', stale: expect.stringContaining('etcd') });
    expect((await docker.call('VolumeDriver.List')).Volumes?.map((each) => each.Name)).toContain(volume.name);
    await expect(docker.call('VolumeDriver.Get', { Name: 'never-seen' })).rejects.toThrow('socket hang up');
    expect(await docker.remove(volume.name)).toMatch(/etcd at .* does not answer/);
    etcd.resume();
    await waitFor(async () => !('stale' in (await docker.status(volume.name))));
  });

  it('without etcd, and nothing known of before: the daemon starts, and says nothing of volumes rather than that there are none', async () => {
    const { docker, dir } = site.node;
    const volume = await site.createVolume();
    etcd.pause();
    await site.node.stopDaemon();
    await rm(path.join(dir, 'state', 'cache'), { recursive: true });
    const { ms } = await timed(site.node.restart());
    expect(ms).toBeLessThan(10_000);
    expect(await docker.call('Plugin.Activate')).toMatchObject({ Implements: ['VolumeDriver'] });
    await expect(docker.call('VolumeDriver.Get', { Name: volume.name })).rejects.toThrow('socket hang up');
    await expect(docker.call('VolumeDriver.List')).rejects.toThrow('socket hang up');
    etcd.resume();
    expect((await docker.status(volume.name))['state']).toBe('ready');
  });

  it('rule 41: without etcd Unmount detaches here and keeps the export; the rest follows when etcd is back', async () => {
    const volume = await site.createVolume();
    await site.mount(volume);
    etcd.pause();
    await site.unmount(volume);
    expect(await hostLeftovers(site.node.dir)).toEqual([]);
    expect(await site.exporting(volume)).toEqual([site.primary]);
    etcd.resume();
    await site.node.restart();
    await waitFor(async () => (await site.node.docker.status(volume.name))['holder'] === null);
    await waitFor(async () => (await site.exporting(volume)).length === 0);
    expect((await site.node.docker.status(volume.name))['mounts']).toBe(0);
  });

  it('rule 42: a wiped etcd has nothing removed, neither here nor on the arrays', async () => {
    const { docker, control } = site.node;
    const volume = await site.createVolume();
    const file = path.join(await site.mount(volume), 'file');
    await writeFile(file, 'x');
    const objects = await arrayObjects(control);
    await cachedAll(site.node, volume.name);
    await etcd.wipe();
    await control.clearLog();
    await site.node.restart();
    // This node's own journal proves what is mounted here; dockerd needs the answer to be able to unmount it.
    const status = await docker.status(volume.name);
    expect(status).toMatchObject({ mounts: 1 });
    expect(String(status['stale'])).toContain('it was wiped');
    expect((await docker.call('VolumeDriver.List')).Volumes).toContainEqual({
      Name: volume.name,
      Mountpoint: path.dirname(file),
    });
    expect(await docker.remove(volume.name)).toContain('it was wiped');
    expect(await docker.create('fresh', { size: '1', backend: 'plain' })).toContain('it was wiped');
    expect(await arrayObjects(control)).toEqual(objects);
    const calls = (await control.log()).filter(({ path: called }) => called?.includes('/credentials') === false);
    expect(calls.filter(({ method }) => method !== 'GET')).toEqual([]);
    expect(await readFile(file, 'utf8')).toBe('x');
  });
});
