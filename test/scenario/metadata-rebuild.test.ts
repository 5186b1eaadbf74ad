import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { release } from '../../src/commands/release.js';
import type { Group } from '../../src/domain/replication.js';
import type { Volume } from '../../src/domain/volume.js';
import { createVolume } from '../../src/simulator/volumes.js';
import { startEtcd, type Etcd } from '../etcd.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayOf, operator } from '../pair-client.js';
import { arrayChanges, type } from './metadata-commands.js';
import { waitFor } from './site.js';

const PREFIX = '/hpe-volume-plugin/v1/';
const names = (kind: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${kind}-${i}`);
const GROUPS = ['G1', 'G2', 'G3'];
const REPLICATED = names('repl', 25);
const PLAIN = names('plain', 25);

/** Options of every kind, so that no two neighbours have the same. */
function optionsOf(index: number): Record<string, string> {
  return {
    size: String(1 + (index % 4)),
    ...(index % 2 === 0 ? {} : { fsType: 'xfs' }),
    ...(index % 3 === 0 ? {} : { mountConflictDelay: String(index) }),
    ...(index % 5 === 0 ? { provisioning: 'full' } : {}),
    ...(index % 7 === 0 ? { provisioning: 'dedup', compression: 'true', size: '16' } : {}),
  };
}

/** What no array remembers: whether it was ever formatted or mounted, and how often it was attached. */
function knowable(volume: Volume): unknown {
  return { ...volume, filesystem: 'unknown', everMounted: 'unknown', generation: 'unknown' };
}

/** Who made a group, from where it was used last, and how often that changed. */
function knowableGroup({ backend, name, remoteName }: Group): unknown {
  return { backend, name, remoteName };
}

describe('metadata that were lost', () => {
  let etcd: Etcd;
  let first: Node;
  let second: Node;
  let before: { volumes: Volume[]; groups: Group[] };

  beforeAll(async () => {
    etcd = await startEtcd();
    first = await startNode({ etcd: etcd.host });
    second = await first.secondNode();
    const made = await Promise.all([
      ...REPLICATED.map(async (name, i) =>
        first.docker.create(name, { ...optionsOf(i), replicationGroup: GROUPS[i % 3] ?? '' }),
      ),
      ...PLAIN.map(async (name, i) => first.docker.create(name, { ...optionsOf(i), backend: 'plain' })),
    ]);
    expect(made.filter((each) => each !== '')).toEqual([]);
    await writeFile(path.join(await first.docker.mount('repl-1'), 'file'), 'still here', { flush: true });
    await second.docker.mount('plain-1');
    expect(await first.docker.create('snap', { virtualCopyOf: 'repl-1', expirationHours: '24' })).toBe('');
    before = { volumes: await first.records('volume'), groups: await first.records('group') };
    await etcd.wipe();
  });
  afterAll(async () => {
    await second.close();
    await first.close();
    await etcd.stop();
    expect(await hostLeftovers(first.dir)).toEqual([]);
  });

  it('are not made by --dry-run, which shows them', async () => {
    // What was known last is told, and that it is no more than that.
    expect(await first.docker.status('plain-2')).toMatchObject({
      stale: expect.stringContaining('not the one known to this node'),
    });
    await first.control.clearLog();
    const shown = await type(first, 'rebuild', '--dry-run');
    expect(shown.filter((line) => line.startsWith('would write: volume'))).toHaveLength(50);
    expect(await arrayChanges(first)).toEqual([]);
    expect(await etcd.ctl('get', '--prefix', '--keys-only', PREFIX)).toBe('');
  });

  it('rule 15: come back from the tags on both arrays, but for a volume that another host has', async () => {
    await first.control.clearLog();
    const lines = await type(first, 'rebuild');
    expect(await arrayChanges(first)).toEqual([]);
    expect(lines.at(-1)).toBe(
      'written: 50 volumes, 3 groups, 0 attachments of known volumes; 0 volumes are known already; 1 left out',
    );
    expect(lines.join('\n')).toMatch(
      /ambiguous, left out: volume plain-1: it is exported to node2 .*repeat this command on that host/,
    );
    expect((await first.records('volume')).map((each) => each.name)).not.toContain('plain-1');
  });

  it('are whole after it was typed on that host, too: equal but for what no array remembers', async () => {
    const lines = await type(second, 'rebuild');
    expect(lines.at(-1)).toContain(
      'written: 1 volumes, 0 groups, 0 attachments of known volumes; 50 volumes are known already; 0 left out',
    );
    const volumes = await first.records('volume');
    expect(volumes.map(knowable)).toEqual(before.volumes.map(knowable));
    expect((await first.records('group')).map(knowableGroup)).toEqual(before.groups.map(knowableGroup));
    expect(new Set(volumes.map((each) => each.filesystem.state))).toEqual(new Set(['inherited']));
    expect(volumes.every((each) => each.everMounted)).toBe(true);
  });

  it('rule 18: serve as before; what may have been blank is not formatted', async () => {
    const holders = (await first.records('attachment')).map(({ volume, nodeName, state }) => [volume, nodeName, state]);
    expect(holders).toEqual([
      ['plain-1', 'node2', 'attached'],
      ['repl-1', 'node1', 'attached'],
    ]);
    expect(await readFile(path.join(first.dir, 'state', 'volumes', 'repl-1', 'file'), 'utf8')).toBe('still here');
    for (const [node, name] of [
      [first, 'repl-1'],
      [second, 'plain-1'],
    ] as const) {
      expect(await node.docker.unmount(name)).toBe('');
    }
    expect(await first.records('attachment')).toEqual([]);
    for (const name of ['repl-1', 'snap']) {
      expect(await readFile(path.join(await first.docker.mount(name), 'file'), 'utf8')).toBe('still here');
      expect(await first.docker.unmount(name)).toBe('');
    }
    await expect(first.docker.mount('plain-2')).rejects.toThrow(
      'holds nothing: the device is blank; it is neither mounted nor formatted',
    );
    expect(await first.docker.remove('snap')).toBe('');
    const all = [...REPLICATED, ...PLAIN];
    for (let next = 0; next < all.length; next += 10) {
      const some = all.slice(next, next + 10);
      expect(await Promise.all(some.map(async (name) => first.docker.remove(name)))).toEqual(some.map(() => ''));
    }
    expect(await operator(arrayOf(first.pair, 'secondary'), 'showvv')).not.toContain('dcv-');
  });
});

describe('what the arrays do not prove', () => {
  let etcd: Etcd;
  let node: Node;

  beforeAll(async () => {
    etcd = await startEtcd();
    node = await startNode({ etcd: etcd.host });
  });
  afterAll(async () => {
    await node.close();
    await etcd.stop();
  });

  const arrayName = async (volume: string): Promise<string> =>
    String((await node.docker.status(volume))['arrayVolume']);
  const rebuildAnew = async (): Promise<string> => {
    await etcd.wipe();
    return (await type(node, 'rebuild')).join('\n');
  };

  it('rule 36: is listed and left out: a copied tag, a copy without one, a volume without its group, another backend', async () => {
    for (const name of ['good', 'copied', 'untagged', 'alone', 'strange']) {
      expect(await node.docker.create(name, { size: '1', replicationGroup: name })).toBe('');
    }
    const [model, peer] = node.simulator.arrays;
    const [copied, untagged, alone, strange] = await Promise.all(
      ['copied', 'untagged', 'alone', 'strange'].map(arrayName),
    );
    await node.simulator.pair.exclusive(async () => {
      const tag = model.volumes.get(copied ?? '')?.comment ?? '';
      model.volumes.get(alone ?? '')!.comment = '';
      for (const array of [model, peer]) {
        const volume = array.volumes.get(strange ?? '');
        if (volume !== undefined) volume.comment = volume.comment.replace('"backend":"DEFAULT"', '"backend":"gone"');
      }
      peer.volumes.get(untagged ?? '')!.comment = '';
      const stranger = model.addVolume({ ...model.volumes.get(copied ?? '')!, name: 'admins-copy', comment: tag });
      expect(stranger.name).toBe('admins-copy');
    });
    const said = await rebuildAnew();
    expect(said).toContain('written: 1 volumes, 1 groups');
    expect(said).toMatch(/left out: volume copied .*admins-copy is not our name/);
    expect(said).toMatch(/left out: volume untagged .*no tag of ours/);
    expect(said).toMatch(/left out: volume alone .*the primary array has no such volume/);
    expect(said).toMatch(/left out: volume strange .*hpe.conf has no backend gone/);
    expect((await node.records('volume')).map((each) => each.name)).toEqual(['good']);
  });

  it('rule 15: volumes of another cluster on the same array, and of none, are left out unless the operator says otherwise', async () => {
    for (const name of ['foreign', 'unmarked']) {
      expect(await node.docker.create(name, { size: '1', backend: 'plain' })).toBe('');
    }
    const own = /"cluster":"(\w+)"/;
    const [foreign, unmarked] = await Promise.all(['foreign', 'unmarked'].map(arrayName));
    await node.simulator.pair.exclusive(async () => {
      const mark = (name: string | undefined, text: string): void => {
        const volume = node.simulator.arrays[0].volumes.get(name ?? '');
        expect(volume?.comment).toMatch(own);
        if (volume !== undefined) volume.comment = volume.comment.replace(own, text);
      };
      mark(foreign, '"cluster":"ffffffff"');
      mark(unmarked, '"other":1');
    });
    const said = await rebuildAnew();
    expect(said).toMatch(/left out: 1 volumes \(foreign\) of cluster ffffffff; .*rebuild --cluster ffffffff/);
    expect(said).toMatch(/left out: 1 volumes \(unmarked\) whose tags name no cluster: .*rebuild --cluster unmarked/);
    expect((await node.records('volume')).map((each) => each.name)).toEqual(['good']);
    await type(node, 'rebuild', '--cluster', 'ffffffff');
    await type(node, 'rebuild', '--cluster', 'unmarked');
    expect((await node.records('volume')).map((each) => each.name)).toEqual(['foreign', 'good', 'unmarked']);
    for (const name of ['foreign', 'unmarked']) expect(await node.docker.remove(name)).toBe('');
  });

  it('a comment of before an import for which its tag had no room is not forgotten by a release without a word', async () => {
    const [array] = node.simulator.arrays;
    const shape = { cpg: 'cpg-a', snapCpg: 'cpg-a-snap', tpvv: true, tdvv: false, compression: false };
    const comments = { old_short: 'of accounting', old_long: 'of accounting '.repeat(20).trim() };
    for (const [name, comment] of Object.entries(comments)) {
      await node.simulator.pair.exclusive(async () => createVolume(array, { ...shape, name, sizeMiB: 1024, comment }));
      expect(await node.docker.create(`of_${name}`, { importVol: name, backend: 'plain' })).toBe('');
    }
    const said = await rebuildAnew();
    expect(said).toMatch(/of_old_long .*what stood in its comment before its import/);
    expect(said).not.toMatch(/of_old_short .*its comment/);
    const state = ['--state-dir', path.join(node.dir, 'state')];
    await release(['of_old_short', ...state]);
    await expect(release(['of_old_long', ...state])).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/lost what stood in its comment/),
      next: expect.stringContaining('hpe-volume-plugin release of_old_long --without-comment'),
    });
    expect(array.volumes.has('old_long')).toBe(false);
    await release(['of_old_long', '--without-comment', ...state]);
    expect([array.volumes.get('old_short')?.comment, array.volumes.get('old_long')?.comment]).toEqual([
      comments.old_short,
      '',
    ]);
  });

  it('rule 5: a group that is not at rest counts as used from the other side', async () => {
    await operator(arrayOf(node.pair, 'primary'), 'stoprcopygroup -f good');
    const said = await rebuildAnew();
    expect(said).toContain('group good of backend DEFAULT, used last from the secondary array');
    await expect(node.docker.mount('good')).rejects.toThrow(
      /last used on the secondary array, and the group is stopped/,
    );
    await operator(arrayOf(node.pair, 'primary'), 'startrcopygroup good');
    expect(await rebuildAnew()).toContain('used last from the primary array');
  });

  it('rule 18: a clone whose copy was broken off is not mounted for that, and goes with what the array made for it', async () => {
    expect(await node.docker.create('source', { size: '1', backend: 'plain' })).toBe('');
    await node.docker.mount('source');
    expect(await node.docker.unmount('source')).toBe('');
    await node.control.holdCopies(true);
    expect(await node.docker.create('part', { cloneOf: 'source' })).toBe('');
    await rebuildAnew();
    expect(await node.docker.remove('source')).toMatch(/is being copied to its clone part/);
    const task = [...node.simulator.arrays[0].tasks.values()].find(({ status }) => status === 'active');
    await operator(arrayOf(node.pair, 'primary'), `canceltask -f ${task?.id}`);
    await node.control.holdCopies(false);
    await expect(node.docker.mount('part')).rejects.toThrow(/the copy of source to volume part was broken off/);
    for (const name of ['part', 'source']) expect(await node.docker.remove(name)).toBe('');
    expect([...node.simulator.arrays[0].volumes.keys()].filter((name) => name.startsWith('vvcp'))).toEqual([]);
  });

  it('an array that does not answer: nothing is made, and everything stays uncertain', async () => {
    await etcd.wipe();
    await node.control.power(arrayOf(node.pair, 'secondary').name, false);
    await expect(type(node, 'rebuild')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('nothing was changed'),
    });
    await node.control.power(arrayOf(node.pair, 'secondary').name, true);
    for (const { name: array } of node.pair.arrays) {
      for (const kind of ['system', 'volumes', 'vluns', 'remotecopygroups']) {
        await node.control.fault({
          array,
          match: { method: 'GET', pathRegex: `/${kind}$` },
          effect: 'error',
          status: 500,
          code: 1,
        });
        const failure = await type(node, 'rebuild').catch((error: unknown) => error);
        expect([array, kind, failure]).toEqual([array, kind, expect.objectContaining({ code: 'unavailable' })]);
        await node.control.clearFaults();
      }
    }
    expect(await etcd.ctl('get', '--prefix', '--keys-only', PREFIX)).toBe('');
    await type(node, 'rebuild');
    await waitFor(async () => (await node.records('volume')).length === 1);
  });

  it('arrays without CA file or fingerprint, and passphrases, are met without the metadata: what is trusted is printed and kept', async () => {
    const file = path.join(node.dir, 'hpe.conf');
    const conf = await readFile(file, 'utf8');
    await writeFile(file, conf.replaceAll(/^.*hpe3par_ca_file.*\n/gm, ''));
    await etcd.wipe();
    await node.restart();
    const said = await type(node, 'rebuild');
    const met = said.filter((line) => line.startsWith('met without a memory of it: wsapi:'));
    expect(met).toHaveLength(2);
    const pins = await node.records('pin');
    expect(
      pins.map((each) =>
        met.some((line) => line.includes(`${each.peer} with the certificate SHA-256 ${each.fingerprint};`)),
      ),
    ).toEqual([true, true]);
    expect(await node.docker.remove('good')).toBe('');
  });
});
