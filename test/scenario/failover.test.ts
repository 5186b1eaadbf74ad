import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { arrayObjects } from '../simulator-state.js';
import { Site, waitFor, type Replica } from './site.js';

const run = promisify(execFile);

/** Writes a file and waits until the array has it. */
async function write(mountpoint: string, file: string): Promise<void> {
  await writeFile(path.join(mountpoint, file), `content of ${file}`);
  await run('sync', ['--file-system', mountpoint]);
}

async function filesIn(mountpoint: string): Promise<string[]> {
  const names = (await readdir(mountpoint)).toSorted();
  for (const name of names) expect(await readFile(path.join(mountpoint, name), 'utf8')).toBe(`content of ${name}`);
  return names;
}

/** What the command prints, also when it complains (exit code 1 of tar: a file changed while it was read). */
async function outputOf(command: string, args: string[]): Promise<Buffer> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0 && code !== 1) throw new Error(`${command} ended with ${code}`);
  return Buffer.concat(chunks);
}

/** The arrays on whose copy the content of the file is found anywhere. */
async function arraysHolding(site: Site, volume: Replica, file: string): Promise<string[]> {
  const found: string[] = [];
  for (const array of [site.primary, site.secondary]) {
    // tar passes over the holes of the sparse file, which are nearly all of it; ext4 writes to a mounted one now and then.
    const tar = ['--sparse', '-cPf', '-', await site.dataFile(volume, array)];
    const stdout = await outputOf('tar', tar);
    if (stdout.includes(`content of ${file}`)) found.push(array);
  }
  return found;
}

describe.each([
  ['different', false],
  ['same', true],
])('a synchronous group, secondary_wwn = %s', (secondaryWwn, wwnsEqual) => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start({ more: [`secondary_wwn = ${secondaryWwn}`] });
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => site.close());

  it('has all its data on the secondary array after a failover, and all of both at home again', async () => {
    const volume = await site.createVolume();
    await write(await site.mount(volume), 'before');
    await site.unmount(volume);
    const [copy, otherCopy] = site.node.simulator.arrays.map((array) => array.getVolume(volume.arrayVolume).wwn);
    expect(copy === otherCopy).toBe(wwnsEqual);

    await volume.type.stop();
    await volume.type.failover();
    const mountpoint = await site.mount(volume);
    expect(await site.exporting(volume)).toEqual([site.secondary]);
    expect(await filesIn(mountpoint)).toEqual(['before']);
    await write(mountpoint, 'after');
    await site.unmount(volume);

    await volume.type.recover();
    await volume.type.restore();
    expect(await filesIn(await site.mount(volume))).toEqual(['after', 'before']);
    expect(await site.exporting(volume)).toEqual([site.primary]);
    await site.unmount(volume);

    expect(await site.node.docker.remove(volume.name)).toBe('');
    expect(await arrayObjects(site.node.control)).toEqual([]);
  });

  it('rule 46: is mounted during the failover: late writes never reach the live copy, and nobody joins the stale mount', async () => {
    const volume = await site.createVolume();
    const stale = await site.mount(volume);
    await write(stale, 'early');
    await volume.type.stop();
    await volume.type.failover();
    expect(await arraysHolding(site, volume, 'early')).toEqual([site.primary, site.secondary]);
    await write(stale, 'late');
    expect(await arraysHolding(site, volume, 'late')).toEqual([site.primary]);
    expect(await site.refusalOf(volume, 'b'.repeat(64))).toMatch(
      /active on secondary array of backend DEFAULT.*mounted here from the primary array, whose copy is stale.*next: stop/,
    );

    // A daemon that has just started asks the arrays for the status first.
    await site.node.restart();
    await waitFor(async () => 'problem' in (await shownReplication(site, volume)));
    const { problem } = await shownReplication(site, volume);
    expect(problem).toMatch(/writing to the stale copy: still attached to primary array .* on node node1/);

    await volume.type.recover();
    // The group replicates the other way now, and the old device is cut off.
    await write(stale, 'too-late');
    expect(await arraysHolding(site, volume, 'late')).toEqual([]);
    expect(await arraysHolding(site, volume, 'too-late')).toEqual([]);

    await site.unmount(volume);
    expect(await filesIn(await site.mount(volume))).toEqual(['early']);
    expect(await site.exporting(volume)).toEqual([site.secondary]);
  });
});

describe('a periodic group', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start({ mode: 'asynchronous' });
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => site.close());

  it('rule 45: has the data of the last completed sync after a failover, and shows when that was', async () => {
    const volume = await site.createVolume();
    const mountpoint = await site.mount(volume);
    await write(mountpoint, 'A');
    await site.node.control.sync(volume.group);
    await write(mountpoint, 'B');
    await site.unmount(volume);
    await volume.type.stop();
    await volume.type.failover();
    expect(await filesIn(await site.mount(volume))).toEqual(['A']);
    expect(await site.exporting(volume)).toEqual([site.secondary]);

    const lastSync = site.node.simulator.arrays[1].getGroup(volume.type.nameThere).lastSync?.getTime() ?? 0;
    await waitFor(async () => (await shownReplication(site, volume)).secondary?.role === 'Primary-Rev');
    const { secondary } = await shownReplication(site, volume);
    // The array tells whole seconds.
    expect(Date.parse(secondary?.lastSync ?? '')).toBe(lastSync - (lastSync % 1000));
    expect(Date.now() - lastSync).toBeLessThan(60_000);
  });

  it('goes home with what was written on the secondary array', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await site.node.control.sync(volume.group);
    await failOver(volume);
    await write(await site.mount(volume), 'there');
    await site.unmount(volume);
    await goHome(volume);
    expect(await filesIn(await site.mount(volume))).toEqual(['there']);
    expect(await site.exporting(volume)).toEqual([site.primary]);
  });

  it('rule 18: is not formatted again when the failover came before the first sync with the file system', async () => {
    const volume = await site.createFailedOver();
    expect(await site.refusalOf(volume)).toMatch(
      /holds nothing: the device is blank; it is neither mounted nor formatted/,
    );
    expect(await site.exporting(volume)).toEqual([]);
    expect((await stat(await site.dataFile(volume, site.secondary))).blocks).toBe(0);
  });
});

interface Replication {
  problem?: string;
  secondary?: { role?: string; lastSync?: string };
}

/** What Get says of the replication. */
async function shownReplication(site: Site, volume: Replica): Promise<Replication> {
  const { replication } = (await site.node.docker.status(volume.name)) as { replication?: Replication };
  return replication ?? {};
}

describe('rules 32 and 33: a replicated volume is not removed', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start();
  });
  afterEach(async () => site.calmDown());
  afterAll(async () => site.close());

  const copiesOf = (volume: Replica): number =>
    site.node.simulator.arrays.filter((array) => array.volumes.has(volume.arrayVolume)).length;

  const states: [string, (volume: Replica) => Promise<void>, (volume: Replica) => Promise<void>][] = [
    ['while it is failed over', failOver, goHome],
    [
      'while it is recovered, but not restored',
      async (volume) => {
        await failOver(volume);
        await volume.type.recover();
      },
      async (volume) => volume.type.restore(),
    ],
    [
      'while the primary array is dead',
      async () => site.node.control.power(site.primary, false),
      async () => site.node.control.power(site.primary, true),
    ],
    [
      'while the secondary array is dead',
      async () => site.node.control.power(site.secondary, false),
      async () => site.node.control.power(site.secondary, true),
    ],
  ];
  it.each(states)('%s, and goes when all is well again', async (_title, disturb, repair) => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await disturb(volume);
    expect(await site.node.docker.remove(volume.name)).toMatch(/(primary|secondary) array|failed over/);
    expect(copiesOf(volume)).toBe(2);
    expect((await site.node.docker.status(volume.name))['state']).toBe('ready');
    await repair(volume);
    expect(await site.node.docker.remove(volume.name)).toBe('');
    expect(await arrayObjects(site.node.control)).toEqual([]);
  });
});

async function failOver(volume: Replica): Promise<void> {
  await volume.type.stop();
  await volume.type.failover();
}

async function goHome(volume: Replica): Promise<void> {
  await volume.type.recover();
  await volume.type.restore();
}
