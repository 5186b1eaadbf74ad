import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { override } from '../../src/commands/override.js';
import { DaemonProcess } from '../daemon-process.js';
import { startEtcd, type Etcd } from '../etcd.js';
import type { Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects } from '../simulator-state.js';
import { WallClock } from '../wall-clock.js';
import { Site, waitFor, type Replica } from './site.js';

const DAY_MS = 86_400_000;
/** Seconds. */
const LEASE_TTL = 4;
const DELAY = 4;

let etcd: Etcd;
let site: Site;
/** Its clock is right. */
let steady: Node;
/** Its clock is not. */
let shifted: DaemonProcess;
let clock: WallClock;

beforeAll(async () => {
  etcd = await startEtcd();
  site = await Site.start({ etcd: etcd.host });
  steady = site.node;
  const dir = path.join(steady.dir, 'shifted');
  await mkdir(dir);
  clock = new WallClock(path.join(dir, 'clock'));
  const hurry = { leaseTtl: LEASE_TTL, roundMs: 1_000 };
  shifted = new DaemonProcess({ dir, configFile: path.join(steady.dir, 'hpe.conf'), nodeName: 'node2', hurry, clock });
  await shifted.start();
});
beforeEach(() => clock.set(0));
afterEach(async () => {
  await site.calmDown();
  for (const { Name: name } of (await steady.docker.call('VolumeDriver.List')).Volumes ?? []) {
    for (const { docker } of [steady, shifted]) expect(await docker.unmount(name)).toBe('');
    expect(await steady.docker.remove(name)).toBe('');
  }
  expect(await arrayObjects(steady.control)).toEqual([]);
  expect(await hostLeftovers(steady.dir)).toEqual([]);
});
afterAll(async () => {
  await shifted.stop();
  await site.close();
  await etcd.stop();
});

/** How many days the clock was off that the volume's birth was read from. */
async function daysOff(name: string): Promise<number> {
  const { Volume: volume } = await steady.docker.call('VolumeDriver.Get', { Name: name });
  return Math.round((Date.parse(volume?.CreatedAt ?? '') - Date.now()) / DAY_MS);
}

async function seconds(work: Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work;
  return (performance.now() - began) / 1000;
}

const holderOf = async ({ name }: { name: string }): Promise<unknown> => (await steady.docker.status(name))['holder'];

describe.each([
  ['ahead', 1],
  ['behind', -1],
])('rule 43: a clock that is a day %s', (_where, days) => {
  it('from the start of the daemon on makes no difference to anybody', async () => {
    clock.set(days);
    await shifted.restart();
    expect(await shifted.docker.create('dated', { size: '1', replicationGroup: 'RCG' })).toBe('');
    expect(await daysOff('dated')).toBe(days);
    await writeFile(path.join(await shifted.docker.mount('dated'), 'file'), 'written there', { flush: true });
    expect(await shifted.docker.unmount('dated')).toBe('');
    expect(await readFile(path.join(await steady.docker.mount('dated'), 'file'), 'utf8')).toBe('written there');
    expect(await steady.docker.unmount('dated')).toBe('');
    expect(await shifted.docker.remove('dated')).toBe('');
  });

  it('all of a sudden ends no lock: a verb goes on to its end, and who waits for its lock waits', async () => {
    expect(await shifted.docker.create('first', { size: '1', replicationGroup: 'RCG' })).toBe('');
    await steady.control.latency(800);
    let isCreated = false;
    const creating = shifted.docker.create('slow', { size: '1', replicationGroup: 'RCG' });
    void creating.then(() => (isCreated = true));
    await waitFor(async () => (await etcd.ctl('get', '--keys-only', '/hpe-volume-plugin/v1/volume/slow')) !== '');
    clock.set(days);
    const removing = steady.docker.remove('slow').then((err) => ({ err, isCreated }));
    expect(await seconds(creating)).toBeGreaterThan(LEASE_TTL);
    expect(await creating).toBe('');
    await steady.control.latency(0);
    expect(await removing).toEqual({ err: '', isCreated: true });
    expect(await shifted.docker.remove('first')).toBe('');
  });

  it('all of a sudden takes no volume from a node, and makes it wait for one neither shorter nor longer', async () => {
    const volume = await site.createVolume(undefined, { mountConflictDelay: String(DELAY) });
    const held = path.join(await steady.docker.mount(volume.name), 'file');
    await writeFile(held, 'acknowledged', { flush: true });
    let mountpoint = '';
    const waiting = seconds(shifted.docker.mount(volume.name).then((found) => (mountpoint = found)));
    await pause(1_000);
    clock.set(days);
    expect(await holderOf(volume)).toMatchObject({ node: 'node1', state: 'attached' });
    const waited = await waiting;
    expect(waited).toBeGreaterThan(DELAY);
    expect(waited).toBeLessThan(DELAY + 20);
    expect(await readFile(path.join(mountpoint, 'file'), 'utf8')).toBe('acknowledged');
    // It holds the volume now, and its clock jumps again.
    clock.set(-days);
    await writeFile(path.join(mountpoint, 'file'), 'and more', { flush: true });
    await pause(2_000 + LEASE_TTL * 1_000);
    expect(await holderOf(volume)).toMatchObject({ node: 'node2', state: 'attached' });
    const robbing = steady.docker.mount(volume.name);
    await pause(1_000);
    expect(await shifted.docker.unmount(volume.name)).toBe('');
    expect(await readFile(path.join(await robbing, 'file'), 'utf8')).toBe('and more');
  });

  it('all of a sudden neither ends an override nor prolongs it', async () => {
    const volume: Replica = await site.createVolume();
    await site.useOnce(volume);
    await site.silence(site.secondary);
    await volume.type.stop();
    const words = [volume.name, '--side', 'primary', '--reason', 'a drill', '--for', '8s'];
    const began = performance.now();
    await override([...words, '--state-dir', shifted.stateDir]);
    clock.set(days);
    await shifted.docker.mount(volume.name);
    expect(await shifted.docker.unmount(volume.name)).toBe('');
    await waitFor(async () => (await steady.docker.status(volume.name))['override'] === undefined);
    expect(performance.now() - began).toBeGreaterThan(8_000);
    await expect(shifted.docker.mount(volume.name)).rejects.toThrow('row 7 of the role table');
  });
});

describe('rule 24: a daemon that stands still for longer than its lease, as no clock of its own tells it', () => {
  it.each(['POST /volumes', 'POST /remotecopygroups', 'GET /remotecopygroups/'])(
    'says fenced, and blames no array: %s',
    async (call) => {
      const [method = '', where = ''] = call.split(' ');
      const options = { size: '1', replicationGroup: 'RCG' };
      const rehearse = async (): Promise<number> => {
        await shifted.watch();
        expect(await shifted.docker.create('rehearsed', options)).toBe('');
        const calls = (await shifted.calls()).map(({ label }) => label);
        expect(await shifted.docker.remove('rehearsed')).toBe('');
        return calls.findLastIndex((each) => each.startsWith(`array ${method} `) && each.includes(where)) + 1;
      };
      let number = 0;
      // What is still done for the group after the verb before is not this one's call.
      await waitFor(async () => (number = await rehearse()) > 0);
      await shifted.watch({ call: number, when: 'after', signal: 'SIGSTOP' });
      const creating = shifted.docker.create('stopped', options);
      await waitFor(async () => (await shifted.struck()) !== undefined);
      await pause(LEASE_TTL * 1_000 + 1_000);
      shifted.resume();
      const answer = await creating;
      expect(answer).toMatch(/^fenced: .* volume stopped.*; next: .*docker volume inspect stopped/);
      expect(await shifted.docker.create('stopped', options)).toBe('');
    },
  );
});

it('rule 41: an Unmount that loses its locks with etcd detaches here, and its export goes when etcd is back', async () => {
  const volume = await site.createVolume();
  await shifted.docker.mount(volume.name);
  await steady.control.latency(2_000);
  const unmounting = shifted.docker.unmount(volume.name);
  await waitFor(async () => (await hostLeftovers(steady.dir)).length === 0);
  // Only the array is still to be told, which takes longer than the lease.
  etcd.pause();
  try {
    expect(await unmounting).toBe('');
    expect(await hostLeftovers(steady.dir)).toEqual([]);
  } finally {
    etcd.resume();
    await steady.control.latency(0);
  }
  await waitFor(async () => (await site.exporting(volume)).length === 0);
});
