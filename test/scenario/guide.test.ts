import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { askDaemon } from '../../src/commands/daemon-client.js';
import { failback, failover } from '../../src/commands/failover.js';
import { status } from '../../src/commands/status.js';
import type { FailoverPlan } from '../../src/domain/failover-plan.js';
import { Site, type Replica } from './site.js';

const write = async (mountpoint: string, file: string): Promise<void> => {
  await writeFile(path.join(mountpoint, file), file);
  await promisify(execFile)('sync', ['--file-system', mountpoint]);
};

const where = (site: Site): string[] => [
  `--state-dir=${path.join(site.node.dir, 'state')}`,
  `--config=${path.join(site.node.dir, 'hpe.conf')}`,
  `--docker-socket=${path.join(site.node.dir, 'no-docker.sock')}`,
];

const typed = async (site: Site, command: typeof status, ...args: string[]): Promise<string> =>
  (await command([...args, ...where(site)])).join('\n');

const planned = async (site: Site, command: typeof status, volume: Replica): Promise<FailoverPlan> => {
  const shown = JSON.parse(await typed(site, command, 'plan', volume.group, '--json')) as { plan: FailoverPlan };
  return shown.plan;
};

const commandsOf = ({ steps }: FailoverPlan): string[] =>
  steps.flatMap((step) => (step.kind === 'array' ? [`${step.side}: ${step.command}`] : []));

describe('status and plans of a synchronous pair', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start();
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => site.close());

  it('rule 40: change nothing, neither on the arrays nor in the metadata', async () => {
    const volume = await site.createVolume();
    const records = JSON.stringify(await site.node.records('volume'));
    await site.node.control.clearLog();
    await typed(site, status, '--json');
    await typed(site, failover, 'plan', volume.group);
    await typed(site, failback, 'plan', volume.group);
    const sent = (await site.node.control.log()).filter(({ path: at = '' }) => !at.includes('/credentials'));
    expect(sent.length).toBeGreaterThan(10);
    expect(sent.filter(({ method }) => method !== 'GET')).toEqual([]);
    expect(JSON.stringify(await site.node.records('volume'))).toBe(records);
  });

  it('say what is, what to type, and what is lost: before, during and after the loss of the primary array', async () => {
    const volume = await site.createVolume();
    await site.mount(volume);
    const before = await typed(site, status);
    expect(before).toContain(`${volume.group} (backend DEFAULT, synchronous): active on the primary array`);
    expect(before).toContain('protected: yes');
    expect(before).toContain(`${volume.name}: 1 GiB, backend DEFAULT, group ${volume.group}, mounted on node1`);
    expect(await planned(site, failover, volume)).toMatchObject({ verdict: 'ready', row: 1, loss: { kind: 'none' } });
    expect(await planned(site, failback, volume)).toMatchObject({ verdict: 'done', row: 1 });

    await site.unmount(volume);
    await site.node.control.power(site.primary, false);
    const during = await typed(site, status);
    expect(during).toContain('NO PROVEN SIDE (row 9');
    expect(during).toContain('protected: NO');
    const text = await typed(site, failover, 'plan', volume.group);
    expect(text).toContain(`on the secondary array: setrcopygroup failover -f ${volume.type.nameThere}`);
    expect(text).toContain(`secondary: ${volume.type.nameThere} on secondary array of backend DEFAULT`);
    expect(await planned(site, failover, volume)).toMatchObject({ verdict: 'ready', row: 9, loss: { kind: 'none' } });
    expect(await planned(site, failback, volume)).toMatchObject({ verdict: 'impossible', row: 9 });

    await volume.type.failover();
    expect(await planned(site, failover, volume)).toMatchObject({ verdict: 'done', row: 4 });
    expect(await planned(site, failback, volume)).toMatchObject({ verdict: 'impossible', row: 4 });
    await site.node.control.power(site.primary, true);
    const home = await planned(site, failback, volume);
    expect(home).toMatchObject({ verdict: 'ready', row: 3, to: 'primary' });
    expect(commandsOf(home)).toEqual([
      `secondary: setrcopygroup recover -f ${volume.type.nameThere}`,
      `secondary: setrcopygroup restore -f ${volume.type.nameThere}`,
    ]);
    await volume.type.recover();
    expect(commandsOf(await planned(site, failback, volume))).toHaveLength(1);
    await volume.type.restore();
    expect(await planned(site, failback, volume)).toMatchObject({ verdict: 'done', row: 1 });
  });

  it('rule 44: of links that were cut while a volume was not synced, the plan says which, and that it is not safe', async () => {
    const volume = await site.createVolume();
    await site.node.control.holdSync(true);
    await volume.type.stop();
    await volume.type.start();
    await site.node.control.link(false);
    const plan = await planned(site, failover, volume);
    expect(plan).toMatchObject({ verdict: 'unsafe', row: 1, loss: { kind: 'unknown' } });
    expect(plan.loss.why).toContain(volume.name);
    await site.node.control.power(site.primary, false);
    const alone = await planned(site, failover, volume);
    expect(alone).toMatchObject({ verdict: 'unsafe', row: 9 });
    expect(alone.loss.why).toContain(`${volume.name} is stale`);
  });

  it('rule 44: an array that wrote alone before it died is no array that all is known of', async () => {
    const volume = await site.createVolume();
    await site.node.control.link(false);
    expect(await typed(site, status)).toMatch(/protected: NO, since .* \(the group is stopped\)/);
    await site.node.control.power(site.primary, false);
    const plan = await planned(site, failover, volume);
    expect(plan).toMatchObject({ verdict: 'unsafe', row: 9, loss: { kind: 'unknown', why: 'what it took alone' } });
    expect(plan.why).toContain('went on alone before it fell silent');
  });

  it('work without a daemon, too', async () => {
    const volume = await site.createVolume();
    await site.node.stopDaemon();
    try {
      expect(await planned(site, failover, volume)).toMatchObject({ verdict: 'ready', row: 1 });
    } finally {
      await site.node.restart();
    }
  });

  it('name the groups that there are when there is none of that name', async () => {
    await expect(typed(site, failover, 'plan', 'RCG99')).rejects.toMatchObject({ code: 'not-found' });
    await expect(typed(site, failover, 'plan')).rejects.toThrow(/takes plan/);
  });
});

describe('a periodic pair', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start({ mode: 'asynchronous' });
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => site.close());

  it('rule 45: the plan says how old the last completed sync is, which is what would be used', async () => {
    const volume = await site.createVolume();
    await site.node.control.sync(volume.group);
    expect(commandsOf(await planned(site, failover, volume))[0]).toBe(`primary: syncrcopy -w ${volume.group}`);
    await site.node.control.power(site.primary, false);
    const plan = await planned(site, failover, volume);
    const lastSync = site.node.simulator.arrays[1].getGroup(volume.type.nameThere).lastSync?.getTime() ?? 0;
    expect(plan).toMatchObject({ verdict: 'unsafe', row: 9, loss: { kind: 'since' } });
    expect(plan.loss.kind === 'since' && Date.parse(plan.loss.at)).toBe(lastSync - (lastSync % 1000));
  });

  it('rule 21: a drill sees a snapshot of the passive copy, as of the last completed sync, and only while that is whole', async () => {
    const volume = await site.createVolume();
    const { docker, control } = site.node;
    const stateDir = path.join(site.node.dir, 'state');
    const mountpoint = await site.mount(volume);
    await write(mountpoint, 'synced');
    await control.sync(volume.group);
    await write(mountpoint, 'later');
    await control.clearLog();
    await askDaemon(stateDir, '/drill', { volume: volume.name, name: 'drill-1' });
    const shown = await docker.mount('drill-1');
    expect(await readdir(shown)).toEqual(['synced']);
    expect(await site.exporting(volume)).toEqual([site.primary]);
    expect(await docker.unmount('drill-1')).toBe('');
    expect(await docker.remove('drill-1')).toBe('');
    const changed = (await control.log()).filter(
      ({ method, path: at = '' }) => method !== 'GET' && /remotecopy/.test(at),
    );
    expect(changed).toEqual([]);

    await control.holdSync(true);
    await control.sync(volume.group);
    const refused = askDaemon(stateDir, '/drill', { volume: volume.name, name: 'drill-2' });
    await expect(refused).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('is no good now'),
    });
    expect(await docker.remove('drill-2')).toBe('');
  });
});
