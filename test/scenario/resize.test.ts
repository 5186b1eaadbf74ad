import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { open, readFile, statfs } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { askDaemon } from '../../src/commands/daemon-client.js';
import { CommandError, run, type Run } from '../../src/host/run.js';
import { startEtcd, type Etcd } from '../etcd.js';
import type { Node } from '../harness.js';
import { arrayOf, operator } from '../pair-client.js';
import { stateOf } from '../simulator-state.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { Site, waitFor, type Replica } from './site.js';
import { HAS_XFS } from '../has-xfs.js';

/** Without it the kernel lets nobody grow an ext4 that is mounted; the lab has it. */
const MAY_RESIZE_EXT4 = hasCapability(24);
if (!MAY_RESIZE_EXT4) process.stderr.write('the growth of a mounted ext4 is not tested: CAP_SYS_RESOURCE is missing\n');

function hasCapability(bit: number): boolean {
  const effective = /^CapEff:\s+([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n;
}

const GIB = 1024 ** 3;

/** The tool that fails, once. */
let failing: string | undefined;
const ran: string[] = [];
const tools: Run = async (command, args, options) => {
  if (/^(resize2fs|xfs_growfs|losetup)/.test(command) && !args.includes('--list'))
    ran.push([command, ...args].join(' '));
  if (failing !== undefined && [command, ...args].join(' ').startsWith(failing)) {
    failing = undefined;
    throw new CommandError({ command, args, exitCode: 1, stdout: '', stderr: 'struck' });
  }
  // What is not possible here is taken for done: everything but the kernel's own part.
  if (command === 'resize2fs' && !MAY_RESIZE_EXT4) return pretendExt4(args[0] ?? '');
  return run(command, args, options);
};

async function pretendExt4(device: string): Promise<{ stdout: string; stderr: string }> {
  const { stdout } = await run('blockdev', ['--getsize64', device], { timeoutMs: 5_000 });
  return { stdout: `The filesystem on ${device} is now ${Number(stdout) / 4096} (4k) blocks long.\n`, stderr: '' };
}

let etcd: Etcd;
let site: Site;

beforeAll(async () => {
  etcd = await startEtcd();
  site = await Site.start({ run: tools, etcd: etcd.host });
});
afterAll(async () => {
  await site.close();
  await etcd.stop();
});
afterEach(async () => {
  failing = undefined;
  await site.calmDown();
});

/** What the command asks of the daemon. @throws the daemon's refusal */
async function resize(node: Node, volume: string, gib: number): Promise<string[]> {
  const answer = await askDaemon(path.join(node.dir, 'state'), '/resize', { volume, gib });
  return answer?.result as string[];
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    (result) => {
      throw new Error(`it did not fail: ${JSON.stringify(result)}`);
    },
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

async function createPlain(name: string, options: Record<string, string> = {}): Promise<string> {
  expect(await site.node.docker.create(name, { size: '1', backend: 'plain', ...options })).toBe('');
  return String((await site.node.docker.status(name))['arrayVolume']);
}

/** GiB of the volume on each array that has it. */
async function sizesOf(arrayVolume: string): Promise<number[]> {
  const { arrays } = await stateOf(site.node.control);
  return arrays
    .flatMap(({ volumes }) => volumes.filter((each) => each.name === arrayVolume))
    .map((each) => each.sizeMiB / 1024);
}

/** What an administrator has done on the primary array. */
async function wsapi(method: string, url: string, body?: unknown): Promise<void> {
  const client = await new WsapiClient(arrayOf(site.node.pair, 'primary')).login();
  await client.done(method, url, body);
  client.close();
}

const recordOf = async (name: string) => (await site.node.records('volume')).find((each) => each.name === name);

async function groupStates(group: string): Promise<string[]> {
  const { arrays } = await stateOf(site.node.control);
  return arrays.flatMap(({ groups }) =>
    groups.filter(({ name }) => name.startsWith(group)).map(({ state }) => String(state)),
  );
}

/** Bytes of the file system. */
async function sizeAt(mountpoint: string): Promise<number> {
  const { blocks, bsize } = await statfs(mountpoint);
  return blocks * bsize;
}

/** Writes numbered lines, each synced, until it is told to stop. */
function startWriter(file: string): { stop(): Promise<number> } {
  const stopped = new AbortController();
  const work = (async () => {
    const handle = await open(file, 'a');
    let count = 0;
    try {
      while (!stopped.signal.aborted) {
        await handle.appendFile(`${count}\n`);
        await handle.sync();
        count += 1;
        await pause(2);
      }
    } finally {
      await handle.close();
    }
    return count;
  })();
  return {
    async stop() {
      stopped.abort();
      return work;
    },
  };
}

const EXT4_AND_XFS = HAS_XFS ? ['ext4', 'xfs'] : ['ext4'];

describe.each(EXT4_AND_XFS)('resize of a plain volume with %s', (fsType) => {
  const canGrow = fsType === 'xfs' || MAY_RESIZE_EXT4;

  it('grows under a process that writes, without an unmount, and has all its data afterwards', async () => {
    const { node } = site;
    const name = `online-${fsType}`;
    const arrayVolume = await createPlain(name, { fsType });
    const mountpoint = await node.docker.mount(name);
    const before = await sizeAt(mountpoint);
    const writer = startWriter(path.join(mountpoint, 'log'));
    expect(await resize(node, name, 3)).toEqual([
      `volume ${name} has grown from 1 to 3 GiB`,
      'its file system on this node fills it, without having been unmounted',
    ]);
    const written = await writer.stop();
    expect(await sizesOf(arrayVolume)).toEqual([3]);
    if (canGrow) expect(await sizeAt(mountpoint)).toBeGreaterThan(2.8 * before);
    expect((await readFile(path.join(mountpoint, 'log'), 'utf8')).split('\n')).toHaveLength(written + 1);
    expect(await node.docker.status(name)).toMatchObject({ size: 3 });
    expect(await recordOf(name)).not.toHaveProperty('growth');
    expect((await node.records('attachment'))[0]?.device?.sizeBytes).toBe(3 * GIB);
    expect(await node.docker.unmount(name)).toBe('');
    const again = await node.docker.mount(name);
    if (canGrow) expect(await sizeAt(again)).toBeGreaterThan(2.8 * before);
    expect(await node.docker.unmount(name)).toBe('');
    expect(await node.docker.remove(name)).toBe('');
  });

  it('that is not mounted grows on the array at once, and its file system with the next mount, once', async () => {
    const { node } = site;
    const name = `offline-${fsType}`;
    await createPlain(name, { fsType });
    const before = await sizeAt(await node.docker.mount(name));
    expect(await node.docker.unmount(name)).toBe('');
    expect(await resize(node, name, 2)).toEqual([
      `volume ${name} has grown from 1 to 2 GiB`,
      'its file system grows with the next mount',
    ]);
    expect(await recordOf(name)).toMatchObject({ spec: { sizeGiB: 2 }, growth: { toGiB: 2 } });
    ran.length = 0;
    const mountpoint = await node.docker.mount(name);
    if (canGrow) expect(await sizeAt(mountpoint)).toBeGreaterThan(1.8 * before);
    expect(ran.filter((line) => /^(resize2fs|xfs_growfs)/.test(line))).toHaveLength(1);
    expect(await recordOf(name)).not.toHaveProperty('growth');
    expect(await node.docker.unmount(name)).toBe('');
    ran.length = 0;
    await node.docker.mount(name);
    expect(ran.filter((line) => /^(resize2fs|xfs_growfs)/.test(line))).toEqual([]);
    expect(await node.docker.unmount(name)).toBe('');
    expect(await node.docker.remove(name)).toBe('');
  });
});

describe('resize', () => {
  it('takes the size that a volume has for success, and refuses a smaller one and what is no size', async () => {
    const { node } = site;
    await createPlain('same');
    expect(await resize(node, 'same', 2)).toHaveLength(2);
    expect((await resize(node, 'same', 2))[0]).toBe('volume same has 2 GiB on its array already');
    expect(await failureOf(resize(node, 'same', 1))).toMatch(/has 2 GiB, and no array makes a volume smaller/);
    expect(await failureOf(resize(node, 'same', 16_385))).toMatch(/whole number of GiB from 1 to 16384/);
    expect(await failureOf(resize(node, 'same', 2.5))).toMatch(/whole number of GiB/);
    expect(await failureOf(resize(node, 'nobody', 2))).toMatch(/there is no volume nobody/);
    expect(await recordOf('same')).toMatchObject({ spec: { sizeGiB: 2 } });
    // Who wrote the old size down may go on with it, and no other.
    expect(await node.docker.create('same', { size: '1', backend: 'plain' })).toBe('');
    expect(await node.docker.create('same', { size: '2', backend: 'plain' })).toBe('');
    expect(await node.docker.create('same', { size: '3', backend: 'plain' })).toMatch(/size: wanted 3, is 2/);
    // Never formatted: its first mount makes a file system of the whole.
    expect(await recordOf('same')).not.toHaveProperty('growth');
    expect(await sizeAt(await node.docker.mount('same'))).toBeGreaterThan(1.8 * GIB);
    expect(await node.docker.unmount('same')).toBe('');
    expect(await node.docker.remove('same')).toBe('');
  });

  it('puts on record what an administrator has grown by hand', async () => {
    const { node } = site;
    const arrayVolume = await createPlain('byhand');
    await node.docker.mount('byhand');
    expect(await node.docker.unmount('byhand')).toBe('');
    await wsapi('PUT', `/volumes/${arrayVolume}`, { action: 3, sizeMiB: 256 });
    expect(await failureOf(node.docker.mount('byhand'))).toMatch(/expected .* 1073741824 bytes/);
    expect((await resize(node, 'byhand', 1))[0]).toBe('volume byhand has 1.25 GiB on its array already');
    await node.docker.mount('byhand');
    expect(await recordOf('byhand')).not.toHaveProperty('growth');
    expect(await node.docker.unmount('byhand')).toBe('');
    expect(await node.docker.remove('byhand')).toBe('');
  });

  it('of a volume with snapshots is refused as the array says, and nothing is left of it', async () => {
    const { node } = site;
    const arrayVolume = await createPlain('parent');
    const snapshot = { action: 'createSnapshot', parameters: { name: 'snap-of-parent' } };
    await wsapi('POST', `/volumes/${arrayVolume}`, snapshot);
    expect(await failureOf(resize(node, 'parent', 2))).toMatch(/snapshots .*the volume has 1 GiB as before/);
    expect(await recordOf('parent')).not.toHaveProperty('growth');
    expect(await node.records('operation')).toEqual([]);
    await wsapi('DELETE', '/volumes/snap-of-parent');
    expect(await node.docker.remove('parent')).toBe('');
  });

  it('on another node leaves the file system to the node that has the volume mounted', async () => {
    const { node } = site;
    await createPlain('there', { fsType: HAS_XFS ? 'xfs' : 'ext4' });
    const second = await node.secondNode({ run: tools });
    try {
      const mountpoint = await second.docker.mount('there');
      const before = await sizeAt(mountpoint);
      expect(await resize(node, 'there', 2)).toEqual([
        'volume there has grown from 1 to 2 GiB',
        'it is mounted on node node2, which grows the file system within a minute or two',
      ]);
      // Its round comes at its start, too.
      await second.restart();
      await waitFor(async () => (await recordOf('there'))?.growth === undefined);
      if (HAS_XFS) expect(await sizeAt(mountpoint)).toBeGreaterThan(1.8 * before);
      expect(await second.docker.unmount('there')).toBe('');
      expect(await node.docker.remove('there')).toBe('');
    } finally {
      await second.close();
    }
  });
});

describe('resize where the host does not follow', () => {
  const fsType = HAS_XFS ? 'xfs' : 'ext4';
  const growTool = HAS_XFS ? 'xfs_growfs' : 'resize2fs';

  it.each(['losetup --set-capacity', growTool])(
    'when %s fails, says that the arrays have grown, and the same command does the rest',
    async (tool) => {
      const { node } = site;
      const arrayVolume = await createPlain('half', { fsType });
      const mountpoint = await node.docker.mount('half');
      const before = await sizeAt(mountpoint);
      failing = tool;
      expect(await failureOf(resize(node, 'half', 2))).toMatch(
        /has 2 GiB on its arrays, but its file system on this node is not grown yet: .*struck/,
      );
      expect(failing).toBeUndefined();
      expect(await sizesOf(arrayVolume)).toEqual([2]);
      expect(await recordOf('half')).toMatchObject({ spec: { sizeGiB: 2 }, growth: { toGiB: 2 } });
      expect(await resize(node, 'half', 2)).toEqual([
        'volume half has 2 GiB on its array already',
        'its file system on this node fills it, without having been unmounted',
      ]);
      if (HAS_XFS) expect(await sizeAt(mountpoint)).toBeGreaterThan(1.8 * before);
      expect(await recordOf('half')).not.toHaveProperty('growth');
      expect(await node.docker.unmount('half')).toBe('');
      expect(await node.docker.remove('half')).toBe('');
    },
  );

  it('is finished by the round of the node that has it mounted', async () => {
    const { node } = site;
    await createPlain('round', { fsType });
    const mountpoint = await node.docker.mount('round');
    const before = await sizeAt(mountpoint);
    failing = growTool;
    await failureOf(resize(node, 'round', 2));
    await node.restart();
    await waitFor(async () => (await recordOf('round'))?.growth === undefined);
    if (HAS_XFS) expect(await sizeAt(mountpoint)).toBeGreaterThan(1.8 * before);
    expect(await node.docker.unmount('round')).toBe('');
    expect(await node.docker.remove('round')).toBe('');
  });

  it('is mounted all the same when its file system cannot be grown then, and grows with the next mount', async () => {
    const { node } = site;
    await createPlain('later', { fsType });
    const before = await sizeAt(await node.docker.mount('later'));
    expect(await node.docker.unmount('later')).toBe('');
    await resize(node, 'later', 2);
    failing = growTool;
    expect(await sizeAt(await node.docker.mount('later'))).toBe(before);
    expect(failing).toBeUndefined();
    expect(await recordOf('later')).toMatchObject({ growth: { toGiB: 2 } });
    expect(await node.docker.unmount('later')).toBe('');
    const mountpoint = await node.docker.mount('later');
    if (HAS_XFS) expect(await sizeAt(mountpoint)).toBeGreaterThan(1.8 * before);
    expect(await recordOf('later')).not.toHaveProperty('growth');
    expect(await node.docker.unmount('later')).toBe('');
    expect(await node.docker.remove('later')).toBe('');
  });
});

describe('resize of a replicated volume', () => {
  const fsType = HAS_XFS ? 'xfs' : 'ext4';
  const inUse = async (): Promise<{ volume: Replica; mountpoint: string }> => {
    const volume = await site.createVolume(undefined, { fsType });
    return { volume, mountpoint: await site.mount(volume) };
  };

  it('rule 38: grows both copies while it is used, and the group is started again; a failover finds it whole', async () => {
    const { volume, mountpoint } = await inUse();
    const before = await sizeAt(mountpoint);
    const writer = startWriter(path.join(mountpoint, 'log'));
    expect(await resize(site.node, volume.name, 3)).toEqual([
      `volume ${volume.name} has grown from 1 to 3 GiB on both arrays, in group ${volume.group}`,
      'its file system on this node fills it, without having been unmounted',
    ]);
    const written = await writer.stop();
    expect(await sizesOf(volume.arrayVolume)).toEqual([3, 3]);
    expect(await groupStates(volume.group)).toEqual(['started', 'started']);
    await site.unmount(volume);
    await volume.type.stop();
    await volume.type.failover();
    const there = await site.mount(volume);
    if (HAS_XFS) expect(await sizeAt(there)).toBeGreaterThan(2.8 * before);
    expect((await readFile(path.join(there, 'log'), 'utf8')).split('\n')).toHaveLength(written + 1);
    expect(await failureOf(resize(site.node, volume.name, 4))).toMatch(/not grown while group .* is failed over/);
    expect(await sizesOf(volume.arrayVolume)).toEqual([3, 3]);
    await site.unmount(volume);
    await volume.type.recover();
    await volume.type.restore();
  });

  it('rule 38: is refused while the links are down: both copies keep their size', async () => {
    const { volume } = await inUse();
    await site.node.control.link(false);
    expect(await failureOf(resize(site.node, volume.name, 2))).toMatch(/links between its arrays are down/);
    expect(await sizesOf(volume.arrayVolume)).toEqual([1, 1]);
    expect(await recordOf(volume.name)).not.toHaveProperty('growth');
    await site.node.control.link(true);
    await waitFor(async () => (await groupStates(volume.group)).every((state) => state === 'started'));
    expect(await resize(site.node, volume.name, 2)).toHaveLength(2);
    expect(await sizesOf(volume.arrayVolume)).toEqual([2, 2]);
  });

  it('rules 35 and 38: a group that an administrator stopped stays so, and the copy grows with its next start', async () => {
    const { volume } = await inUse();
    await volume.type.stop();
    const text = await failureOf(resize(site.node, volume.name, 2));
    expect(text).toMatch(/have 1 and 2 GiB: the array grows the smaller one when its group is started/);
    expect(await groupStates(volume.group)).toEqual(['stopped', 'stopped']);
    expect(await recordOf(volume.name)).toMatchObject({ spec: { sizeGiB: 1 }, growth: { toGiB: 2 } });
    // Meanwhile it can be mounted, with the size that its array says.
    await site.unmount(volume);
    const mountpoint = await site.mount(volume);
    // Not larger than the copy.
    if (HAS_XFS) expect(await sizeAt(mountpoint)).toBeLessThan(GIB);
    await operator(arrayOf(site.node.pair, 'primary'), `startrcopygroup ${volume.group}`);
    expect(await resize(site.node, volume.name, 2)).toHaveLength(2);
    if (HAS_XFS) expect(await sizeAt(mountpoint)).toBeGreaterThan(1.8 * GIB);
    expect(await sizesOf(volume.arrayVolume)).toEqual([2, 2]);
    expect(await recordOf(volume.name)).not.toHaveProperty('growth');
  });

  it('rule 38: is refused when the secondary array does not accept it, and neither has grown', async () => {
    const { volume } = await inUse();
    await site.node.control.fault({
      array: site.secondary,
      match: { method: 'PUT', pathRegex: '/volumes/dcv-' },
      effect: 'error',
      status: 400,
      code: 24,
    });
    expect(await failureOf(resize(site.node, volume.name, 2))).toMatch(/no space left.*the volume has 1 GiB as before/);
    expect(await sizesOf(volume.arrayVolume)).toEqual([1, 1]);
    expect(await groupStates(volume.group)).toEqual(['started', 'started']);
    expect(await recordOf(volume.name)).not.toHaveProperty('growth');
  });

  it('keeps the other copy mountable when an array dies in the middle', async () => {
    const { volume } = await inUse();
    await site.unmount(volume);
    const primary = { array: site.primary, match: { method: 'PUT', pathRegex: '/volumes/dcv-' } };
    await site.node.control.fault({ ...primary, effect: 'delay', ms: 1_000 });
    const growth = failureOf(resize(site.node, volume.name, 2));
    await waitFor(async () => (await groupStates(volume.group)).includes('stopped'));
    await pause(300);
    await site.node.control.power(site.primary, false);
    expect(await growth).toMatch(/may have grown already, and is finished by itself/);
    await volume.type.failover();
    await site.mount(volume);
    await site.unmount(volume);
    await site.node.control.power(site.primary, true);
    await volume.type.recover();
    await volume.type.restore();
    await resize(site.node, volume.name, 2);
    expect(await sizesOf(volume.arrayVolume)).toEqual([2, 2]);
  });
});
