import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ArraySettings } from '../../src/array/settings.js';
import { connectArray } from '../../src/array/three-par.js';
import type { ArrayClient, CreateGroup, CreateVolume, Initiators } from '../../src/contracts/array.js';
import type { DriverError } from '../../src/domain/errors.js';
import { Secret } from '../../src/domain/secret.js';
import type { FaultSpec } from '../../src/simulator/faults.js';
import { createHost } from '../../src/simulator/hosts.js';
import { startPair, type RunningPair } from '../../src/simulator/pair.js';
import { arrayOf, controlOf, operator, type PairControl, type SimulatedArray } from '../pair-client.js';
import { admitAndLook, readBack, makeWholeGroup } from '../read-back.js';

/*
 * The array client against the simulated pair: every method, and every method again with each fault of the wire on each of
 * its changes. The simulator shares no code with the client.
 */

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const noPins = { find: async () => Promise.resolve(undefined), save: async () => Promise.resolve() };
const soon = (ms = 15_000): AbortSignal => AbortSignal.timeout(ms);

const VOLUME = 'dcv-volume-1';
const TAG = '{"volume_id":"1"}';
const GROUP = 'rcg-1';
const HOST = 'node-1';
const ISCSI: Initiators = { protocol: 'iscsi', names: ['iqn.1993-08.org.debian:01:node1'] };

let dir: string;
let running: RunningPair;
let control: PairControl;
let a: SimulatedArray;
let b: SimulatedArray;
let primary: ArrayClient;
let secondary: ArrayClient;

const sshOf = (array: SimulatedArray): ArraySettings['ssh'] => ({
  host: array.sshHost,
  port: array.sshPort,
  user: array.user,
  password: new Secret(array.password),
  timeoutSeconds: 10,
  hostKeyCheck: 'pin',
});

async function connect(array: SimulatedArray, changes: Partial<ArraySettings> = {}): Promise<ArrayClient> {
  const settings = {
    label: `array ${array.name}`,
    apiUrl: array.apiUrl,
    username: array.user,
    password: new Secret(array.password),
    ca: await readFile(array.caFile, 'utf8'),
    fingerprint: array.fingerprint,
    tlsVerify: true,
    ssh: sshOf(array),
    ...changes,
  };
  return connectArray(settings, { pins: noPins, logger: silent });
}

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hpe-array-'));
});
beforeEach(async () => {
  running = await startPair({ dir: path.join(dir, 'pair') });
  control = controlOf(running.ready);
  a = arrayOf(running.ready, 'primary');
  b = arrayOf(running.ready, 'secondary');
  primary = await connect(a);
  secondary = await connect(b);
});
afterEach(async () => {
  await Promise.all([primary.close(), secondary.close()]);
  await running.close();
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

function volume(changes: Partial<CreateVolume> = {}): CreateVolume {
  const [cpg = '', snapCpg = ''] = a.cpgs;
  return {
    name: VOLUME,
    cpg,
    snapCpg,
    sizeMiB: 20_480,
    provisioning: 'thin',
    compression: false,
    tag: TAG,
    ...changes,
  };
}

function group(changes: Partial<CreateGroup> = {}): CreateGroup {
  const [localCpg = '', localSnapCpg = ''] = a.cpgs;
  const [remoteCpg = '', remoteSnapCpg = ''] = b.cpgs;
  const cpgs = { localCpg, localSnapCpg, remoteCpg, remoteSnapCpg };
  return { name: GROUP, target: a.targetName, mode: 'synchronous', ...cpgs, ...changes };
}

const admission = (changes: object = {}) => ({
  group: GROUP,
  volume: VOLUME,
  target: a.targetName,
  differentSecondaryWwn: true,
  isBlank: true,
  ...changes,
});

async function replicated(): Promise<void> {
  await readBack(primary.makeVolume(volume(), soon()));
  await makeWholeGroup(primary.remoteCopy, group(), soon());
  await admitAndLook(primary.remoteCopy, admission(), soon());
}

async function failureOf(work: Promise<unknown>): Promise<DriverError> {
  return work.then(
    () => {
      throw new Error('it did not fail');
    },
    (thrown: unknown) => {
      expect((thrown as Error).name).toBe('DriverError');
      return thrown as DriverError;
    },
  );
}

const codeThrown = (thrown: unknown): string => (thrown as DriverError).code;

const codeOf = async (work: Promise<unknown>): Promise<string> => (await failureOf(work)).code;

describe('one array', () => {
  it('tells who it is', async () => {
    const identity = await primary.identity(soon());
    expect(identity).toMatchObject({ name: a.name, systemId: a.systemId });
    expect(primary.label).toBe(`array ${a.name} (${new URL(a.apiUrl).origin})`);
  });

  it('refuses a wrong password, and is not asked again at once', async () => {
    const wrong = await connect(a, { password: new Secret('wrong') });
    await control.clearLog();
    for (let call = 0; call < 4; call += 1) {
      const failure = await failureOf(wrong.identity(soon()));
      expect(failure.code).toBe('unavailable');
      expect(failure.message).toContain('user or password refused');
    }
    await wrong.close();
    expect((await control.log()).length).toBe(1);
  });

  it.each([
    ['thin', false],
    ['thin', true],
    ['dedup', false],
    ['full', false],
  ] as const)('makes a volume, %s, compression %s, and takes it away', async (provisioning, compression) => {
    const wanted = volume({ provisioning, compression });
    const made = await readBack(primary.makeVolume(wanted, soon()));
    expect(made).toMatchObject({ name: VOLUME, sizeMiB: 20_480, provisioning, compression, comment: TAG });
    expect(made.wwn).toMatch(/^60002ac[0-9a-f]{25}$/);
    expect(await readBack(primary.makeVolume(wanted, soon()))).toEqual(made);
    expect(await codeOf(readBack(primary.makeVolume({ ...wanted, tag: 'another' }, soon())))).toBe('exists');
    expect(await codeOf(readBack(primary.makeVolume({ ...wanted, sizeMiB: 10_240 }, soon())))).toBe('exists');
    expect(await codeOf(primary.removeVolume(VOLUME, 'another', soon()))).toBe('refused');
    expect(await primary.findVolume(VOLUME, soon())).toEqual(made);
    await primary.removeVolume(VOLUME, TAG, soon());
    await primary.removeVolume(VOLUME, TAG, soon());
    expect(await primary.findVolume(VOLUME, soon())).toBeUndefined();
  });

  it('knows a volume again that an older release tagged, and writes what that one left out', async () => {
    const identity = { volume_id: 'i-1', name: 'i-1', type: 'Docker', display_name: 'db' };
    const [old, now] = [JSON.stringify(identity), JSON.stringify({ ...identity, spec: { fsType: 'xfs' } })];
    const made = await readBack(primary.makeVolume(volume({ tag: old }), soon()));
    expect(await readBack(primary.makeVolume(volume({ tag: now }), soon()))).toEqual(made);
    expect(await primary.tagVolume(VOLUME, now, soon())).toEqual({ ...made, comment: now });
    const another = JSON.stringify({ ...identity, display_name: 'db-1' });
    expect(await codeOf(primary.tagVolume(VOLUME, another, soon()))).toBe('refused');
    expect(await codeOf(primary.removeVolume(VOLUME, another, soon()))).toBe('refused');
    await primary.removeVolume(VOLUME, old, soon());
    expect(await primary.findVolume(VOLUME, soon())).toBeUndefined();
  });

  it('lists all its volumes and exports', async () => {
    for (const name of ['x', 'xx']) await readBack(primary.makeVolume(volume({ name }), soon()));
    await primary.ensureHost(HOST, ISCSI, soon());
    await primary.ensureVlun('x', { host: HOST }, soon());
    const found = await primary.inventory.listVolumes(soon());
    expect(found.map((each) => [each.name, each.comment])).toEqual([
      ['x', TAG],
      ['xx', TAG],
    ]);
    const { createdAt, ...details } = found[0]?.details ?? { createdAt: '' };
    expect(details).toEqual(await primary.findVolume('x', soon()));
    expect(Date.now() - Date.parse(createdAt ?? '')).toBeLessThan(60_000);
    expect(await primary.inventory.listVluns(soon())).toEqual(await primary.findVluns('x', soon()));
    await primary.removeVluns('x', HOST, soon());
    expect(await primary.inventory.listVluns(soon())).toEqual([]);
    expect(await secondary.inventory.listVolumes(soon())).toEqual([]);
  });

  it('names what is wrong with a volume that it cannot make', async () => {
    const failure = await failureOf(readBack(primary.makeVolume(volume({ cpg: 'no-such-cpg' }), soon())));
    expect(failure.code).toBe('invalid');
    expect(failure.message).toContain('the CPG does not exist');
    expect(await codeOf(primary.tagVolume(VOLUME, TAG, soon()))).toBe('not-found');
  });

  it.each<Initiators>([ISCSI, { protocol: 'fc', names: ['10:00:00:90:fa:00:00:01', '10000090fa000002'] }])(
    'exports a volume to a host of $protocol and takes the export and the host back',
    async (initiators) => {
      await readBack(primary.makeVolume(volume(), soon()));
      expect(await primary.ensureHost(HOST, initiators, soon())).toBe(HOST);
      expect(await primary.ensureHost('another-name', initiators, soon())).toBe(HOST);
      const made = await primary.ensureVlun(VOLUME, { host: HOST }, soon());
      expect(made.targets.length).toBe(2);
      const names = made.targets.map(({ name }) => name);
      const known = initiators.protocol === 'iscsi' ? a.iqn : names.filter((name) => /^[0-9a-f]{16}$/.test(name));
      expect(new Set(names)).toEqual(new Set(known));
      expect(new Set(await primary.targetNames(initiators.protocol, soon()))).toEqual(new Set(known));
      // Again: the same export, not a second one.
      expect(await primary.ensureVlun(VOLUME, { host: HOST }, soon())).toEqual(made);
      const vluns = await primary.findVluns(VOLUME, soon());
      const ports = initiators.protocol === 'iscsi' ? ['0:2:1', '1:2:1'] : ['0:1:1', '1:1:1'];
      expect(vluns.filter((vlun) => !vlun.active)).toEqual(
        ports.map((port) => ({ volume: VOLUME, host: HOST, lun: made.lun, active: false, port })),
      );
      expect(vluns.filter((vlun) => vlun.active).length).toBe(2 * initiators.names.length);
      expect(await codeOf(primary.removeVolume(VOLUME, TAG, soon()))).toBe('refused');
      await primary.removeVluns(VOLUME, HOST, soon());
      await primary.removeVluns(VOLUME, HOST, soon());
      expect(await primary.findVluns(VOLUME, soon())).toEqual([]);
      expect(await operator(a, 'showhost')).not.toContain(HOST);
    },
  );

  it('keeps its host entry while another volume is exported to it, and other hosts’ exports', async () => {
    for (const name of ['x', 'xx']) await readBack(primary.makeVolume(volume({ name }), soon()));
    await primary.ensureHost(HOST, ISCSI, soon());
    await primary.ensureHost(`${HOST}1`, { protocol: 'iscsi', names: ['iqn.1993-08.org.debian:01:other'] }, soon());
    await primary.ensureVlun('x', { host: HOST }, soon());
    await primary.ensureVlun('x', { host: `${HOST}1` }, soon());
    const other = await primary.ensureVlun('xx', { host: HOST }, soon());
    await primary.removeVluns('x', HOST, soon());
    const hostsOf = async (name: string) => (await primary.findVluns(name, soon())).map((vlun) => vlun.host);
    expect(new Set(await hostsOf('x'))).toEqual(new Set([`${HOST}1`]));
    expect(new Set(await hostsOf('xx'))).toEqual(new Set([HOST]));
    expect(await primary.ensureVlun('xx', { host: HOST }, soon())).toEqual(other);
  });

  it('exports at the lowest free LUN at which the host has no disk any more', async () => {
    const names = ['x', 'y', 'z'];
    for (const name of names) await readBack(primary.makeVolume(volume({ name }), soon()));
    await primary.ensureHost(HOST, ISCSI, soon());
    const luns: number[] = [];
    for (const name of names) luns.push((await primary.ensureVlun(name, { host: HOST, avoid: [0, 2] }, soon())).lun);
    expect(luns).toEqual([1, 3, 4]);
    for (const name of names) await primary.removeVluns(name, HOST, soon());
  });

  it('exports on the iSCSI ports that are listed, and on the Fibre Channel ports that the host is zoned to', async () => {
    await readBack(primary.makeVolume(volume(), soon()));
    const [portal = ''] = a.iscsiPortals;
    const [host = '', port] = portal.split(':');
    const listed = await connect(a, { portals: [{ host, port: 13_260 }] });
    await listed.ensureHost(HOST, ISCSI, soon());
    const { targets } = await listed.ensureVlun(VOLUME, { host: HOST }, soon());
    expect(targets).toEqual([{ name: a.iqn[0], portal: { host, port: 13_260 } }]);
    expect(port).toBe('3260');
    expect(await portCount()).toBe(1);
    await listed.close();

    const [first, second] = running.arrays[0].ports.filter(({ kind }) => kind === 'fc');
    if (first !== undefined) first.zone = ['10000090FA000001'];
    if (second !== undefined) second.zone = [];
    const fc = { protocol: 'fc', names: ['10000090fa000001'] } satisfies Initiators;
    await primary.ensureHost('fc-host', fc, soon());
    const zoned = await primary.ensureVlun(VOLUME, { host: 'fc-host' }, soon());
    expect(zoned.targets).toEqual([{ name: first?.wwn?.toLowerCase() }]);
    if (first !== undefined) first.zone = [];
    await primary.ensureHost('fc-host', fc, soon());
    expect((await failureOf(primary.ensureVlun(VOLUME, { host: 'fc-host' }, soon()))).message).toContain('not zoned');
  });

  it('makes host entries in the domain of the CPG, and says so when an entry is in another', async () => {
    const [model] = running.arrays;
    model.domains.push('finance');
    for (const cpg of model.cpgs) cpg.domain = 'finance';
    await readBack(primary.makeVolume(volume(), soon()));
    await primary.ensureHost(HOST, ISCSI, soon());
    const failure = await failureOf(primary.ensureVlun(VOLUME, { host: HOST }, soon()));
    expect(failure).toMatchObject({ code: 'refused', message: expect.stringContaining('another domain') });
    await primary.removeVluns(VOLUME, HOST, soon());
    const inDomain = await connect(a, { cpg: a.cpgs[0] ?? '' });
    await inDomain.ensureHost(HOST, ISCSI, soon());
    expect((await inDomain.ensureVlun(VOLUME, { host: HOST }, soon())).targets).toHaveLength(2);
    await inDomain.close();
  });

  it('gives a host entry its CHAP name and secret, once, and again when it lacks them', async () => {
    const hosts = running.arrays[0].hosts;
    const chap = { name: 'node-1.example', secret: new Secret('q7TzKw3mPxN9bRcd') };
    const wanted = { name: 'node-1.example', secret: 'q7TzKw3mPxN9bRcd' };
    for (let time = 0; time < 2; time += 1) {
      await control.clearLog();
      await primary.ensureHost(HOST, { ...ISCSI, chap }, soon());
      expect(hosts.get(HOST)?.chap).toEqual(wanted);
    }
    const changes = (await control.log()).filter(({ method }) => method !== 'GET');
    expect(changes).toEqual([]);
    const entry = hosts.get(HOST);
    if (entry !== undefined) entry.chap = { name: 'somebody', secret: 'else-else-else' };
    await primary.ensureHost(HOST, { ...ISCSI, chap }, soon());
    expect(entry?.chap).toEqual(wanted);
  });

  it('adds a WWPN that its own host entry lacks', async () => {
    await primary.ensureHost(HOST, { protocol: 'fc', names: ['10000090fa000001'] }, soon());
    const both: Initiators = { protocol: 'fc', names: ['10000090fa000001', '10000090fa000002'] };
    expect(await primary.ensureHost(HOST, both, soon())).toBe(HOST);
    expect(running.arrays[0].hosts.get(HOST)?.wwns).toEqual(['10000090FA000001', '10000090FA000002']);
  });

  it('exports to a host entry that went with its last export a moment ago', async () => {
    for (const name of ['x', 'y']) await readBack(primary.makeVolume(volume({ name }), soon()));
    await primary.ensureHost(HOST, ISCSI, soon());
    await primary.ensureVlun('x', { host: HOST }, soon());
    await primary.ensureHost(HOST, ISCSI, soon());
    await primary.removeVluns('x', HOST, soon());
    expect((await primary.ensureVlun('y', { host: HOST }, soon())).host).toBe(HOST);
  });

  it('makes a host entry with CHAP again that went after it was looked at', async () => {
    const chap = { name: 'node-1.example', secret: new Secret('q7TzKw3mPxN9bRcd') };
    await readBack(primary.makeVolume(volume(), soon()));
    await primary.ensureHost(HOST, ISCSI, soon());
    await primary.ensureVlun(VOLUME, { host: HOST }, soon());
    expect(await primary.findHost(ISCSI, soon())).toBe(HOST);
    await primary.removeVluns(VOLUME, HOST, soon());
    expect(await primary.ensureHost(HOST, { ...ISCSI, chap }, soon())).toBe(HOST);
  });

  it('takes back the host entry of a first mount whose export failed', async () => {
    await readBack(primary.makeVolume(volume(), soon()));
    await primary.ensureHost(HOST, ISCSI, soon());
    await control.fault({
      array: a.name,
      match: { method: 'POST', pathRegex: '/vluns$' },
      effect: 'error',
      status: 400,
      code: 12,
    });
    expect(await codeOf(primary.ensureVlun(VOLUME, { host: HOST }, soon()))).toBe('invalid');
    await primary.removeVluns(VOLUME, HOST, soon());
    expect(await operator(a, 'showhost')).not.toContain(HOST);
  });

  it('keeps a host entry that serves another volume when the export of this one failed', async () => {
    for (const name of ['x', 'y']) await readBack(primary.makeVolume(volume({ name }), soon()));
    await primary.ensureHost(HOST, ISCSI, soon());
    await primary.ensureVlun('x', { host: HOST }, soon());
    await control.clearLog();
    await primary.removeVluns('y', HOST, soon());
    expect((await control.log()).filter((entry) => entry.method === 'DELETE')).toEqual([]);
    expect(await operator(a, 'showhost')).toContain(HOST);
  });

  it('never touches a host entry that an administrator made', async () => {
    const byHand = { name: 'admins-host', wwns: [], iqns: ISCSI.names, domain: undefined, persona: 2, descriptors: {} };
    createHost(running.arrays[0], byHand);
    await readBack(primary.makeVolume(volume(), soon()));
    expect(await primary.ensureHost(HOST, ISCSI, soon())).toBe('admins-host');
    await primary.removeVluns(VOLUME, 'admins-host', soon());
    await primary.ensureVlun(VOLUME, { host: 'admins-host' }, soon());
    await primary.removeVluns(VOLUME, 'admins-host', soon());
    expect(await operator(a, 'showhost')).toContain('admins-host');
  });
});

describe('growth', () => {
  const to = (sizeMiB: number, changes: object = {}) => ({ name: VOLUME, tag: TAG, sizeMiB, ...changes });

  it('is to a size, whole steps of the array, and that size again is success without a request', async () => {
    await readBack(primary.makeVolume(volume(), soon()));
    expect(await primary.growVolume(to(30_720), soon())).toMatchObject({ name: VOLUME, sizeMiB: 30_720 });
    await control.clearLog();
    expect(await primary.growVolume(to(30_720), soon())).toMatchObject({ sizeMiB: 30_720 });
    expect((await control.log()).map(({ method }) => method)).toEqual(['GET']);
    expect(await codeOf(primary.growVolume(to(40_960, { tag: 'other' }), soon()))).toBe('refused');
    expect(await codeOf(primary.growVolume(to(40_960, { name: 'dcv-none' }), soon()))).toBe('not-found');
    expect(await codeOf(primary.growVolume(to(16_777_472), soon()))).toBe('refused');
    expect(await primary.findVolume(VOLUME, soon())).toMatchObject({ sizeMiB: 30_720 });
  });

  it('of a member needs its group stopped, and the copy follows with its start', async () => {
    await replicated();
    await secondary.tagVolume(VOLUME, TAG, soon());
    await readBack(primary.remoteCopy.startGroup(GROUP, soon()));
    expect(await codeOf(primary.growVolume(to(30_720), soon()))).toBe('refused');
    await readBack(primary.remoteCopy.stopGroup(GROUP, soon()));
    // The array leaves the copy to the group: it stays as it is.
    expect(await secondary.growVolume(to(30_720, { isCopy: true }), soon())).toMatchObject({ sizeMiB: 20_480 });
    expect(await primary.growVolume(to(30_720), soon())).toMatchObject({ sizeMiB: 30_720 });
    await readBack(primary.remoteCopy.startGroup(GROUP, soon()));
    expect(await secondary.findVolume(VOLUME, soon())).toMatchObject({ sizeMiB: 30_720 });
  });
});

describe('remote copy', () => {
  it('takes a volume from creation to a started group and all the way back', async () => {
    await readBack(primary.makeVolume(volume(), soon()));
    const made = await makeWholeGroup(primary.remoteCopy, group(), soon());
    expect(made).toMatchObject({ name: GROUP, role: 'primary', members: [], remoteName: `${GROUP}.r${a.systemId}` });
    const admitted = await admitAndLook(primary.remoteCopy, admission(), soon());
    expect(admitted?.members).toMatchObject([{ volume: VOLUME, remoteVolume: VOLUME }]);
    const [ours, copy] = await Promise.all([primary, secondary].map(async (each) => each.findVolume(VOLUME, soon())));
    expect(copy).toMatchObject({ comment: '', sizeMiB: 20_480, provisioning: 'thin' });
    expect(copy?.wwn).not.toBe(ours?.wwn);
    const tagged = await secondary.tagVolume(VOLUME, TAG, soon());
    expect(tagged).toEqual({ ...copy, comment: TAG });
    expect(await secondary.tagVolume(VOLUME, TAG, soon())).toEqual(tagged);
    expect(await codeOf(secondary.tagVolume(VOLUME, 'another', soon()))).toBe('refused');
    await readBack(primary.remoteCopy.startGroup(GROUP, soon()));
    await readBack(primary.remoteCopy.startGroup(GROUP, soon()));
    const started = await primary.remoteCopy.findGroup(GROUP, soon());
    expect(started?.targets).toMatchObject([{ state: 'started', mode: 'synchronous', roleReversed: false }]);
    expect(started?.members).toMatchObject([{ syncStatus: 'synced' }]);
    const peer = await secondary.remoteCopy.listGroups(soon());
    expect(peer).toMatchObject([{ name: made.remoteName, remoteName: GROUP, role: 'secondary' }]);
    expect(await codeOf(primary.remoteCopy.dismiss(GROUP, VOLUME, soon()))).toBe('refused');
    expect(await codeOf(primary.removeVolume(VOLUME, TAG, soon()))).toBe('refused');
    expect(await codeOf(primary.remoteCopy.removeGroup(GROUP, soon()))).toBe('refused');
    await readBack(primary.remoteCopy.stopGroup(GROUP, soon()));
    await readBack(primary.remoteCopy.stopGroup(GROUP, soon()));
    await primary.remoteCopy.dismiss(GROUP, VOLUME, soon());
    await primary.remoteCopy.dismiss(GROUP, VOLUME, soon());
    await Promise.all([primary, secondary].map(async (each) => each.removeVolume(VOLUME, TAG, soon())));
    await primary.remoteCopy.removeGroup(GROUP, soon());
    await primary.remoteCopy.removeGroup(GROUP, soon());
    for (const array of [primary, secondary]) expect(await array.remoteCopy.listGroups(soon())).toEqual([]);
  });

  it('tells a group of somebody else from the one that it makes, even if both look the same', async () => {
    const made = await makeWholeGroup(primary.remoteCopy, group(), soon());
    const failure = await failureOf(makeWholeGroup(primary.remoteCopy, group(), soon()));
    expect(failure.code).toBe('exists');
    expect(failure.next).toContain(`showrcopy groups ${GROUP}`);
    expect(await primary.remoteCopy.findGroup(GROUP, soon())).toEqual(made);
  });

  it('has nothing to stop and nobody to dismiss in a group that is gone', async () => {
    await readBack(primary.remoteCopy.stopGroup(GROUP, soon()));
    await primary.remoteCopy.dismiss(GROUP, VOLUME, soon());
    expect(await codeOf(readBack(primary.remoteCopy.startGroup(GROUP, soon())))).toBe('not-found');
  });

  it('gives a periodic group its period, and tells the age of its last sync', async () => {
    await readBack(primary.makeVolume(volume(), soon()));
    const wanted = group({ mode: 'asynchronous', syncPeriod: 600 });
    const made = await makeWholeGroup(primary.remoteCopy, wanted, soon());
    expect(made.targets).toMatchObject([{ mode: 'asynchronous', syncPeriod: 600 }]);
    expect(await codeOf(makeWholeGroup(primary.remoteCopy, group(), soon()))).toBe('exists');
    await admitAndLook(primary.remoteCopy, admission({ isBlank: false }), soon());
    await readBack(primary.remoteCopy.startGroup(GROUP, soon()));
    const [member] = (await primary.remoteCopy.findGroup(GROUP, soon()))?.members ?? [];
    expect(Math.abs(Date.now() - Date.parse(member?.lastSync ?? ''))).toBeLessThan(60_000);
  });

  it('gives the copy the same WWN when that is asked for', async () => {
    await readBack(primary.makeVolume(volume(), soon()));
    await makeWholeGroup(primary.remoteCopy, group(), soon());
    await admitAndLook(primary.remoteCopy, admission({ differentSecondaryWwn: false }), soon());
    const [ours, copy] = await Promise.all([primary, secondary].map(async (each) => each.findVolume(VOLUME, soon())));
    expect(copy?.wwn).toBe(ours?.wwn);
  });

  it('refuses what the array refuses', async () => {
    const { remoteCopy } = primary;
    expect(await codeOf(readBack(remoteCopy.startGroup(GROUP, soon())))).toBe('not-found');
    expect(await codeOf(admitAndLook(remoteCopy, admission(), soon()))).toBe('not-found');
    expect((await failureOf(makeWholeGroup(remoteCopy, group({ target: 'nobody' }), soon()))).message).toContain(
      'nobody',
    );
    await replicated();
    await readBack(secondary.makeVolume(volume({ name: 'y', cpg: b.cpgs[0] ?? '', snapCpg: b.cpgs[1] ?? '' }), soon()));
    await readBack(primary.makeVolume(volume({ name: 'y' }), soon()));
    // A volume of that name is on the other array already.
    expect(await codeOf(admitAndLook(remoteCopy, admission({ volume: 'y' }), soon()))).toBe('refused');
  });

  it('sees links, roles and states as operators and outages change them', async () => {
    await replicated();
    await readBack(primary.remoteCopy.startGroup(GROUP, soon()));
    expect(await primary.remoteCopy.linksUp(a.targetName, soon())).toBe(true);
    expect(await primary.remoteCopy.linksUp('nobody', soon())).toBeUndefined();
    await operator(a, `stoprcopygroup -f ${GROUP}`);
    await operator(b, `setrcopygroup failover -f ${GROUP}.r${a.systemId}`);
    expect(await secondary.remoteCopy.findGroup(`${GROUP}.r${a.systemId}`, soon())).toMatchObject({
      role: 'primary',
      targets: [{ roleReversed: true, state: 'stopped' }],
    });
    await control.link(false);
    expect(await primary.remoteCopy.linksUp(a.targetName, soon())).toBe(false);
  });

  it('calls an array without power unavailable, soon, and finds it again when it is back', async () => {
    await readBack(primary.makeVolume(volume(), soon()));
    await control.power(a.name, false);
    const started = performance.now();
    expect(await codeOf(primary.findVolume(VOLUME, soon(8_000)))).toBe('unavailable');
    expect(await codeOf(primary.removeVolume(VOLUME, TAG, soon(8_000)))).toBe('unavailable');
    expect(performance.now() - started).toBeLessThan(16_500);
    await control.power(a.name, true);
    expect((await primary.findVolume(VOLUME, soon()))?.comment).toBe(TAG);
  });
});

/** One method: what has to be there, how to call it, which of its requests is struck, and whether it is done afterwards. */
interface Deed {
  name: string;
  prepare: () => Promise<unknown>;
  run: () => Promise<unknown>;
  strike: FaultSpec['match'];
  isDone: () => Promise<boolean>;
}

const found = async (): Promise<boolean> => (await primary.findVolume(VOLUME, soon())) !== undefined;
const groupNow = async () => primary.remoteCopy.findGroup(GROUP, soon());
/** How many ports of the array show the volume. */
const portCount = async (): Promise<number> => {
  const templates = (await primary.findVluns(VOLUME, soon())).filter((vlun) => !vlun.active);
  return new Set(templates.map(({ port }) => port)).size;
};

async function volumeAndHost(): Promise<void> {
  await readBack(primary.makeVolume(volume(), soon()));
  await primary.removeVluns(VOLUME, HOST, soon());
  await primary.ensureHost(HOST, ISCSI, soon());
}

const DEEDS: Deed[] = [
  {
    name: 'makeVolume',
    prepare: async () => primary.identity(soon()),
    run: async () => readBack(primary.makeVolume(volume(), soon())),
    strike: { method: 'POST', pathRegex: '/volumes$' },
    isDone: found,
  },
  {
    name: 'tagVolume',
    prepare: replicated,
    run: async () =>
      primary.remoteCopy.findGroup(GROUP, soon()).then(async () => secondary.tagVolume(VOLUME, TAG, soon())),
    strike: { method: 'PUT', pathRegex: '/volumes/' },
    isDone: async () => (await secondary.findVolume(VOLUME, soon()))?.comment === TAG,
  },
  {
    name: 'removeVolume',
    prepare: async () => readBack(primary.makeVolume(volume(), soon())),
    run: async () => primary.removeVolume(VOLUME, TAG, soon()),
    strike: { method: 'DELETE', pathRegex: '/volumes/' },
    isDone: async () => !(await found()),
  },
  {
    name: 'ensureHost',
    prepare: async () => primary.identity(soon()),
    run: async () => primary.ensureHost(HOST, ISCSI, soon()),
    strike: { method: 'POST', pathRegex: '/hosts$' },
    isDone: async () => (await operator(a, 'showhost')).includes(HOST),
  },
  {
    name: 'ensureVlun',
    prepare: volumeAndHost,
    run: async () => primary.ensureVlun(VOLUME, { host: HOST }, soon()),
    strike: { method: 'POST', pathRegex: '/vluns$' },
    isDone: async () => (await portCount()) === 2,
  },
  {
    name: 'ensureVlun on the second port',
    prepare: volumeAndHost,
    run: async () => primary.ensureVlun(VOLUME, { host: HOST }, soon()),
    strike: { method: 'POST', pathRegex: '/vluns$', nth: 2 },
    isDone: async () => (await portCount()) === 2,
  },
  {
    name: 'removeVluns',
    prepare: async () => {
      await volumeAndHost();
      await primary.ensureVlun(VOLUME, { host: HOST }, soon());
    },
    run: async () => primary.removeVluns(VOLUME, HOST, soon()),
    strike: { method: 'DELETE', pathRegex: '/vluns/' },
    isDone: async () => (await portCount()) === 0,
  },
  {
    name: 'makeGroup',
    prepare: async () => primary.identity(soon()),
    run: async () => makeWholeGroup(primary.remoteCopy, group(), soon()),
    strike: { method: 'POST', pathRegex: '/remotecopygroups$' },
    isDone: async () => (await groupNow()) !== undefined,
  },
  {
    name: 'admit',
    prepare: async () => {
      await readBack(primary.makeVolume(volume(), soon()));
      await makeWholeGroup(primary.remoteCopy, group(), soon());
    },
    run: async () => admitAndLook(primary.remoteCopy, admission(), soon()),
    strike: { method: 'PUT', pathRegex: '/remotecopygroups/' },
    isDone: async () => (await groupNow())?.members.length === 1,
  },
  {
    name: 'dismiss',
    prepare: replicated,
    run: async () => readBack(primary.remoteCopy.dismiss(GROUP, VOLUME, soon())),
    strike: { method: 'PUT', pathRegex: '/remotecopygroups/' },
    isDone: async () => (await groupNow())?.members.length === 0,
  },
  {
    name: 'startGroup',
    prepare: replicated,
    run: async () => readBack(primary.remoteCopy.startGroup(GROUP, soon())),
    strike: { method: 'PUT', pathRegex: '/remotecopygroups/' },
    isDone: async () => (await groupNow())?.targets[0]?.state === 'started',
  },
  {
    name: 'stopGroup',
    prepare: async () => {
      await replicated();
      await readBack(primary.remoteCopy.startGroup(GROUP, soon()));
    },
    run: async () => readBack(primary.remoteCopy.stopGroup(GROUP, soon())),
    strike: { method: 'PUT', pathRegex: '/remotecopygroups/' },
    isDone: async () => (await groupNow())?.targets[0]?.state === 'stopped',
  },
  {
    name: 'removeGroup',
    prepare: async () => makeWholeGroup(primary.remoteCopy, group(), soon()),
    run: async () => primary.remoteCopy.removeGroup(GROUP, soon()),
    strike: { method: 'DELETE', pathRegex: '/remotecopygroups/' },
    isDone: async () => (await groupNow()) === undefined,
  },
];

describe.each(DEEDS)('$name under faults', (deed) => {
  const fault = async (effect: FaultSpec['effect'], more: Partial<FaultSpec> = {}): Promise<void> => {
    const array = deed.name === 'tagVolume' ? b.name : a.name;
    await control.fault({ array, match: { nth: 1, ...deed.strike }, effect, ...more });
  };
  const strike = async (effect: FaultSpec['effect'], more: Partial<FaultSpec> = {}): Promise<void> => {
    await deed.prepare();
    await fault(effect, more);
  };

  it('succeeds when the deed was done but the answer lost', async () => {
    await strike('lost-reply');
    await deed.run();
    expect(await deed.isDone()).toBe(true);
    expect(await control.faults()).toEqual([]);
  });

  it('succeeds when the deed was done and the array answered with an error', async () => {
    await strike('done-but-error', { status: 500, code: 1 });
    await deed.run();
    expect(await deed.isDone()).toBe(true);
  });

  it('fails when nothing was done, whatever the array said, and succeeds when it is repeated', async () => {
    const effects: [FaultSpec['effect'], string][] = [
      // To the client both leave open what was done; each takes a second of looking, so every deed meets one of them.
      [DEEDS.indexOf(deed) % 2 === 0 ? 'error' : 'reset', 'unknown-outcome'],
      ['ok-not-done', 'unavailable'],
    ];
    await deed.prepare();
    for (const [effect, expected] of effects) {
      // What the first one left of an export would be completed by the second.
      if (deed.prepare === volumeAndHost) await volumeAndHost();
      await fault(effect);
      const code = await deed.run().then(() => 'success', codeThrown);
      // The export that follows proves a host entry, and the look at the group an admission: they do not read it back themselves.
      const provenLater = ['ensureHost', 'admit'].includes(deed.name) && effect === 'ok-not-done';
      expect(code).toBe(provenLater ? 'success' : expected);
      expect(await deed.isDone()).toBe(false);
      expect(await control.faults()).toEqual([]);
    }
    await deed.run();
    expect(await deed.isDone()).toBe(true);
  });

  it('is sent again after a 503', async () => {
    await strike('error', { status: 503, code: 1, times: 2 });
    await deed.run();
    expect(await deed.isDone()).toBe(true);
  });
});

describe('an array that hangs', () => {
  it('holds a call no longer than its caller has time, and leaves the outcome of a change open', async () => {
    await primary.identity(soon());
    await control.fault({ array: a.name, match: { method: 'POST', pathRegex: '/volumes$' }, effect: 'hang' });
    const started = performance.now();
    const failure = await failureOf(readBack(primary.makeVolume(volume(), soon(700))));
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(failure.code).toBe('unknown-outcome');
    expect(await found()).toBe(false);
  });
});

describe('many calls', () => {
  it('share one session, over few connections, and leave none behind', async () => {
    await control.clearLog();
    const names = Array.from({ length: 30 }, (_, index) => `v${index}`);
    await Promise.all(names.map(async (name) => primary.findVolume(name, soon())));
    const logins = (await control.log()).filter((entry) => JSON.stringify(entry).includes('/credentials'));
    expect(logins.length).toBe(1);
    await primary.close();
    expect(running.arrays[0].sessions.size).toBe(0);
  });

  it('go on when the array forgets its sessions', async () => {
    await primary.identity(soon());
    running.arrays[0].sessions.clear();
    const names = ['a', 'b', 'c', 'd'];
    const results = await Promise.all(names.map(async (name) => primary.findVolume(name, soon())));
    expect(results).toEqual([undefined, undefined, undefined, undefined]);
    running.arrays[0].sessions.clear();
    await readBack(primary.makeVolume(volume(), soon()));
    expect(await found()).toBe(true);
  });
});
