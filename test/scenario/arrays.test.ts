import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { LogEntry } from '../../src/simulator/request-log.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects, arrayOutline } from '../simulator-state.js';
import { arrayCalls, type ArrayCall } from './array-calls.js';
import { eachCall, strike } from './each-call.js';
import { Site, waitFor } from './site.js';

/** Arrays that answer, but slowly, wrongly, or with "not now". What one lost or false answer does is in rollback.test.ts. */

const PROMPT_MS = 2_000;
const REPLICATED = { size: '1', replicationGroup: 'g1' };
const PLAIN = { size: '1', backend: 'plain' };

async function timed<T>(work: Promise<T>): Promise<{ result: T; ms: number }> {
  const started = performance.now();
  return { result: await work, ms: performance.now() - started };
}

const isLogin = ({ method, path: called }: LogEntry): boolean =>
  method === 'POST' && called?.endsWith('/credentials') === true;

/** What the daemon answers itself is there at once, whatever the arrays do. */
async function expectPromptReads({ docker }: Node, known: string): Promise<void> {
  const { ms } = await timed(
    Promise.all([
      docker.call('Plugin.Activate'),
      docker.call('VolumeDriver.List'),
      docker.call('VolumeDriver.Get', { Name: known }),
    ]),
  );
  expect(ms).toBeLessThan(PROMPT_MS);
}

describe('an array that is busy, slow, or has forgotten us', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start({ more: ['docker_timeout = 15'] });
    expect(await site.node.docker.create('known', PLAIN)).toBe('');
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => {
    expect(await site.node.docker.remove('known')).toBe('');
    expect(await arrayObjects(site.node.control)).toEqual([]);
    await site.close();
  });

  /** Every request of that array, SSH not included. */
  const trouble = async (array: string, effect: 'error' | 'delay', more: object): Promise<void> => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE'])
      await site.node.control.fault({ array, match: { method }, effect, ...more });
  };

  it('a storm of 503 for some seconds is ridden out', async () => {
    await trouble(site.primary, 'error', { status: 503, code: 1000, times: 2 });
    const { docker } = site.node;
    expect(await docker.create('storm', REPLICATED)).toBe('');
    await trouble(site.primary, 'error', { status: 503, code: 1000, times: 2 });
    await docker.mount('storm');
    expect(await docker.unmount('storm')).toBe('');
    expect(await docker.remove('storm')).toBe('');
  });

  it('a storm of 503 without end is an error in time that names the array, and leaves nothing', async () => {
    const { docker, control } = site.node;
    const [volume, spare] = [await site.createVolume(), await site.createVolume()];
    const before = await arrayOutline(control);
    await trouble(site.primary, 'error', { status: 503, code: 1000, times: 10_000 });
    const attempts = [
      timed(docker.create('storm', REPLICATED)),
      timed(docker.mount(volume.name).catch(String)),
      timed(docker.remove(spare.name)),
    ];
    await pause(500);
    await expectPromptReads(site.node, 'known');
    for (const { result, ms } of await Promise.all(attempts)) {
      expect(result).toMatch(/primary array of backend DEFAULT .*; next: |was not done within 10 s/);
      expect(ms).toBeLessThan(15_000);
    }
    await control.clearFaults();
    expect(await hostLeftovers(site.node.dir)).toEqual([]);
    await waitFor(async () => JSON.stringify(await arrayOutline(control)) === JSON.stringify(before));
    await site.useOnce(volume);
    expect(await docker.remove(spare.name)).toBe('');
    expect(await docker.remove(volume.name)).toBe('');
  });

  it('sessions that the arrays forget in the middle of each verb are renewed, and the verb is done', async () => {
    const { docker, control } = site.node;
    for (const array of [site.primary, site.secondary]) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        // Far apart, since the repeated call counts as well, and so do calls beside it.
        for (const nth of [1, 10, 19, 28]) {
          const match = { method, pathRegex: '^(?!.*/credentials)', nth };
          await control.fault({ array, match, effect: 'error', status: 403, code: 6 });
        }
      }
    }
    const set = (await control.faults()).length;
    expect(await docker.create('forgotten', REPLICATED)).toBe('');
    expect(await docker.mount('forgotten')).toMatch(/forgotten$/);
    expect(await docker.unmount('forgotten')).toBe('');
    expect(await docker.remove('forgotten')).toBe('');
    expect((await control.faults()).length).toBeLessThan(set - 6);
  });

  it('an array with 30 s for each call: Create, Mount and Remove end in time, are undone, and keep nobody else waiting', async () => {
    const { docker, control } = site.node;
    const volume = await site.createVolume();
    const before = await arrayOutline(control);
    await trouble(site.primary, 'delay', { ms: 30_000, times: 10_000 });
    const attempts = [
      timed(docker.create('slow', REPLICATED)),
      timed(docker.mount(volume.name).catch(String)),
      timed(docker.remove('known')),
    ];
    await pause(500);
    await expectPromptReads(site.node, 'known');
    for (const { result, ms } of await Promise.all(attempts)) {
      expect(result).toMatch(/primary array of backend (DEFAULT|plain) |was not done within 10 s/);
      expect(ms).toBeLessThan(15_000);
    }
    await control.clearFaults();
    await site.node.restart();
    expect(await hostLeftovers(site.node.dir)).toEqual([]);
    await waitFor(async () => JSON.stringify(await arrayOutline(control)) === JSON.stringify(before));
    await site.useOnce(volume);
    expect(await docker.remove(volume.name)).toBe('');
  });

  it('an array that becomes slow in the middle of a Create: the answer comes in time, the rest is undone later', async () => {
    const { docker, control } = site.node;
    const before = await arrayOutline(control);
    // The admission and whatever comes after it.
    await control.fault({
      array: site.primary,
      match: { method: 'PUT', pathRegex: 'remotecopygroups' },
      effect: 'delay',
      ms: 6_000,
      times: 10_000,
    });
    const { result, ms } = await timed(docker.create('middle', { size: '1', replicationGroup: 'MIDDLE' }));
    expect(result).toMatch(/not done within 10 s|rolled back|goes on by itself/);
    expect(ms).toBeLessThan(15_000);
    await control.clearFaults();
    await waitFor(async () => JSON.stringify(await arrayOutline(control)) === JSON.stringify(before));
    expect(await docker.create('middle', { size: '1', replicationGroup: 'MIDDLE' })).toBe('');
    expect(await docker.remove('middle')).toBe('');
  });
});

describe('a wrong password', () => {
  let node: Node;
  const secret = 'Wr0ng-and-still-secret';
  beforeAll(async () => {
    node = await startNode();
    expect(await node.docker.create('known', PLAIN)).toBe('');
  });
  afterAll(async () => {
    expect(await node.docker.remove('known')).toBe('');
    await node.close();
  });

  it('is tried at most three times in a minute for each array, whatever is asked, and the message says what to correct', async () => {
    const { docker, control, dir } = node;
    const file = path.join(dir, 'hpe.conf');
    const good = await readFile(file, 'utf8');
    await writeFile(file, good.replaceAll(/^(\s*(?:hpe3par_password|san_password)\s*[=:]\s*)[^,\n]*/gm, `$1${secret}`));
    await node.restart();
    await control.clearLog();
    const started = performance.now();
    while (performance.now() - started < 58_000) {
      const answers = await Promise.all([
        docker.create('a', PLAIN),
        docker.create('b', REPLICATED),
        docker.mount('known').catch(String),
        docker.remove('known'),
      ]);
      for (const answer of answers) {
        expect(answer).toMatch(/user or password refused .*correct hpe3par_username and hpe3par_password/);
        expect(answer).not.toContain(secret);
      }
      await expectPromptReads(node, 'known');
      await pause(1_000);
    }
    const logins = (await control.log()).filter(isLogin);
    for (const { name } of node.pair.arrays) {
      const count = logins.filter(({ array }) => array === name).length;
      expect(count).toBeGreaterThan(0);
      expect(count).toBeLessThanOrEqual(3);
    }
    await writeFile(file, good);
    await node.restart();
    expect(await docker.mount('known')).toMatch(/known$/);
    expect(await docker.unmount('known')).toBe('');
  });
});

describe('the number of sessions', () => {
  let node: Node;
  beforeAll(async () => {
    node = await startNode({ seed: { maxSessions: 1 } });
  });
  afterAll(async () => node.close());

  it('one session of an array is enough for all verbs and backends at once', async () => {
    const { docker, simulator } = node;
    expect(await Promise.all([docker.create('p', PLAIN), docker.create('r', REPLICATED)])).toEqual(['', '']);
    await Promise.all([docker.mount('p'), docker.mount('r')]);
    expect(simulator.arrays.map((array) => array.sessions.size)).toEqual([1, 1]);
    expect(await Promise.all([docker.unmount('p'), docker.unmount('r')])).toEqual(['', '']);
    expect(await Promise.all([docker.remove('p'), docker.remove('r')])).toEqual(['', '']);
    await node.stopDaemon();
    expect(simulator.arrays.map((array) => array.sessions.size)).toEqual([0, 0]);
    await node.restart();
  });

  it('taken by others: the message says so, and all goes on when one is free', async () => {
    const { docker, simulator } = node;
    await node.restart();
    await simulator.pair.exclusive(() => {
      for (const array of simulator.arrays) {
        array.sessions.clear();
        array.sessions.create();
      }
    });
    expect(await docker.create('p', PLAIN)).toMatch(/all its sessions are in use.*showwsapisession/);
    await simulator.pair.exclusive(() => simulator.arrays.forEach((array) => array.sessions.clear()));
    expect(await docker.create('p', PLAIN)).toBe('');
    expect(await docker.remove('p')).toBe('');
  });
});

describe('an array that dies between any two calls', () => {
  const NODES = 3;
  let nodes: Node[] = [];
  const before = new Map<Node, string[]>();

  beforeAll(async () => {
    nodes = await Promise.all(Array.from({ length: NODES }, async () => startNode()));
    for (const node of nodes) {
      expect(await node.docker.create('keeper', REPLICATED)).toBe('');
      before.set(node, await arrayOutline(node.control));
    }
  });
  afterAll(async () => {
    for (const node of nodes) {
      expect(await node.docker.remove('keeper')).toBe('');
      expect(await arrayObjects(node.control)).toEqual([]);
      await node.close();
    }
  });

  const create = async ({ docker }: Node): Promise<string> => docker.create('v', REPLICATED);
  const remove = async ({ docker }: Node): Promise<string> => docker.remove('v');
  const callsOf = async (verb: (node: Node) => Promise<string>): Promise<ArrayCall[]> => {
    const [node] = nodes;
    if (node === undefined) throw new Error('no node');
    return arrayCalls(node, async () => expect(await verb(node)).toBe(''));
  };

  /** Both arrays have power, and the recovery rounds have finished what was open. */
  async function converge(node: Node): Promise<void> {
    for (const { name } of node.pair.arrays) await node.control.power(name, true);
    // Each look at the records restarts the daemon, and with it the round that finishes what is open.
    for (let round = 0; round < 8; round += 1) {
      if ((await node.records('operation')).length === 0) return;
      await pause(1_500);
    }
    expect(await node.records('operation')).toEqual([]);
  }
  const isThere = async (node: Node): Promise<boolean> =>
    ((await node.docker.call('VolumeDriver.List')).Volumes ?? []).some(({ Name }) => Name === 'v');

  it('Create and Remove: nothing half-made stays, and nothing that was acknowledged is lost', async () => {
    const createCalls = await callsOf(create);
    const whole = (await arrayOutline((nodes[0] as Node).control)).length;
    const removeCalls = await callsOf(remove);
    const outlineOf = async (node: Node) => arrayOutline(node.control);
    await eachCall({ nodes, calls: createCalls, ways: 1 }, async (node, call) => {
      const error = await strike({ node, call, effect: 'power-off' }, create);
      await converge(node);
      expect(await isThere(node)).toBe(error === '');
      if (error === '') expect(await remove(node)).toBe('');
      expect(await outlineOf(node)).toEqual(before.get(node));
    });
    await eachCall({ nodes, calls: removeCalls, ways: 1 }, async (node, call) => {
      expect(await create(node)).toBe('');
      const error = await strike({ node, call, effect: 'power-off' }, remove);
      await converge(node);
      if (error === '') expect(await isThere(node)).toBe(false);
      // Turned back: it is whole, and can be used and removed.
      if (await isThere(node)) {
        expect((await outlineOf(node)).length).toBe(whole);
        await node.docker.mount('v');
        expect(await node.docker.unmount('v')).toBe('');
        expect(await remove(node)).toBe('');
      }
      expect(await outlineOf(node)).toEqual(before.get(node));
    });
  }, 400_000);
});
