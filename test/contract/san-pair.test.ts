import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Connection, HostConnector } from '../../src/contracts/host.js';
import { createFcConnector } from '../../src/host/fc.js';
import { createIscsiConnector } from '../../src/host/iscsi.js';
import { makeMapNode, type MapNode } from '../fakes/map-node.js';
import { FakeSanHost } from '../fakes/san-host.js';

/* One map of the paths to both arrays (peer persistence), as san.test.ts. */

const WWN = '60002ac0000000000000000100000001';
const OTHER = '60002ac0000000000000000100000002';
const IQN = 'iqn.2000-05.com.3pardata:21210002ac000001';
const PEER = 'iqn.2000-05.com.3pardata:22210002ac000002';
const SIZE = 614_400 * 512;
/** Of the sessions: 1 and 2 to the active array, 3 and 4 to the other one. */
const PORTALS = ['10.1.1.2:3260', '10.1.2.2:3260', '10.2.1.2:3260', '10.2.2.2:3260'];

let host: FakeSanHost;
let connector: HostConnector;
let warnings: string[];
let mapNode: MapNode;
let held: FileHandle | undefined;

const signal = (): AbortSignal => AbortSignal.timeout(60_000);
const logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message: string) => void warnings.push(message),
  error: () => undefined,
};
const targetsOf = (name: string, portals: string[]): Connection['targets'] =>
  portals.map((portal) => ({ name, portal: { host: portal.split(':')[0] ?? '', port: 3260 } }));
/** Another LUN number on the other array. */
const peer = { targets: targetsOf(PEER, PORTALS.slice(2)), lun: 7 };
const alone: Connection = { targets: targetsOf(IQN, PORTALS.slice(0, 2)), lun: 5, wwn: WWN, sizeBytes: SIZE };
const paired: Connection = { ...alone, peer };
const attach = async (connection = paired) => connector.attach(connection, signal());
const disks = (): string[] => host.devices.filter((name) => name.startsWith('sd'));
const has = (pattern: RegExp): boolean => host.ran.some((argv) => pattern.test(argv.join(' ')));
const hold = async (): Promise<void> => void (held = await open(mapNode.path, constants.O_RDONLY | constants.O_EXCL));

beforeAll(async () => {
  mapNode = await makeMapNode();
});

afterAll(async () => {
  await mapNode.remove();
});

beforeEach(() => {
  host = new FakeSanHost(mapNode.path);
  warnings = [];
  PORTALS.forEach((portal, index) => host.portals.set(portal, index + 1));
  for (const place of ['1:5', '2:5', '3:7', '4:7']) host.luns.set(place, WWN);
  const { run, sysRoot, devRoot, stateDir } = host;
  const fixed = { run, sysRoot, devRoot, stateDir, logger };
  connector = createIscsiConnector({ usesMultipath: true, minimumPaths: 1, chap: false, ...fixed });
});

afterEach(async () => {
  await held?.close();
  held = undefined;
  host.close();
});

describe('a volume that both arrays show', () => {
  it('rule 10: gets one map of the paths to both, each at its LUN number; the detach takes all of it away', async () => {
    const device = await attach();
    expect(device).toEqual({ path: path.join(host.devRoot, 'mapper', `3${WWN}`), wwn: WWN, sizeBytes: SIZE });
    expect(host.scans.map((line) => line.replace(/.*host(\d)\/scan < /, '$1: '))).toEqual([
      '1: 0 0 5',
      '2: 0 0 5',
      '3: 0 0 7',
      '4: 0 0 7',
    ]);
    expect(disks()).toHaveLength(4);
    const before = host.ran.filter(([command]) => command === 'tee').length;
    expect(await attach()).toEqual(device);
    expect(host.ran.filter(([command]) => command === 'tee')).toHaveLength(before);
    expect(warnings).toEqual([]);
    await connector.detach(WWN, signal());
    expect(host.devices).toEqual([]);
    expect(host.ran.filter((argv) => argv.includes('--logout'))).toHaveLength(4);
    expect(host.nodes.size).toBe(0);
  });

  it('rule 10: a path to a port of neither array is refused, and named', async () => {
    host.addSession(8, { target: 'iqn.2000-05.com.3pardata:neither', portal: '10.3.1.2:3260' });
    host.addDisk({ name: 'sda', address: '8:0:0:5', wwn: WWN });
    await expect(attach()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/sda \(8:0:0:5, target port iqn.2000-05.com.3pardata:neither\)/),
    });
    expect(has(/delete|multipath -f/)).toBe(false);
  });

  it('rule 10: such a path that joins the map while its own are awaited is refused, too', async () => {
    host.luns.delete('4:7');
    setTimeout(() => {
      host.addSession(8, { target: 'iqn.2000-05.com.3pardata:neither', portal: '10.3.1.2:3260' });
      host.addDisk({ name: 'sdf', address: '8:0:0:5', wwn: WWN });
      host.addPathToMap(WWN, 'sdf');
    }, 2000);
    await expect(attach()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/sdf \(8:0:0:5, .*is not the expected volume/),
    });
  });

  it('rule 9: every path of the other array has to be the volume, too', async () => {
    host.luns.set('4:7', OTHER);
    await expect(attach()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(new RegExp(`LUN 7: seen WWN ${OTHER}`)),
    });
  });

  it('a path at another LUN number of that array goes, with the map that nothing uses', async () => {
    host.addSession(3, { target: PEER, portal: PORTALS[2] ?? '' });
    host.addDisk({ name: 'sda', address: '3:0:0:5', wwn: WWN });
    host.addMap(WWN, { paths: ['sda'] });
    await attach();
    expect(has(/3:0:0:5\/device\/delete/)).toBe(true);
    expect(disks()).toHaveLength(4);
  });

  it('is attached without the other array when that one shows nothing, with a warning', async () => {
    host.luns.delete('3:7');
    host.luns.delete('4:7');
    await attach();
    expect(disks()).toHaveLength(2);
    expect(warnings).toEqual([expect.stringMatching(/(?=.*10\.2\.1\.2)(?=.*10\.2\.2\.2).*no usable path/)]);
  });

  it('is not attached by paths to the other array alone', async () => {
    for (const portal of PORTALS.slice(0, 2)) host.portals.delete(portal);
    await expect(attach()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/10\.1\.1\.2.*timed out/),
    });
    expect(disks()).toEqual([]);
  });
});

it('where volumes move between arrays, its multipath settings have to follow', async () => {
  const { run, sysRoot, devRoot, stateDir } = host;
  const options = { run, sysRoot, devRoot, stateDir, logger, usesMultipath: true, minimumPaths: 1, chap: false };
  const device =
    'device {\nvendor 3PARdata\nproduct VV\npath_grouping_policy group_by_prio\nprio alua\nfailback immediate\nno_path_retry 18\n}';
  host.failures.set('multipathd show config', {
    stdout: `defaults {\nfind_multipaths no\n}\ndevices {\n${device}\n}\n`,
  });
  const handlers = async (movesBetweenArrays: boolean): Promise<string[]> =>
    (await createIscsiConnector({ ...options, movesBetweenArrays }).findProblems(signal())).filter((each) =>
      each.includes('hardware_handler'),
    );
  expect(await handlers(false)).toEqual([]);
  expect(await handlers(true)).toHaveLength(1);
});

describe('the paths that a device in use lacks', () => {
  const add = async (connection = paired) => connector.addPaths(connection, signal());

  it('are added to its map, and nothing is taken away', async () => {
    const device = await attach(alone);
    const before = disks();
    expect(before).toHaveLength(2);
    await hold();
    // What multipathd does with a new path of a map that is in use.
    host.makesMaps = false;
    const timer = setInterval(() => {
      for (const name of disks().slice(2)) host.addPathToMap(WWN, name);
    }, 20);
    expect(await add()).toEqual(device);
    clearInterval(timer);
    expect(disks()).toHaveLength(4);
    expect(has(/delete|multipath -f|queue|sync /)).toBe(false);
    expect(warnings).toEqual([]);
    const scans = host.scans.length;
    expect(await add()).toEqual(device);
    expect(host.scans).toHaveLength(scans);
  });

  it('rule 10: are refused when one leads to a port of neither array', async () => {
    await attach(alone);
    host.addSession(8, { target: 'iqn.2000-05.com.3pardata:neither', portal: '10.3.1.2:3260' });
    host.addDisk({ name: 'sde', address: '8:0:0:5', wwn: WWN });
    await expect(add()).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('sde (8:0:0:5') });
    expect(disks()).toEqual(['sda', 'sdb', 'sde']);
  });

  it('rule 9: are refused when one of them is another volume', async () => {
    await attach(alone);
    host.luns.set('3:7', OTHER);
    await expect(add()).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining(OTHER) });
    expect(has(/multipath -f/)).toBe(false);
  });

  it('rule 13: come where an earlier volume of that array was, which nothing uses', async () => {
    await attach(alone);
    host.addSession(3, { target: PEER, portal: PORTALS[2] ?? '' });
    host.addDisk({ name: 'sde', address: '3:0:0:7', wwn: OTHER, answers: WWN });
    await add();
    expect(has(/3:0:0:7\/device\/delete/)).toBe(true);
    expect(disks()).toHaveLength(4);
  });

  it('rule 44: are not looked for where nothing is attached', async () => {
    await expect(add()).rejects.toMatchObject({ code: 'unavailable', next: expect.stringContaining('multipath -ll') });
    expect(has(/--login|scan/)).toBe(false);
  });
});

describe('Fibre Channel', () => {
  const PORT = '20000002ac000101';
  const PEER_PORT = '20000002ac000201';

  it('scans each array for its LUN number, whether or not the kernel scans by itself', async () => {
    const { run, sysRoot, devRoot, stateDir } = host;
    connector = createFcConnector({ run, sysRoot, devRoot, stateDir, usesMultipath: true, minimumPaths: 1, logger });
    host.addRemotePort(2, { hba: '200000109b000001', port: PORT });
    host.addRemotePort(2, { hba: '200000109b000001', port: PEER_PORT, target: 1 });
    host.luns.set('2:7', WWN);
    host.setScanMode('async');
    await attach({ ...alone, targets: [{ name: PORT }], peer: { targets: [{ name: PEER_PORT }], lun: 7 } });
    expect(host.scans.map((line) => line.split(' < ')[1])).toEqual(['0 0 5', '0 1 7']);
    expect(disks()).toHaveLength(2);
    expect(warnings).toEqual([]);
  });
});
