import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { arrayObjects, arrayOutline } from '../simulator-state.js';
import { Site, waitFor } from './site.js';

/** Rule 39: an array that carries out a change after we have stopped waiting for it. */

/** Longer than the client looks for a change whose answer was lost. */
const LATE_MS = 1_500;

describe('a change that lands late', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start();
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => site.close());

  const late = async (method: string, pathRegex: string, nth = 1): Promise<void> =>
    site.node.control.fault({ array: site.primary, match: { method, pathRegex, nth }, effect: 'late', ms: LATE_MS });

  it('a dismissal that lands while Remove turns back does not leave a volume that is ready and no member', async () => {
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

  // A known shortfall: nobody looks again for what the rollback of a Create did not find.
  it.failing(
    'a volume that lands after Create was undone goes again by itself',
    async () => {
      const { docker, control } = site.node;
      await late('POST', '/volumes$');
      expect(await docker.create('late', { size: '1', backend: 'plain' })).toContain('may or may not be done');
      await waitFor(async () => (await arrayObjects(control)).length === 1);
      await site.node.restart();
      await waitFor(async () => (await arrayObjects(control)).length === 0);
    },
    60_000,
  );
});
