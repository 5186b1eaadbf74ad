import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readdir, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { askDaemon } from '../../src/commands/daemon-client.js';
import { arrayOf, operator } from '../pair-client.js';
import { arrayObjects, arrayOutline, stateOf } from '../simulator-state.js';
import { Site, waitFor, type Replica } from './site.js';
import { itWithXfs } from '../has-xfs.js';

const run = promisify(execFile);
const OTHER_ID = 'b'.repeat(64);

/** Writes a file through to the array. @throws when the device is cut off */
async function write(mountpoint: string, file: string): Promise<void> {
  await writeFile(path.join(mountpoint, file), `content of ${file}`, { flush: true });
  await run('sync', ['--file-system', mountpoint]);
}

const filesIn = async (mountpoint: string): Promise<string[]> => (await readdir(mountpoint)).toSorted();

/** What `docker volume inspect` says of its holder. */
const holderOf = async (site: Site, { name }: Replica): Promise<Record<string, unknown>> => {
  const { holder } = await site.node.docker.status(name);
  return holder as Record<string, unknown>;
};

const roleOn = async (site: Site, array: string): Promise<string | undefined> =>
  (await stateOf(site.node.control)).arrays.find(({ name }) => name === array)?.groups[0]?.role;

/** The export of the second array takes so long that something can happen meanwhile. */
async function mountUnderDelayedExport(site: Site, volume: Replica): Promise<{ mounted: Promise<string> }> {
  const { pair } = site.node.simulator;
  const match = { method: 'POST', pathRegex: '/vluns' };
  await site.node.control.fault({ array: site.secondary, match, effect: 'delay', ms: 800 });
  const mounted = site.mount(volume);
  mounted.catch(() => undefined);
  await waitFor(() => pair.faults.list().length === 0);
  return { mounted };
}

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

  it('rule 29: of a dead array the export stays until it is back; the volume is mounted from the other one, which has taken over', async () => {
    const volume = await site.createVolume();
    const mountpoint = await site.mount(volume);
    await write(mountpoint, 'before');
    await site.node.control.power(site.primary, false);
    await waitFor(async () => (await roleOn(site, site.secondary)) === 'primary');
    // The container goes on, and may end.
    await write(mountpoint, 'after');
    await site.unmount(volume);
    expect(await site.exporting(volume)).toEqual([site.primary]);

    const again = await site.mount(volume);
    expect(await site.exporting(volume)).toEqual([site.primary, site.secondary]);
    expect(await holderOf(site, volume)).toMatchObject({ array: 'secondary' });
    expect(await filesIn(again)).toEqual(['after', 'before']);
    expect(await holderOf(site, volume)).not.toHaveProperty('bothArrays');

    // The array is back, and what it exports belongs to the mount again.
    await site.node.control.power(site.primary, true);
    await site.node.restart();
    await waitFor(async () => {
      const { holder, operation } = await site.node.docker.status(volume.name);
      return operation === undefined && (holder as Record<string, unknown>)['bothArrays'] === true;
    });
    expect(await site.exporting(volume)).toEqual([site.primary, site.secondary]);
    await write(again, 'both');
    await volume.type.switchBack();
    await write(again, 'home');
    await site.unmount(volume);
    expect(await site.exporting(volume)).toEqual([]);
    expect(await site.node.docker.remove(volume.name)).toBe('');
    expect(await arrayObjects(site.node.control)).toEqual([]);
  });

  it('rule 3: a switchover in the very moment of the export is no matter, since the device has the paths of both', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    const { mounted } = await mountUnderDelayedExport(site, volume);
    await volume.type.switchover();
    await write(await mounted, 'there');
    expect(await site.exporting(volume)).toEqual([site.primary, site.secondary]);
    // Rule 5: at once, since nobody may come to look before that array is lost.
    const used = expect.objectContaining({ lastActive: 'secondary', epoch: 2 });
    expect(await site.node.records('group')).toContainEqual(used);
    await site.unmount(volume);
    expect(await site.node.records('group')).toContainEqual(used);
    await volume.type.switchBack();
    expect(await site.node.docker.remove(volume.name)).toBe('');
  });

  it('rule 3: a pair that parts in the moment of the export is undone, and mounted from the active array alone', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    const { mounted } = await mountUnderDelayedExport(site, volume);
    await volume.type.stop();
    await expect(mounted).rejects.toThrow(/stopped, or fell out of sync.*rolled back; next: start the container again/);
    expect(await site.exporting(volume)).toEqual([]);
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
    expect(await holderOf(site, volume)).not.toHaveProperty('bothArrays');

    // The group is started again: the next round completes it.
    await volume.type.start();
    await site.node.restart();
    await waitFor(async () => (await site.exporting(volume)).length === 2);
    await site.unmount(volume);
    expect(await site.exporting(volume)).toEqual([]);
    expect(await site.node.docker.remove(volume.name)).toBe('');
  });

  it("rule 23: a Mount that one array refuses leaves no export to an administrator's host entry on the other", async () => {
    const volume = await site.createVolume();
    const { pair, arrays } = site.node.simulator;
    await site.mount(volume);
    const entries = arrays.map(({ hosts }) =>
      [...hosts.values()].map((host) => ({ ...host, name: 'their-host', descriptors: {} })),
    );
    await site.unmount(volume);
    await pair.exclusive(() => {
      for (const [index, array] of arrays.entries())
        for (const host of entries[index] ?? []) array.hosts.set(host.name, host);
    });
    const match = { method: 'POST', pathRegex: '/vluns' };
    await site.node.control.fault({ array: site.secondary, match, effect: 'error' });
    expect(await site.refusalOf(volume)).toContain('rolled back');
    expect(await site.exporting(volume)).toEqual([]);
    await pair.exclusive(() => {
      for (const array of arrays) array.hosts.delete('their-host');
    });
    expect(await site.node.docker.remove(volume.name)).toBe('');
  });

  it('a volume that the active array exports to another host is exported from no array, not even for a moment', async () => {
    const volume = await site.createVolume();
    const { pair, arrays } = site.node.simulator;
    const [array] = arrays;
    const nobody = { domain: undefined, persona: 2, descriptors: {}, wwns: [], iqns: [] };
    const stranger = { ...nobody, id: array.nextId(), name: 'stranger' };
    await pair.exclusive(() => {
      array.hosts.set(stranger.name, stranger);
      array.vluns.push({ volume: array.getVolume(volume.arrayVolume), lun: 7, host: stranger, pos: undefined });
    });
    await site.node.control.clearLog();
    expect(await site.refusalOf(volume)).toContain('exported to another host already: stranger');
    const log = await site.node.control.log();
    expect(log.filter((call) => call.method === 'POST' && call.path?.endsWith('/vluns') === true)).toEqual([]);
    await pair.exclusive(() => {
      array.vluns.splice(0);
      array.hosts.delete(stranger.name);
    });
    expect(await site.node.docker.remove(volume.name)).toBe('');
  });

  it('an export that somebody took away from a mounted volume comes back with the next round', async () => {
    const volume = await site.createVolume();
    await site.mount(volume);
    const { pair, arrays } = site.node.simulator;
    await pair.exclusive(() => void arrays[1].vluns.splice(0));
    expect(await site.exporting(volume)).toEqual([site.primary]);
    await site.node.restart();
    await waitFor(async () => (await site.exporting(volume)).length === 2);
    await site.unmount(volume);
    expect(await site.exporting(volume)).toEqual([]);
    expect(await site.node.docker.remove(volume.name)).toBe('');
  });

  it('rules 5 and 7: what was written on the other array after a switchover is not left behind by a restore that is not synced', async () => {
    const volume = await site.createVolume();
    const mountpoint = await site.mount(volume);
    await volume.type.switchover();
    await write(mountpoint, 'there');
    await site.unmount(volume);
    expect(await site.node.records('group')).toContainEqual(expect.objectContaining({ lastActive: 'secondary' }));
    const { control } = site.node;
    // Home again, while the primary copy still waits for the last of it.
    await control.holdSync(true);
    await volume.type.restore();
    expect(await site.refusalOf(volume)).toMatch(/last used on the secondary array.*not synced back yet/);
    await control.holdSync(false);
    expect(await filesIn(await site.mount(volume))).toEqual(['there']);
  });

  itWithXfs('rule 38: grows while it is mounted from both arrays, and goes on from the other one', async () => {
    const volume = await site.createVolume(undefined, { fsType: 'xfs' });
    const mountpoint = await site.mount(volume);
    await write(mountpoint, 'before');
    await askDaemon(path.join(site.node.dir, 'state'), '/resize', { volume: volume.name, gib: 2 });
    const { blocks, bsize } = await statfs(mountpoint);
    expect(blocks * bsize).toBeGreaterThan(1.8 * 1024 ** 3);
    await volume.type.switchover();
    await write(mountpoint, 'there');
    await site.unmount(volume);
    expect(await filesIn(await site.mount(volume))).toEqual(['before', 'there']);
    expect(await site.exporting(volume)).toEqual([site.primary, site.secondary]);
    await site.unmount(volume);
    await volume.type.switchBack();
    expect(await site.node.docker.remove(volume.name)).toBe('');
  });

  it('nobody joins a mount whose group was failed over to a copy that was left behind, also when the arrays agree again', async () => {
    const volume = await site.createVolume();
    await site.mount(volume);
    await volume.type.stop();
    await site.node.restart();
    await waitFor(async () => (await holderOf(site, volume))['copiesApart'] === true);
    await volume.type.failover();
    await site.node.restart();
    const replicationOf = async (): Promise<unknown> => (await site.node.docker.status(volume.name))['replication'];
    const stale = { problem: expect.stringMatching(/^writing to the stale copy/) };
    await waitFor(async () => JSON.stringify(await replicationOf()).includes('stale copy'));
    await volume.type.recover();
    expect(await site.refusalOf(volume, OTHER_ID)).toMatch(
      /mounted here from before its group moved from .* next: stop all containers that use vol-\d+ now/,
    );
    expect(await replicationOf()).toMatchObject(stale);
    await site.unmount(volume);
    // Mounted anew it is as good as any.
    expect(await site.mountedFrom(volume)).toEqual([site.primary, site.secondary]);
    expect(await holderOf(site, volume)).not.toHaveProperty('copiesApart');
    await site.unmount(volume);
    // Not restore, which would stop the group under the mounts of its other members.
    expect(await site.node.docker.remove(volume.name)).toMatch(
      /next: bring group .* home with setrcopygroup switchover/,
    );
    await volume.type.switchBack();
    expect(await site.node.docker.remove(volume.name)).toBe('');
  });

  it('without the witness nothing takes over: the failover that is left to the operator comes after the end of the containers', async () => {
    const volume = await site.createVolume();
    const { control } = site.node;
    await control.witness(false);
    await control.power(site.primary, false);
    expect(await site.refusalOf(volume)).toMatch(
      /array is lost, stop all containers that use volumes of RCG\d+, then type on .*: setrcopygroup failover -f/,
    );
    await control.witness(true);
    await control.power(site.primary, true);
    expect(await site.node.docker.remove(volume.name)).toBe('');
  });

  it("rule 46: after an operator's failover under a mounted volume nobody joins it, and no other member is mounted", async () => {
    const volume = await site.createVolume();
    const member = await site.createVolume(volume.group);
    await site.useOnce(member);
    await site.mount(volume);
    await volume.type.stop();
    await volume.type.failover();
    expect(await site.refusalOf(volume, OTHER_ID)).toMatch(
      /both claim the Primary role of group .* mounted here from both.* next: stop all containers/,
    );
    expect(await site.refusalOf(member)).toMatch(
      /both claim the Primary role of group .* attached to both of them on node node1.* next: stop the containers/,
    );
    await site.unmount(volume);
    expect(await site.exporting(volume)).toEqual([]);
    // From then on it is a failover as any other.
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
    await site.unmount(volume);
    await volume.type.restore();
    for (const { name } of [volume, member]) expect(await site.node.docker.remove(name)).toBe('');
  });
});

describe('a group that does not fit', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start({ hasWitness: true });
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => site.close());

  const refusal = async (group: string): Promise<string> =>
    site.node.docker.create('refused', { size: '1', replicationGroup: group });

  it('rule 37: whose policies are not those of peer persistence is not joined; the command that it names makes it fit', async () => {
    const volume = await site.createVolume();
    const primary = arrayOf(site.node.pair, 'primary');
    await operator(primary, `setrcopygroup pol no_auto_failover,no_path_management ${volume.group}`);
    const before = await arrayOutline(site.node.control);
    const text = await refusal(volume.group);
    expect(text).toMatch(/needs its policies auto_failover and path_management, which are off/);
    expect(await arrayOutline(site.node.control)).toEqual(before);
    // Without them it is mounted as it was before: from one array.
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
    await site.unmount(volume);
    const command = /type on the primary array: (setrcopygroup pol \S+ \S+);/.exec(text)?.[1];
    await operator(primary, command ?? 'none was named');
    expect(await refusal(volume.group)).toBe('');
    for (const name of ['refused', volume.name]) expect(await site.node.docker.remove(name)).toBe('');
  });

  it('rule 37: nothing is made while the arrays ask another witness, or none', async () => {
    const { pair } = site.node.simulator;
    const { witness } = pair;
    try {
      for (const [other, words] of [
        ['10.9.9.9', 'has 10.9.9.9'],
        [undefined, 'has none'],
      ] as const) {
        Object.assign(pair, { witness: other });
        const text = await refusal('NEW');
        expect(text).toContain(words);
        expect(text).toMatch(/showrcopy -qw targets/);
        expect(await arrayObjects(site.node.control)).toEqual([]);
      }
    } finally {
      Object.assign(pair, { witness });
    }
  });
});

describe('without a quorum witness in hpe.conf', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start();
  });
  afterAll(async () => site.close());

  it('rule 37: a group that fails over by itself is not joined', async () => {
    const volume = await site.createVolume();
    const primary = arrayOf(site.node.pair, 'primary');
    await operator(primary, `setrcopygroup pol auto_failover,path_management ${volume.group}`);
    const options = { size: '1', replicationGroup: volume.group };
    const text = await site.node.docker.create('refused', options);
    expect(text).toMatch(
      /has auto_failover and path_management \(peer persistence\), and hpe.conf names no quorum_witness_ip/,
    );
    const command = /or type: (setrcopygroup pol \S+ \S+)$/.exec(text)?.[1];
    await operator(primary, command ?? 'none was named');
    expect(await site.node.docker.create('refused', options)).toBe('');
    for (const name of ['refused', volume.name]) expect(await site.node.docker.remove(name)).toBe('');
  });
});
