import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { arrayOf } from '../pair-client.js';
import type { FaultSpec } from '../../src/simulator/faults.js';
import { arrayObjects, stateOf } from '../simulator-state.js';
import { Site, waitFor } from './site.js';

let site: Site;

beforeAll(async () => {
  site = await Site.start();
});
afterEach(async () => {
  await site.node.control.clearFaults();
  expect(await arrayObjects(site.node.control)).toEqual([]);
});
afterAll(async () => {
  await site.close();
});

/** A fault of the primary array at the next matching requests. */
async function failNext(method: string, pathRegex: string, more: Partial<FaultSpec> = {}): Promise<void> {
  const array = arrayOf(site.node.pair, 'primary').name;
  await site.node.control.fault({
    array,
    match: { method, pathRegex },
    effect: 'error',
    status: 500,
    code: 1,
    ...more,
  });
}

const replicated = (replicationGroup: string): Record<string, string> => ({ size: '1', replicationGroup });

describe('what an interrupted change leaves', () => {
  it('a rollback that stopped half-way is finished by the same Create again, and the volume is made', async () => {
    const { docker } = site.node;
    await failNext('PUT', 'remotecopygroups/HALF$', {
      match: { method: 'PUT', pathRegex: 'remotecopygroups/HALF$', nth: 3 },
    });
    await failNext('DELETE', '/volumes/', { times: 5 });
    const first = await docker.create('half', replicated('HALF'));
    expect(first).toContain('not finished');
    const answer = await docker.call('VolumeDriver.Get', { Name: 'half' });
    expect(answer.Err).toContain('there is no volume half');
    expect((await docker.call('VolumeDriver.List')).Volumes).toEqual([]);
    expect(await docker.create('half', replicated('HALF'))).toContain('not finished');
    // Others are not kept from the same group by it.
    expect(await docker.create('other', replicated('HALF'))).toBe('');

    await site.node.control.clearFaults();
    expect(await docker.create('half', replicated('HALF'))).toBe('');
    const { arrays } = await stateOf(site.node.control);
    expect(arrays.map((array) => array.volumes.length)).toEqual([2, 2]);
    expect(arrays.flatMap((array) => array.groups.map((group) => group.state))).toEqual(['started', 'started']);
    expect(await docker.remove('half')).toBe('');
    expect(await docker.remove('other')).toBe('');
  });

  it('a Mount cut short by the death of the primary does not keep the volume from the surviving array', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    const { control, docker } = site.node;
    // On each of its ports: what a dead array keeps would count as an export.
    await failNext('POST', '/vluns$', { effect: 'hang', times: 10 });
    await control.clearLog();
    const cut = docker.mount(volume.name).catch((error: unknown) => String(error));
    await waitFor(async () => (await control.log()).some((entry) => entry.path?.includes('/hosts') === true));
    await control.power(site.primary, false);
    expect(await cut).toContain('primary array');
    await volume.type.failover();
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
    await site.unmount(volume);
    await control.power(site.primary, true);
    await control.clearFaults();
    await volume.type.restore();
    expect(await docker.remove(volume.name)).toBe('');
    // The export that the dead array may have kept, and the host entry with it.
    await site.node.restart();
    await waitFor(async () => (await arrayObjects(control)).length === 0);
  });

  it('a removal that the array refuses leaves the volume as it was, and is not carried out later', async () => {
    const { docker } = site.node;
    expect(await docker.create('kept', { size: '1', backend: 'plain' })).toBe('');
    await failNext('DELETE', '/volumes/', { status: 409, code: 32 });
    expect(await docker.remove('kept')).toContain('rolled back');
    await site.node.restart();
    await docker.mount('kept');
    expect(await docker.unmount('kept')).toBe('');
    expect(await docker.remove('kept')).toBe('');
  });

  it('a Mount that finds a removal that was cut short finishes it at once, and does not wait for its own lock', async () => {
    const { docker } = site.node;
    expect(await docker.create('going', replicated('GOING'))).toBe('');
    await failNext('DELETE', '/volumes/', { times: 100 });
    expect(await docker.remove('going')).toContain('what is left is finished later');
    await site.node.control.clearFaults();
    const started = performance.now();
    await expect(docker.mount('going')).rejects.toThrow('there is no volume going');
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  it('a rollback that waits for the secondary array lets the other members replicate meanwhile', async () => {
    const { docker, control } = site.node;
    const secondary = arrayOf(site.node.pair, 'secondary').name;
    expect(await docker.create('member', replicated('WAIT'))).toBe('');
    const copies = { method: 'GET', pathRegex: '/volumes/dcv-' };
    await control.fault({ array: secondary, match: copies, effect: 'error', status: 500, code: 1, times: 1_000 });
    expect(await docker.create('joiner', replicated('WAIT'))).toContain('the rollback is not finished yet');
    const groups = (await stateOf(control)).arrays.flatMap((array) => array.groups);
    expect(groups.map((group) => [group.state, group.members.length])).toEqual([
      ['started', 1],
      ['started', 1],
    ]);
    await control.clearFaults();
    expect(await docker.create('joiner', replicated('WAIT'))).toBe('');
    expect(await docker.remove('joiner')).toBe('');
    expect(await docker.remove('member')).toBe('');
  });

  it('a Create on an array that does not answer leaves nothing open, and its name stays free', async () => {
    const { docker, control } = site.node;
    await control.power(site.primary, false);
    expect(await docker.create('early', { size: '1', backend: 'plain' })).toMatch(
      /^cannot create the volume .*: primary array of backend plain .* cannot be reached.*everything was rolled back/,
    );
    await control.power(site.primary, true);
    expect(await docker.create('early', { size: '2', backend: 'plain' })).toBe('');
    expect(await docker.remove('early')).toBe('');
  });
});
