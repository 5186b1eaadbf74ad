import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, readdir, rmdir, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { run, type Run } from '../../src/host/run.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects, arrayVolumes, stateOf } from '../simulator-state.js';

const PLAIN = { size: '1', backend: 'plain' };
const GIB = 1024 ** 3;

let node: Node;
let volume = '';
let made = 0;
/** Command lines of the host's tools that the daemon ran. */
const ran: string[] = [];
const children: ChildProcess[] = [];

const recording: Run = async (command, args, options) => {
  ran.push([command, ...args].join(' '));
  return run(command, args, options);
};

beforeAll(async () => {
  node = await startNode({ run: recording });
});

afterEach(async () => {
  for (const child of children.splice(0)) await end(child);
});

afterAll(async () => {
  const left = await arrayObjects(node.control);
  await node.close();
  expect([...left, ...(await hostLeftovers(node.dir))]).toEqual([]);
});

/** A new plain volume for the test at hand. */
async function newVolume(options: Record<string, string> = PLAIN): Promise<string> {
  made += 1;
  volume = `v${made}`;
  await done(node.docker.create(volume, options));
  return volume;
}

async function done(answer: Promise<string>): Promise<void> {
  expect(await answer).toBe('');
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await pause(20);
}

const mkfsCount = (): number => ran.filter((line) => line.startsWith('mkfs')).length;
const mountpointOf = (name: string): string => path.join(node.dir, 'state', 'volumes', name);
const sh = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8' });

/** Mounts and devices of this host, exports and host entries of the arrays: empty while nothing is attached. */
async function attachments(): Promise<string[]> {
  const objects = await arrayObjects(node.control);
  return [...objects.filter((each) => /: (host|VLUN) /.test(each)), ...(await hostLeftovers(node.dir))];
}

async function dataFile(name: string): Promise<string> {
  const [copy] = await arrayVolumes(node.control, name);
  if (copy === undefined) throw new Error(`no array has ${name}`);
  return copy.dataFile;
}

async function checksum(file: string): Promise<string> {
  const hash = createHash('sha256');
  // The ends tell; a whole GiB of zeros would only take time.
  for (const range of [
    { start: 0, end: 4 * 1024 ** 2 },
    { start: GIB - 1024 ** 2, end: GIB - 1 },
  ]) {
    for await (const chunk of createReadStream(file, range)) hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

/** A process that lives until the test is over; ready when it has printed a line. */
async function holder(command: string, ...args: string[]): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** What a container's own mount namespace does: the mount stays there when it is gone here. */
const otherNamespace = async (mountpoint: string): Promise<ChildProcess> =>
  holder('unshare', '-m', '--propagation', 'private', 'sh', '-c', `cd / && echo ready ${mountpoint} && exec sleep 600`);

describe('The first Mount', () => {
  it('makes the file system, later ones find it with its data', async () => {
    const name = await newVolume();
    const before = mkfsCount();
    const mountpoint = await node.docker.mount(name);
    expect(await readdir(mountpoint)).toEqual([]);
    await writeFile(path.join(mountpoint, 'file'), 'written');
    await done(node.docker.unmount(name));
    expect(await attachments()).toEqual([]);
    await node.docker.mount(name);
    expect(await readFile(path.join(mountpoint, 'file'), 'utf8')).toBe('written');
    await done(node.docker.unmount(name));
    expect(mkfsCount() - before).toBe(1);
    await done(node.docker.remove(name));
  });
});

describe('Two containers on one volume', () => {
  it('share the mount; the last Unmount detaches, unexports and removes the host entry', async () => {
    const name = await newVolume();
    const mountpoint = await node.docker.mount(name, 'one');
    const attached = await attachments();
    expect(await node.docker.mount(name, 'two')).toBe(mountpoint);
    expect(await attachments()).toEqual(attached);

    await done(node.docker.unmount(name, 'one'));
    expect(await attachments()).toEqual(attached);
    await done(node.docker.unmount(name, 'two'));
    expect(await attachments()).toEqual([]);
    await done(node.docker.remove(name));
  });

  it('docker cp mounts with the id of the running container: one Unmount leaves it mounted', async () => {
    const name = await newVolume();
    await node.docker.mount(name, 'running');
    const attached = await attachments();
    await node.docker.mount(name, 'running');
    await done(node.docker.unmount(name, 'running'));
    expect(await attachments()).toEqual(attached);
    await done(node.docker.unmount(name, 'running'));
    expect(await attachments()).toEqual([]);
    await done(node.docker.remove(name));
  });

  it('an Unmount with an unknown id, or of an unknown volume, succeeds and takes nothing from anybody', async () => {
    const name = await newVolume();
    await node.docker.mount(name, 'known');
    const attached = await attachments();
    await done(node.docker.unmount(name, 'unknown'));
    await done(node.docker.unmount('never-made', 'known'));
    expect(await attachments()).toEqual(attached);
    await done(node.docker.unmount(name, 'known'));
    await done(node.docker.unmount(name, 'known'));
    await done(node.docker.remove(name));
  });
});

describe('A volume that is in use', () => {
  it('rule 26: with an open file it is neither unmounted nor removed, and the error names the process', async () => {
    const name = await newVolume();
    const mountpoint = await node.docker.mount(name);
    const attached = await attachments();
    const child = await holder('sh', '-c', `exec 3> ${mountpoint}/open; echo open; exec sleep 600`);
    const busy = new RegExp(`still used by process .*\\b${child.pid}\\b`);
    expect(await node.docker.remove(name)).toMatch(busy);
    expect(await attachments()).toEqual(attached);
    expect(await node.docker.status(name)).toMatchObject({ state: 'ready', mounts: 1 });
    expect(await node.docker.unmount(name)).toMatch(busy);
    expect(await attachments()).toEqual(attached);

    await end(child);
    await done(node.docker.unmount(name));
    expect(await attachments()).toEqual([]);
    await done(node.docker.remove(name));
  });

  it('by another mount namespace: Unmount succeeds and leaves it there, Remove is refused, a later round detaches', async () => {
    const name = await newVolume();
    const mountpoint = await node.docker.mount(name);
    const attached = await attachments();
    const child = await otherNamespace(mountpoint);
    await done(node.docker.unmount(name));
    expect(await attachments()).toEqual(attached);
    expect(await node.docker.remove(name)).toMatch(
      new RegExp(`volume ${name} is in use on this node by pid ${child.pid} .*next: stop the containers`),
    );
    expect(await attachments()).toEqual(attached);
    expect(await node.docker.status(name)).toMatchObject({ state: 'ready', mounts: 0 });

    await end(child);
    await node.restart();
    await until(async () => (await attachments()).length === 0);
    await done(node.docker.remove(name));
  });

  it('by another mount namespace: a container that starts meanwhile joins it', async () => {
    const name = await newVolume();
    const mountpoint = await node.docker.mount(name, 'one');
    const attached = await attachments();
    const child = await otherNamespace(mountpoint);
    await done(node.docker.unmount(name, 'one'));
    expect(await node.docker.mount(name, 'two')).toBe(mountpoint);
    expect(await attachments()).toEqual(attached);
    await end(child);
    await done(node.docker.unmount(name, 'two'));
    expect(await attachments()).toEqual([]);
    await done(node.docker.remove(name));
  });

  it('that a starting container holds for a moment is let go by the Unmount itself', async () => {
    const name = await newVolume();
    const child = await otherNamespace(await node.docker.mount(name));
    setTimeout(() => child.kill('SIGKILL'), 700);
    await done(node.docker.unmount(name));
    expect(await attachments()).toEqual([]);
    await done(node.docker.remove(name));
  });

  it('that only dockerd has forgotten is removed although it was never unmounted', async () => {
    const name = await newVolume();
    await node.docker.mount(name);
    await done(node.docker.remove(name));
    expect(await attachments()).toEqual([]);
  });
});

describe('A mountpoint that somebody else uses', () => {
  it('rule 30: is not mounted over, and nothing stays exported', async () => {
    const name = await newVolume();
    await mkdir(mountpointOf(name), { recursive: true });
    sh('mount', '-t', 'tmpfs', 'foreign', mountpointOf(name));
    try {
      await expect(node.docker.mount(name)).rejects.toThrow(/something else is mounted at .*foreign \(tmpfs\)/);
      expect((await attachments()).filter((each) => !each.includes('tmpfs'))).toEqual([]);
      expect(sh('findmnt', '--noheadings', '--output', 'SOURCE', mountpointOf(name)).trim()).toBe('foreign');
    } finally {
      sh('umount', mountpointOf(name));
    }
    await node.docker.mount(name);
    await done(node.docker.unmount(name));
    await done(node.docker.remove(name));
  });

  it('rule 15: what somebody mounted over ours is not taken away by Unmount, which says who it is', async () => {
    const name = await newVolume();
    const mountpoint = await node.docker.mount(name);
    sh('mount', '-t', 'tmpfs', 'foreign', mountpoint);
    const attached = await attachments();
    try {
      expect(await node.docker.unmount(name)).toMatch(
        /something else is mounted over .*foreign \(tmpfs\).*next: .*umount/,
      );
      expect(await attachments()).toEqual(attached);
    } finally {
      sh('umount', mountpoint);
    }
    await done(node.docker.unmount(name));
    await done(node.docker.remove(name));
    expect(await attachments()).toEqual([]);
  });

  it('rule 30: is not mounted over files either; they survive', async () => {
    const name = await newVolume();
    await mkdir(mountpointOf(name), { recursive: true });
    await writeFile(path.join(mountpointOf(name), 'precious'), 'kept');
    await expect(node.docker.mount(name)).rejects.toThrow(/is not mounted and not empty \(precious\)/);
    expect(await readFile(path.join(mountpointOf(name), 'precious'), 'utf8')).toBe('kept');
    expect(await attachments()).toEqual([]);
    sh('rm', path.join(mountpointOf(name), 'precious'));
    await rmdir(mountpointOf(name)).catch(() => undefined);
    await done(node.docker.remove(name));
  });
});

const contents: { what: string; put(file: string): Promise<unknown> }[] = [
  {
    what: 'random data',
    async put(file) {
      const handle = await open(file, 'r+');
      // Over the superblock; the same on every run, so that no magic number comes about by chance.
      await handle.write(Buffer.alloc(65_536, createHash('sha512').update('random').digest()));
      await handle.close();
    },
  },
  { what: 'another ext4', put: async (file) => Promise.resolve(sh('mkfs.ext4', '-q', '-F', file)) },
  { what: 'swap space', put: async (file) => Promise.resolve(sh('mkswap', '-q', file)) },
];
const zeros = {
  what: 'zeros',
  async put(file: string) {
    await truncate(file, 0);
    await truncate(file, GIB);
  },
};

describe('rules 16, 17, 18 and 19: a volume whose content is not what we left there', () => {
  it.each(contents)(
    'never formatted, with $what on it: refused, not formatted, however often it is tried',
    async ({ put }) => {
      const name = await newVolume();
      await put(await dataFile(name));
      const before = { mkfs: mkfsCount(), data: await checksum(await dataFile(name)) };
      // A container's restart policy tries again and again.
      for (let attempt = 0; attempt < 3; attempt += 1) {
        await expect(node.docker.mount(name)).rejects.toThrow(
          /was to be formatted for the first time, but it holds .*rolled/,
        );
      }
      expect({ mkfs: mkfsCount(), data: await checksum(await dataFile(name)) }).toEqual(before);
      expect(await attachments()).toEqual([]);
      await done(node.docker.remove(name));
    },
  );

  it.each([...contents, zeros])('formatted, but with $what on it now: refused, not formatted', async ({ put }) => {
    const name = await newVolume();
    await node.docker.mount(name);
    await done(node.docker.unmount(name));
    await put(await dataFile(name));
    const before = { mkfs: mkfsCount(), data: await checksum(await dataFile(name)) };
    await expect(node.docker.mount(name)).rejects.toThrow(
      /should hold ext4 with uuid [0-9a-f-]{36}, but holds .*neither mounted nor formatted/,
    );
    expect({ mkfs: mkfsCount(), data: await checksum(await dataFile(name)) }).toEqual(before);
    expect(await attachments()).toEqual([]);
    await done(node.docker.remove(name));
  });
});

describe('Another host', () => {
  it('rule 4: that has an export of the volume keeps it; Mount and Remove are refused and name it', async () => {
    const name = await newVolume();
    const [copy] = await arrayVolumes(node.control, name);
    const wsapi = await new WsapiClient(node.simulator.ready.arrays[0]).login();
    await wsapi.done('POST', '/hosts', {
      name: 'other-host',
      persona: 2,
      iSCSINames: ['iqn.2026-01.org.example:other'],
    });
    await wsapi.done('POST', '/vluns', { volumeName: copy?.name, hostname: 'other-host', lun: 7 });
    const attached = await attachments();

    await expect(node.docker.mount(name)).rejects.toThrow(
      /exported to another host already: other-host; .*showvlun -v/,
    );
    expect(await node.docker.remove(name)).toMatch(/still exported on .* to: other-host; next: .*removevlun -f/);
    const isExport = (each: string): boolean => each.includes('VLUN');
    expect((await attachments()).filter(isExport)).toEqual(attached.filter(isExport));

    await wsapi.done('DELETE', `/vluns/${copy?.name},7,other-host`);
    await wsapi.done('DELETE', '/hosts/other-host');
    wsapi.close();
    await node.docker.mount(name);
    await done(node.docker.unmount(name));
    expect(await attachments()).toEqual([]);
    await done(node.docker.remove(name));
  });
});

describe('A restart of the daemon', () => {
  it('takes nothing away from running containers; the later Unmount detaches', async () => {
    const name = await newVolume();
    const mountpoint = await node.docker.mount(name);
    const attached = await attachments();
    await writeFile(path.join(mountpoint, 'before'), 'restart');
    await node.restart();
    await node.restart();
    expect(await attachments()).toEqual(attached);
    expect(await readFile(path.join(mountpoint, 'before'), 'utf8')).toBe('restart');
    expect(await node.docker.status(name)).toMatchObject({ mounts: 1, holder: { state: 'attached' } });
    await done(node.docker.unmount(name));
    expect(await attachments()).toEqual([]);
    await done(node.docker.remove(name));
  });
});

/** What a reboot leaves of a mounted volume: the records and the export, but neither mount nor device. */
async function reboot(mountpoint: string): Promise<void> {
  const device = sh('findmnt', '--noheadings', '--output', 'SOURCE', mountpoint).trim();
  await node.stopDaemon();
  sh('umount', mountpoint);
  sh('losetup', '--detach', device);
}

describe('A reboot of the host', () => {
  it('rule 42: the left-over export goes, and the volume can be mounted again with its data', async () => {
    const name = await newVolume();
    const mountpoint = await node.docker.mount(name);
    await writeFile(path.join(mountpoint, 'before'), 'reboot');
    await reboot(mountpoint);
    expect((await stateOf(node.control)).arrays[0]?.vluns).toHaveLength(2);
    await node.restart();
    await until(async () => (await attachments()).length === 0);
    expect(await node.docker.status(name)).toMatchObject({ holder: null, mounts: 0 });
    await node.docker.mount(name);
    expect(await readFile(path.join(mountpoint, 'before'), 'utf8')).toBe('reboot');
    await done(node.docker.unmount(name));
    await done(node.docker.remove(name));
  });

  it('dockerd may start the container with the same id at once: it is mounted anew, and one Unmount ends it', async () => {
    const name = await newVolume();
    const mountpoint = await node.docker.mount(name, 'same');
    await writeFile(path.join(mountpoint, 'before'), 'reboot');
    await reboot(mountpoint);
    await node.restart();
    expect(await node.docker.mount(name, 'same')).toBe(mountpoint);
    expect(await readFile(path.join(mountpoint, 'before'), 'utf8')).toBe('reboot');
    await done(node.docker.unmount(name, 'same'));
    expect(await attachments()).toEqual([]);
    await done(node.docker.remove(name));
  });
});
