import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Connection, HostConnector } from '../../src/contracts/host.js';
import { createFcConnector } from '../../src/host/fc.js';
import { growFilesystem } from '../../src/host/grow-filesystem.js';
import { createLoopbackConnector } from '../../src/host/loopback.js';
import { run, type Run } from '../../src/host/run.js';
import { FakeSanHost } from '../fakes/san-host.js';
import { freeLoopDevicesOf } from '../host-leftovers.js';

const MIB = 1024 * 1024;
const SIZE = 300 * MIB;
const WWN = '60002ac0000000000000000b0001e240';
const signal = (): AbortSignal => AbortSignal.timeout(30_000);
const sh = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8' });
const quiet = (): void => undefined;
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hpe-resize-'));
});
afterEach(async () => {
  await freeLoopDevicesOf(dir);
  await rm(dir, { recursive: true });
});

describe('a loop device of the simulated fabric', () => {
  const INITIATOR = 'iqn.2024-01.org.example:node1';
  const PORT = 'iqn.2000-05.com.3pardata:20210002ac00000a';
  const connection = (sizeBytes: number): Connection => ({ targets: [{ name: PORT }], lun: 3, wwn: WWN, sizeBytes });
  let connector: HostConnector;

  /** What the simulator does at a grow. */
  async function setSize(sizeBytes: number): Promise<void> {
    const folder = path.join(dir, 'fabric', INITIATOR);
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(dir, 'volume'), '', { flag: 'a' });
    await truncate(path.join(dir, 'volume'), sizeBytes);
    const link = path.join(folder, `${PORT}-lun-3`);
    const inquiry = { wwn: WWN, sizeBytes, vendor: '3PARdata', product: 'VV', targetPort: PORT };
    await writeFile(`${link}.json`, JSON.stringify(inquiry));
    await symlink(path.join(dir, 'volume'), link).catch(() => undefined);
  }

  beforeEach(async () => {
    const options = { fabricDir: path.join(dir, 'fabric'), initiator: INITIATOR, stateDir: path.join(dir, 'state') };
    connector = createLoopbackConnector({ ...options, protocol: 'iscsi', run });
    await setSize(SIZE);
  });

  it('takes the size that the volume has by now, and that size again is success', async () => {
    const device = await connector.attach(connection(SIZE), signal());
    await setSize(2 * SIZE);
    const resized = { ...device, sizeBytes: 2 * SIZE };
    expect(await connector.resize({ wwn: WWN, sizeBytes: 2 * SIZE }, signal())).toEqual(resized);
    expect(await connector.resize({ wwn: WWN, sizeBytes: 2 * SIZE }, signal())).toEqual(resized);
    expect(sh('blockdev', '--getsize64', device.path).trim()).toBe(String(2 * SIZE));
  });

  it('rule 9: that was left attached from before the grow is proven with its new size', async () => {
    await connector.attach(connection(SIZE), signal());
    await setSize(2 * SIZE);
    expect(await connector.attach(connection(2 * SIZE), signal())).toMatchObject({ sizeBytes: 2 * SIZE });
  });

  it('of another size than the volume is an error', async () => {
    await connector.attach(connection(SIZE), signal());
    await expect(connector.resize({ wwn: WWN, sizeBytes: 2 * SIZE }, signal())).rejects.toThrow(/has 314572800 bytes/);
    await connector.detach(WWN, signal());
    await expect(connector.resize({ wwn: WWN, sizeBytes: SIZE }, signal())).rejects.toThrow(/no loop device/);
  });
});

describe('a multipath map', () => {
  const HBA = '10000000c9000001';
  const [PORT_A, PORT_B] = ['20210002ac000001', '21210002ac000001'];
  const SECTORS = 614_400;
  let host: FakeSanHost;
  let connector: HostConnector;
  let mapNode: string;
  let nodeDir: string;

  beforeAll(async () => {
    nodeDir = await mkdtemp(path.join(tmpdir(), 'hpe-resize-map-'));
    await writeFile(path.join(nodeDir, 'map'), '');
    await truncate(path.join(nodeDir, 'map'), MIB);
    mapNode = sh('losetup', '--find', '--show', path.join(nodeDir, 'map')).trim();
  });
  afterAll(async () => {
    sh('losetup', '--detach', mapNode);
    await rm(nodeDir, { recursive: true });
  });

  beforeEach(() => {
    host = new FakeSanHost(mapNode);
    host.setScanMode('manual');
    host.addRemotePort(1, { hba: HBA, port: PORT_A });
    host.addRemotePort(2, { hba: HBA, port: PORT_B });
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: WWN });
    host.addDisk({ name: 'sdb', address: '2:0:0:5', wwn: WWN });
    host.addMap(WWN, { paths: ['sda', 'sdb'] });
    const { run: tools, sysRoot, devRoot, stateDir } = host;
    const options = { run: tools, sysRoot, devRoot, stateDir, usesMultipath: true, minimumPaths: 1, logger };
    connector = createFcConnector(options);
  });
  afterEach(() => host.close());

  const changes = (): string[] =>
    host.ran.map((argv) => argv.join(' ').replace(host.sysRoot, '')).filter((line) => /rescan|resize/.test(line));
  const to = { wwn: WWN, sizeBytes: 2 * SECTORS * 512 };

  it('grows when each of its paths has asked for the size', async () => {
    host.grown.set(WWN, 2 * SECTORS);
    expect(await connector.resize(to, signal())).toMatchObject({ wwn: WWN, sizeBytes: to.sizeBytes });
    expect(changes().toSorted()).toEqual([
      `multipathd resize map 3${WWN}`,
      'tee /block/sda/device/rescan < 1',
      'tee /block/sdb/device/rescan < 1',
    ]);
    host.ran.length = 0;
    await connector.resize(to, signal());
    expect(changes()).toEqual([]);
  });

  it('is not grown over a path that keeps the old size, which is named', async () => {
    host.close();
    host = new FakeSanHost(mapNode);
    host.setScanMode('manual');
    host.addRemotePort(1, { hba: HBA, port: PORT_A });
    host.addRemotePort(2, { hba: HBA, port: PORT_B });
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: WWN });
    host.addDisk({ name: 'sdb', address: '2:0:0:5', wwn: WWN, answers: undefined });
    host.addMap(WWN, { paths: ['sda', 'sdb'] });
    host.grown.set(WWN, 2 * SECTORS);
    const { run: tools, sysRoot, devRoot, stateDir } = host;
    const options = { run: tools, sysRoot, devRoot, stateDir, usesMultipath: true, minimumPaths: 1, logger };
    await expect(createFcConnector(options).resize(to, signal())).rejects.toThrow(/does not see them: sdb \(2:0:0:5/);
  });

  it('rule 9: that was left from before the grow is attached with its new size', async () => {
    host.grown.set(WWN, 2 * SECTORS);
    const targets = [PORT_A, PORT_B].map((name) => ({ name }));
    expect(await connector.attach({ targets, lun: 5, ...to }, signal())).toMatchObject({ sizeBytes: to.sizeBytes });
  });

  it('rule 9: of another size than the array says is refused', async () => {
    const targets = [PORT_A, PORT_B].map((name) => ({ name }));
    await expect(connector.attach({ targets, lun: 5, ...to }, signal())).rejects.toThrow(/has 314572800 bytes/);
  });
});

describe('a mounted file system', () => {
  const device = { path: '/dev/loop9', wwn: WWN, sizeBytes: 2 * SIZE };
  const saying =
    (stdout: string, stderr = ''): Run =>
    async () => ({ stdout, stderr });
  const grow = async (type: 'ext4' | 'xfs', tool: Run) =>
    growFilesystem(tool, { device, target: '/mnt/v', type }, signal());
  const geometry = (blocks: number): string =>
    `meta-data=/dev/loop9 isize=512 agcount=4, agsize=19200 blks\ndata     =                       bsize=4096   blocks=${blocks}, imaxpct=25\n`;

  it.each([
    ['ext4', 'The filesystem on /dev/loop9 is now 153600 (4k) blocks long.\n\n'],
    ['ext4', 'The filesystem on /dev/loop9 is now 614400 (1k) blocks long.\n\n'],
    ['xfs', `${geometry(76_800)}data blocks changed from 76800 to 153600\n`],
    ['xfs', geometry(153_600)],
  ] as const)('of type %s is read back: %j', async (type, said) => {
    await expect(grow(type, saying(said))).resolves.toBeUndefined();
  });

  it('of type ext4 that is as large already says so elsewhere', async () => {
    const tool = saying('', 'The filesystem is already 153600 (4k) blocks long.  Nothing to do!\n');
    await expect(grow('ext4', tool)).resolves.toBeUndefined();
  });

  it.each([
    ['ext4', 'The filesystem on /dev/loop9 is now 76800 (4k) blocks long.\n'],
    ['ext4', 'something else'],
    ['xfs', geometry(76_800)],
    ['xfs', `${geometry(76_800)}data blocks changed from 76800 to 90000\n`],
    ['xfs', ''],
  ] as const)('rule 31: of type %s is not called grown when it is not: %j', async (type, said) => {
    await expect(grow(type, saying(said))).rejects.toThrow(/ended without error, but the file system/);
  });

  it('of type xfs really grows, and really grown again is success', async () => {
    await writeFile(path.join(dir, 'image'), '');
    await truncate(path.join(dir, 'image'), SIZE);
    sh('mkfs.xfs', '-q', path.join(dir, 'image'));
    const loop = sh('losetup', '--find', '--show', path.join(dir, 'image')).trim();
    const target = path.join(dir, 'mount');
    await mkdir(target);
    sh('mount', loop, target);
    try {
      await truncate(path.join(dir, 'image'), 2 * SIZE);
      sh('losetup', '--set-capacity', loop);
      const at = { device: { ...device, path: loop }, target, type: 'xfs' as const };
      await growFilesystem(run, at, signal());
      await growFilesystem(run, at, signal());
      expect(Number(sh('stat', '-f', '-c', '%b', target)) * 4096).toBeGreaterThan(1.7 * SIZE);
    } finally {
      sh('umount', target);
    }
  });
});
