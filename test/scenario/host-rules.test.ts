import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CommandError, run, type Run } from '../../src/host/run.js';
import { stateOf } from '../simulator-state.js';
import { Site, type Replica } from './site.js';

let site: Site;
/** What the daemon ran, and what the arrays were asked to change, in the order in which it began. */
let events: string[] = [];
/** A tool that fails once, before it does anything. */
let broken: string | undefined;
/** What happens, once, before a device is made of a LUN. */
let meanwhile: (() => Promise<void>) | undefined;

const tools: Run = async (command, args, options) => {
  events.push([command, ...args].join(' '));
  if (command === 'losetup' && args.includes('--find') && meanwhile !== undefined) {
    const happens = meanwhile;
    meanwhile = undefined;
    await happens();
  }
  if (command !== broken) return run(command, args, options);
  broken = undefined;
  throw new CommandError({ command, args, exitCode: 1, stdout: '', stderr: 'Input/output error' });
};

beforeAll(async () => {
  site = await Site.start({ run: tools });
});
beforeEach(() => {
  events = [];
  broken = undefined;
});
afterEach(async () => {
  await site.calmDown();
});
afterAll(async () => {
  await site.close();
});

const ran = (tool: string): string[] => events.filter((event) => event.split(' ')[0] === tool);

/** Where the events of the patterns stand among all, in the order of the patterns. */
const placesOf = (...patterns: RegExp[]): number[] =>
  patterns.map((pattern) => events.findIndex((event) => pattern.test(event)));

/** Copies of arrays that the daemon has ever made a device of. */
async function attachedFrom(volume: Replica): Promise<string[]> {
  const { arrays } = await stateOf(site.node.control);
  const files = ran('losetup').filter((event) => event.includes('--find'));
  const names: string[] = [];
  for (const { name, volumes } of arrays) {
    const copy = volumes.find((each) => each.name === volume.arrayVolume)?.dataFile ?? 'none';
    if (files.some((event) => event.endsWith(copy))) names.push(name);
  }
  return names;
}

describe('what is done on the host', () => {
  it('rule 27: unmount, flush, detach, and only then the export goes, which is read back', async () => {
    const volume = await site.createVolume();
    await site.mount(volume);
    await site.node.control.clearLog();
    events = [];
    await site.unmount(volume);
    const places = placesOf(/^umount/, /^blockdev --flushbufs/, /^losetup --detach/);
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    const vluns = (await site.node.control.log()).filter((each) => each.path?.includes('/vluns') === true);
    const at = vluns.findIndex(({ method }) => method === 'DELETE');
    expect(at).not.toBe(-1);
    expect(vluns.slice(at + 1).some(({ method }) => method === 'GET')).toBe(true);
  });

  it('rule 27: a flush that fails on a live array stops the sequence: nothing is unexported', async () => {
    const volume = await site.createVolume();
    await site.mount(volume);
    broken = 'blockdev';
    expect(await site.node.docker.unmount(volume.name)).toMatch(/detach the device.*flushbufs.*Input\/output error/);
    expect(await site.exporting(volume)).toEqual([site.primary]);
    expect(ran('losetup').filter((event) => event.includes('--detach'))).toEqual([]);
    // The same id may be sent again; whatever is left is then finished.
    await site.unmount(volume);
    expect(await site.exporting(volume)).toEqual([]);
  });

  it('rule 21: no device is ever made of the passive copy, whichever it is', async () => {
    const volume = await site.createVolume();
    await writeFile(path.join(await site.mount(volume), 'file'), 'x');
    await site.unmount(volume);
    expect(await attachedFrom(volume)).toEqual([site.primary]);
    await volume.type.stop();
    await volume.type.failover();
    events = [];
    expect(await readFile(path.join(await site.mount(volume), 'file'), 'utf8')).toBe('x');
    await site.unmount(volume);
    expect(await attachedFrom(volume)).toEqual([site.secondary]);
    await volume.type.recover();
    await volume.type.restore();
  });

  it('rule 3: a failover while the device is being attached: nothing is mounted, and all of it is undone', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    events = [];
    meanwhile = async () => {
      await volume.type.stop();
      await volume.type.failover();
    };
    expect(await site.refusalOf(volume)).toMatch(/moved to the secondary array.*rolled back/);
    expect(ran('mount')).toEqual([]);
    expect(await site.exporting(volume)).toEqual([]);
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
    await site.unmount(volume);
    await volume.type.recover();
    await volume.type.restore();
  });

  it('rule 20: a damaged file system fails the mount; nothing repairs it, and nothing is written to it', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    const file = await site.dataFile(volume, site.primary);
    const damaged = await open(file, 'r+');
    // The group descriptors; the superblock before them still says which file system it is.
    await damaged.write(Buffer.alloc(4096, 0xff), 0, 4096, 4096);
    await damaged.sync();
    await damaged.close();
    const before = await edgeOf(file);
    events = [];
    expect(await site.refusalOf(volume)).toMatch(/mount.*everything was rolled back/);
    expect(await edgeOf(file)).toEqual(before);
    const tampering = events.filter((event) => /fsck|tune2fs|resize2fs|mkfs|debugfs -w|xfs_repair/.test(event));
    expect(tampering).toEqual([]);
    expect(await site.exporting(volume)).toEqual([]);
  });
});

/** The first MiB of the volume's data, where the damage is. */
async function edgeOf(file: string): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    return (await handle.read(Buffer.alloc(1 << 20), 0, 1 << 20, 0)).buffer;
  } finally {
    await handle.close();
  }
}
