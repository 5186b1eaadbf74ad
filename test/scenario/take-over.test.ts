import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Node } from '../harness.js';
import { freeLoopDevicesOf, hostLeftovers } from '../host-leftovers.js';
import { arrayOf, operator } from '../pair-client.js';
import { arrayObjects, stateOf } from '../simulator-state.js';
import { startTwoHosts, waitFor, type Replica, type Site, type TwoHosts } from './site.js';

/** Seconds that the volumes of these tests are waited for. */
const DELAY = 2;

let site: Site;
/** `node1`, and another host on the same arrays and the same etcd. */
let first: Node;
let second: Node;
let close: TwoHosts['close'];

beforeAll(async () => {
  ({ site, first, second, close } = await startTwoHosts());
});
afterEach(async () => {
  await site.calmDown();
  for (const name of await names(first)) {
    for (const node of [first, second]) expect(await node.docker.unmount(name)).toBe('');
    expect(await first.docker.remove(name)).toBe('');
  }
  expect(await arrayObjects(first.control)).toEqual([]);
  expect(await hostLeftovers(first.dir)).toEqual([]);
});
afterAll(async () => {
  await close();
});

const names = async ({ docker }: Node): Promise<string[]> =>
  ((await docker.call('VolumeDriver.List')).Volumes ?? []).map((each) => each.Name);

async function create(options: Record<string, string> = {}): Promise<Replica> {
  return site.createVolume(undefined, { mountConflictDelay: String(DELAY), ...options });
}

/** The hosts that any array exports the volume to. */
async function exportedTo({ arrayVolume }: Replica): Promise<string[]> {
  const { arrays } = await stateOf(first.control);
  const hosts = arrays.flatMap(({ vluns }) =>
    vluns.filter((each) => each.volume === arrayVolume).map((each) => each.host ?? 'a port'),
  );
  return [...new Set(hosts)];
}

async function holderOf({ name }: Replica): Promise<unknown> {
  return (await second.docker.status(name))['holder'];
}

async function elapsed(work: Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work;
  return performance.now() - started;
}

/** Restarts the daemon as another node on the host of `of`: its initiator on the simulated fabric comes from the first digits of the id. */
async function restartOnHostOf(of: Node, node: Node): Promise<void> {
  const initiator = (await readFile(path.join(of.dir, 'state/node-id'), 'utf8')).slice(0, 13);
  await node.stopDaemon();
  await writeFile(path.join(node.dir, 'state/node-id'), `${initiator}${randomUUID().slice(13)}\n`);
  await node.restart();
}

describe('a volume that another node holds', () => {
  it('mountConflictDelay: the second node goes on as soon as the first one unmounts, long before the delay', async () => {
    const volume = await create({ mountConflictDelay: '60' });
    await writeFile(path.join(await first.docker.mount(volume.name), 'file'), 'from the first');
    const waiting = second.docker.mount(volume.name);
    await pause(1_000);
    expect(await exportedTo(volume)).toEqual(['node1']);
    expect(await first.docker.unmount(volume.name)).toBe('');
    const ms = await elapsed(waiting);
    expect(await readFile(path.join(await waiting, 'file'), 'utf8')).toBe('from the first');
    expect(ms).toBeLessThan(20_000);
    expect(await exportedTo(volume)).toEqual(['node2']);
  });

  it('rule 25: after the delay its exports are removed and seen gone before the new export, and the robbed node is fenced', async () => {
    const volume = await create();
    const old = path.join(await first.docker.mount(volume.name), 'file');
    await writeFile(old, 'acknowledged', { flush: true });
    await first.control.clearLog();
    let mountpoint = '';
    const ms = await elapsed(second.docker.mount(volume.name).then((found) => (mountpoint = found)));
    expect(ms).toBeGreaterThan(DELAY * 1000);
    expect(await exportedTo(volume)).toEqual(['node2']);
    const changes = (await first.control.log()).filter(
      ({ method, path: called }) => method !== 'GET' && called?.includes('/vluns') === true,
    );
    expect(changes.map(({ method }) => method)).toEqual(['DELETE', 'DELETE', 'POST', 'POST']);
    expect(await readFile(path.join(mountpoint, 'file'), 'utf8')).toBe('acknowledged');
    expect(await holderOf(volume)).toMatchObject({ node: 'node2', state: 'attached' });
    // Nothing holds it there, so the first node lets go of its device by itself.
    await waitFor(async () => !(await hostLeftovers(first.dir)).some((line) => line.includes(`${first.dir}/state/`)));
    await waitFor(
      async () => (await hostLeftovers(first.dir)).filter((line) => line.startsWith('/dev/loop')).length === 1,
    );
    await first.control.clearLog();
    expect(await first.docker.unmount(volume.name)).toBe('');
    const later = (await first.control.log()).filter(({ method }) => method !== 'GET');
    expect(later).toEqual([]);
    expect(await exportedTo(volume)).toEqual(['node2']);
    expect(await holderOf(volume)).toMatchObject({ node: 'node2', state: 'attached' });
  });

  it('rule 24: what is written on the robbed node reaches no array; it says fenced, and serves the volume again when that use is over', async () => {
    const volume = await create();
    const old = await open(path.join(await first.docker.mount(volume.name), 'file'), 'w');
    try {
      await old.write('before');
      await old.sync();
      const mountpoint = await second.docker.mount(volume.name);
      await old.write(' and after');
      await old.sync().catch(() => undefined);
      expect(await readFile(path.join(mountpoint, 'file'), 'utf8')).toBe('before');
      expect(await first.docker.status(volume.name)).toMatchObject({
        holder: { node: 'node2' },
        fenced: expect.stringContaining('lost the volume to node2'),
      });
      await expect(first.docker.mount(volume.name)).rejects.toThrow(
        /^fenced: volume .* node node2 holds it now.* next: stop the containers/,
      );
      expect(await exportedTo(volume)).toEqual(['node2']);
    } finally {
      await old.close();
    }
    expect(await second.docker.unmount(volume.name)).toBe('');
    expect(await readFile(path.join(await first.docker.mount(volume.name), 'file'), 'utf8')).toBe('before');
  });

  it('rule 23: a take-over that stopped half-way is ended by a third node, which removes the exports of both', async () => {
    const volume = await create();
    const third = await first.secondNode({ name: 'node5' });
    const match = { method: 'DELETE', pathRegex: '/vluns/' };
    try {
      await writeFile(path.join(await first.docker.mount(volume.name), 'file'), 'x', { flush: true });
      await first.control.fault({ array: site.primary, match, effect: 'error', status: 500, code: 1, times: 100 });
      await expect(second.docker.mount(volume.name)).rejects.toThrow(/rollback is not finished yet/);
      expect(await exportedTo(volume)).toEqual(['node1']);
      await first.control.clearFaults();
      const mountpoint = await third.docker.mount(volume.name);
      expect(await exportedTo(volume)).toEqual(['node5']);
      expect(await readFile(path.join(mountpoint, 'file'), 'utf8')).toBe('x');
      expect(await third.docker.unmount(volume.name)).toBe('');
    } finally {
      await third.close();
    }
  });

  it('a refused Mount and its retry share one delay', async () => {
    const volume = await create({ mountConflictDelay: '12' });
    const impatient = await first.secondNode({ name: 'node3', more: ['docker_timeout = 15'] });
    try {
      await first.docker.mount(volume.name);
      await expect(impatient.docker.mount(volume.name)).rejects.toThrow(/in use on node node1/);
      expect(await exportedTo(volume)).toEqual(['node1']);
      expect(await elapsed(impatient.docker.mount(volume.name))).toBeLessThan(8_000);
      expect(await exportedTo(volume)).toEqual(['node3']);
      expect(await impatient.docker.unmount(volume.name)).toBe('');
    } finally {
      await impatient.close();
    }
  });

  it('rule 25: an array that is silent and not active keeps the old export until it is back; then it goes', async () => {
    const volume = await create();
    await first.docker.mount(volume.name);
    await first.control.power(site.primary, false);
    await volume.type.failover();
    await second.docker.mount(volume.name);
    expect(await site.exporting(volume)).toEqual([site.primary, site.secondary]);
    expect(await second.docker.unmount(volume.name)).toBe('');
    expect(await first.docker.unmount(volume.name)).toBe('');
    await first.control.power(site.primary, true);
    await second.restart();
    await waitFor(async () => (await exportedTo(volume)).length === 0);
    await volume.type.recover();
    await volume.type.restore();
  });

  it('rule 46: a member that a dead node left attached to the old side does not keep the others from being mounted', async () => {
    const dead = await first.secondNode({ name: 'node4' });
    const other = await site.createVolume('RCG-46');
    const left = await site.createVolume('RCG-46');
    try {
      await dead.docker.mount(left.name);
      await site.useOnce(other);
      await other.type.stop();
      await other.type.failover();
      await expect(second.docker.mount(other.name)).rejects.toThrow(
        /still attached to the primary array on node node4/,
      );
    } finally {
      await dead.close();
    }
    // It counts as living for a while: that etcd has lost its presence proves nothing yet.
    await waitFor(
      async () =>
        second.docker.mount(other.name).then(
          () => true,
          () => false,
        ),
      40_000,
    );
    expect(await second.docker.unmount(other.name)).toBe('');
    await other.type.recover();
    await other.type.restore();
    await dead.restart();
    expect(await dead.docker.unmount(left.name)).toBe('');
    await dead.close();
  });

  it('rule 25: a node that has lost its state directory does not rob itself while its containers run', async () => {
    const volume = await create();
    const amnesiac = await first.secondNode({ name: 'node6' });
    const state = path.join(amnesiac.dir, 'state');
    try {
      const mountpoint = await amnesiac.docker.mount(volume.name);
      const old = await open(path.join(mountpoint, 'file'), 'w');
      await amnesiac.stopDaemon();
      for (const lost of ['mounts', 'loopback']) await rm(path.join(state, lost), { recursive: true });
      await restartOnHostOf(amnesiac, amnesiac);
      const line = (lun: string, port: string): string => `removevlun -f ${volume.arrayVolume} ${lun} node6 ${port}`;
      await expect(amnesiac.docker.mount(volume.name)).rejects.toThrow(
        new RegExp(
          `exports volume ${volume.name} to host entry node6, which is this host, but for another node .* state directory, .* next: .*umount ${mountpoint} .*: ${line('LUN', 'PORT')},`,
        ),
      );
      expect(await exportedTo(volume)).toEqual(['node6']);
      await old.write('still here');
      await old.sync();
      await old.close();
      // The way out that it names.
      execFileSync('umount', [mountpoint]);
      await freeLoopDevicesOf(volume.arrayVolume);
      for (const port of ['0:2:1', '1:2:1']) await operator(arrayOf(first.pair, 'primary'), line('0', port));
      await amnesiac.docker.mount(volume.name);
      expect(await readFile(path.join(mountpoint, 'file'), 'utf8')).toBe('still here');
      expect(await amnesiac.docker.unmount(volume.name)).toBe('');
    } finally {
      await amnesiac.close();
    }
  });

  it('rule 25: a host is known by its name and by its initiators', async () => {
    const volume = await create();
    const owner = await first.secondNode({ name: 'node7' });
    const renamed = await first.secondNode({ name: 'node8' });
    try {
      await owner.docker.mount(volume.name);
      await restartOnHostOf(owner, renamed);
      await expect(renamed.docker.mount(volume.name)).rejects.toThrow(/to host entry node7, which is this host/);
      expect(await exportedTo(volume)).toEqual(['node7']);
      expect(await owner.docker.unmount(volume.name)).toBe('');
    } finally {
      await renamed.close();
      await owner.close();
    }
  });
});
