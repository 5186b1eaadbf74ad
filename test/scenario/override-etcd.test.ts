import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import path from 'node:path';
import { override } from '../../src/commands/override.js';
import { startEtcd, type Etcd } from '../etcd.js';
import type { Node } from '../harness.js';
import { Site, waitFor, type Replica } from './site.js';

const KEY = '/hpe-volume-plugin/v1/override/';

describe('rule 8: overrides in etcd', () => {
  let etcd: Etcd;
  let site: Site;
  let volume: Replica;

  beforeAll(async () => {
    etcd = await startEtcd();
    site = await Site.start({ more: [`host_etcd_ip_address = ${etcd.host}`] });
    volume = await site.createVolume();
    await site.useOnce(volume);
    await site.silence(site.secondary);
    await volume.type.stop();
  });
  afterEach(async () => {
    etcd.resume();
  });
  afterAll(async () => {
    await site.close();
    await etcd.stop();
  });

  /** Typed on this node, or on another host of the same etcd, where no daemon runs. */
  const type = async (words: string[], stateDir = 'state'): Promise<string> => {
    const where = ['--state-dir', path.join(site.node.dir, stateDir), '--config', path.join(site.node.dir, 'hpe.conf')];
    return (await override([volume.name, ...words, ...where])).join('\n');
  };
  const make = ['--side', 'primary', '--reason', 'a drill', '--for'];
  const shown = async (): Promise<unknown> => (await site.node.docker.status(volume.name))['override'];

  it('one that was typed on another host is honoured here, and ends with its lease', async () => {
    expect(await site.refusalOf(volume)).toContain('row 7 of the role table');
    expect(await type([...make, '30m'], 'another-host')).toContain('no daemon runs');
    expect(await shown()).toMatchObject({ side: 'primary', reason: 'a drill' });
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
    await site.unmount(volume);
    await type([...make, '3s']);
    await waitFor(async () => (await shown()) === undefined);
    expect(await site.refusalOf(volume)).toContain('row 7 of the role table');
    expect(await etcd.ctl('get', '--prefix', '--keys-only', KEY)).toBe('');
  });

  it('one whose lease got more time, as from a new leader of etcd, is ended by the daemon that saw all of its own', async () => {
    await type([...make, '3s']);
    const value = await etcd.ctl('get', '--print-value-only', KEY + volume.name);
    await etcd.ctl('put', KEY + volume.name, value.trim());
    await waitFor(async () => (await shown()) === undefined);
    expect(await site.refusalOf(volume)).toContain('row 7 of the role table');
  });

  it('without etcd nothing is made, and the command says why', async () => {
    etcd.pause();
    await expect(type([...make, '30m'])).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/etcd at .* does not answer/),
    });
    await expect(type(['--end'], 'another-host')).rejects.toMatchObject({ code: 'unavailable' });
    etcd.resume();
    expect(await shown()).toBeUndefined();
  });
});

describe('rule 25: an override and a volume that another node holds', () => {
  let etcd: Etcd;
  let site: Site;
  let second: Node;

  beforeAll(async () => {
    etcd = await startEtcd();
    site = await Site.start({ etcd: etcd.host });
    second = await site.node.secondNode();
  });
  afterEach(async () => {
    await site.calmDown();
  });
  afterAll(async () => {
    await second.close();
    await site.close();
    await etcd.stop();
  });

  const create = async (): Promise<Replica> => site.createVolume(undefined, { mountConflictDelay: '1' });
  const allow = async ({ name }: Replica): Promise<void> => {
    const words = [name, '--side', 'primary', '--for', '5m', '--reason', 'a drill'];
    await override([...words, '--state-dir', path.join(second.dir, 'state')]);
  };
  const holderOf = async ({ name }: Replica): Promise<unknown> => (await second.docker.status(name))['holder'];

  it('is taken over when the holder has it from the array that answers, where its exports are seen gone', async () => {
    const volume = await create();
    await site.mount(volume);
    await site.silence(site.secondary);
    await volume.type.stop();
    await expect(second.docker.mount(volume.name)).rejects.toThrow('row 7 of the role table');
    await allow(volume);
    await second.docker.mount(volume.name);
    expect(await holderOf(volume)).toMatchObject({ node: 'node2', array: 'primary', state: 'attached' });
    expect(await second.docker.unmount(volume.name)).toBe('');
  });

  it('is not taken over when the holder may still write through the array that is silent', async () => {
    const volume = await create();
    await site.useOnce(volume);
    await volume.type.stop();
    await volume.type.failover();
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
    await site.silence(site.secondary);
    await expect(second.docker.mount(volume.name)).rejects.toThrow('row 8 of the role table');
    await allow(volume);
    const refusal = second.docker.mount(volume.name);
    await expect(refusal).rejects.toThrow(
      /held by node node1.*takes the volume from nobody.*next: stop the containers/,
    );
    expect(await site.exporting(volume)).toEqual([site.secondary]);
    expect(await holderOf(volume)).toMatchObject({ node: 'node1', array: 'secondary', state: 'attached' });
    // The way out that it names.
    await site.unmount(volume);
    await second.docker.mount(volume.name);
    expect(await holderOf(volume)).toMatchObject({ node: 'node2', array: 'primary' });
    expect(await second.docker.unmount(volume.name)).toBe('');
  });
});
