import { afterAll, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createFcConnector, listNexuses } from '../../../src/host/fc.js';
import { addSecret, parseLoginFailure, scansByItself } from '../../../src/host/iscsi-node.js';
import { findSession, listSessions, nexusOf, portalText } from '../../../src/host/iscsi-sessions.js';
import { parseInitiatorName } from '../../../src/host/iscsi.js';
import { judgeMoves, judgeMultipathConf, parseMultipathConf } from '../../../src/host/multipath-conf.js';
import { findMap, listMaps, parseActivePaths } from '../../../src/host/multipath-map.js';
import { run } from '../../../src/host/run.js';
import { parseScsiId } from '../../../src/host/scsi-identity.js';
import { listScsiPaths } from '../../../src/host/scsi-paths.js';

/* Each parser on what the real tools said in the lab: test/fixtures/san-output/README.md. */

const WWN = '60002ac0000000000000000100000001';
const TARGET = 'iqn.2000-05.com.3pardata:21210002ac000001';
const signal = AbortSignal.timeout(60_000);

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const captured = (name: string): string => readFileSync(path.join(here, '../../fixtures/san-output', name), 'utf8');
const roots: string[] = [];

afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true });
});

/** A folder with the captured part of sysfs. */
function sysfsOf(name: string): string {
  const root = mkdtempSync(path.join(tmpdir(), 'sysfs-'));
  roots.push(root);
  for (const line of captured(name).split('\n')) {
    const [kind, file = '', text = ''] = line.split('\t');
    if (kind !== 'link' && kind !== 'file') continue;
    const full = path.join(root, file);
    mkdirSync(path.dirname(full), { recursive: true });
    if (kind === 'file') writeFileSync(full, `${text}\n`);
    else symlinkSync(text.startsWith('/') ? path.join(root, text) : text, full);
  }
  return path.join(root, 'sys');
}

describe('sysfs of an iSCSI host', () => {
  const sysRoot = sysfsOf('sysfs-iscsi.tsv');

  it('has sessions with their portals and what hangs on them', async () => {
    expect(await listSessions(sysRoot)).toEqual([
      {
        id: 'session43',
        portal: { target: TARGET, host: '10.1.2.2', port: 3260 },
        state: 'LOGGED_IN',
        hostNumber: 6,
        targetId: 0,
        devices: ['6:0:0:5'],
      },
      expect.objectContaining({ id: 'session44', hostNumber: 7, devices: ['7:0:0:5'] }),
    ]);
    const session = await findSession(sysRoot, { target: TARGET, host: '10.1.1.2', port: 3260 });
    expect(session).toMatchObject({ id: 'session44' });
    expect(session === undefined ? undefined : nexusOf(session)).toMatchObject({
      host: 7,
      channel: 0,
      target: 0,
      port: TARGET,
    });
    expect(await findSession(sysRoot, { target: TARGET, host: '10.1.1.2', port: 3261 })).toBeUndefined();
  });

  it('has disks with their addresses, identities and target ports', async () => {
    expect(await listScsiPaths(sysRoot)).toEqual([
      {
        name: 'sda',
        number: '8:0',
        address: '6:0:0:5',
        wwn: WWN,
        vendor: '3PARdata',
        model: 'VV',
        sizeBytes: 300 * 1024 * 1024,
        port: TARGET,
        holders: ['dm-0'],
      },
      expect.objectContaining({ name: 'sdb', number: '8:16', address: '7:0:0:5', port: TARGET }),
    ]);
  });

  it('has the map by its WWID', async () => {
    const access = { run, sysRoot, devRoot: '/dev' };
    const map = { name: `3${WWN}`, kernelName: 'dm-0', path: `/dev/mapper/3${WWN}`, wwn: WWN };
    expect(await findMap(access, WWN)).toEqual({ ...map, sizeBytes: 314_572_800, paths: ['sda', 'sdb'], holders: [] });
    expect(await findMap(access, WWN.replace(/1$/, '2'))).toBeUndefined();
    expect(await listMaps(access)).toHaveLength(1);
  });

  it('says of a session whose portal does not answer that it is not logged in', async () => {
    const states = (await listSessions(sysfsOf('sysfs-iscsi-failed.tsv'))).map(({ state }) => state);
    expect(states).toEqual(['LOGGED_IN', 'FREE']);
  });
});

describe('sysfs of a Fibre Channel host', () => {
  const sysRoot = sysfsOf('sysfs-fc.tsv');

  it('has the ports of the HBAs, and what target ports they see', async () => {
    const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
    const connector = createFcConnector({
      run,
      stateDir: '/nowhere',
      usesMultipath: false,
      minimumPaths: 1,
      logger,
      sysRoot,
    });
    const names = ['200000109b000001', '200000109b000002'];
    expect(await connector.initiators(signal)).toEqual({ protocol: 'fc', names });
    expect(await connector.findProblems(signal)).toEqual([]);
    // The other remote ports are those that the lab's array ports see, or have no SCSI target.
    expect((await listNexuses(sysRoot)).map(({ label, ...nexus }) => [label, nexus])).toEqual([
      ['20000002ac000101 from 200000109b000001', { host: 2, channel: 0, target: 0, port: '20000002ac000101' }],
      ['20000002ac000201 from 200000109b000001', { host: 2, channel: 0, target: 1, port: '20000002ac000201' }],
      ['20000002ac000102 from 200000109b000002', { host: 5, channel: 0, target: 0, port: '20000002ac000102' }],
      ['20000002ac000202 from 200000109b000002', { host: 5, channel: 0, target: 1, port: '20000002ac000202' }],
    ]);
  });

  it('has disks with the target port that they lead to', async () => {
    const paths = (await listScsiPaths(sysRoot)).map(({ name, address, port }) => [name, address, port]);
    expect(paths).toEqual([
      ['sda', '2:0:0:3', '20000002ac000101'],
      ['sdb', '5:0:0:3', '20000002ac000102'],
    ]);
  });
});

describe('tools', () => {
  it('dmsetup status names the paths that work', () => {
    expect([...parseActivePaths(captured('dmsetup-status.txt'))]).toEqual(['8:16', '8:0']);
    expect([...parseActivePaths(captured('dmsetup-status-failed.txt'))]).toEqual(['8:0']);
    expect([...parseActivePaths('0 614400 multipath 2 0 1 0 0 1 \n')]).toEqual([]);
  });

  it('scsi_id says who a device is', () => {
    expect(parseScsiId(captured('scsi_id-export.txt'))).toEqual({ wwn: WWN, vendor: '3PARdata', product: 'VV' });
    expect(parseScsiId('')).toBeUndefined();
    // A serial of another kind is no WWN.
    expect(parseScsiId('ID_VENDOR=QEMU\nID_MODEL=HARDDISK\nID_SERIAL=0QEMU_QEMU_HARDDISK_1\n')).toBeUndefined();
  });

  it('iscsiadm says why a login failed', () => {
    expect(parseLoginFailure(captured('iscsiadm-login-failed.txt'))).toBe('connection timed out');
    expect(parseLoginFailure(captured('iscsiadm-login-refused.txt'))).toBe(
      'iSCSI login failed due to authorization failure',
    );
    expect(parseLoginFailure('')).toBeUndefined();
  });

  it('a node record says whether its sessions scan by themselves', () => {
    const node = captured('iscsiadm-node.txt');
    const auto = node.replace('node.session.scan = manual', 'node.session.scan = auto');
    expect(scansByItself(node)).toBe(false);
    expect(scansByItself(auto)).toBe(true);
    expect(scansByItself('')).toBe(true);
    // One for each interface that an administrator bound the portal to: a login uses them all.
    expect([`${node}\n${node}`, `${node}\n${auto}`, `${auto}\n${node}`].map(scansByItself)).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('a secret goes into a node record before its end, and nothing else changes', () => {
    const node = captured('iscsiadm-node.txt');
    const lines = addSecret(node, 'abcdefghijkm').split('\n');
    const at = lines.indexOf('node.session.auth.password = abcdefghijkm');
    expect(lines[at + 1]).toBe('# END RECORD');
    const others = node.split('\n').filter((line) => !line.startsWith('node.session.auth.password ='));
    expect(lines.toSpliced(at, 1)).toEqual(others);
    expect(() => addSecret('nothing like it', 'abcdefghijkm')).toThrow(
      expect.objectContaining({ code: 'unavailable', next: expect.stringContaining('iscsiadm -V') }),
    );
  });

  it('the name of the host stands in initiatorname.iscsi', () => {
    const comment = '## If you change the InitiatorName, existing access control lists\n';
    expect(parseInitiatorName(`${comment}InitiatorName=iqn.1993-08.org.debian:01:LAB\n`)).toBe(
      'iqn.1993-08.org.debian:01:lab',
    );
    expect(parseInitiatorName('GenerateName=yes\n')).toBeUndefined();
  });
});

describe('the configuration of multipathd', () => {
  const config = captured('multipathd-config.txt');
  const problemsOf = (text: string): string[] => judgeMultipathConf(parseMultipathConf(text));
  const with3par = (from: string, to: string): string => {
    const start = config.indexOf('vendor "3PARdata"');
    return config.slice(0, start) + config.slice(start).replace(from, to);
  };

  it('is read section by section', () => {
    const root = parseMultipathConf(config);
    expect(root.sections.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['defaults', 'blacklist', 'blacklist_exceptions', 'devices', 'overrides']),
    );
    expect(root.sections.find(({ name }) => name === 'devices')?.sections.length).toBeGreaterThan(50);
  });

  it('has nothing to be said against as the lab sets it', () => {
    expect(problemsOf(config)).toEqual([]);
  });

  it.each(['strict', 'smart', 'on', 'yes'])('find_multipaths %s hides volumes', (value) => {
    expect(problemsOf(config.replace('find_multipaths "off"', `find_multipaths "${value}"`))).toEqual([
      expect.stringMatching(new RegExp(`find_multipaths is ${value}.*; next: set find_multipaths no`)),
    ]);
  });

  it.each(['no', 'greedy'])('find_multipaths %s is fine', (value) => {
    expect(problemsOf(config.replace('find_multipaths "off"', `find_multipaths "${value}"`))).toEqual([]);
  });

  it.each([
    ['a changed device section', with3par('prio "alua"', 'prio "const"'), /^prio is const for 3PARdata VV/],
    ['a device that waits for ever', with3par('no_path_retry 18', 'no_path_retry "queue"'), /waits for ever/],
    ['overrides', config.replace('overrides {', 'overrides {\n\tno_path_retry queue'), /waits for ever/],
    [
      'overrides of the grouping',
      config.replace('overrides {', 'overrides {\n\tpath_grouping_policy "multibus"'),
      /^path_grouping_policy is multibus/,
    ],
    ['no device section', config.replace('vendor "3PARdata"', 'vendor "5PARdata"'), /knows no device 3PARdata VV/],
    ['a blacklist of all disks', config.replace('blacklist {', 'blacklist {\n\tdevnode "^sd[a-z]"'), /blacklist/],
    ['a blacklist by WWID', config.replace('blacklist {', 'blacklist {\n\twwid ".*"'), /blacklist/],
    [
      'a blacklist of the vendor',
      config.replace('blacklist {', 'blacklist {\n\tdevice {\n\t\tvendor "3PAR.*"\n\t}'),
      /blacklist/,
    ],
  ])('%s is told with what to do', (_what, text, problem) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(problem)]);
    expect(problemsOf(text)[0]).toContain('; next: ');
  });

  it.each([
    [
      'another handler',
      with3par('hardware_handler "1 alua"', 'hardware_handler "1 emc"'),
      /^hardware_handler is 1 emc/,
    ],
    ['none', with3par('\t\thardware_handler "1 alua"\n', ''), /^hardware_handler is/],
    ['no patience', with3par('no_path_retry 18', 'no_path_retry "fail"'), /^no_path_retry is fail/],
  ])('for peer persistence %s is told with what to do, and for nothing else', (_what, text, problem) => {
    const root = parseMultipathConf(text);
    expect(judgeMoves(root)).toEqual([expect.stringMatching(problem)]);
    expect(judgeMoves(root)[0]).toContain('; next: ');
    expect(problemsOf(text)).toEqual([]);
    expect(judgeMoves(parseMultipathConf(config))).toEqual([]);
  });

  it("a blacklist of the host's own disk is no matter of the volumes", () => {
    expect(problemsOf(config.replace('blacklist {', 'blacklist {\n\tdevnode "^sda$"'))).toEqual([]);
    expect(problemsOf(config.replace('blacklist {', 'blacklist {\n\tdevnode "^sd[ab][0-9]*$"'))).toEqual([]);
  });

  it('an exception lifts a blacklist', () => {
    const blacklisted = config.replace('blacklist {', 'blacklist {\n\tdevnode "^sd[a-z]"');
    const excepted = blacklisted.replace('blacklist_exceptions {', 'blacklist_exceptions {\n\twwid "^360002ac"');
    expect(problemsOf(excepted)).toEqual([]);
  });
});

describe('portals', () => {
  it('are written as iscsiadm takes them', () => {
    expect(portalText({ host: '10.1.1.2', port: 3260 })).toBe('10.1.1.2:3260');
    expect(portalText({ host: 'fd00::2', port: 3261 })).toBe('[fd00::2]:3261');
  });
});
