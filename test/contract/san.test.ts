import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { constants } from 'node:fs';
import { mkdir, open, readdir, readFile, stat, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Connection, HostConnector } from '../../src/contracts/host.js';
import { failingWhenDead } from '../../src/host/dead-map.js';
import { createFcConnector } from '../../src/host/fc.js';
import { createIscsiConnector } from '../../src/host/iscsi.js';
import { makeMapNode, type MapNode } from '../fakes/map-node.js';
import { FakeSanHost } from '../fakes/san-host.js';

/* The connectors on a host in a folder, with Linux tools that are recorded; the lab has the real ones. */

const WWN = '60002ac0000000000000000100000001';
const OTHER = '60002ac0000000000000000100000002';
const IQN = 'iqn.2000-05.com.3pardata:21210002ac000001';
const PEER = 'iqn.2000-05.com.3pardata:22210002ac000002';
const PORTALS = ['10.1.1.2:3260', '10.1.2.2:3260'];
const SIZE = 614_400 * 512;

let host: FakeSanHost;
let connector: HostConnector;
let warnings: string[];
let errors: string[];
let mapNode: MapNode;
let held: FileHandle | undefined;

const signal = (): AbortSignal => AbortSignal.timeout(60_000);
const logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message: string) => void warnings.push(message),
  error: (message: string) => void errors.push(message),
};
const telling = { target: '/mounts/v', logger };
const targetsOf = (name: string, portals = PORTALS): Connection['targets'] =>
  portals.map((portal) => ({ name, portal: { host: portal.split(':')[0] ?? '', port: 3260 } }));
const connection = (more: Partial<Connection> = {}): Connection => ({
  targets: targetsOf(IQN),
  lun: 5,
  wwn: WWN,
  sizeBytes: SIZE,
  ...more,
});
const attach = async (more: Partial<Connection> = {}) => connector.attach(connection(more), signal());
/** Beginnings of the command lines, in their order, of the tools that change something. */
const changes = (): string[] =>
  host.ran
    .map((argv) => argv.join(' '))
    .filter((line) => /^tee|^multipath -f|^sync|queue|message|--log|-o (new|delete|update)/.test(line));
const has = (pattern: RegExp): boolean => host.ran.some((argv) => pattern.test(argv.join(' ')));
const disks = (): string[] => host.devices.filter((name) => name.startsWith('sd'));

beforeAll(async () => {
  mapNode = await makeMapNode();
});

afterAll(async () => {
  await mapNode.remove();
});

beforeEach(() => {
  host = new FakeSanHost(mapNode.path);
  warnings = [];
  errors = [];
  PORTALS.forEach((portal, index) => host.portals.set(portal, index + 1));
  for (const number of [1, 2]) host.luns.set(`${number}:5`, WWN);
  connector = iscsi();
});

afterEach(async () => {
  await held?.close();
  held = undefined;
  host.close();
});

function iscsi(options: { chap?: boolean; minimumPaths?: number; usesMultipath?: boolean } = {}): HostConnector {
  const { run, sysRoot, devRoot, stateDir } = host;
  const fixed = { run, sysRoot, devRoot, stateDir, logger };
  return createIscsiConnector({ usesMultipath: true, minimumPaths: 1, chap: false, ...options, ...fixed });
}

/** Somebody mounts the map, or claims it in another way. */
async function holdMap(): Promise<void> {
  held = await open(mapNode.path, constants.O_RDONLY | constants.O_EXCL);
}

/** Sessions to both arrays, made by somebody else. */
function addSessions(): void {
  PORTALS.forEach((portal, index) => host.addSession(index + 1, { target: IQN, portal }));
  host.addSession(3, { target: PEER, portal: '10.2.1.2:3260' });
}

describe('attach over iSCSI', () => {
  it('logs in to our portals in manual-scan mode, finds the map by its WWN, and is a success when repeated', async () => {
    const device = await attach();
    expect(device).toEqual({ path: path.join(host.devRoot, 'mapper', `3${WWN}`), wwn: WWN, sizeBytes: SIZE });
    expect(await connector.find(WWN, signal())).toEqual(device);
    expect(await connector.isCurrent(WWN, signal())).toBe(true);
    expect(has(/discovery/)).toBe(false);
    // Both at once, so in any order.
    const updates = changes().filter((line) => line.includes('-o update'));
    expect(updates.toSorted()).toEqual(
      PORTALS.map((portal) =>
        expect.stringMatching(new RegExp(`-p ${portal} .*-n node.startup -v manual -n node.session.scan -v manual`)),
      ),
    );
    const before = changes().length;
    expect(await attach()).toEqual(device);
    expect(changes()).toHaveLength(before);
    expect(warnings).toEqual([]);
  });

  it('rule 13: names the LUNs at which it has disks of an array, dead ones too', async () => {
    expect(await connector.lunsInUse(signal())).toEqual([]);
    await attach();
    host.luns.clear();
    expect(await connector.lunsInUse(signal())).toEqual([5]);
  });

  it('rule 14: scans our LUN on our sessions, after the login, and nothing else', async () => {
    host.addSession(7, { target: 'iqn.2001-01.org.example:foreign', portal: '10.9.9.9:3260' });
    for (const lun of [1, 6]) host.luns.set(`1:${lun}`, OTHER);
    await attach();
    expect(host.scans).toEqual([1, 2].map((each) => `tee ${host.sysRoot}/class/scsi_host/host${each}/scan < 0 0 5`));
    const lines = host.ran.map((argv) => argv.join(' '));
    const lastLogin = lines.findLastIndex((line) => line.includes('--login'));
    expect(lines.findIndex((line) => line.includes('/scan'))).toBeGreaterThan(lastLogin);
    expect(disks()).toEqual(['sda', 'sdb']);
  });

  it.each([
    ['in flat addressing', 16_384 + 300],
    ['as it is', 300],
  ])('finds a LUN above 255 that the kernel numbers %s', async (_how, number) => {
    for (const session of [1, 2]) host.luns.set(`${session}:${number}`, WWN);
    await attach({ lun: 300 });
    expect(host.scans.map((line) => line.split(' ').at(-1))).toEqual(expect.arrayContaining([String(number)]));
    expect(warnings).toEqual([]);
    // It is no stray, and is found where it is.
    const before = changes().length;
    await attach({ lun: 300 });
    expect(changes()).toHaveLength(before);
    await connector.detach(WWN, signal());
    expect(disks()).toEqual([]);
  });

  it('rule 15: uses a session that was there before, and never ends or changes it', async () => {
    addSessions();
    await attach();
    await connector.detach(WWN, signal());
    expect(has(/--login|--logout|-o (new|update|delete)/)).toBe(false);
    expect(disks()).toEqual([]);
  });

  it('rule 15: does not use a node record of somebody else whose sessions would scan for all LUNs', async () => {
    host.nodes.set('10.1.1.2:3260', ['node.session.scan = auto']);
    await attach();
    expect(changes().filter((line) => line.includes('10.1.1.2'))).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('10.1.1.2:3260 that is not ours')]);
    await connector.detach(WWN, signal());
    expect([...host.nodes.keys()]).toEqual(['10.1.1.2:3260']);
  });

  it('rule 15: logs in by a node record of somebody else that does not scan, and leaves the record', async () => {
    host.nodes.set('10.1.1.2:3260', ['node.session.scan = manual']);
    await attach();
    await connector.detach(WWN, signal());
    expect(changes().filter((line) => line.includes('10.1.1.2'))).toEqual([expect.stringContaining('--login')]);
    expect(has(/-r 1 --logout/)).toBe(true);
    expect([...host.nodes.keys()]).toEqual(['10.1.1.2:3260']);
  });

  it('goes on without a portal that does not answer, and names it', async () => {
    host.portals.delete('10.1.2.2:3260');
    await attach();
    expect(warnings).toEqual([expect.stringMatching(/10\.1\.2\.2:3260 .*connection timed out/)]);
    expect(host.nodes.has('10.1.2.2:3260')).toBe(false);
    await connector.detach(WWN, signal());
    await expect(iscsi({ minimumPaths: 2 }).attach(connection(), signal())).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/1 usable paths, and at least 2.*10\.1\.2\.2/),
    });
  });

  it('tries again when iscsiadm stumbles over a record that is removed at that moment', async () => {
    const said =
      'iscsiadm: iface iter could not stat /etc/iscsi/nodes/iqn.2000-05.com.3pardata:21210002ac000001/10.1.2.2,3260.';
    host.failures.set('iscsiadm', { exitCode: 6, stderr: said });
    setTimeout(() => host.failures.clear(), 150);
    await attach();
    expect(warnings).toEqual([]);
  });

  it('says what is missing when its time runs out', async () => {
    host.luns.delete('2:5');
    host.makesMaps = false;
    const time = new AbortController();
    const timer = setInterval(() => {
      if (disks().length === 1 && host.scans.length >= 2) time.abort();
    }, 50);
    await expect(connector.attach(connection(), time.signal)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/time ran out.*no map yet; missing: (?=.*10\.1\.1\.2)(?=.*10\.1\.2\.2)/),
    });
    clearInterval(timer);
  });

  it('says what to do when no portal answers', async () => {
    host.portals.clear();
    await expect(attach()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('10.1.1.2') });
    expect([...host.nodes.keys()]).toEqual([]);
  });

  it('rule 44: a target port without a portal is refused with what to look at', async () => {
    const next = expect.stringContaining('hpe3par_iscsi_ips');
    await expect(attach({ targets: [{ name: IQN }] })).rejects.toMatchObject({
      message: expect.stringContaining(IQN),
      next,
    });
    expect(changes()).toEqual([]);
  });

  it('does nothing without multipathd', async () => {
    host.failures.set('multipathd show daemon', { exitCode: 1, stderr: 'error -1 connecting to multipathd' });
    await expect(attach()).rejects.toMatchObject({ code: 'refused', next: 'systemctl enable --now multipathd' });
    expect(changes()).toEqual([]);
    expect(await connector.findProblems(signal())).toContain(
      'multipathd does not answer (multipathd show daemon: exit code 1: error -1 connecting to multipathd); next: systemctl enable --now multipathd',
    );
    // Not multipathd is to blame here.
    const stderr = 'nsenter: cannot open /proc/1/ns/mnt: Permission denied';
    host.failures.set('multipathd show daemon', { exitCode: 1, stderr });
    await expect(attach()).rejects.toMatchObject({ message: expect.stringContaining(stderr) });
  });

  it.each<[string, { reason: string } | { exitCode: number }]>([
    ['cannot be started', { reason: 'could not be run (spawn ENOENT)' }],
    ['host_command_prefix does not find', { exitCode: 127 }],
    ['host_command_prefix may not run', { exitCode: 126 }],
  ])('a tool that %s says nothing of a path, and is not taken for one that is off', async (_how, answer) => {
    const told = { stderr: 'nsenter: failed to execute: No such file or directory', ...answer };
    await attach();
    host.ran.length = 0;
    host.failures.set('/usr/lib/udev/scsi_id', told);
    const message = expect.stringContaining('scsi_id');
    await expect(attach()).rejects.toMatchObject({ message });
    await expect(connector.detach(WWN, signal())).rejects.toMatchObject({ message });
    await expect(connector.isCurrent(WWN, signal())).rejects.toMatchObject({ message });
    const umount = async (): Promise<void> => Promise.resolve();
    const devicePath = path.join(host.devRoot, 'mapper', `3${WWN}`);
    await expect(failingWhenDead(host, { devicePath, ...telling, umount }, signal())).rejects.toMatchObject({
      message,
    });
    expect(changes()).toEqual([]);
    expect(disks()).toEqual(['sda', 'sdb']);
    host.failures.set('multipathd show daemon', told);
    expect(await connector.findProblems(signal())).toContainEqual(
      expect.stringContaining('multipathd is not installed'),
    );
  });

  it('uses one path where hpe.conf says so', async () => {
    host.makesMaps = false;
    connector = iscsi({ usesMultipath: false });
    expect(await attach()).toMatchObject({ path: path.join(host.devRoot, 'sda') });
    expect(await connector.find(WWN, signal())).toMatchObject({ path: path.join(host.devRoot, 'sda') });
    await connector.detach(WWN, signal());
    expect(disks()).toEqual([]);
  });
});

describe('CHAP', () => {
  it('rule 44: the secret is drawn once, and stands in the node record and in no argument', async () => {
    connector = iscsi({ chap: true });
    const { chap } = await connector.initiators(signal());
    const secret = chap?.secret.reveal() ?? '';
    expect(secret).toMatch(/^[a-zA-HJ-NP-Z2-9]{16}$/);
    expect(secret).not.toMatch(/[0O1lI]/);
    await attach();
    const withSecret = host.ran.filter((argv) => argv.some((word) => word.includes(secret)));
    expect(withSecret).toHaveLength(2);
    for (const [command, file, , input] of withSecret) {
      expect([command, file]).toEqual(['tee', expect.stringMatching(/\/iscsi\/nodes\/.*,3260$/)]);
      expect(input).toContain(`node.session.auth.password = ${secret}\n`);
    }
    const again = await iscsi({ chap: true }).initiators(signal());
    expect(again.chap?.secret.reveal()).toBe(secret);
    const file = path.join(host.stateDir, 'chap.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ name: chap?.name });
  });

  it('a secret that a portal refused is to be given to the array again by the next mount, until a login succeeds', async () => {
    connector = iscsi({ chap: true });
    const wasRefused = async (): Promise<boolean | undefined> =>
      (await connector.initiators(signal())).chap?.wasRefused;
    expect(await wasRefused()).toBe(false);
    const said = 'iscsiadm: initiator reported error (24 - iSCSI login failed due to authorization failure)';
    for (const portal of PORTALS) {
      host.failures.set(`iscsiadm -m node -T ${IQN} -p ${portal} --login`, { exitCode: 24, stderr: said });
    }
    await expect(attach()).rejects.toMatchObject({
      message: expect.stringMatching(/authorization failure.*hpe3par_iscsi_chap_enabled/),
      next: expect.stringMatching(/^do what is said of each port/),
    });
    expect(await wasRefused()).toBe(true);
    host.failures.clear();
    await attach();
    expect(await wasRefused()).toBe(false);
  });

  it('a node record that cannot be written gives the secret away to nobody', async () => {
    connector = iscsi({ chap: true });
    const secret = (await connector.initiators(signal())).chap?.secret.reveal() ?? '';
    host.failures.set('tee /etc/iscsi', { exitCode: 1, stdout: secret, stderr: `tee: ${secret}` });
    const error: unknown = await attach().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining('cannot be written') });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error)) + String(error)).not.toContain(secret);
    expect(host.nodes.size).toBe(0);
  });
});

describe('what is in the way', () => {
  beforeEach(addSessions);

  it('rule 13: an entry of an earlier volume that nothing uses goes with its map, and the LUN is scanned again', async () => {
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: OTHER, answers: WWN });
    host.addDisk({ name: 'sdb', address: '2:0:0:5', wwn: OTHER, answers: undefined });
    host.addMap(OTHER, { paths: ['sda', 'sdb'] });
    expect(await attach()).toMatchObject({ wwn: WWN });
    const order = changes().map((line) => line.replace(host.sysRoot, ''));
    expect(order.slice(0, 3)).toEqual([
      `multipathd disablequeueing map 3${OTHER}`,
      `dmsetup message 3${OTHER} 0 fail_if_no_path`,
      `multipath -f 3${OTHER}`,
    ]);
    expect(order.slice(3, 5).toSorted((a, b) => a.localeCompare(b))).toEqual(
      [1, 2].map((each) => `tee /class/scsi_device/${each}:0:0:5/device/delete < 1`),
    );
    expect(order.slice(5)).toHaveLength(2);
    expect(host.scans).toHaveLength(2);
    expect(await connector.find(OTHER, signal())).toBeUndefined();
  });

  it('rule 13: an entry of an earlier volume that something uses stays, and nothing is attached', async () => {
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: OTHER, answers: WWN });
    host.addMap(OTHER, { paths: ['sda'] });
    await holdMap();
    const next = expect.stringContaining('lsblk /dev/sda');
    await expect(attach()).rejects.toMatchObject({ code: 'busy', message: expect.stringContaining(OTHER), next });
    expect(changes()).toEqual([]);
    await held?.close();
    held = undefined;
    host.addHolder('dm-0', 'dm-7');
    await expect(attach()).rejects.toMatchObject({ code: 'busy' });
    expect(changes()).toEqual([]);
  });

  it('rule 13: a map that has other paths besides the stale one stays', async () => {
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: OTHER, answers: WWN });
    host.addDisk({ name: 'sdb', address: '3:0:0:8', wwn: OTHER });
    host.addMap(OTHER, { paths: ['sda', 'sdb'] });
    await expect(attach()).rejects.toMatchObject({ code: 'busy', message: expect.stringContaining('sda (1:0:0:5') });
    expect(changes()).toEqual([]);
  });

  it('rule 13: a healthy other volume at that address is not stale', async () => {
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: OTHER });
    await expect(attach()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('alive and well'),
    });
    expect(changes()).toEqual([]);
  });

  it('rule 10: with one WWN on both arrays, paths to the passive one are deleted before the map is built', async () => {
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: WWN });
    host.addDisk({ name: 'sdb', address: '3:0:0:9', wwn: WWN });
    host.addMap(WWN, { paths: ['sda', 'sdb'] });
    await attach({ passive: { wwn: WWN, targetNames: [PEER], isStale: true } });
    const map = await connector.find(WWN, signal());
    expect(map).toBeDefined();
    expect(changes().some((line) => line.startsWith('sync '))).toBe(false);
    expect(host.ran.findIndex((argv) => argv.join(' ').includes('3:0:0:9/device/delete'))).toBeLessThan(
      host.ran.findIndex((argv) => argv.join(' ').includes('/scan')),
    );
    expect(disks()).toEqual(['sda', 'sdb']);
  });

  it('rule 10: such a path in a map that is used is refused', async () => {
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: WWN });
    host.addDisk({ name: 'sdb', address: '3:0:0:9', wwn: WWN });
    host.addMap(WWN, { paths: ['sda', 'sdb'] });
    await holdMap();
    await expect(attach({ passive: { wwn: WWN, targetNames: [PEER], isStale: true } })).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringMatching(/sdb \(3:0:0:9.*does not lead to the active copy/),
    });
    expect(disks()).toEqual(['sda', 'sdb']);
    // Its users keep what multipath.conf promises them when paths go for a moment.
    expect(has(/disablequeueing|fail_if_no_path/)).toBe(false);
  });

  it('rule 10: a path to a target port that nobody knows is refused, and named', async () => {
    host.addDisk({ name: 'sdb', address: '3:0:0:9', wwn: WWN });
    await expect(attach()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(new RegExp(`sdb \\(3:0:0:9, target port ${PEER}\\)`)),
    });
    expect(changes()).toEqual([]);
  });

  it('rule 21: the device of the passive copy is taken away, without a write to it', async () => {
    host.addDisk({ name: 'sda', address: '3:0:0:4', wwn: OTHER });
    host.addMap(OTHER, { paths: ['sda'] });
    await attach({ passive: { wwn: OTHER, targetNames: [PEER], isStale: true } });
    expect(await connector.find(OTHER, signal())).toBeUndefined();
    expect(has(/^sync /)).toBe(false);
  });

  it('rule 46: the device of the passive copy that is used keeps the volume from being attached', async () => {
    host.addDisk({ name: 'sda', address: '3:0:0:4', wwn: OTHER });
    host.addMap(OTHER, { paths: ['sda'] });
    await holdMap();
    const passive = { wwn: OTHER, targetNames: [PEER], isStale: true };
    await expect(attach({ passive })).rejects.toMatchObject({ code: 'busy' });
    expect(disks()).toEqual(['sda']);
    expect(has(/disablequeueing|fail_if_no_path/)).toBe(false);
  });
});

describe('the proof', () => {
  beforeEach(addSessions);

  it('rule 9: every path of the map has to say that it is the volume', async () => {
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: WWN });
    host.addDisk({ name: 'sdb', address: '1:0:0:7', wwn: OTHER });
    host.addDisk({ name: 'sdc', address: '2:0:0:5', wwn: WWN });
    host.addMap(WWN, { paths: ['sda', 'sdb', 'sdc'] });
    await expect(attach()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/sdb .*is not the expected volume/),
    });
  });

  it('rule 9: a path that was the volume when it was scanned has to be it now, over whichever session it goes', async () => {
    await attach();
    host.addSession(4, { target: IQN, portal: '10.1.3.2:3260' });
    host.addDisk({ name: 'sdc', address: '4:0:0:5', wwn: WWN, answers: OTHER });
    await host.run('multipath', ['-f', `3${WWN}`], { timeoutMs: 1000 });
    host.addMap(WWN, { paths: ['sda', 'sdb', 'sdc'] });
    await expect(attach()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(new RegExp(`sdc .*seen WWN ${OTHER} \\(when scanned ${WWN}\\)`)),
    });
  });

  it.each(['ID_VENDOR=LIO-ORG\nID_MODEL=VV', 'ID_VENDOR=3PARdata\nID_MODEL=SES'])(
    'rule 9: what calls itself %j is refused',
    async (said) => {
      host.failures.set('/usr/lib/udev/scsi_id', { stdout: `${said}\nID_SERIAL=3${WWN}\n` });
      await expect(attach()).rejects.toMatchObject({
        code: 'refused',
        message: expect.stringContaining('3PARdata VV'),
      });
    },
  );

  it('rule 9: a LUN that turns out to be another volume is refused', async () => {
    host.luns.set('2:5', OTHER);
    await expect(attach()).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining(OTHER) });
  });

  it.each<[string, Partial<Connection>]>([
    ['size', { sizeBytes: SIZE + 512 }],
    ['WWN', { wwn: OTHER }],
  ])('rule 9: another %s is refused', async (_what, more) => {
    await expect(attach(more)).rejects.toMatchObject({ code: 'refused', next: expect.stringContaining('showvv') });
  });

  it('rule 11: a map with something built on it is refused', async () => {
    await attach();
    host.addHolder('dm-0', 'dm-5');
    await expect(attach()).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('dm-5') });
  });

  it('rule 12: a map that was there before, and that somebody has, is refused', async () => {
    addSessions();
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: WWN });
    host.addDisk({ name: 'sdb', address: '2:0:0:5', wwn: WWN });
    host.addMap(WWN, { paths: ['sda', 'sdb'] });
    await holdMap();
    await expect(attach()).rejects.toMatchObject({ code: 'busy' });
    expect(changes()).toEqual([]);
  });

  it('rule 12: a map that somebody has at once is refused', async () => {
    await holdMap();
    await expect(attach()).rejects.toMatchObject({ code: 'busy', message: expect.stringContaining('exclusively') });
  });

  it('a device that answers as another volume, or not at all, does not lead to the data any more', async () => {
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: WWN, answers: OTHER });
    host.addMap(WWN, { paths: ['sda'] });
    expect(await connector.isCurrent(WWN, signal())).toBe(false);
    expect(await connector.isCurrent(OTHER, signal())).toBe(false);
  });

  it('a device that does not answer for a moment is asked again before it counts as cut off', async () => {
    await attach();
    host.failures.set('/usr/lib/udev/scsi_id', { exitCode: 1 });
    setTimeout(() => host.failures.clear(), 500);
    expect(await connector.isCurrent(WWN, signal())).toBe(true);
  });
});

describe('Fibre Channel', () => {
  const PORT = '20000002ac000101';
  const PEER_PORT = '20000002ac000201';
  const fc = (more: Partial<Connection> = {}): Connection => connection({ targets: [{ name: PORT }], ...more });
  const stale = { wwn: WWN, targetNames: [PEER_PORT], isStale: true };

  beforeEach(() => {
    const { run, sysRoot, devRoot, stateDir } = host;
    connector = createFcConnector({ run, sysRoot, devRoot, stateDir, usesMultipath: true, minimumPaths: 1, logger });
    host.addRemotePort(2, { hba: '200000109b000001', port: PORT });
    host.addRemotePort(2, { hba: '200000109b000001', port: PEER_PORT, target: 1 });
    host.addRemotePort(4, { hba: '200000109b000002', port: PORT, target: 3 });
    for (const number of [2, 4]) host.luns.set(`${number}:5`, WWN);
    host.setScanMode('async');
  });

  it('rule 14: scans the LUN on each HBA that sees the port, at its SCSI target', async () => {
    await connector.attach(fc(), signal());
    expect(host.scans).toEqual([
      `tee ${host.sysRoot}/class/scsi_host/host2/scan < 0 0 5`,
      `tee ${host.sysRoot}/class/scsi_host/host4/scan < 0 3 5`,
    ]);
    expect(has(/iscsiadm/)).toBe(false);
  });

  it('rule 10: a failed-over volume with one WWN on both arrays needs a kernel that does not scan', async () => {
    await expect(connector.attach(fc({ passive: stale }), signal())).rejects.toMatchObject({
      code: 'refused',
      next: expect.stringContaining('printf manual > /sys/module/scsi_mod/parameters/scan'),
    });
    expect(changes()).toEqual([]);
    host.setScanMode('manual');
    expect(await connector.attach(fc({ passive: stale }), signal())).toMatchObject({ wwn: WWN });
  });

  it('rule 10: before a failover, or with a WWN for each copy, the kernel may scan', async () => {
    expect(await connector.attach(fc({ passive: { ...stale, isStale: false } }), signal())).toMatchObject({ wwn: WWN });
    expect(await connector.attach(fc({ passive: { ...stale, wwn: OTHER } }), signal())).toMatchObject({ wwn: WWN });
  });

  it('rule 10: where both copies get one WWN, a kernel that scans by itself is told before there is a failover', async () => {
    const problems = async (equalWwns: boolean): Promise<string[]> => {
      const { run, sysRoot, devRoot, stateDir } = host;
      const options = { run, sysRoot, devRoot, stateDir, usesMultipath: false, minimumPaths: 1, logger };
      return createFcConnector({ ...options, equalWwns }).findProblems(signal());
    };
    expect(await problems(false)).toEqual([]);
    expect(await problems(true)).toEqual([
      expect.stringMatching(/secondary_wwn = same.*scsi_mod.scan is async.*; next: printf manual/),
    ]);
    host.setScanMode('manual');
    expect(await problems(true)).toEqual([]);
  });

  it('names a target port that no HBA sees', async () => {
    await connector.attach(fc({ targets: [{ name: PORT }, { name: '20000002ac000102' }] }), signal());
    expect(warnings).toEqual([expect.stringContaining('20000002ac000102 (no port of this host sees it)')]);
  });
});

describe('detach from Fibre Channel', () => {
  const PORT = '20000002ac000101';
  /** A remote port that comes back that often while its path is being deleted. */
  const detachWhile = async (returns: number): Promise<void> => {
    const { run, sysRoot, devRoot, stateDir } = host;
    host.addRemotePort(2, { hba: '200000109b000001', port: PORT });
    host.addDisk({ name: 'sda', address: '2:0:0:5', wwn: WWN });
    let left = returns;
    const bringsBack: typeof run = async (command, args, options) => {
      const result = await run(command, args, options);
      if (command === 'tee' && args[0]?.endsWith('/delete') === true && left > 0) {
        left -= 1;
        host.addDisk({ name: left % 2 === 0 ? 'sdb' : 'sdc', address: `2:0:0:${6 + left}`, wwn: WWN });
      }
      return result;
    };
    const options = { sysRoot, devRoot, stateDir, usesMultipath: true, minimumPaths: 1, logger };
    await createFcConnector({ ...options, run: bringsBack }).detach(WWN, signal());
  };

  it('a path that a remote port brings back meanwhile goes, too', async () => {
    await detachWhile(2);
    expect(disks()).toEqual([]);
  });

  it('paths that come back each time are told, and not waited for without end', async () => {
    await expect(detachWhile(100)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('come back'),
    });
  });
});

describe('detach', () => {
  const detach = async (): Promise<void> => connector.detach(WWN, signal());

  it('rule 27: flushes, removes the map, deletes the paths, and then logs out', async () => {
    await attach();
    host.ran.length = 0;
    await detach();
    const order = changes().map((line) =>
      line.replace(/^tee .*\/([\d:]+)\/device\/delete.*/, 'delete').replace(/^iscsiadm .*(--logout|-o delete)/, '$1'),
    );
    expect(order).toEqual([
      `sync ${host.devRoot}/mapper/3${WWN}`,
      `multipath -f 3${WWN}`,
      'delete',
      'delete',
      '--logout',
      '--logout',
      '-o delete',
      '-o delete',
    ]);
    expect(host.devices).toEqual([]);
    expect(host.nodes.size).toBe(0);
    expect(await connector.find(WWN, signal())).toBeUndefined();
  });

  it('rule 27: a failed flush to a live array stops the sequence', async () => {
    await attach();
    host.ran.length = 0;
    host.failures.set('sync ', { exitCode: 1, stderr: 'Input/output error' });
    await expect(detach()).rejects.toMatchObject({ message: expect.stringContaining('Input/output error') });
    expect(changes()).toEqual([expect.stringMatching(/^sync /)]);
  });

  it('rule 29: a map whose paths are all dead stops waiting for them first, and is not flushed', async () => {
    addSessions();
    for (const number of [1, 2]) {
      host.addDisk({ name: number === 1 ? 'sda' : 'sdb', address: `${number}:0:0:5`, wwn: WWN, answers: undefined });
    }
    host.addMap(WWN, { paths: ['sda', 'sdb'] });
    await detach();
    const order = changes();
    expect(order.slice(0, 3)).toEqual([
      `multipathd disablequeueing map 3${WWN}`,
      `dmsetup message 3${WWN} 0 fail_if_no_path`,
      `multipath -f 3${WWN}`,
    ]);
    expect(has(/^sync /)).toBe(false);
    expect(host.devices).toEqual([]);
  });

  it('rule 29: before an umount a map of which no path answers stops waiting, and no other does', async () => {
    await attach();
    const node = path.join(host.devRoot, 'mapper', `3${WWN}`);
    host.ran.length = 0;
    const umount = async (): Promise<void> => Promise.resolve();
    await failingWhenDead(host, { devicePath: node, ...telling, umount }, signal());
    await failingWhenDead(host, { devicePath: '/dev/loop999', ...telling, umount }, signal());
    expect(changes()).toEqual([]);
    host.failures.set('/usr/lib/udev/scsi_id', { exitCode: 1 });
    setTimeout(() => host.failures.clear(), 500);
    await failingWhenDead(host, { devicePath: node, ...telling, umount }, signal());
    expect(changes()).toEqual([]);
    expect(errors).toEqual([]);
    host.failures.set('/usr/lib/udev/scsi_id', { reason: 'timed out after 5000 ms and was killed' });
    await failingWhenDead(host, { devicePath: node, ...telling, umount }, signal());
    const stopped = [`multipathd disablequeueing map 3${WWN}`, `dmsetup message 3${WWN} 0 fail_if_no_path`];
    expect(changes()).toEqual(stopped);
    // Rule 45: umount itself succeeds, whatever it could not write.
    expect(errors).toEqual([expect.stringMatching(new RegExp(`volume ${WWN} .*/mounts/v .*not synced.*may be lost`))]);
    // One that stays mounted because somebody uses it waits for its paths as before.
    const busy = async (): Promise<void> => Promise.reject(new Error('busy'));
    await expect(failingWhenDead(host, { devicePath: node, ...telling, umount: busy }, signal())).rejects.toThrow(
      'busy',
    );
    expect(changes().slice(stopped.length)).toEqual([...stopped, `multipathd restorequeueing map 3${WWN}`]);
  });

  it('rule 13: nothing is flushed to a LUN that is another volume by now', async () => {
    addSessions();
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: WWN, answers: OTHER });
    host.addMap(WWN, { paths: ['sda'] });
    await detach();
    expect(has(/^sync /)).toBe(false);
    expect(host.devices).toEqual([]);
  });

  it('rule 26: what is used stays, in one piece', async () => {
    await attach();
    host.ran.length = 0;
    await holdMap();
    await expect(detach()).rejects.toMatchObject({ code: 'busy' });
    expect(changes()).toEqual([]);
    expect(disks()).toEqual(['sda', 'sdb']);
  });

  it('rule 26: what is used while no path answers waits for its paths again, as its users were promised', async () => {
    await attach();
    host.ran.length = 0;
    host.failures.set('/usr/lib/udev/scsi_id', { exitCode: 1 });
    await holdMap();
    await expect(detach()).rejects.toMatchObject({ code: 'busy' });
    expect(changes().at(-1)).toBe(`multipathd restorequeueing map 3${WWN}`);
    expect(disks()).toEqual(['sda', 'sdb']);
  });

  it('a map that is in use for a moment is tried again', async () => {
    await attach();
    host.failures.set('multipath -f', { exitCode: 1, stderr: `3${WWN}: map in use` });
    const timer = setInterval(() => {
      if (has(/udevadm/)) host.failures.clear();
    }, 20);
    await detach();
    clearInterval(timer);
    expect(has(/udevadm settle --timeout=3/)).toBe(true);
    expect(host.devices).toEqual([]);
  });

  it('nothing there is a success, and so is a map without its paths, or paths without their map', async () => {
    await detach();
    addSessions();
    host.addDisk({ name: 'sda', address: '1:0:0:5', wwn: WWN });
    host.addDisk({ name: 'sdb', address: '1:0:0:6', wwn: OTHER });
    await detach();
    expect(disks()).toEqual(['sdb']);
  });

  it('a session that another LUN hangs on stays, until that one goes', async () => {
    host.luns.set('1:6', OTHER).set('2:6', OTHER);
    await attach();
    await attach({ lun: 6, wwn: OTHER });
    await detach();
    expect(has(/--logout/)).toBe(false);
    await connector.detach(OTHER, signal());
    expect(host.ran.filter((argv) => argv.includes('--logout'))).toHaveLength(2);
  });

  it('what a daemon that was killed has logged in to is ended by the next', async () => {
    await attach();
    connector = iscsi();
    await detach();
    expect(host.ran.filter((argv) => argv.includes('--logout'))).toHaveLength(2);
    expect(host.nodes.size).toBe(0);
  });

  it('a record that a daemon was killed in the middle of writing does not stay', async () => {
    const folder = path.join(host.stateDir, 'iscsi');
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, '0e2a5f103208b328bfb0fb0c.json.new'), '{"sch');
    await detach();
    expect(await readdir(folder)).toEqual([]);
  });

  it('a record of a session that cannot be read keeps no volume attached, and is named with what to do', async () => {
    await attach();
    const file = path.join(host.stateDir, 'iscsi', '0e2a5f103208b328bfb0fb0c.json');
    await writeFile(file, '{"schema":2}');
    await detach();
    expect(disks()).toEqual([]);
    expect(await readdir(path.join(host.sysRoot, 'class/iscsi_session'))).toEqual([]);
    expect(warnings).toEqual([expect.stringMatching(`${file}.*cannot be read; next: .*remove ${file}`)]);
  });

  it('a session that comes after its attach was aborted is ended later, by itself', async () => {
    host.portals.delete('10.1.2.2:3260');
    const reason = 'killed, the caller gave up';
    host.failures.set(`iscsiadm -m node -T ${IQN} -p 10.1.1.2:3260 --login`, { reason });
    await expect(attach()).rejects.toMatchObject({ code: 'unavailable' });
    await detach();
    host.failures.clear();
    host.addSession(1, { target: IQN, portal: '10.1.1.2:3260' });
    await connector.tidy(signal());
    expect(await readdir(path.join(host.sysRoot, 'class/iscsi_session'))).toEqual([]);
    expect(host.nodes.size).toBe(0);
  });

  it('a session that comes later than its login said is ended later, by itself', async () => {
    host.portals.delete('10.1.2.2:3260');
    host.failures.set(`iscsiadm -m node -T ${IQN} -p 10.1.1.2:3260 --login`, { exitCode: 0 });
    await expect(attach()).rejects.toMatchObject({ message: expect.stringContaining('there is no session') });
    host.failures.clear();
    host.addSession(1, { target: IQN, portal: '10.1.1.2:3260' });
    await connector.tidy(signal());
    expect(await readdir(path.join(host.sysRoot, 'class/iscsi_session'))).toEqual([]);
    expect(host.nodes.size).toBe(0);
  });

  it('a login of which nothing comes is forgotten after half a minute', async () => {
    const reason = 'killed, the caller gave up';
    host.failures.set(`iscsiadm -m node -T ${IQN} -p 10.1.1.2:3260 --login`, { reason });
    host.failures.set(`iscsiadm -m node -T ${IQN} -p 10.1.2.2:3260 --login`, { reason });
    await expect(attach()).rejects.toMatchObject({ code: 'unavailable' });
    await connector.tidy(signal());
    const folder = path.join(host.stateDir, 'iscsi');
    const records = await readdir(folder);
    expect(records).toHaveLength(2);
    for (const name of records) {
      const text = await readFile(path.join(folder, name), 'utf8');
      const aged = text.replace(/"madeAtMs":(\d+)/, (_all, at) => `"madeAtMs":${Number(at) - 31_000}`);
      await writeFile(path.join(folder, name), aged);
    }
    await connector.tidy(signal());
    expect(await readdir(folder)).toEqual([]);
    expect(host.nodes.size).toBe(0);
  });

  it('rule 15: a session of another interface to the same portal stays, with what is mounted from it', async () => {
    await attach();
    host.addSession(9, { target: IQN, portal: '10.1.1.2:3260' });
    host.addDisk({ name: 'sdf', address: '9:0:0:7', wwn: OTHER });
    await detach();
    expect(disks()).toEqual(['sdf']);
    expect(await readdir(path.join(host.sysRoot, 'class/iscsi_session'))).toEqual(['session9']);
    expect(await readdir(path.join(host.stateDir, 'iscsi'))).toEqual([]);
  });

  it('our session ends also where one of another interface works and it does not', async () => {
    await attach();
    host.addSession(1, { target: IQN, portal: '10.1.1.2:3260', state: 'FAILED' });
    host.addSession(9, { target: IQN, portal: '10.1.1.2:3260' });
    await detach();
    expect(await readdir(path.join(host.sysRoot, 'class/iscsi_session'))).toEqual(['session9']);
  });

  it('rule 15: a session that somebody made anew after ours had ended is not ours', async () => {
    await attach();
    const [record = ''] = await readdir(path.join(host.stateDir, 'iscsi'));
    const file = path.join(host.stateDir, 'iscsi', record);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace(/"session":"session\d"/, '"session":"session99"'));
    await detach();
    expect(host.ran.filter((argv) => argv.includes('--logout'))).toHaveLength(1);
    expect(host.nodes.size).toBe(1);
  });
});
