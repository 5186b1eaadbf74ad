import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { failback, failover } from '../../src/commands/failover.js';
import { status } from '../../src/commands/status.js';
import { verify } from '../../src/commands/verify.js';
import { startFakeEngine, type FakeEngine } from '../fakes/docker-engine.js';
import { startEtcd, type Etcd } from '../etcd.js';
import type { Node } from '../harness.js';
import { Site, waitFor, type Replica } from './site.js';

const execute = promisify(execFile);

let site: Site;
let engine: FakeEngine;
/** What the run has shown. */
let said: string[] = [];
/** What it has asked. */
let asked: string[] = [];
/** Questions with this in them get a no. */
let refuse: RegExp | undefined;
/** What happens while a question waits for its answer. */
let during: (question: string) => Promise<void>;

const stateDir = (): string => path.join(site.node.dir, 'state');
const type = async (command: typeof failover, ...args: string[]): Promise<string[]> => {
  const where = [`--state-dir=${stateDir()}`, `--config=${path.join(site.node.dir, 'hpe.conf')}`];
  return command([...where, ...args, `--docker-socket=${path.join(site.node.dir, 'docker.sock')}`], {
    say: (line) => void said.push(line),
    async ask(question) {
      asked.push(question);
      await during(question);
      return refuse?.test(question) !== true;
    },
  });
};
const showStatus = async (): Promise<string> => {
  const where = [`--state-dir=${stateDir()}`, `--docker-socket=${path.join(site.node.dir, 'docker.sock')}`];
  return (await status(where)).join('\n');
};
const audit = async (): Promise<{ event: string; what: string; reason?: string; command: string }[]> =>
  (await readFile(path.join(stateDir(), 'audit.log'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { event: string; what: string; reason?: string; command: string });

/** What was changed on the arrays' groups since the log was cleared. */
const groupChanges = async (): Promise<string[]> =>
  (await site.node.control.log())
    .filter((entry) => entry.method !== 'GET' && entry.path?.includes('/remotecopygroups/') === true)
    .map((entry) => `${entry.array} ${entry.method} ${entry.path?.split('/').at(-1)}`);

const write = async (mountpoint: string, file: string): Promise<void> => {
  await writeFile(path.join(mountpoint, file), file);
  await execute('sync', ['--file-system', mountpoint]);
};
const mountpointOf = (volume: Replica): string => path.join(stateDir(), 'volumes', volume.name);
const filesIn = async (volume: Replica): Promise<string[]> => (await readdir(mountpointOf(volume))).toSorted();

async function begin(options: Parameters<typeof Site.start>[0]): Promise<void> {
  site = await Site.start(options);
}
beforeEach(async () => {
  said = [];
  asked = [];
  refuse = undefined;
  during = async () => Promise.resolve();
  engine = await startFakeEngine(path.join(site.node.dir, 'docker.sock'), site.node.docker);
  await rm(path.join(stateDir(), 'audit.log'), { force: true });
});
afterEach(async () => {
  await engine.close();
  await site.calmDown();
});

describe('a synchronous pair', () => {
  beforeAll(async () => begin({}));
  afterAll(async () => site.close());

  it('goes over and comes home with its container, and says and records each step', async () => {
    const volume = await site.createVolume();
    await engine.run('web', [volume.name]);
    await write(mountpointOf(volume), 'one');
    await site.node.control.clearLog();

    await type(failover, 'run', volume.group);
    expect(await site.exporting(volume)).toEqual([site.secondary]);
    expect(engine.log).toEqual(['stop web', 'start web']);
    expect(asked).toEqual([
      `docker stop web  (uses ${volume.name})`,
      `on the primary array: stoprcopygroup -f ${volume.group}`,
      `on the secondary array: setrcopygroup failover -f ${volume.type.nameThere}`,
    ]);
    expect(await groupChanges()).toEqual([
      `${site.primary} PUT ${volume.group}`,
      `${site.secondary} POST ${volume.type.nameThere}`,
    ]);
    expect((await audit()).map(({ event, what }) => `${event} ${what}`)).toEqual(
      expect.arrayContaining(['done docker stop web', 'done docker start web', 'end finished, and verified']),
    );
    expect(await readdir(path.join(stateDir(), 'runs'))).toEqual([]);
    await write(mountpointOf(volume), 'two');

    await type(failback, 'run', volume.group);
    expect(await site.exporting(volume)).toEqual([site.primary]);
    expect(await filesIn(volume)).toEqual(['one', 'two']);
    expect(await type(verify, volume.group)).toEqual([]);
  });

  it('goes over when the primary array is dead, and home when it is back', async () => {
    const volume = await site.createVolume();
    await engine.run('web', [volume.name]);
    await write(mountpointOf(volume), 'one');
    await site.node.control.power(site.primary, false);
    await type(failover, 'run', volume.group, '--yes');
    // What the dead array had exported it will show again when it is back; that is removed then.
    expect(await site.exporting(volume)).toContain(site.secondary);
    expect(await showStatus()).toContain(`export of ${volume.name}`);
    expect(await filesIn(volume)).toEqual(['one']);
    await expect(type(failback, 'run', volume.group)).rejects.toThrow(/not possible now.*does not answer/);
    expect(engine.containers[0]?.running).toBe(true);

    await site.node.control.power(site.primary, true);
    await type(failback, 'run', volume.group);
    expect(await site.exporting(volume)).toEqual([site.primary]);
    expect(await filesIn(volume)).toEqual(['one']);
  });

  it('rule 44: refuses what would lose data, touching nothing, and does it for a reason that is recorded', async () => {
    const volume = await site.createVolume();
    await engine.run('web', [volume.name]);
    await site.node.control.link(false);
    await write(mountpointOf(volume), 'unsynced');
    await site.node.control.clearLog();
    await expect(type(failover, 'run', volume.group, '--yes')).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('not safe'),
      next: expect.stringContaining('--accept-loss'),
    });
    expect([engine.log, asked, await groupChanges()]).toEqual([[], [], []]);

    await type(failover, 'run', volume.group, '--accept-loss', 'the site burns, ticket 4711');
    expect(await site.exporting(volume)).toEqual([site.secondary]);
    expect(await filesIn(volume)).toEqual([]);
    const begun = (await audit()).filter(({ event }) => event === 'begin');
    expect(begun.map(({ reason }) => reason)).toEqual([undefined, 'the site burns, ticket 4711']);
  });

  it('does nothing with an hpe.conf that names other arrays than the daemon asks', async () => {
    const volume = await site.createVolume();
    await engine.run('web', [volume.name]);
    const other = path.join(site.node.dir, 'other.conf');
    const conf = await readFile(path.join(site.node.dir, 'hpe.conf'), 'utf8');
    const [one = '', two = ''] = [...new Set(conf.match(/https:\/\/[^/]+/g))];
    const swapped = conf.replaceAll(one, 'https://ONE').replaceAll(two, one).replaceAll('https://ONE', two);
    await writeFile(other, swapped, { mode: 0o600 });
    await site.node.control.clearLog();
    await expect(type(failover, 'run', volume.group, `--config=${other}`)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('and the daemon asks'),
    });
    expect([engine.log, asked, await groupChanges()]).toEqual([[], [], []]);
    await type(failover, 'run', volume.group);
  });

  it('goes on where it was interrupted, and starts what it had stopped', async () => {
    const volume = await site.createVolume();
    await engine.run('web', [volume.name]);
    refuse = /setrcopygroup failover/;
    await expect(type(failover, 'run', volume.group)).rejects.toThrow(/nobody said yes to/);
    expect(engine.containers[0]?.running).toBe(false);
    refuse = undefined;
    said = [];
    asked = [];
    await type(failover, 'run', volume.group);
    expect(said.join('\n')).toContain('going on with the failover');
    // The stop was this run's own, with everything synced, so it is no loss.
    expect(asked).toEqual([`on the secondary array: setrcopygroup failover -f ${volume.type.nameThere}`]);
    expect(engine.containers[0]?.running).toBe(true);
    expect(await site.exporting(volume)).toEqual([site.secondary]);
  });

  it('an interrupted failover that is called off comes home with its containers', async () => {
    const volume = await site.createVolume();
    await engine.run('web', [volume.name]);
    refuse = /stoprcopygroup/;
    await expect(type(failover, 'run', volume.group)).rejects.toThrow(/nobody said yes to/);
    refuse = undefined;
    await type(failback, 'run', volume.group);
    expect(engine.containers[0]?.running).toBe(true);
    expect(await site.exporting(volume)).toEqual([site.primary]);
  });

  it.each(['lost-reply', 'done-but-error'] as const)('rule 39: %s of a failover: the state decides', async (effect) => {
    const volume = await site.createVolume();
    const match = { method: 'POST', pathRegex: `remotecopygroups/${volume.type.nameThere}` };
    await site.node.control.fault({ array: site.secondary, match, effect });
    await type(failover, 'run', volume.group);
    await expect(type(failover, 'run', volume.group)).resolves.toEqual([]);
    expect(said.join('\n')).toContain('the secondary array serves');
  });

  it('a refusal of the array ends the run, in its own words', async () => {
    const volume = await site.createVolume();
    const match = { method: 'POST', pathRegex: `remotecopygroups/${volume.type.nameThere}` };
    await site.node.control.fault({ array: site.secondary, match, effect: 'error', status: 403, code: 215 });
    await expect(type(failover, 'run', volume.group)).rejects.toThrow(/215|started/i);
    expect((await audit()).some(({ event, what }) => event === 'failed' && what.includes('failover'))).toBe(true);
    await type(failover, 'run', volume.group);
  });

  it('rule 46: verify finds a container that is left on the stale copy', async () => {
    const volume = await site.createVolume();
    await engine.run('web', [volume.name]);
    await volume.type.stop();
    await volume.type.failover();
    await expect(type(verify, volume.group)).rejects.toThrow(/the stale copy/);
    await type(failover, 'run', volume.group);
    expect(await site.exporting(volume)).toEqual([site.secondary]);
  });
});

describe('a periodic pair', () => {
  beforeAll(async () => begin({ mode: 'asynchronous' }));
  afterAll(async () => site.close());

  it('rule 45: is synced once more when the container has stopped, so that nothing is lost', async () => {
    const volume = await site.createVolume();
    await engine.run('web', [volume.name]);
    await site.node.control.sync(volume.group);
    await write(mountpointOf(volume), 'after-the-last-sync');
    // The sync is on record, so it need not be repeated when the run goes on.
    refuse = /stoprcopygroup/;
    await expect(type(failover, 'run', volume.group)).rejects.toThrow(/nobody said yes/);
    refuse = undefined;
    asked = [];
    await type(failover, 'run', volume.group);
    expect(asked[0]).toContain('stoprcopygroup');
    expect(await site.exporting(volume)).toEqual([site.secondary]);
    expect(await filesIn(volume)).toEqual(['after-the-last-sync']);
  });
});

describe('a pair with a quorum witness', () => {
  beforeAll(async () => begin({ hasWitness: true }));
  afterAll(async () => site.close());

  it('switches over and back under I/O, and no container is stopped', async () => {
    const volume = await site.createVolume();
    await engine.run('web', [volume.name]);
    await write(mountpointOf(volume), 'one');
    await type(failover, 'run', volume.group);
    expect(asked).toEqual([`on the primary array: setrcopygroup switchover -f ${volume.group}`]);
    await write(mountpointOf(volume), 'two');
    await type(failback, 'run', volume.group);
    await write(mountpointOf(volume), 'three');
    expect(await filesIn(volume)).toEqual(['one', 'three', 'two']);
    expect(engine.log).toEqual([]);
    expect(await type(verify, volume.group)).toEqual([]);
  });
});

describe('two nodes', () => {
  let etcd: Etcd;
  let other: Node;
  beforeAll(async () => {
    etcd = await startEtcd();
    await begin({ etcd: etcd.host });
    other = await site.node.secondNode({
      more: [`docker_socket = ${path.join(site.node.dir, 'node2', 'docker.sock')}`],
    });
  });
  afterAll(async () => {
    await other.close();
    await site.close();
    await etcd.stop();
  });

  it('says what has to be stopped on the other one, and waits for it', async () => {
    const volume = await site.createVolume();
    await other.docker.mount(volume.name);
    const run = type(failover, 'run', volume.group);
    await waitFor(() => said.some((line) => line.includes(`waiting until nothing uses ${volume.name}`)));
    expect(said.join('\n')).toContain(`elsewhere: on node node2: docker stop what uses ${volume.name}`);
    expect(await site.exporting(volume)).toEqual([site.primary]);
    expect(asked).toEqual([]);
    expect(await other.docker.unmount(volume.name)).toBe('');
    await run;
    await other.docker.mount(volume.name);
    expect(await site.exporting(volume)).toEqual([site.secondary]);
    expect(await type(verify, volume.group)).toEqual([]);
    expect(said.join('\n')).toContain(`${volume.name} is mounted on node node2 from the secondary array`);
    expect(await other.docker.unmount(volume.name)).toBe('');
  });

  it('--all-nodes: the daemon of the other one stops what uses it, and starts exactly that afterwards', async () => {
    const volume = await site.createVolume();
    const bystander = await site.createVolume();
    const there = await startFakeEngine(path.join(other.dir, 'docker.sock'), other.docker);
    await there.run('app', [volume.name]);
    await there.run('sleeper', [bystander.name]);
    await type(failover, 'run', volume.group, '--all-nodes');
    expect(there.log).toEqual(['stop app', 'start app']);
    expect(asked[0]).toContain(`on node node2: docker stop what uses ${volume.name}`);
    expect(said.join('\n')).toMatch(/node node2 has stopped app[^]*node node2 has started app/);
    expect(await site.exporting(volume)).toEqual([site.secondary]);
    expect(await site.node.records('run')).toEqual([]);
    expect(await site.node.records('halt')).toEqual([]);
    await there.close();
  });

  it('one run for a group in the whole cluster: a second one is told who runs it, and by whom', async () => {
    const volume = await site.createVolume();
    const second = async (): Promise<string[]> =>
      failback(['run', volume.group, `--state-dir=${other.dir}/state`, `--config=${other.dir}/hpe.conf`], {
        say: () => undefined,
        ask: async () => Promise.resolve(true),
      });
    await site.node.control.clearLog();
    let told: unknown;
    during = async (question) => {
      if (!question.includes('stoprcopygroup')) return;
      told = await second().catch((thrown: unknown) => thrown);
      expect(await showStatus()).toContain(`failover of group ${volume.group} is run on node node1 by `);
    };
    await type(failover, 'run', volume.group);
    expect(told).toMatchObject({
      code: 'busy',
      message: expect.stringMatching(`a failover of group ${volume.group} is under way on node node1 .*typed by .*`),
    });
    expect(await groupChanges()).toHaveLength(2);
    // It is free again.
    await second();
  });

  it('--all-nodes: what a broken-off run has stopped elsewhere is shown, and started by the next one, asked or not', async () => {
    const volume = await site.createVolume();
    const there = await startFakeEngine(path.join(other.dir, 'docker.sock'), other.docker);
    await there.run('app', [volume.name]);
    refuse = /stoprcopygroup/;
    await expect(type(failover, 'run', volume.group, '--all-nodes')).rejects.toThrow(/nobody said yes to/);
    expect(there.containers[0]?.running).toBe(false);
    expect(await showStatus()).toContain(
      `stopped on node node2 to move group ${volume.group}, and not started again: app`,
    );
    refuse = undefined;
    await type(failback, 'run', volume.group);
    expect(there.log).toEqual(['stop app', 'start app']);
    expect(await site.exporting(volume)).toEqual([site.primary]);
    expect(await showStatus()).not.toContain('not started again');
    await there.close();
  });

  it('--all-nodes: a daemon that cannot reach Docker says so, and is waited for', async () => {
    const volume = await site.createVolume();
    await other.docker.mount(volume.name);
    const run = type(failover, 'run', volume.group, '--all-nodes');
    await waitFor(() => said.some((line) => line.includes(`waiting until nothing uses ${volume.name}`)));
    expect(said.join('\n')).toMatch(
      /node node2 has stopped nothing[^]*node node2: Docker at .* gave no answer.*type on that node: docker ps --filter volume=/,
    );
    expect(await site.exporting(volume)).toEqual([site.primary]);
    expect(await other.docker.unmount(volume.name)).toBe('');
    await run;
    expect(await site.node.records('halt')).toEqual([]);
  });
});
