import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectArray } from '../../src/array/three-par.js';
import type { ArrayClient } from '../../src/contracts/array.js';
import type { VolumeSets } from '../../src/contracts/volume-sets.js';
import { asDriverError } from '../../src/domain/errors.js';
import { Secret } from '../../src/domain/secret.js';
import { startPair, type RunningPair } from '../../src/simulator/pair.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { NO_SSH } from '../unit/array/array-settings.js';
import { makeWholeGroup } from '../read-back.js';

/** Volume sets, CPGs and abilities by the array client, against the simulator, which shares no code with it. */

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const noPins = { find: async () => Promise.resolve(undefined), save: async () => Promise.resolve() };
const soon = (): AbortSignal => AbortSignal.timeout(15_000);
const [GOLD, OWN, TAG] = ['gold_set', 'vvs-AAAAAAAAAAAAAAAAAAAAAA', 'our tag'];
const [VOLUME, ADMINS] = ['dcv-AAAAAAAAAAAAAAAAAAAAAA', 'admins'];
const SEED = { arrays: [{ domains: ['dom'], cpgs: [{ name: 'FC' }, { name: 'OWN', domain: 'dom' }] }] };

let dir: string;
let pair: RunningPair;
let admin: WsapiClient;
let array: ArrayClient;
let sets: VolumeSets;

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'success',
    (thrown: unknown) => asDriverError(thrown).code,
  );

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hpe-sets-'));
  pair = await startPair({ dir: path.join(dir, 'pair'), seed: SEED });
  const [ready] = pair.ready.arrays;
  admin = await new WsapiClient(ready).login();
  const { apiUrl, user: username, password, fingerprint } = ready;
  const trust = { ca: await readFile(ready.caFile, 'utf8'), fingerprint, tlsVerify: true };
  const settings = { label: 'the array', apiUrl, username, password: new Secret(password), ...trust, ssh: NO_SSH };
  array = connectArray(settings, { pins: noPins, logger: silent });
  sets = array.volumeSets;
  for (const [name, cpg] of [
    [VOLUME, 'OWN'],
    [ADMINS, 'OWN'],
    ['stranger', 'FC'],
  ]) {
    await admin.done('POST', '/volumes', { name, cpg, sizeMiB: 1024, tpvv: true });
  }
  await admin.done('POST', '/volumesets', { name: GOLD, domain: 'dom', setmembers: [ADMINS] });
});

afterAll(async () => {
  await array.close();
  await pair.close();
  await rm(dir, { recursive: true, force: true });
});

describe('volume sets of the simulated array', () => {
  it('have a rule, or none', async () => {
    expect(await sets.hasQosRule(GOLD, soon())).toBe(false);
    await admin.done('POST', '/qos', { name: GOLD, type: 1, ioMaxLimit: 1000 });
    expect(await sets.hasQosRule(GOLD, soon())).toBe(true);
    expect(await sets.hasQosRule('no_set', soon())).toBe(false);
  });

  it('take a volume and let it go, as often as it is asked', async () => {
    for (const _ of [1, 2]) await sets.ensureMember(GOLD, VOLUME, soon());
    expect(await sets.findSet(GOLD, soon())).toEqual({
      name: GOLD,
      members: [ADMINS, VOLUME],
      comment: '',
      domain: 'dom',
      flashCache: false,
    });
    expect(await codeOf(array.removeVolume(VOLUME, '', soon()))).toBe('refused');
    for (const _ of [1, 2]) await sets.removeMember(GOLD, VOLUME, soon());
    expect((await sets.findSet(GOLD, soon()))?.members).toEqual([ADMINS]);
    await sets.removeMember('no_set', VOLUME, soon());
    expect(await codeOf(sets.ensureMember('no_set', VOLUME, soon()))).toBe('not-found');
    expect(await codeOf(sets.ensureMember(GOLD, 'stranger', soon()))).toBe('refused');
  });

  it('of our own have flash cache, and go by their tag alone', async () => {
    const wanted = { name: OWN, volume: VOLUME, tag: TAG, domain: 'dom' };
    for (const _ of [1, 2]) await sets.ensureCachedSet(wanted, soon());
    expect(await sets.findSet(OWN, soon())).toEqual({
      name: OWN,
      members: [VOLUME],
      comment: TAG,
      domain: 'dom',
      flashCache: true,
    });
    expect(await codeOf(sets.ensureCachedSet({ ...wanted, tag: 'another' }, soon()))).toBe('exists');
    expect(await codeOf(sets.removeSet(OWN, 'another', soon()))).toBe('refused');
    for (const _ of [1, 2]) await sets.removeSet(OWN, TAG, soon());
    expect(await sets.findSet(OWN, soon())).toBeUndefined();
    expect(await array.findVolume(VOLUME, soon())).toBeDefined();
  });
});

describe('what the simulated array has', () => {
  it('is CPGs with their domains, its version, and its licences', async () => {
    expect(await array.findCpg('FC', soon())).toEqual({ name: 'FC' });
    expect(await array.findCpg('OWN', soon())).toEqual({ name: 'OWN', domain: 'dom' });
    expect(await array.findCpg('NL', soon())).toBeUndefined();
    const { osVersion, licences } = await array.features(soon());
    expect(osVersion).toMatch(/^3\.3\.\d/);
    expect(licences).toContain('Compression');
  });

  it('a group in a domain is made in it', async () => {
    const cpgs = { localCpg: 'OWN', localSnapCpg: 'OWN', remoteCpg: 'cpg-b', remoteSnapCpg: 'cpg-b' };
    const [{ targetName: target }] = pair.ready.arrays;
    await makeWholeGroup(array.remoteCopy, { name: 'g1', target, mode: 'synchronous', ...cpgs, domain: 'dom' }, soon());
    expect((await admin.done('GET', '/remotecopygroups/g1')).body.at('domain')).toBe('dom');
    await array.remoteCopy.removeGroup('g1', soon());
  });
});
