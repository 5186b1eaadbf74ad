import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { chmod, chown, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CommandError, run, type Run } from '../../src/host/run.js';
import { Site } from './site.js';
import { HAS_XFS } from '../has-xfs.js';

let site: Site;
/** Command lines, without the paths. */
const ran: string[] = [];
/** The tool that fails, once: before its work, or after it. */
let failing: { tool: string; when: 'before' | 'after' } | undefined;

const tools: Run = async (command, args, options) => {
  const fail = failing?.tool === command ? failing : undefined;
  if (fail !== undefined) failing = undefined;
  const error = new CommandError({ command, args, exitCode: 1, stdout: '', stderr: 'struck' });
  if (fail?.when === 'before') throw error;
  if (/^(mkfs|chown|chmod|mount)/.test(command)) ran.push([command, ...args.slice(0, -1)].join(' '));
  const result = await run(command, args, options);
  if (fail !== undefined) throw error;
  return result;
};

const rootOf = async (mountpoint: string): Promise<string> => {
  const { uid, gid, mode } = await stat(mountpoint);
  return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`;
};
const count = (start: string): number => ran.filter((line) => line.startsWith(start)).length;

beforeAll(async () => {
  site = await Site.start({ run: tools });
});
afterAll(async () => {
  await site.close();
});

describe.each(HAS_XFS ? ['ext4', 'xfs'] : ['ext4'])('fsOwner and fsMode on %s', (fsType) => {
  const options = { fsType, fsOwner: '1001:1002', fsMode: '1750' };

  it('rule 22: are given to a new file system once; what a container makes of them stays', async () => {
    const volume = await site.createVolume(undefined, options);
    const before = count('ch');
    const mountpoint = await site.mount(volume);
    expect(await rootOf(mountpoint)).toBe('1001:1002 1750');
    await chown(mountpoint, 5, 6);
    await chmod(mountpoint, 0o711);
    await site.unmount(volume);
    await site.node.restart();
    expect(await rootOf(await site.mount(volume))).toBe('5:6 711');
    await site.unmount(volume);
    await volume.type.stop();
    await volume.type.failover();
    expect(await rootOf(await site.mount(volume))).toBe('5:6 711');
    expect(count('ch') - before).toBe(2);
    await site.unmount(volume);
    await volume.type.recover();
    await volume.type.restore();
  });
});

describe('fsOwner and fsMode', () => {
  it.each([
    ['chown', 'before'],
    ['chmod', 'after'],
    ['sync', 'before'],
    ['stat', 'before'],
  ] as const)(
    'rule 22: when %s fails (%s its work) the Mount is undone, and the next one makes it whole',
    async (tool, when) => {
      const volume = await site.createVolume('one-group', { fsOwner: '1001:1002', fsMode: '0750' });
      ran.length = 0;
      failing = { tool, when };
      expect(await site.refusalOf(volume)).toMatch(
        /^cannot give the new file system its owner and mode: .*struck.*rolled back/,
      );
      expect(await site.exporting(volume)).toEqual([]);
      const [record] = (await site.node.records('volume')).filter((each) => each.name === volume.name);
      expect(record?.filesystem).toMatchObject({ state: 'formatting' });
      expect(await rootOf(await site.mount(volume))).toBe('1001:1002 750');
      expect(count('mkfs')).toBe(2);
      await site.unmount(volume);
      await site.mount(volume);
      expect(count('mkfs')).toBe(2);
      expect(count('chown')).toBe(tool === 'chown' && when === 'before' ? 1 : 2);
      await site.unmount(volume);
    },
  );

  it('are not asked for: nothing is changed', async () => {
    const volume = await site.createVolume();
    ran.length = 0;
    expect(await rootOf(await site.mount(volume))).toBe('0:0 755');
    expect(count('ch')).toBe(0);
    await site.unmount(volume);
  });

  it.each([
    [{ fsOwner: '7:8' }, '7:8 755'],
    [{ fsMode: '2770' }, '0:0 2770'],
  ])('may come alone: %j', async (options, root) => {
    const volume = await site.createVolume(undefined, options);
    expect(await rootOf(await site.mount(volume))).toBe(root);
    await site.unmount(volume);
  });
});

describe('mountOptions', () => {
  const optionsAt = (mountpoint: string): string =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .find((line) => line.split(' ')[4] === mountpoint)
      ?.split(' ')
      .filter((_word, index) => index === 5)
      .join('') ?? '';

  it('hold for each mount', async () => {
    const volume = await site.createVolume(undefined, { mountOptions: 'noatime,nodev,nosuid,noexec,commit=30' });
    for (const attempt of [1, 2]) {
      const mountpoint = await site.mount(volume);
      expect(optionsAt(mountpoint)).toBe('rw,nosuid,nodev,noexec,noatime');
      await writeFile(path.join(mountpoint, `file-${attempt}`), 'x');
      await site.unmount(volume);
    }
  });

  it('that this kernel does not take fail the Mount, and leave nothing', async () => {
    const volume = await site.createVolume(undefined, { mountOptions: 'noatime' });
    failing = { tool: 'mount', when: 'before' };
    expect(await site.refusalOf(volume)).toMatch(
      /^cannot mount the file system: mount -t ext4 -o noatime .*rolled back/,
    );
    expect(await site.exporting(volume)).toEqual([]);
    await site.mount(volume);
    await site.unmount(volume);
  });

  it.each(['errors=continue', 'nouuid', 'data=writeback', 'noatime,relatime'])(
    '%s is refused at the Create',
    async (text) => {
      const { docker } = site.node;
      expect(await docker.create('refused', { size: '1', replicationGroup: 'g', mountOptions: text })).toMatch(
        /^option mountOptions: .*nothing was changed$/,
      );
    },
  );
});
