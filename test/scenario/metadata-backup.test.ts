import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { RecordKind, Records } from '../../src/contracts/store.js';
import { formatBackup, parseBackup } from '../../src/store/backup-file.js';
import { startEtcd, type Etcd } from '../etcd.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayOf, operator } from '../pair-client.js';
import { arrayChanges, type } from './metadata-commands.js';

const PREFIX = '/hpe-volume-plugin/v1/';

describe('backup and restore of the metadata in etcd', () => {
  let etcd: Etcd;
  let node: Node;
  let other: Node;
  let file: string;

  beforeAll(async () => {
    etcd = await startEtcd();
    node = await startNode({ etcd: etcd.host });
    other = await node.secondNode();
    file = path.join(node.dir, 'backup.json');
    for (const name of ['used', 'held', 'unused']) {
      expect(await node.docker.create(name, { size: '1', replicationGroup: 'g' })).toBe('');
    }
    await writeFile(path.join(await node.docker.mount('used'), 'file'), 'still here');
    expect(await node.docker.unmount('used')).toBe('');
    await other.docker.mount('held');
  });
  afterAll(async () => {
    await other.close();
    await node.close();
    await etcd.stop();
    expect(await hostLeftovers(node.dir)).toEqual([]);
  });

  const all = async (): Promise<Partial<{ [K in RecordKind]: Records[K][] }>> => ({
    volume: await node.records('volume'),
    group: await node.records('group'),
    attachment: await node.records('attachment'),
  });
  const keys = async (): Promise<string> => etcd.ctl('get', '--prefix', '--keys-only', PREFIX);

  it('a backup is one new file, for root alone, and changes nothing', async () => {
    await node.control.clearLog();
    expect((await type(node, 'backup', file)).join()).toContain('5 records');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await expect(type(node, 'backup', file)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('EEXIST'),
    });
    // The daemon asks for the groups by itself, now and then.
    const calls = (await node.control.log()).filter(({ path: asked }) => asked?.endsWith('/remotecopygroups') !== true);
    expect(calls).toEqual([]);
    await node.restart();
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ content: { madeBy: 'node1', store: 'etcd' } });
  });

  it('goes into the metadata that it is of, which then have it already, and into no others', async () => {
    const before = await all();
    expect((await type(node, 'restore', file)).at(-1)).toBe('there already, as in the backup: 5 records');
    expect(await all()).toEqual(before);
    expect(await node.docker.create('newer', { size: '1', backend: 'plain' })).toBe('');
    await expect(type(node, 'restore', file)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('1 record(s) that the backup has not, or has otherwise: volume newer'),
    });
    expect(await node.docker.remove('newer')).toBe('');
    expect(await all()).toEqual(before);
  });

  it('a damaged file restores nothing', async () => {
    await etcd.wipe();
    const damaged = path.join(node.dir, 'damaged.json');
    await writeFile(damaged, (await readFile(file, 'utf8')).replace('"sizeGiB": 1', '"sizeGiB": 2'));
    await expect(type(node, 'restore', damaged)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('SHA-256'),
    });
    expect(await keys()).toBe('');
  });

  it('rules 5 and 18: what may have changed since the backup comes back as not known, all else as it was', async () => {
    const saved = (
      JSON.parse(await readFile(file, 'utf8')) as { content: { records: { kind: string; record: object }[] } }
    ).content;
    const kind = (which: string): object[] =>
      saved.records.filter((each) => each.kind === which).map((each) => each.record);
    await node.control.clearLog();
    expect((await type(node, 'restore', file, '--dry-run')).at(-1)).toContain('--dry-run');
    expect(await keys()).toBe('');
    expect(await type(node, 'restore', file)).toContain(
      'restored: 3 volumes, 1 groups, 1 attachments, 0 pinned certificates',
    );
    expect(await arrayChanges(node)).toEqual([]);
    const now = await all();
    expect(now.attachment).toEqual(kind('attachment'));
    expect(now.volume?.find((each) => each.name === 'unused')).toMatchObject({
      filesystem: { state: 'inherited' },
      everMounted: true,
    });
    const [unused, ...others] = ['unused', 'used', 'held'].map((name) =>
      now.volume?.find((each) => each.name === name),
    );
    expect(unused?.filesystem).toEqual({ state: 'inherited' });
    expect(others).toEqual(
      expect.arrayContaining(kind('volume').filter((each) => 'name' in each && each.name !== 'unused')),
    );
    expect(now.group).toEqual([{ ...kind('group')[0], lastActive: 'primary', epoch: 2 }]);
  });

  it('serve both nodes as before, also the one that did not restore them', async () => {
    expect(await readFile(path.join(await node.docker.mount('used'), 'file'), 'utf8')).toBe('still here');
    expect(await node.docker.unmount('used')).toBe('');
    expect(await other.docker.unmount('held')).toBe('');
    for (const name of ['used', 'held', 'unused']) expect(await other.docker.remove(name)).toBe('');
    expect(await operator(arrayOf(node.pair, 'primary'), 'showvv')).not.toContain('dcv-');
  });

  it('goes on where it was interrupted: an unfinished renewal is nobody’s metadata, and the next one takes its place', async () => {
    await etcd.wipe();
    await etcd.ctl('put', `${PREFIX}unfinished`, '{"root":"x"}');
    await etcd.ctl('put', `${PREFIX}volume/half`, 'half');
    await expect(node.docker.status('half')).rejects.toThrow('socket hang up');
    expect((await type(node, 'restore', file)).join('\n')).toContain('restored: 3 volumes');
    expect((await node.records('volume')).map((each) => each.name)).toEqual(['held', 'unused', 'used']);
  });

  it('a backup of another cluster is refused', async () => {
    await etcd.wipe();
    const { root, ...rest } = parseBackup(await readFile(file, 'utf8'));
    const foreign = path.join(node.dir, 'foreign.json');
    await writeFile(foreign, formatBackup({ ...rest, root: `ffffffff${root?.slice(8) ?? ''}` }));
    await expect(type(node, 'restore', foreign)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('another cluster (ffffffff)'),
    });
    expect(await keys()).toBe('');
  });

  it('keys without a root marker are left alone', async () => {
    await etcd.wipe();
    await etcd.ctl('put', `${PREFIX}volume/part`, 'part');
    for (const command of ['restore', 'rebuild'] as const) {
      const words = command === 'restore' ? [file] : [];
      await expect(type(node, command, ...words)).rejects.toMatchObject({
        code: 'refused',
        message: expect.stringContaining('no root marker'),
      });
    }
    expect((await keys()).trim()).toBe(`${PREFIX}volume/part`);
  });
});

describe('backup and restore of embedded metadata', () => {
  it('work with and without a daemon', async () => {
    const node = await startNode();
    const file = path.join(node.dir, 'backup.json');
    try {
      expect(await node.docker.create('one', { size: '1', backend: 'plain' })).toBe('');
      await type(node, 'backup', file);
      const before = await node.records('volume');
      await node.stopDaemon();
      expect((await type(node, 'restore', file)).at(-1)).toContain('there already');
      await node.restart();
      expect(await node.docker.remove('one')).toBe('');
      expect((await type(node, 'restore', file)).join()).toContain('restored: 1 volumes');
      expect(await node.records('volume')).toEqual(
        before.map((each) => ({ ...each, filesystem: { state: 'inherited' }, everMounted: true })),
      );
    } finally {
      await node.close();
    }
  });
});
