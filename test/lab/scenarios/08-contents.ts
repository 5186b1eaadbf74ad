import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { byTool, deviceContents, edgeContents, type DeviceContent } from '../../device-contents.js';
import { stateOf } from '../../simulator-state.js';
import { expect, expectEqual } from '../inside/checks.js';
import { eventually } from '../inside/command.js';
import { deviceMounts, multipathMaps, scsiDisks } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import { watchTool, type WatchedTool } from '../inside/watched-tool.js';
import type { Scenario, ScenarioOptions } from './scenario.js';

const MIB = 1 << 20;
const SIZE = 1024 * MIB;
const END = 4 * MIB;
const ATTEMPTS = 3;
const XFS: DeviceContent = { what: 'xfs', says: 'a file system xfs', fill: byTool('mkfs.xfs', '-q') };
const CONTENTS = [XFS, ...deviceContents(SIZE)];
const OTHER_UUID = '0d15ea5e-0000-4000-8000-000000000002';

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
  volume: string;
  fsType: string;
  arrayVolume: string;
  /** Where its data are. */
  file: string;
  /** In lower case. */
  wwn: string;
  /** Stand before mkfs. */
  mkfs: WatchedTool[];
}

async function run(site: Site, { full }: ScenarioOptions): Promise<void> {
  const mkfs = ['/usr/sbin/mkfs.ext4', '/usr/sbin/mkfs.xfs'].map(watchTool);
  const [inUse, laid, hanging, lost] = [
    await stageOf(site, { volume: 'in-use', fsType: 'xfs', mkfs }),
    await stageOf(site, { volume: 'laid', mkfs }),
    await stageOf(site, { volume: 'hanging', mkfs }),
    await stageOf(site, { volume: 'lost', mkfs }),
  ];
  // Its sessions stay, so that no other Mount has to log in.
  const mounted = await site.step('blank: formatted once, with xfs', async () => expectFormatted(inUse));
  await writeFile(path.join(mounted, 'kept'), 'kept');
  const list = full ? [...edgeContents(SIZE), ...CONTENTS] : CONTENTS;
  await Promise.all([refuseContents(laid, list), refuseSlow(hanging, lost)]);
  await refuseUnreadable(laid);
  await site.step('blank: formatted once, with ext4', async () => {
    await blank(laid);
    await expectFormatted(laid);
    await letGo(laid);
  });
  await site.step('refused: an ext4 of somebody else where ours was', async () => {
    await blank(laid);
    await byTool('mkfs.ext4', '-q', '-F', '-U', OTHER_UUID)(laid.file);
    await expectRefused(laid, `but holds ext4 with uuid ${OTHER_UUID}; it is neither mounted nor formatted`);
  });
  await site.step('the volume that was in use all the time has its file', async () => {
    expectEqual(await readFile(path.join(mounted, 'kept'), 'utf8'), 'kept', 'file');
    await letGo(inUse);
  });
  for (const { volume } of [inUse, laid, hanging, lost]) expectEqual(await site.plugin.remove(volume), '', 'remove');
  for (const tool of mkfs) tool.release();
}

async function stageOf(
  site: Site,
  { volume, fsType = 'ext4', mkfs }: { volume: string; fsType?: string; mkfs: WatchedTool[] },
): Promise<Stage> {
  expectEqual(await site.plugin.create(volume, { backend: 'plain', size: '1', fsType }), '', 'create');
  const status = await site.plugin.status(volume);
  const [arrayVolume, wwn] = [String(status['arrayVolume']), String(status['wwn']).toLowerCase()];
  const { arrays } = await stateOf(site.control);
  const file = arrays.flatMap(({ volumes }) => volumes).find(({ name }) => name === arrayVolume)?.dataFile;
  if (file === undefined) throw new Error(`no array has the volume ${arrayVolume}`);
  return { site, volume, fsType, arrayVolume, file, wwn, mkfs };
}

async function refuseContents(stage: Stage, list: DeviceContent[]): Promise<void> {
  const refuse = async ({ says }: DeviceContent): Promise<void> =>
    expectRefused(stage, `was to be formatted for the first time, but it holds ${says}`);
  for (const content of list) {
    await stage.site.step(`refused: ${content.what}`, async () => {
      await blank(stage);
      await content.fill(stage.file);
      await refuse(content);
    });
  }
  // The first Mount must leave no trace that this one takes for its own.
  await stage.site.step('refused again', async () => {
    for (const content of list.slice(-1)) await refuse(content);
  });
}

/** Rule 17, as the cases that follow: what is not proven to be blank is not. These two wait, so others run beside them. */
async function refuseSlow(hanging: Stage, lost: Stage): Promise<void> {
  const { step } = hanging.site;
  const blkid = watchTool('/usr/sbin/blkid');
  await step('refused, although it is blank: blkid hangs', async () => {
    blkid.does('exec sleep 1000', hanging.wwn);
    await expectRefused(hanging, 'timed out after');
  });
  await step('refused, although it is blank: all paths go while it is looked at', async () => {
    const offline = `grep -q ${lost.wwn} $disk/wwid && echo offline >$disk/state`;
    blkid.does(`for disk in /sys/block/sd*/device; do ${offline}; done`, lost.wwn);
    await expectRefused(lost, 'holds is not known');
  });
  blkid.release();
}

async function refuseUnreadable(stage: Stage): Promise<void> {
  const [blkid, dd] = [watchTool('/usr/sbin/blkid'), watchTool('/usr/bin/dd')];
  const cases: [string, WatchedTool, string, string][] = [
    ['blkid is killed', blkid, 'kill -9 $$', 'killed by SIGKILL'],
    ['blkid finds nothing, but complains', blkid, 'echo input/output error >&2; exit 2', 'input/output error'],
    ['a read ends early', dd, 'exec head -c 1000000 /dev/zero', 'bytes at 0 could be read'],
  ];
  for (const [what, tool, script, says] of cases) {
    await stage.site.step(`refused, although it is blank: ${what}`, async () => {
      await blank(stage);
      tool.does(script, stage.wwn);
      await expectRefused(stage, says);
      tool.does();
    });
  }
  for (const tool of [blkid, dd]) tool.release();
}

/** @throws unless Mount is refused with that text, without any mkfs or write, and nothing stays attached */
async function expectRefused(stage: Stage, says: string): Promise<void> {
  const [before, calls] = [await dataOf(stage), mkfsCalls(stage)];
  let answer = '';
  // On a busy machine etcd or a path may be too slow for once, which is refused, too.
  for (let attempt = 0; attempt < ATTEMPTS && !answer.includes(says); attempt += 1) {
    answer = await answerOfMount(stage);
    expectEqual(mkfsCalls(stage) - calls, 0, `calls of mkfs before Mount said: ${answer}`);
    await expectDetached(stage);
    const now = await dataOf(stage);
    expect(now.ends.equals(before.ends) && now.writtenAt === before.writtenAt, 'the LUN was written to');
  }
  expect(answer.includes(says), `Mount should say: ${says}\nbut says: ${answer}`);
  expect(answer.includes('next: '), `Mount does not say what to do next: ${answer}`);
}

/** @throws when it is mounted */
async function answerOfMount({ site, volume }: Stage): Promise<string> {
  const { Err = '', Mountpoint } = await site.plugin.call('VolumeDriver.Mount', { Name: volume, ID: 'a'.repeat(64) });
  expect(Err !== '', `mounted at ${Mountpoint}`);
  return Err;
}

/** Answers the mountpoint. */
async function expectFormatted(stage: Stage): Promise<string> {
  const before = mkfsCalls(stage);
  const mountpoint = await stage.site.plugin.mount(stage.volume);
  expectEqual(mkfsCalls(stage) - before, 1, 'calls of mkfs');
  const types = deviceMounts()
    .map((line) => line.split(' '))
    .filter(([, target]) => target === mountpoint);
  expectEqual(
    types.map(([, , type]) => type),
    [stage.fsType],
    'file system',
  );
  return mountpoint;
}

async function letGo(stage: Stage): Promise<void> {
  expectEqual(await stage.site.plugin.unmount(stage.volume), '', 'unmount');
  await expectDetached(stage);
}

/** A roll-back may go on for a moment after the answer. */
async function expectDetached({ site, arrayVolume, wwn }: Stage): Promise<void> {
  await eventually(async () => {
    const { arrays } = await stateOf(site.control);
    const left = [
      ...multipathMaps().filter((each) => each.wwid === `3${wwn}`),
      ...scsiDisks().filter((each) => each.wwid === `naa.${wwn}`),
      ...arrays.flatMap(({ vluns }) => vluns).filter((each) => each.volume === arrayVolume),
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

const mkfsCalls = ({ mkfs, wwn }: Stage): number =>
  mkfs.flatMap((tool) => tool.calls()).filter((call) => call.includes(wwn)).length;
