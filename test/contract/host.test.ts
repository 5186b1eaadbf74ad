import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { constants, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, open, readdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Connection, DeviceUse, Filesystems, HostConnector, MakeOptions } from '../../src/contracts/host.js';
import type { BlockDevice } from '../../src/domain/attachment.js';
import { createFilesystems } from '../../src/host/filesystem.js';
import { createLoopbackConnector } from '../../src/host/loopback.js';
import { run, type Run } from '../../src/host/run.js';
import { deviceContents, edgeContents } from '../device-contents.js';

const MIB = 1024 * 1024;
const SIZE = 64 * MIB;
const WWN = '60002ac0000000000000000a0001e240';
/** Drawn anew: this kernel has one mount of an XFS at a time, and other files of tests mount theirs beside this one. */
const [UUID, OTHER_UUID] = [randomUUID(), randomUUID()];
const INITIATOR = 'iqn.2024-01.org.example:node1';
const PORTS = ['iqn.2000-05.com.3pardata:20210002ac00000a', 'iqn.2000-05.com.3pardata:21210002ac00000a'];

let dir: string;
/** Of the volume, in bytes. */
let size: number;
let mountRoot: string;
let connector: HostConnector;
let filesystems: Filesystems;
/** Argument lists of every tool that ran. */
let ran: string[][];

const signal = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms);
const sh = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8' });
const connection = (): Connection => ({ targets: PORTS.map((name) => ({ name })), lun: 3, wwn: WWN, sizeBytes: size });
const target = (): string => path.join(mountRoot, 'db');
const mkfsCount = (): number => ran.filter(([command]) => command?.startsWith('mkfs')).length;

/** Loop devices whose file lies in our directory, as the kernel lists them. */
function loops(): string[] {
  const listed = sh('losetup', '--list', '--noheadings', '--output', 'NAME,BACK-FILE').split('\n');
  return listed.filter((line) => line.includes(dir)).map((line) => line.split(/\s+/)[0] ?? '');
}

const recording: Run = async (command, args, options) => {
  ran.push([command, ...args]);
  return run(command, args, options);
};

/** A daemon that dies as soon as it has made a loop device. */
const crashing: Run = async (command, args, options) => {
  const result = await run(command, args, options);
  if (command === 'losetup' && args.includes('--find')) throw new Error('killed');
  return result;
};

const quiet = (): void => undefined;
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };

/** The daemon's host side as after a start. */
function start(): void {
  const fabricDir = path.join(dir, 'fabric');
  connector = createLoopbackConnector({
    fabricDir,
    initiator: INITIATOR,
    protocol: 'iscsi',
    stateDir: path.join(dir, 'state'),
    run: recording,
  });
  filesystems = createFilesystems({ run: recording, mountRoot, logger });
}

interface Exported {
  ports?: string[];
  inquiry?: Record<string, unknown>;
  data?: string;
}

/** What the simulator does for an active VLUN on each port. */
async function exportLun({ ports = PORTS, inquiry = {}, data = 'volume' }: Exported = {}): Promise<void> {
  const folder = path.join(dir, 'fabric', INITIATOR);
  await mkdir(folder, { recursive: true });
  for (const targetPort of ports) {
    const answer = { wwn: WWN, sizeBytes: size, vendor: '3PARdata', product: 'VV', targetPort, ...inquiry };
    const link = path.join(folder, `${targetPort}-lun-3`);
    await writeFile(`${link}.json`, JSON.stringify(answer));
    await rm(link, { force: true });
    await symlink(path.join(dir, data), link);
  }
}

async function unexport(): Promise<void> {
  await rm(path.join(dir, 'fabric', INITIATOR), { recursive: true });
}

/** What the simulator does when a path must be cut: the data go on in a new inode. */
async function moveData(): Promise<void> {
  await cp(path.join(dir, 'volume'), path.join(dir, 'volume.new'));
  await rename(path.join(dir, 'volume.new'), path.join(dir, 'volume'));
}

async function attached(): Promise<BlockDevice> {
  await exportLun();
  return connector.attach(connection(), signal());
}

async function mounted(): Promise<BlockDevice> {
  const device = await attached();
  await filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
  await filesystems.mount(device, { target: target(), type: 'ext4' }, signal());
  return device;
}

/** What systemd does with `/` on most hosts, for our mounts only: they reach the mount namespaces of other processes. */
function shareMountRoot(): void {
  sh('mount', '-t', 'tmpfs', 'shared', mountRoot);
  sh('mount', '--make-shared', mountRoot);
}

/** A process in a mount namespace of its own, in which `script` has run already. */
async function withNamespace(
  { propagation, script = 'true' }: { propagation: string; script?: string },
  use: (holder: ChildProcess) => Promise<void>,
): Promise<void> {
  const command = `${script} && echo ready && exec sleep 60`;
  const holder = spawn('unshare', ['--mount', '--propagation', propagation, 'sh', '-c', command], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const closed = once(holder, 'close');
  try {
    await Promise.race([once(holder.stdout, 'data'), closed]);
    expect(holder.exitCode).toBeNull();
    await use(holder);
  } finally {
    // With its children: they keep its output open.
    if (holder.pid !== undefined && holder.exitCode === null) process.kill(-holder.pid);
    await closed;
  }
}

/** Somebody sets the wall clock a day ahead, just after the next look at it. */
function setTheClock(): void {
  const today = Date.now();
  jest
    .spyOn(Date, 'now')
    .mockReturnValue(today + 86_400_000)
    .mockReturnValueOnce(today);
}

async function writeAt(offset: number, bytes: Buffer | string): Promise<void> {
  const handle = await open(path.join(dir, 'volume'), 'r+');
  await handle.write(Buffer.from(bytes), 0, undefined, offset);
  await handle.close();
}

async function blankVolume(bytes: number): Promise<void> {
  size = bytes;
  await writeFile(path.join(dir, 'volume'), '');
  await truncate(path.join(dir, 'volume'), bytes);
}

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'host-'));
  mountRoot = path.join(dir, 'mounts');
  await mkdir(mountRoot);
  await blankVolume(SIZE);
  ran = [];
  start();
});

afterEach(async () => {
  jest.restoreAllMocks();
  const mounts = await filesystems.mounts();
  for (const entry of mounts.filter((each) => each.target.startsWith(dir)).toReversed()) sh('umount', entry.target);
  for (const loop of loops()) sh('losetup', '-d', loop);
  await rm(dir, { recursive: true });
});

describe('loopback connector', () => {
  it('attaches, finds and detaches, each as often as asked, also after a restart of the daemon', async () => {
    const device = await attached();
    expect(device).toEqual({ path: expect.stringMatching(/^\/dev\/loop\d+$/), wwn: WWN, sizeBytes: SIZE });
    expect(await connector.attach(connection(), signal())).toEqual(device);
    start();
    expect(await connector.find(WWN, signal())).toEqual(device);
    expect(await connector.attach(connection(), signal())).toEqual(device);
    expect(loops()).toEqual([device.path]);
    await unexport();
    await connector.detach(WWN, signal());
    expect(loops()).toEqual([]);
    expect(await connector.find(WWN, signal())).toBeUndefined();
    await connector.detach(WWN, signal());
  });

  it('attaches and finds with no more tools than it needs: mounts are waited for', async () => {
    await attached();
    expect(ran.map(([command, option]) => `${command} ${option}`)).toEqual([
      'losetup --list',
      'losetup --find',
      'losetup --list',
    ]);
    ran = [];
    await connector.attach(connection(), signal());
    await connector.find(WWN, signal());
    expect(ran.map(([command, option]) => `${command} ${option}`)).toEqual([]);
  });

  it('names its initiator', async () => {
    expect(await connector.initiators(signal())).toEqual({ protocol: 'iscsi', names: [INITIATOR] });
  });

  it('waits for a LUN, and says what there is when it does not come', async () => {
    const pending = connector.attach(connection(), signal());
    await pause(150);
    await exportLun({ ports: [PORTS[1] ?? ''] });
    await expect(pending).resolves.toMatchObject({ wwn: WWN });
    await connector.detach(WWN, signal());
    await expect(connector.attach({ ...connection(), lun: 4 }, signal(300))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(`${PORTS[1]}-lun-3`),
    });
    expect(loops()).toEqual([]);
  });

  it.each([
    ['WWN', { wwn: WWN.replace('a', 'b') }],
    ['size', { sizeBytes: SIZE * 2 }],
    ['vendor', { vendor: 'LIO-ORG' }],
    ['product', { product: 'SES' }],
    ['target port', { targetPort: 'iqn.2000-05.com.3pardata:other' }],
  ])('rule 9: refuses another %s, and attaches nothing', async (_what, inquiry) => {
    await exportLun({ inquiry });
    await expect(connector.attach(connection(), signal())).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining(String(Object.values(inquiry)[0])),
    });
    expect(loops()).toEqual([]);
  });

  it('rule 9: refuses two paths that do not agree, and data of another size', async () => {
    await exportLun({ ports: PORTS.slice(0, 1) });
    await cp(path.join(dir, 'volume'), path.join(dir, 'other'));
    await exportLun({ ports: PORTS.slice(1), data: 'other' });
    await expect(connector.attach(connection(), signal())).rejects.toMatchObject({ code: 'refused' });
    await exportLun();
    await truncate(path.join(dir, 'volume'), SIZE / 2);
    await expect(connector.attach(connection(), signal())).rejects.toMatchObject({ code: 'refused' });
    await connector.detach(WWN, signal());
    expect(loops()).toEqual([]);
  });

  it("rule 15: neither uses nor frees somebody else's loop device", async () => {
    const foreign = sh('losetup', '--find', '--show', path.join(dir, 'volume')).trim();
    await exportLun();
    await expect(connector.attach(connection(), signal())).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining(foreign),
    });
    await connector.detach(WWN, signal());
    expect(loops()).toEqual([foreign]);
  });

  it('leaves a reused loop number alone', async () => {
    const device = await attached();
    sh('losetup', '-d', device.path);
    sh('losetup', device.path, path.join(dir, 'volume'));
    expect(await connector.find(WWN, signal())).toBeUndefined();
    await connector.detach(WWN, signal());
    expect(loops()).toEqual([device.path]);
  });

  it('replaces its own device when that is cut off, and finds it to detach when the LUN is gone', async () => {
    await attached();
    await moveData();
    await exportLun();
    await connector.attach(connection(), signal());
    expect(sh('losetup', '--list', '--output', 'BACK-FILE')).not.toContain(`${dir}/volume (deleted)`);
    expect(loops()).toHaveLength(1);
    await moveData();
    await unexport();
    start();
    await connector.detach(WWN, signal());
    expect(loops()).toEqual([]);
  });

  it('does not replace a cut-off device that is still mounted', async () => {
    const device = await attached();
    await filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
    await filesystems.mount(device, { target: target(), type: 'ext4' }, signal());
    await moveData();
    await exportLun();
    await expect(connector.attach(connection(), signal())).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining(target()),
    });
    await expect(connector.detach(WWN, signal())).rejects.toMatchObject({ code: 'busy' });
    expect(loops()).toEqual([device.path]);
  });

  it('finds the device of an attach that was cut off before it was recorded', async () => {
    const fabricDir = path.join(dir, 'fabric');
    const doomed = createLoopbackConnector({
      fabricDir,
      initiator: INITIATOR,
      protocol: 'iscsi',
      stateDir: path.join(dir, 'state'),
      run: crashing,
    });
    await exportLun();
    await expect(doomed.attach(connection(), signal())).rejects.toThrow('killed');
    expect(loops()).toHaveLength(1);
    await connector.detach(WWN, signal());
    expect(loops()).toEqual([]);
  });

  it('says busy while somebody else has the device open, and names the process', async () => {
    const device = await attached();
    const file = await open(device.path);
    const holder = spawn('sleep', ['60'], { stdio: [file.fd, 'ignore', 'ignore'] });
    await once(holder, 'spawn');
    await file.close();
    try {
      await expect(connector.detach(WWN, signal())).rejects.toMatchObject({
        code: 'busy',
        message: expect.stringContaining(`process ${holder.pid}`),
      });
    } finally {
      holder.kill();
      await once(holder, 'exit');
    }
  });

  it('rule 43: a clock that is set ends no wait, neither for a LUN that comes nor for a device that goes', async () => {
    setTheClock();
    const pending = connector.attach(connection(), signal());
    await pause(300);
    await exportLun();
    const device = await pending;
    const file = await open(device.path);
    setTimeout(() => void file.close(), 300);
    jest.restoreAllMocks();
    setTheClock();
    await connector.detach(WWN, signal());
    expect(loops()).toEqual([]);
  });
});

/** A device content by the tool that makes it; run on the data file. */
describe('file systems', () => {
  it('formats a blank device once, empty and clean, and mounts it', async () => {
    const device = await attached();
    expect(await filesystems.probe(device, signal())).toEqual({ content: 'blank' });
    await filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
    expect(mkfsCount()).toBe(1);
    expect(await filesystems.probe(device, signal())).toEqual({ content: 'filesystem', type: 'ext4', uuid: UUID });
    expect(() => sh('e2fsck', '-fn', device.path)).not.toThrow();
    await filesystems.mount(device, { target: target(), type: 'ext4' }, signal());
    await filesystems.mount(device, { target: target(), type: 'ext4' }, signal());
    expect(await readdir(target())).toEqual([]);
    const entries = (await filesystems.mounts()).filter((each) => each.target === target());
    expect(entries).toEqual([expect.objectContaining({ source: device.path, fsType: 'ext4', root: '/' })]);
    await writeFile(path.join(target(), 'a'), 'x');
    await filesystems.unmount(device, target(), signal());
    await filesystems.unmount(device, target(), signal());
    expect(await readdir(mountRoot)).toEqual([]);
    await filesystems.mount(device, { target: target(), type: 'ext4' }, signal());
    expect(await readdir(target())).toEqual(['a']);
  });

  it.each([...deviceContents(SIZE), ...edgeContents(SIZE)])(
    'rule 16: never formats a device with $what',
    async ({ says, fill }) => {
      await fill(path.join(dir, 'volume'));
      const device = await attached();
      const proven = jest.fn(async () => Promise.resolve());
      const make = filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false, proven }, signal());
      const message = `${device.path} (WWN ${WWN}) was to be formatted for the first time, but it holds ${says}`;
      await expect(make).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining(message) });
      expect(mkfsCount()).toBe(0);
      expect(proven).not.toHaveBeenCalled();
    },
  );

  it('rule 16: says that the device is proven before mkfs, which does not run if that cannot be recorded', async () => {
    const device = await attached();
    const proven = async (): Promise<void> => {
      expect(mkfsCount()).toBe(0);
      return Promise.reject(new Error('not recorded'));
    };
    const options = { type: 'ext4', uuid: UUID, repeat: false } as const;
    await expect(filesystems.make(device, { ...options, proven }, signal())).rejects.toThrow('not recorded');
    expect(mkfsCount()).toBe(0);
    await filesystems.make(device, options, signal());
  });

  it.each<[string, Run, RegExp]>([
    ['fails', async (_command, args, options) => run('false', args, options), /dmesg/],
    [
      'is not installed',
      async (command, args, options) => run(`/nowhere/${command}`, args, options),
      /install xfsprogs/,
    ],
  ])('an mkfs that %s is told with what to do', async (_how, mkfs, next) => {
    const device = await attached();
    const tools: Run = async (command, ...rest) => (command === 'mkfs.xfs' ? mkfs : run)(command, ...rest);
    const make = createFilesystems({ run: tools, mountRoot, logger }).make(
      device,
      { type: 'xfs', uuid: UUID, repeat: false },
      signal(),
    );
    await expect(make).rejects.toMatchObject({ next: expect.stringMatching(next) });
  });

  it('rule 16: repeats an interrupted mkfs over its own traces only', async () => {
    const device = await attached();
    await filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
    await filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: true }, signal());
    const other = { type: 'ext4', uuid: OTHER_UUID, repeat: true } as const;
    await expect(filesystems.make(device, other, signal())).rejects.toMatchObject({ code: 'refused' });
    expect(mkfsCount()).toBe(2);
    await connector.detach(WWN, signal());
    await writeFile(path.join(dir, 'volume'), '');
    await truncate(path.join(dir, 'volume'), SIZE);
    await writeAt(0, 'half a file system');
    const again = await attached();
    await filesystems.make(again, { type: 'ext4', uuid: UUID, repeat: true }, signal());
    expect(mkfsCount()).toBe(3);
  });

  it('rule 11: never formats a device that another one is built on', async () => {
    const device = await attached();
    const holders = path.join('/sys/block', path.basename(device.path), 'holders');
    // Without a device mapper, the place where the kernel names the holders is made to name one.
    sh('mount', '-t', 'tmpfs', 'holders', holders);
    try {
      await writeFile(path.join(holders, 'dm-7'), '');
      const make = filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
      await expect(make).rejects.toMatchObject({ code: 'busy', message: expect.stringContaining('dm-7') });
      await expect(connector.detach(WWN, signal())).rejects.toMatchObject({ code: 'busy' });
    } finally {
      sh('umount', holders);
    }
    expect(mkfsCount()).toBe(0);
  });

  it('rule 12: never formats what is mounted or held, and calls no device of another size blank', async () => {
    const device = await attached();
    const holder = await open(device.path, constants.O_RDONLY | constants.O_EXCL);
    const make = async (): Promise<void> =>
      filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: true }, signal());
    await expect(make()).rejects.toMatchObject({ code: 'busy' });
    await holder.close();
    await expect(filesystems.probe({ ...device, sizeBytes: SIZE / 2 }, signal())).rejects.toMatchObject({
      code: 'refused',
    });
    expect(mkfsCount()).toBe(0);
    await make();
    await filesystems.mount(device, { target: target(), type: 'ext4' }, signal());
    await expect(make()).rejects.toMatchObject({ code: 'busy', message: expect.stringContaining(target()) });
    expect(mkfsCount()).toBe(1);
  });

  it('rule 17: calls a device that cannot be read an error, not blank', async () => {
    const device = await attached();
    // Beyond the end of its file a loop device answers with input/output errors.
    await truncate(path.join(dir, 'volume'), SIZE / 2);
    await expect(filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal())).rejects.toMatchObject(
      {
        code: 'unavailable',
        message: expect.stringContaining(`what ${device.path} (WWN ${WWN}) holds is not known`),
        next: expect.stringContaining('input/output errors'),
      },
    );
    expect(mkfsCount()).toBe(0);
  });

  it('rule 12: mounts nothing that somebody has mounted elsewhere', async () => {
    const device = await attached();
    await filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
    const elsewhere = path.join(dir, 'elsewhere');
    await mkdir(elsewhere);
    sh('mount', device.path, elsewhere);
    const mount = async (): Promise<void> => filesystems.mount(device, { target: target(), type: 'ext4' }, signal());
    await expect(mount()).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining(elsewhere) });
    sh('umount', elsewhere);
    await mount();
    await filesystems.unmount(device, target(), signal());
  });

  it('rule 30: mounts over nothing: no other mount, no files, nothing outside its directory', async () => {
    const device = await attached();
    await filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
    await mkdir(target());
    sh('mount', '-t', 'tmpfs', 'other', target());
    const mount = async (): Promise<void> => filesystems.mount(device, { target: target(), type: 'ext4' }, signal());
    await expect(mount()).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('tmpfs') });
    sh('umount', target());
    await writeFile(path.join(target(), 'precious'), '');
    await expect(mount()).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('precious') });
    expect(await readdir(target())).toEqual(['precious']);
    await expect(filesystems.mount(device, { target: dir, type: 'ext4' }, signal())).rejects.toMatchObject({
      code: 'internal',
    });
    await expect(filesystems.unmount(device, '/', signal())).rejects.toMatchObject({ code: 'internal' });
  });

  it('rule 26: says busy with the pids when a file is open, and leaves the mount alone', async () => {
    const device = await attached();
    await filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
    await filesystems.mount(device, { target: target(), type: 'ext4' }, signal());
    const holder = spawn('sleep', ['60'], { cwd: target(), stdio: 'ignore' });
    await once(holder, 'spawn');
    try {
      await expect(filesystems.unmount(device, target(), signal())).rejects.toMatchObject({
        code: 'busy',
        message: expect.stringContaining(`process ${holder.pid}`),
      });
      expect((await filesystems.mounts()).map((each) => each.target)).toContain(target());
    } finally {
      holder.kill();
      await once(holder, 'exit');
    }
    await filesystems.unmount(device, target(), signal());
  });

  it('rule 28: detaches although somebody put a file into the mount directory, and leaves the file', async () => {
    const device = await attached();
    await mkdir(target());
    await writeFile(path.join(target(), 'precious'), '');
    await filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
    // `mount` of the plugin would refuse; a file can be put below a mount all the same.
    sh('mount', device.path, target());
    await filesystems.unmount(device, target(), signal());
    expect(await readdir(target())).toEqual(['precious']);
    await connector.detach(WWN, signal());
    expect(loops()).toEqual([]);
  });

  it('leaves alone what somebody else mounted in the place of the volume', async () => {
    const device = await attached();
    await mkdir(target());
    sh('mount', '-t', 'tmpfs', 'other', target());
    await writeFile(path.join(target(), 'precious'), '');
    await filesystems.unmount(device, target(), signal());
    expect(await readdir(target())).toEqual(['precious']);
  });

  it("unmounts the volume from above somebody else's mount, which stays", async () => {
    const device = await attached();
    await filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
    await mkdir(target());
    sh('mount', '-t', 'tmpfs', 'other', target());
    await writeFile(path.join(target(), 'precious'), '');
    sh('mount', device.path, target());
    await filesystems.unmount(device, target(), signal());
    expect(await readdir(target())).toEqual(['precious']);
    await connector.detach(WWN, signal());
  });

  it('refuses to unmount a volume that somebody has mounted over, and touches neither', async () => {
    const device = await mounted();
    sh('mount', '-t', 'tmpfs', 'other', target());
    await writeFile(path.join(target(), 'precious'), '');
    await expect(filesystems.unmount(device, target(), signal())).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('other (tmpfs)'),
    });
    expect(await readdir(target())).toEqual(['precious']);
    sh('umount', target());
    await filesystems.unmount(device, target(), signal());
    expect(await readdir(mountRoot)).toEqual([]);
  });

  it('knows its mount by the device, not by the name that it was mounted under', async () => {
    const device = await attached();
    await filesystems.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
    await mkdir(target());
    const otherName = path.join(dir, 'other-name');
    sh('cp', '-a', device.path, otherName);
    sh('mount', otherName, target());
    await filesystems.unmount(device, target(), signal());
    expect(await readdir(mountRoot)).toEqual([]);
  });

  it('sees users in other mount namespaces and elsewhere in ours', async () => {
    const device = await mounted();
    const users = async (): Promise<DeviceUse[]> => filesystems.usersElsewhere(device, target());
    expect(await users()).toEqual([]);
    // What a container runtime does: a bind of its own, in a mount namespace of its own.
    const inside = path.join(dir, 'inside');
    await mkdir(inside);
    const script = `mount --bind ${target()} ${inside} && umount ${target()}`;
    await withNamespace({ propagation: 'private', script }, async ({ pid }) => {
      expect(await users()).toEqual([{ pid, target: inside }]);
      await filesystems.unmount(device, target(), signal());
      expect(await users()).toEqual([{ pid, target: inside }]);
      await expect(connector.detach(WWN, signal())).rejects.toMatchObject({
        code: 'busy',
        message: expect.stringContaining(String(pid)),
      });
    });
    await filesystems.mount(device, { target: target(), type: 'ext4' }, signal());
    const second = path.join(mountRoot, 'second');
    await mkdir(second);
    sh('mount', '--bind', target(), second);
    expect(await users()).toEqual([{ pid: process.pid, target: second }]);
  });

  it.each(['slave', 'shared', 'unchanged'])(
    'detaches a volume that other processes see only because mounts reach them (propagation %s)',
    async (propagation) => {
      shareMountRoot();
      await withNamespace({ propagation }, async ({ pid }) => {
        const device = await mounted();
        expect(sh('cat', `/proc/${pid}/mountinfo`)).toContain(target());
        await withNamespace({ propagation }, async () => {
          expect(await filesystems.usersElsewhere(device, target())).toEqual([]);
          await filesystems.unmount(device, target(), signal());
          await connector.detach(WWN, signal());
        });
        expect(loops()).toEqual([]);
      });
    },
  );

  it('detaches a volume whose mount reaches a process by way of another mount namespace', async () => {
    shareMountRoot();
    const script = `mount --make-shared ${mountRoot} && unshare --mount --propagation slave sh -c 'sleep 60 &'`;
    await withNamespace({ propagation: 'slave', script }, async () => {
      const device = await mounted();
      expect(await filesystems.usersElsewhere(device, target())).toEqual([]);
      await filesystems.unmount(device, target(), signal());
      await connector.detach(WWN, signal());
    });
  });

  it('sees a private copy of a shared mount as a user: it would stay', async () => {
    shareMountRoot();
    const device = await mounted();
    await withNamespace({ propagation: 'private' }, async ({ pid }) => {
      expect(await filesystems.usersElsewhere(device, target())).toEqual([{ pid, target: target() }]);
    });
  });

  it("sees a container's own bind as a user, and not the copy that it was made from", async () => {
    shareMountRoot();
    const device = await mounted();
    const inside = path.join(dir, 'inside');
    await mkdir(inside);
    const script = `mount --bind ${target()} ${inside} && mount --make-private ${inside}`;
    await withNamespace({ propagation: 'slave', script }, async ({ pid }) => {
      expect(await filesystems.usersElsewhere(device, target())).toEqual([{ pid, target: inside }]);
      await filesystems.unmount(device, target(), signal());
      await expect(connector.detach(WWN, signal())).rejects.toMatchObject({ code: 'busy' });
    });
  });

  it('sees a copy that holds a mount of its own as a user: it would stay', async () => {
    shareMountRoot();
    const device = await mounted();
    await mkdir(path.join(target(), 'below'));
    const script = `mount -t tmpfs own ${path.join(target(), 'below')}`;
    await withNamespace({ propagation: 'slave', script }, async ({ pid }) => {
      expect(await filesystems.usersElsewhere(device, target())).toEqual([{ pid, target: target() }]);
    });
  });

  it('rule 26: takes the mount away from no other process, not even by removing the directory', async () => {
    const device = await mounted();
    await withNamespace({ propagation: 'private' }, async ({ pid }) => {
      await filesystems.unmount(device, target(), signal());
      expect(await filesystems.usersElsewhere(device, target())).toEqual([{ pid, target: target() }]);
      await expect(connector.detach(WWN, signal())).rejects.toMatchObject({ code: 'busy' });
    });
    await filesystems.unmount(device, target(), signal());
    expect(await readdir(mountRoot)).toEqual([]);
    await connector.detach(WWN, signal());
  });

  it('sees a bind elsewhere in our own namespace as a user, also below a shared mount', async () => {
    shareMountRoot();
    const device = await mounted();
    const second = path.join(mountRoot, 'second');
    await mkdir(second);
    sh('mount', '--bind', target(), second);
    expect(await filesystems.usersElsewhere(device, target())).toEqual([{ pid: process.pid, target: second }]);
  });

  it('says busy with the pids when a process works in a copy that reached it', async () => {
    shareMountRoot();
    const device = await mounted();
    await withNamespace({ propagation: 'slave', script: `cd ${target()}` }, async ({ pid }) => {
      await expect(filesystems.unmount(device, target(), signal())).rejects.toMatchObject({
        code: 'busy',
        message: expect.stringContaining(`process ${pid}`),
      });
    });
    await filesystems.unmount(device, target(), signal());
  });
});

/** Why xfs cannot be mounted here; undefined if it can. */
function whyNoXfs(): string | undefined {
  try {
    execFileSync('modprobe', ['xfs'], { stdio: 'ignore' });
  } catch {
    // It may be built in.
  }
  if (readFileSync('/proc/filesystems', 'utf8').includes('\txfs\n')) return undefined;
  return 'this kernel has no xfs';
}

const noXfs = whyNoXfs();
if (noXfs !== undefined) process.stderr.write(`xfs is not tested: ${noXfs}\n`);

describe.each(['ext4', ...(noXfs === undefined ? (['xfs'] as const) : [])] as const)('a file system %s', (type) => {
  const XFS_SIZE = 512 * MIB;
  const check = (device: BlockDevice): string =>
    type === 'xfs' ? sh('xfs_repair', '-n', device.path) : sh('e2fsck', '-fn', device.path);
  const make = async (device: BlockDevice, changes: Partial<MakeOptions> = {}): Promise<void> =>
    filesystems.make(device, { type, uuid: UUID, repeat: false, ...changes }, signal());
  const mount = async (device: BlockDevice): Promise<void> =>
    filesystems.mount(device, { target: target(), type }, signal());

  beforeEach(async () => {
    await blankVolume(XFS_SIZE);
  });

  it('is made once, empty and clean, with its UUID, and mounted again with what was written', async () => {
    const device = await attached();
    await make(device);
    expect(mkfsCount()).toBe(1);
    expect(await filesystems.probe(device, signal())).toEqual({ content: 'filesystem', type, uuid: UUID });
    expect(() => check(device)).not.toThrow();
    await mount(device);
    await mount(device);
    expect(await readdir(target())).toEqual([]);
    const entries = (await filesystems.mounts()).filter((each) => each.target === target());
    expect(entries).toEqual([expect.objectContaining({ source: device.path, fsType: type, root: '/' })]);
    await writeFile(path.join(target(), 'a'), 'x');
    await filesystems.unmount(device, target(), signal());
    await mount(device);
    expect(await readdir(target())).toEqual(['a']);
    expect(ran.filter(([command]) => command === 'mount').map(([, , asked]) => asked)).toEqual([type, type]);
  });

  it('rule 16: takes the place of nothing, neither the one type nor the other', async () => {
    for (const there of ['ext4', 'xfs'] as const) {
      if (there === 'xfs' && noXfs !== undefined) continue;
      const device = await attached();
      await make(device, { type: there });
      ran = [];
      const message = expect.stringContaining(`a file system ${there} with uuid`);
      await expect(make(device)).rejects.toMatchObject({ code: 'refused', message });
      const other = make(device, { uuid: OTHER_UUID, repeat: true });
      await expect(other).rejects.toMatchObject({ code: 'refused', message });
      if (there !== type) await expect(make(device, { repeat: true })).rejects.toMatchObject({ code: 'refused' });
      expect(mkfsCount()).toBe(0);
      await connector.detach(WWN, signal());
      await blankVolume(XFS_SIZE);
    }
  });

  it('rule 16: is made again over whatever an interrupted mkfs of its own has left', async () => {
    for (let ms = 2; ms < 40; ms += 4) {
      const device = await attached();
      const uuid = type === 'xfs' ? ['-m', `uuid=${UUID}`] : ['-U', UUID];
      const interrupted = spawn(`mkfs.${type}`, ['-q', ...uuid, device.path], { stdio: 'ignore' });
      const ended = once(interrupted, 'exit');
      await pause(ms);
      interrupted.kill('SIGKILL');
      await ended;
      await make(device, { repeat: true });
      expect(() => check(device)).not.toThrow();
      await connector.detach(WWN, signal());
      await blankVolume(XFS_SIZE);
    }
    if (type !== 'xfs') return;
    // The superblock says that mkfs is not done.
    const device = await attached();
    await make(device);
    await writeAt(126, Buffer.from([1]));
    await make(device, { repeat: true });
    expect(() => check(device)).not.toThrow();
  });

  it('replays its journal with the mount', async () => {
    const device = await attached();
    await make(device);
    await mount(device);
    await writeFile(path.join(target(), 'acknowledged'), 'x');
    sh('sync', '-f', target());
    // What an array would have at this moment if the host died.
    sh('cp', '--sparse=always', path.join(dir, 'volume'), path.join(dir, 'crashed'));
    await filesystems.unmount(device, target(), signal());
    await connector.detach(WWN, signal());
    await rename(path.join(dir, 'crashed'), path.join(dir, 'volume'));
    const after = await attached();
    expect(await filesystems.probe(after, signal())).toEqual({ content: 'filesystem', type, uuid: UUID });
    await mount(after);
    expect(await readdir(target())).toEqual(['acknowledged']);
  });

  it('rule 20: that is damaged fails the mount, and is not repaired', async () => {
    const device = await attached();
    await make(device);
    await connector.detach(WWN, signal());
    // ext4: the group descriptors; xfs: the heads of the first allocation group. The superblock before them is good.
    const damage = type === 'xfs' ? { at: 512, bytes: 1536 } : { at: 4096, bytes: 4096 };
    await writeAt(damage.at, Buffer.alloc(damage.bytes, 0xff));
    const damaged = await attached();
    expect(await filesystems.probe(damaged, signal())).toMatchObject({ content: 'filesystem', type, uuid: UUID });
    ran = [];
    await expect(mount(damaged)).rejects.toMatchObject({
      message: expect.stringMatching(/^mount -t .*nothing was repaired$/),
      next: expect.stringMatching(type === 'xfs' ? /dmesg.*xfs_repair -n/ : /dmesg.*e2fsck -n/),
    });
    expect(ran.map(([command]) => command)).toEqual(['mount']);
    await connector.detach(WWN, signal());
    const volume = await open(path.join(dir, 'volume'));
    const { buffer } = await volume.read(Buffer.alloc(damage.bytes), 0, damage.bytes, damage.at);
    await volume.close();
    expect(buffer.equals(Buffer.alloc(damage.bytes, 0xff))).toBe(true);
  });
});

it('rule 20: an ext4 in which the kernel has found damage before is told when it is mounted', async () => {
  const device = await attached();
  const errors: string[] = [];
  const telling = createFilesystems({
    run,
    mountRoot,
    logger: { ...logger, error: (message) => void errors.push(message) },
  });
  await telling.make(device, { type: 'ext4', uuid: UUID, repeat: false }, signal());
  await telling.mount(device, { target: target(), type: 'ext4' }, signal());
  await telling.unmount(device, target(), signal());
  expect(errors).toEqual([]);
  for (const value of ['state 2', 'error_count 3']) {
    await run('debugfs', ['-w', '-R', `set_super_value ${value}`, device.path], { timeoutMs: 10_000 });
  }
  await telling.mount(device, { target: target(), type: 'ext4' }, signal());
  expect(errors).toEqual([expect.stringMatching(new RegExp(`WWN ${WWN}.* 3 errors.*next: .*e2fsck -n`))]);
});
