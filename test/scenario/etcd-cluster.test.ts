import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { generate, type GenerateResult } from 'selfsigned';
import { startEtcd, startEtcdCluster, type Etcd, type EtcdCluster, type EtcdMember } from '../etcd.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects } from '../simulator-state.js';
import { Site, waitFor } from './site.js';

/** Every verb on a volume of its own; what was written is read back. */
async function expectAllVerbs(node: Node, name: string): Promise<void> {
  const { docker } = node;
  expect(await docker.create(name, { size: '1', backend: 'plain' })).toBe('');
  await writeFile(path.join(await docker.mount(name), 'file'), name);
  expect(await docker.status(name)).toMatchObject({ mounts: 1 });
  expect(await docker.status(name)).not.toHaveProperty('stale');
  expect(await docker.unmount(name)).toBe('');
  expect((await docker.call('VolumeDriver.List')).Volumes?.map((each) => each.Name)).toContain(name);
  expect(await readFile(path.join(await docker.mount(name), 'file'), 'utf8')).toBe(name);
  expect(await docker.unmount(name)).toBe('');
  expect(await docker.remove(name)).toBe('');
}

describe('the metadata in a cluster of three etcd members', () => {
  let etcd: EtcdCluster;
  let site: Site;
  beforeAll(async () => {
    etcd = await startEtcdCluster();
    site = await Site.start({ etcd: etcd.hosts });
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => {
    await site.close();
    await etcd.stop();
  });

  const follower = async (): Promise<EtcdMember> => {
    const leader = await etcd.leader();
    const found = etcd.members.find((member) => member !== leader);
    if (found === undefined) throw new Error('no follower');
    return found;
  };

  it.each([
    ['a follower', follower],
    ['the leader', async () => etcd.leader()],
  ])('%s is killed: all verbs work, also those that are under way', async (_which, choose) => {
    const victim = await choose();
    const underWay = [expectAllVerbs(site.node, 'one'), expectAllVerbs(site.node, 'two')];
    await victim.kill();
    try {
      await Promise.all([...underWay, expectAllVerbs(site.node, 'three')]);
      await expectAllVerbs(site.node, 'four');
    } finally {
      await victim.start();
    }
    await expectAllVerbs(site.node, 'five');
  });

  it('rule 41: without a quorum changes are refused soon, mounts go on and can be ended here; with one all goes on', async () => {
    const { docker, dir } = site.node;
    const [running, ending, idle] = [await site.createVolume(), await site.createVolume(), await site.createVolume()];
    const file = await open(path.join(await site.mount(running), 'file'), 'w+');
    await site.mount(ending);
    await docker.call('VolumeDriver.List');
    const dead = etcd.members.slice(1);
    await Promise.all(dead.map(async (member) => member.kill()));

    const refusals = [
      docker.create('fresh', { size: '1', backend: 'plain' }),
      docker.remove(idle.name),
      docker.mount(idle.name).catch(String),
    ].map(async (refusal) => {
      const began = performance.now();
      return { text: await refusal, ms: performance.now() - began };
    });
    for (const { text, ms } of await Promise.all(refusals)) {
      expect(text).toMatch(/etcd at .* does not answer/);
      expect(ms).toBeLessThan(5_000);
    }
    for (const { name } of [running, ending, idle]) {
      expect(await docker.status(name)).toMatchObject({ stale: expect.stringContaining('etcd') });
    }
    const names = (await docker.call('VolumeDriver.List')).Volumes?.map((each) => each.Name);
    expect(names).toEqual([running.name, ending.name, idle.name]);
    await file.write('written without etcd');
    await file.sync();

    await site.unmount(ending);
    expect((await hostLeftovers(dir)).join('\n')).not.toContain(ending.name);
    expect(await site.exporting(ending)).toEqual([site.primary]);
    expect(await site.exporting(running)).toEqual([site.primary]);

    await Promise.all(dead.map(async (member) => member.start()));
    await waitFor(async () => !('stale' in (await docker.status(idle.name))));
    await expectAllVerbs(site.node, 'fresh');
    await site.useOnce(idle);
    await waitFor(async () => (await site.exporting(ending)).length === 0);
    await waitFor(async () => (await docker.status(ending.name))['holder'] === null);
    await site.useOnce(ending);
    expect(await site.exporting(running)).toEqual([site.primary]);
    expect(await docker.status(running.name)).toMatchObject({ mounts: 1 });
    await file.close();
    await site.unmount(running);
    expect(await readFile(path.join(await site.mount(running), 'file'), 'utf8')).toBe('written without etcd');
  });
});

describe('an etcd that takes only clients with a certificate', () => {
  let dir: string;
  let etcd: Etcd;
  const pems = new Map<string, GenerateResult>();
  const file = (name: string): string => path.join(dir, name);

  const makePem = async (name: string, authority?: string): Promise<void> => {
    const signer = authority === undefined ? undefined : pems.get(authority);
    const made = await generate([{ name: 'commonName', value: name }], {
      extensions: [
        { name: 'basicConstraints', cA: authority === undefined },
        { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
      ],
      ...(signer === undefined ? {} : { ca: { key: signer.private, cert: signer.cert } }),
    });
    pems.set(name, made);
    await writeFile(file(`${name}.crt`), made.cert);
    await writeFile(file(`${name}.key`), made.private, { mode: 0o600 });
  };
  const lines = (authority: string, client?: string): string[] => [
    `host_etcd_ca_cert = ${file(`${authority}.crt`)}`,
    ...(client === undefined ? [] : [`host_etcd_client_cert = ${file(`${client}.crt`)}`]),
    ...(client === undefined ? [] : [`host_etcd_client_key = ${file(`${client}.key`)}`]),
  ];

  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'etcd-tls-'));
    await makePem('ca');
    await makePem('foreign-ca');
    await makePem('server', 'ca');
    await makePem('client', 'ca');
    await makePem('stranger', 'foreign-ca');
    etcd = await startEtcd({ ca: file('ca.crt'), cert: file('server.crt'), key: file('server.key') });
  });
  afterAll(async () => {
    await etcd.stop();
    await rm(dir, { recursive: true });
  });

  it('serves a daemon that has one', async () => {
    const node = await startNode({ etcd: etcd.host, more: lines('ca', 'client') });
    try {
      await expectAllVerbs(node, 'volume');
      expect(await arrayObjects(node.control)).toEqual([]);
    } finally {
      await node.close();
    }
  });

  it.each([
    ['the certificate of another authority', lines, ['ca', 'stranger'], /host_etcd_client_cert/],
    ['no certificate', lines, ['ca'], /host_etcd_client_cert/],
    ['another authority than etcd', lines, ['foreign-ca', 'client'], /host_etcd_ca_cert/],
  ] as const)('a daemon with %s is told what to check', async (_what, conf, [authority, client], hint) => {
    const node = await startNode({ etcd: etcd.host, more: conf(authority, client) });
    try {
      const began = performance.now();
      const refusal = await node.docker.create('volume', { size: '1', backend: 'plain' });
      expect(performance.now() - began).toBeLessThan(5_000);
      expect(refusal).toMatch(/etcd at .* does not answer: .*(certificate|closed the connection)/);
      expect(refusal).toMatch(hint);
    } finally {
      await node.close();
    }
  });
});
