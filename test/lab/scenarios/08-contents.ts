import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { byTool, deviceContents, edgeContents, type DeviceContent } from '../../device-contents.js';
import { stateOf } from '../../simulator-state.js';
import { withBadSectors } from '../inside/bad-sectors.js';
import { expect, expectEqual } from '../inside/checks.js';
import { eventually } from '../inside/command.js';
import { multipathMaps, scsiDisks } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import { watchTool, type WatchedTool } from '../inside/watched-tool.js';
import type { Scenario, ScenarioOptions } from './scenario.js';

const MIB = 1 << 20;
const SIZE = 1024 * MIB;
const END = 4 * MIB;
const ATTEMPTS = 3;
const PLAIN = { backend: 'plain', size: '1' };
const [IN_USE, VOLUME] = ['in-use', 'db'];
const OTHER_EXT4: DeviceContent = {
  what: 'an ext4 of somebody else',
  says: 'ext4 with uuid 0d15ea5e-0000-4000-8000-000000000002',
  fill: byTool('mkfs.ext4', '-q', '-F', '-U', '0d15ea5e-0000-4000-8000-000000000002'),
};
const XFS: DeviceContent = { what: 'xfs', says: 'a file system xfs', fill: byTool('mkfs.xfs', '-q') };
const CONTENTS = [XFS, ...deviceContents(SIZE)];

export const contents: Scenario = {
  name: 'contents',
  title: `${CONTENTS.length} things that a new LUN may hold, and what cannot be read: no mkfs but on the blank one`,
  conf: { mode: 'synchronous', protocol: 'iscsi' },
  timeoutMs: 15 * 60_000,
  run,
};

/** A volume on one array whose data are laid into its file while nobody has it. */
interface Stage {
  site: Site;
  file: string;
  wwn: string;
  mkfs: WatchedTool[];
}

async function run(site: Site, { full }: ScenarioOptions): Promise<void> {
  const { step } = site;
  const mkfs = ['/usr/sbin/mkfs.ext4', '/usr/sbin/mkfs.xfs'].map(watchTool);
  // Its sessions stay, so that no Mount has to log in.
  const mounted = await step('a new volume is blank: formatted, with ext4', async () => firstMount(site, mkfs));
  await writeFile(path.join(mounted, 'kept'), 'kept');
  const stage = await stageOf(site, mkfs);
  const laid = [...(full ? edgeContents(SIZE) : []), ...CONTENTS];
  for (const content of laid) {
    await step(`refused: ${content.what}`, async () => {
      await lay(stage, content);
      await expectRefused(stage, refusalOf(content));
    });
  }
  await step('refused again, as often as it is tried', async () => {
    for (const content of laid.slice(-1)) await expectRefused(stage, refusalOf(content));
  });
  await refuseUnreadable(stage);
  await step('blank: formatted once', async () => {
    await blank(stage);
    const before = count(mkfs);
    await site.plugin.mount(VOLUME);
    expectEqual(await site.plugin.unmount(VOLUME), '', 'unmount');
    expectEqual(count(mkfs) - before, 1, 'calls of mkfs');
    await expectDetached(stage);
  });
  await step(`refused where our file system was: ${OTHER_EXT4.what}`, async () => {
    await lay(stage, OTHER_EXT4);
    await expectRefused(stage, `but holds ${OTHER_EXT4.says}; it is neither mounted nor formatted`);
  });
  await step('the volume that was in use all the time has its file', async () => {
    expectEqual(await readFile(path.join(mounted, 'kept'), 'utf8'), 'kept', 'file');
    expectEqual(await site.plugin.unmount(IN_USE), '', 'unmount');
    for (const volume of [IN_USE, VOLUME]) expectEqual(await site.plugin.remove(volume), '', 'remove');
  });
  for (const tool of mkfs) tool.release();
}

const refusalOf = ({ says }: DeviceContent): string => `was to be formatted for the first time, but it holds ${says}`;

/** Answers the mountpoint of a volume that stays in use. */
async function firstMount({ plugin }: Site, mkfs: WatchedTool[]): Promise<string> {
  expectEqual(await plugin.create(IN_USE, PLAIN), '', 'create');
  const mountpoint = await plugin.mount(IN_USE);
  expectEqual(count(mkfs), 1, 'calls of mkfs');
  return mountpoint;
}

async function stageOf(site: Site, mkfs: WatchedTool[]): Promise<Stage> {
  expectEqual(await site.plugin.create(VOLUME, PLAIN), '', 'create');
  const { arrayVolume, wwn } = await site.plugin.status(VOLUME);
  const { arrays } = await stateOf(site.control);
  const file = arrays.flatMap(({ volumes }) => volumes).find(({ name }) => name === arrayVolume)?.dataFile;
  if (file === undefined) throw new Error(`no array has the volume ${String(arrayVolume)}`);
  return { site, file, wwn: String(wwn).toLowerCase(), mkfs };
}

/** What is not proven to be blank is not: rule 17. */
async function refuseUnreadable(stage: Stage): Promise<void> {
  const { step } = stage.site;
  const [blkid, dd] = [watchTool('/usr/sbin/blkid'), watchTool('/usr/bin/dd')];
  const cases: [string, WatchedTool, string, string][] = [
    ['blkid is killed', blkid, 'kill -9 $$', 'killed by SIGKILL'],
    ['blkid hangs', blkid, 'exec sleep 1000', 'timed out after'],
    ['blkid finds nothing, but complains', blkid, 'echo input/output error >&2; exit 2', 'input/output error'],
    ['a read ends early', dd, 'exec head -c 1000000 /dev/zero', 'bytes at 0 could be read'],
  ];
  for (const [what, tool, script, says] of cases) {
    await step(`refused, although it is blank: ${what}`, async () => {
      await blank(stage);
      tool.does(script);
      await expectRefused(stage, says);
      tool.does();
    });
  }
  blkid.release();
  dd.release();
  await step('refused, although it is blank: a sector cannot be read', async () => {
    await blank(stage);
    await withBadSectors({ file: stage.file, size: SIZE, at: 2 * MIB }, async () => expectRefused(stage, 'dd '));
  });
}

/** @throws unless Mount is refused with that text, without any mkfs or write, and nothing stays attached */
async function expectRefused(stage: Stage, says: string): Promise<void> {
  const [before, calls] = [await dataOf(stage), count(stage.mkfs)];
  let answer = '';
  // On a busy machine etcd or a path may be too slow for once, which is refused, too.
  for (let attempt = 0; attempt < ATTEMPTS && !answer.includes(says); attempt += 1) {
    answer = await answerOfMount(stage);
    expectEqual(count(stage.mkfs) - calls, 0, `calls of mkfs before Mount said: ${answer}`);
    await expectDetached(stage);
    const now = await dataOf(stage);
    expect(now.ends.equals(before.ends) && now.writtenAt === before.writtenAt, 'the LUN was written to');
  }
  expect(answer.includes(says), `Mount should say: ${says}\nbut says: ${answer}`);
  expect(answer.includes('next: '), `Mount does not say what to do next: ${answer}`);
}

/** @throws when it is mounted */
async function answerOfMount({ site }: Stage): Promise<string> {
  const { Err = '', Mountpoint } = await site.plugin.call('VolumeDriver.Mount', { Name: VOLUME, ID: 'a'.repeat(64) });
  expect(Err !== '', `mounted at ${Mountpoint}`);
  return Err;
}

/** A roll-back may go on for a moment after the answer. */
async function expectDetached({ site, wwn }: Stage): Promise<void> {
  await eventually(async () => {
    const { arrays } = await stateOf(site.control);
    const left = [
      ...multipathMaps().filter((each) => each.wwid === `3${wwn}`),
      ...scsiDisks().filter((each) => each.wwid === `naa.${wwn}`),
      // The other export is that of the volume in use.
      ...arrays.flatMap(({ vluns }) => vluns).slice(2),
    ];
    expectEqual(left, [], 'attached');
  });
}

/** Both ends of the LUN, and the time of the last write to it, wherever it was. */
async function dataOf({ file }: Stage): Promise<{ ends: Buffer; writtenAt: bigint }> {
  const handle = await open(file);
  const ends = Buffer.alloc(2 * END);
  await handle.read(ends, 0, END, 0);
  await handle.read(ends, END, END, SIZE - END);
  await handle.close();
  return { ends, writtenAt: (await stat(file, { bigint: true })).mtimeNs };
}

async function blank({ file }: Stage): Promise<void> {
  await truncate(file, 0);
  await truncate(file, SIZE);
}

async function lay(stage: Stage, content: DeviceContent): Promise<void> {
  await blank(stage);
  await content.fill(stage.file);
}

const count = (tools: WatchedTool[]): number => tools.flatMap((tool) => tool.calls()).length;
