import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { startNode, type Node } from '../harness.js';
import { createExamples } from '../options-table.js';
import { arrayOf } from '../pair-client.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { arrayObjects, arrayOutline } from '../simulator-state.js';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const DOC = readFileSync(path.join(here, '../../docs/options.md'), 'utf8');

/** Only the first array has the last two; hpe.conf maps the others, one to one. */
const MAPPED = ['FC_r6', 'FC_r1', 'SSD_r6'].map((name) => ({ name }));
const SEED = {
  arrays: [
    { domains: ['dom'], cpgs: [...MAPPED, { name: 'NL_r6' }, { name: 'OWN_r6', domain: 'dom' }] },
    { cpgs: MAPPED },
  ],
};
const PLAIN = { backend: 'plain', size: '1' };

let node: Node;

beforeAll(async () => {
  node = await startNode({ seed: SEED });
});

afterAll(async () => {
  const left = await arrayObjects(node.control);
  await node.close();
  expect(left).toEqual([]);
});

const primaryName = (): string => arrayOf(node.pair, 'primary').name;

/** Of a Create that has to fail; nothing may be made by it. */
async function refusalOf(options: Record<string, string>): Promise<string> {
  const before = await arrayOutline(node.control);
  const error = await node.docker.create('v', options);
  expect(error).not.toBe('');
  expect(await arrayOutline(node.control)).toEqual(before);
  expect((await node.docker.call('VolumeDriver.Get', { Name: 'v' })).Err).toMatch(/there is no volume v/);
  return error;
}

async function remove(...names: string[]): Promise<void> {
  for (const name of names) expect(await node.docker.remove(name)).toBe('');
}

describe('-o help', () => {
  it('is told through the socket, in lines; no array is asked and nothing is made', async () => {
    await node.control.clearLog();
    const lines = (await refusalOf({ help: '' })).split('\n');
    expect(lines[0]).toMatch(/^This is no failure: .* Docker shows .* only as an error/);
    expect(lines.find((line) => line.startsWith('  -o size=50 '))).toContain('(whole GiB, 1 to 16384; default: 100)');
    expect(lines).toContain('Rules:');

    const backends = (await refusalOf({ help: 'backends' })).split('\n');
    expect(backends.slice(1)).toEqual([
      'DEFAULT: not asked yet',
      expect.stringMatching(/^ {2}primary array of backend DEFAULT .*: not asked since this daemon started/),
      expect.stringMatching(/^ {2}secondary array of backend DEFAULT .*: not asked since this daemon started/),
      'plain: not asked yet',
      expect.stringMatching(/^ {2}primary array of backend plain .*: not asked since this daemon started/),
    ]);
    expect(await node.control.log()).toEqual([]);
  });

  it('tells of each backend how its arrays answered last, also while one is dead, and waits for no lock', async () => {
    expect(await node.docker.create('v1', PLAIN)).toBe('');
    const secondary = arrayOf(node.pair, 'secondary').name;
    await node.control.power(secondary, false);
    expect(await node.docker.create('v2', { size: '1', replicationGroup: 'g1' })).not.toBe('');
    // The name is that of a volume whose lock somebody holds for a while.
    await node.control.fault({ array: primaryName(), match: { method: 'DELETE' }, effect: 'delay', ms: 1_000 });
    const removal = node.docker.remove('v1');
    const [first, ...lines] = (await node.docker.create('v1', { help: 'backends' })).split('\n');
    expect(first).toMatch(/^This is no failure/);
    expect(lines).toEqual([
      'DEFAULT: failed',
      expect.stringMatching(/^ {2}primary array of backend DEFAULT .*: answered \d+ s ago$/),
      expect.stringMatching(/^ {2}secondary array of backend DEFAULT .*: \d+ s ago: .* cannot be reached.*; next: /),
      'plain: ready',
      expect.stringMatching(/^ {2}primary array of backend plain .*: answered \d+ s ago$/),
    ]);
    expect(await removal).toBe('');
    await node.control.clearFaults();
    await node.control.power(secondary, true);
  });
});

describe('options that exclude each other or miss a partner', () => {
  it('are refused all at once, with the reasons and where they are explained', async () => {
    const error = await refusalOf({ cloneOf: 'a', fsType: 'xfs', retHrs: '1', size: 'big' });
    for (const part of ['option size: "big"', 'a clone has all else', 'need virtualCopyOf', '-o help explains them'])
      expect(error).toContain(part);
  });
});

describe('CPGs', () => {
  it('that are named take the volume, and show in its status', async () => {
    expect(await node.docker.create('v', { ...PLAIN, cpg: 'NL_r6', snapcpg: 'SSD_r6' })).toBe('');
    expect(await node.docker.status('v')).toMatchObject({ cpg: 'NL_r6', snapCpg: 'SSD_r6' });
    expect(await node.docker.create('v', { ...PLAIN, cpg: 'FC_r6' })).toContain('cpg: wanted FC_r6, is NL_r6');
    await remove('v');
  });

  it('that the array does not have are named, both at once, before anything is made', async () => {
    const error = await refusalOf({ ...PLAIN, cpg: 'none', snapcpg: 'nil' });
    expect(error).toMatch(/has no CPG none; .* has no CPG nil; next: .*showcpg/);
  });

  it('rule 37: of a replicated volume are mapped, and its group is made for them and for nothing else', async () => {
    const group = { size: '1', replicationGroup: 'g1' };
    expect(await node.docker.create('v1', { ...group, cpg: 'SSD_r6' })).toBe('');
    const state = JSON.stringify(await node.control.state());
    expect(state).toContain('SSD_r6');
    expect(await refusalOf(group)).toMatch(/group g1 does not fit .*CPG is SSD_r6, the volume wants FC_r6/);
    expect(await node.docker.create('v2', { ...group, cpg: 'SSD_r6' })).toBe('');
    await remove('v1', 'v2');
  });

  it('rule 37: without a partner on the secondary array take no replicated volume', async () => {
    const error = await refusalOf({ size: '1', replicationGroup: 'g1', cpg: 'NL_r6' });
    expect(error).toContain('cpg_map of backend DEFAULT has no pair for CPG NL_r6');
  });

  it('in a domain give it to the volume and to a new host entry', async () => {
    expect(await refusalOf({ ...PLAIN, cpg: 'OWN_r6' })).toMatch(/in different domains \(dom and none\)/);
    expect(await node.docker.create('v', { ...PLAIN, cpg: 'OWN_r6', snapcpg: 'OWN_r6' })).toBe('');
    await node.docker.mount('v');
    const primary = await new WsapiClient(node.simulator.ready.arrays[0]).login();
    const { body } = await primary.send('GET', '/hosts');
    expect(body.at('members', 0, 'domain')).toBe('dom');
    expect(await node.docker.unmount('v')).toBe('');
    await remove('v');
  });

  it('of another domain than the volume set with the QoS rule are refused', async () => {
    const primary = await new WsapiClient(node.simulator.ready.arrays[0]).login();
    await primary.done('POST', '/volumesets', { name: 'dom_set', domain: 'dom' });
    await primary.done('POST', '/qos', { name: 'dom_set', type: 1, ioMaxLimit: 1000 });
    const gold = { ...PLAIN, 'qos-name': 'dom_set' };
    expect(await refusalOf(gold)).toContain("volume set dom_set is in domain dom, and the volume's CPG in none");
    const inDomain = { ...gold, 'flash-cache': 'True', cpg: 'OWN_r6', snapcpg: 'OWN_r6' };
    expect(await node.docker.create('v', inDomain)).toBe('');
    expect((await primary.done('GET', '/volumesets')).body.list('members').map((set) => set.at('domain'))).toEqual([
      'dom',
      'dom',
    ]);
    await remove('v');
    await primary.done('DELETE', '/qos/vvset:dom_set');
    await primary.done('DELETE', '/volumesets/dom_set');
  });

  it('two volumes that make one group at once for different CPGs: one gets it, the other is refused', async () => {
    const group = { size: '1', replicationGroup: 'g2' };
    const errors = await Promise.all([
      node.docker.create('v1', { ...group, cpg: 'SSD_r6' }),
      node.docker.create('v2', { ...group, cpg: 'FC_r1' }),
    ]);
    expect(errors.filter((error) => error === '')).toHaveLength(1);
    expect(errors.join('')).toMatch(/group g2 (was just made for a volume in other CPGs|does not fit backend DEFAULT)/);
    await remove(errors[0] === '' ? 'v1' : 'v2');
  });
});

describe('what an array cannot do', () => {
  it('is told before anything is made', async () => {
    const poor = await startNode({ seed: { licenses: ['Remote Copy'] } });
    const options = { size: '16', compression: 'True' };
    const plain = await poor.docker.create('v', { ...options, backend: 'plain' });
    expect(plain).toMatch(
      /^primary array of backend plain .*: compression needs a licence that it does not have; next: /,
    );
    const pair = await poor.docker.create('v', { ...options, replicationGroup: 'g1' });
    expect(pair).toMatch(/primary array of backend DEFAULT .*licence.*; secondary array of backend DEFAULT .*licence/);
    expect(await arrayObjects(poor.control)).toEqual([]);
    await poor.close();
  });

  it('a licence that has run out by the array’s clock is none', async () => {
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    const late = await startNode({ seed: { licenses: ['Remote Copy', { name: 'Compression', expires }] } });
    const options = { size: '16', compression: 'True', backend: 'plain' };
    expect(await late.docker.create('v', options)).toBe('');
    await late.control.clock(arrayOf(late.pair, 'primary').name, 2);
    expect(await late.docker.create('w', options)).toMatch(
      /^primary array .*: compression needs a licence, and its licence Compression has expired at 20\S+; next: .*nothing was changed$/,
    );
    expect(await late.docker.remove('v')).toBe('');
    await late.close();
  });
});

describe('docs/options.md', () => {
  it('has examples that do what it says', async () => {
    const made: string[] = [];
    for (const { name, options } of createExamples(DOC)) {
      if ('qos-name' in options) continue;
      const error = await node.docker.create(name, options);
      if ('help' in options) expect(error).toMatch(/^This is no failure/);
      else {
        expect(error).toBe('');
        made.push(name);
      }
    }
    expect(made).toEqual(['fast', 'mirrored', 'archive']);
    expect(await node.docker.status('fast')).toMatchObject({ cpg: 'SSD_r6', snapCpg: 'FC_r1' });
    expect(await node.docker.status('archive')).toMatchObject({ provisioning: 'dedup', compression: true });
    await remove(...made);
  });
});
