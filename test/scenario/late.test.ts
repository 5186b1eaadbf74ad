import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { arrayOf } from '../pair-client.js';
import { arrayObjects, arrayOutline } from '../simulator-state.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { Site, waitFor } from './site.js';

/** Longer than the client looks for a change whose answer was lost. */
const LATE_MS = 1_500;

/** An array carries it out after we have stopped waiting for it. */
describe('rule 39: a change that lands late', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start();
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => site.close());

  const volumeNames = async (): Promise<string[]> =>
    ((await site.node.docker.call('VolumeDriver.List')).Volumes ?? []).map((each) => each.Name);

  const late = async (method: string, pathRegex: string, nth = 1): Promise<void> =>
    site.node.control.fault({ array: site.primary, match: { method, pathRegex, nth }, effect: 'late', ms: LATE_MS });

  it('a dismissal that lands after Remove has given up does not leave a volume that is ready and no member', async () => {
    const { docker, control } = site.node;
    const keeper = await site.createVolume();
    const volume = await site.createVolume(keeper.group);
    const match = { method: 'PUT', pathRegex: `remotecopygroups/${keeper.group}$` };
    await late(match.method, match.pathRegex, 2);
    // The start of the way back, so that the dismissal is done before it.
    await control.fault({ array: site.primary, match: { ...match, nth: 3 }, effect: 'delay', ms: 2 * LATE_MS });
    const error = await docker.remove(volume.name);
    await pause(LATE_MS);
    if (error !== '') expect(await docker.remove(volume.name)).toBe('');
    expect((await arrayObjects(control)).filter((each) => each.includes(volume.arrayVolume))).toEqual([]);
    await site.useOnce(keeper);
    expect(await docker.remove(keeper.name)).toBe('');
  });

  it('rule 35: a stop that lands after Create was undone is made good, once', async () => {
    const { docker, control } = site.node;
    const keeper = await site.createVolume();
    const before = await arrayOutline(control);
    const isAsBefore = async (): Promise<boolean> =>
      JSON.stringify(await arrayOutline(control)) === JSON.stringify(before);
    await late('PUT', `remotecopygroups/${keeper.group}$`);
    expect(await docker.create('joiner', { size: '1', replicationGroup: keeper.group })).toMatch(
      /may or may not be done.*everything was rolled back/,
    );
    await waitFor(async () => !(await isAsBefore()));
    await site.node.restart();
    await waitFor(isAsBefore);
    // What is stopped now was stopped by an administrator.
    await waitFor(async () => (await site.node.records('group')).every((group) => group.owesStart === undefined));
    await keeper.type.stop();
    const stopped = await arrayOutline(control);
    await control.clearLog();
    await site.node.restart();
    await pause(LATE_MS);
    expect(await arrayOutline(control)).toEqual(stopped);
    expect(await docker.remove(keeper.name)).toBe('');
  });

  it('a dismissal from a stopped group without an answer leaves its Remove open, which ends by itself', async () => {
    const { docker } = site.node;
    const keeper = await site.createVolume();
    const volume = await site.createVolume(keeper.group);
    await keeper.type.stop();
    await late('PUT', `remotecopygroups/${keeper.group}$`);
    expect(await docker.remove(volume.name)).toMatch(/may or may not be done; what is left is finished later/);
    expect(await docker.status(volume.name)).toMatchObject({ state: 'deleting' });
    await site.node.restart();
    await waitFor(async () => !(await volumeNames()).includes(volume.name));
    expect(await docker.remove(keeper.name)).toBe('');
    expect(await arrayObjects(site.node.control)).toEqual([]);
  });

  it('a deletion without an answer leaves its Remove open, which ends by itself', async () => {
    const { docker, control } = site.node;
    expect(await docker.create('plain', { size: '1', backend: 'plain' })).toBe('');
    await late('DELETE', '/volumes/');
    expect(await docker.remove('plain')).toMatch(/may or may not be done; what is left is finished later/);
    await waitFor(async () => (await arrayObjects(control)).length === 0);
    // Nobody gets a volume that is not there any more.
    await expect(docker.mount('plain')).rejects.toThrow('there is no volume plain');
  });

  it('an export that lands after Mount was undone goes again by itself', async () => {
    const { docker, control } = site.node;
    const volume = await site.createVolume();
    // Its export keeps the host entry, without which the array would refuse the late one.
    const other = await site.createVolume();
    await site.mount(other);
    const before = await arrayOutline(control);
    await late('POST', '/vluns$');
    expect(await site.refusalOf(volume)).toContain('may or may not be done');
    await waitFor(async () => (await site.exporting(volume)).length === 1);
    // The recovery round, which runs at start and then every minute.
    await site.node.restart();
    await waitFor(async () => JSON.stringify(await arrayOutline(control)) === JSON.stringify(before));
    expect(await docker.remove(volume.name)).toBe('');
    await site.unmount(other);
    expect(await docker.remove(other.name)).toBe('');
  });

  it('a host entry that lands after Mount was undone goes again by itself', async () => {
    const { docker, control } = site.node;
    const volume = await site.createVolume();
    const before = await arrayOutline(control);
    await late('POST', '/hosts$');
    expect(await site.refusalOf(volume)).toContain('may or may not be done');
    await waitFor(async () => (await arrayOutline(control)).length > before.length);
    await site.node.restart();
    await waitFor(async () => JSON.stringify(await arrayOutline(control)) === JSON.stringify(before));
    // A look that finds it in use leaves it alone.
    await site.mount(volume);
    await site.node.restart();
    await pause(LATE_MS);
    expect(await site.exporting(volume)).toEqual([site.primary]);
    await site.unmount(volume);
    expect(await docker.remove(volume.name)).toBe('');
  });

  it('a volume that lands after Create was undone goes again by itself', async () => {
    const { docker, control } = site.node;
    await late('POST', '/volumes$');
    expect(await docker.create('late', { size: '1', backend: 'plain' })).toContain('may or may not be done');
    await waitFor(async () => (await arrayObjects(control)).length === 1);
    // Its name is free meanwhile, and the new volume is not the late one.
    expect(await docker.create('late', { size: '1', backend: 'plain' })).toBe('');
    await site.node.restart();
    await waitFor(async () => (await arrayObjects(control)).length === 1);
    await docker.mount('late');
    expect(await docker.unmount('late')).toBe('');
    expect(await docker.remove('late')).toBe('');
  });

  it('a group that lands after Create was undone goes again by itself', async () => {
    const { docker, control } = site.node;
    await late('POST', '/remotecopygroups$');
    const error = await docker.create('late', { size: '1', replicationGroup: 'LATE' });
    expect(error).toMatch(/may or may not be done.*everything was rolled back/);
    await waitFor(async () => (await arrayObjects(control)).length === 2);
    await site.node.restart();
    await waitFor(async () => (await arrayObjects(control)).length === 0);
    expect(await site.node.records('group')).toEqual([]);
  });

  it('rule 15: a group that an administrator makes otherwise is not taken for the late one', async () => {
    const { docker, control, pair } = site.node;
    const make = { method: 'POST', pathRegex: '/remotecopygroups$' };
    await control.fault({ array: site.primary, match: make, effect: 'reset' });
    const options = { size: '1', replicationGroup: 'LATE' };
    expect(await docker.create('late', options)).toContain('may or may not be done');
    const array = await new WsapiClient(arrayOf(pair, 'primary')).login();
    await array.done('POST', '/remotecopygroups', { name: 'LATE', targets: [{ targetName: 'sim-b-rc', mode: 1 }] });
    const before = await arrayObjects(control);
    expect(before).toHaveLength(2);
    await site.node.restart();
    await waitFor(async () => (await control.log()).some(({ path }) => path?.endsWith('remotecopygroups/LATE')));
    expect((await site.node.records('late')).map((each) => each.volume)).toContain('late');
    expect(await arrayObjects(control)).toEqual(before);
    await array.done('DELETE', '/remotecopygroups/LATE');
    array.close();
  });

  it.each(['secondary', 'primary'] as const)(
    'an admission that lands just before the way back deletes the %s copy is undone, too',
    async (side) => {
      const { docker, control } = site.node;
      const keeper = await site.createVolume();
      await keeper.type.stop();
      const before = await arrayOutline(control);
      await late('PUT', `remotecopygroups/${keeper.group}$`);
      // The look before the deletion; on the primary array the first one reads the new volume back.
      const look = { method: 'GET', pathRegex: '/volumes/dcv-', nth: side === 'primary' ? 2 : 1 };
      await control.fault({ array: site[side], match: look, effect: 'delay', ms: 2 * LATE_MS });
      const error = await docker.create('joiner', { size: '1', replicationGroup: keeper.group });
      expect(error).toMatch(/may or may not be done.*everything was rolled back/);
      expect(await arrayOutline(control)).toEqual(before);
      expect(await docker.remove(keeper.name)).toBe('');
    },
  );
});
