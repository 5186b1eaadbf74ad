import { mkdirSync } from 'node:fs';
import { administratorOf, type Administrator } from '../inside/administrator.js';
import { expectEqual } from '../inside/checks.js';
import { eventually, run as runTool } from '../inside/command.js';
import { expectRecords, startDirectWriter } from '../inside/direct-writer.js';
import { expectPathGroups } from '../inside/maps.js';
import { multipathMaps } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import type { Scenario, ScenarioOptions } from './scenario.js';

const INITIATOR = 'iqn.1993-08.org.debian:01:node1';
const [VOLUME, GROUP, HOST, LUN] = ['pp-volume', 'pp-group', 'pp-host', 9] as const;
const MOUNTED = '/mnt/pp';
const FILE = `${MOUNTED}/records`;
/** Written before, between and after the moves of the role. */
const RECORDS = 50;
/** Even, so that the natural direction is back at the end. */
const [MOVES, FULL_MOVES] = [2, 10];

export const alua: Scenario = {
  name: 'alua',
  title: 'one WWN on both arrays with ALUA states: one map, two groups of paths; the role moves under I/O: no error',
  conf: { mode: 'synchronous', protocol: 'iscsi' },
  timeoutMs: 6 * 60_000,
  run,
};

/** All by hand: what peer persistence needs of the host and the simulator; the plugin's part is in 12-switchover.ts. */
async function run(site: Site, { full }: ScenarioOptions): Promise<void> {
  const { primary, secondary, step, operator } = site;
  const hands = [await administratorOf(primary), await administratorOf(secondary)] as const;
  const wwn = await step('a synchronous pair with one WWN, exported by both arrays', async () => makePair(site, hands));
  const map = `3${wwn}`;
  await step('the host logs in to all four ports', async () => onPorts(site, ['-o', 'new'], ['--login']));
  await step('one map with two groups: the primary is active, the secondary stands by', async () =>
    eventually(async () => expectPathGroups(map, { active: primary.iqn, standby: secondary.iqn })),
  );
  expectEqual(multipathMaps().filter(({ paths }) => paths.length === 4).length, 1, 'maps with four paths');
  await step('a file system on the map is written to', async () => {
    await eventually(async () => runTool('mkfs.ext4', ['-q', '-E', 'nodiscard', `/dev/mapper/${map}`]));
    mkdirSync(MOUNTED);
    await runTool('mount', [`/dev/mapper/${map}`, MOUNTED]);
  });
  const writer = startDirectWriter(FILE);
  await writer.more(RECORDS);
  for (let move = 0; move < (full ? FULL_MOVES : MOVES); move += 1) {
    const [from, to] = move % 2 === 0 ? [primary, secondary] : [secondary, primary];
    const group = from === primary ? GROUP : `${GROUP}.r${primary.systemId}`;
    await step(`the role moves to ${to.name} under I/O: the groups swap`, async () => {
      await operator(from, `setrcopygroup switchover -f ${group}`);
      await eventually(async () => expectPathGroups(map, { active: to.iqn, standby: from.iqn }));
      await writer.more(RECORDS);
    });
  }
  const { records, slowestMs } = await writer.stop();
  await step(`no error in ${records} writes, the longest took ${slowestMs.toFixed(0)} ms; all are there`, async () => {
    await runTool('umount', [MOUNTED]);
    await runTool('mount', [`/dev/mapper/${map}`, MOUNTED]);
    await expectRecords(FILE, records);
  });
  await step('everything is taken away again', async () => {
    await runTool('umount', [MOUNTED]);
    // The blkid of a late event may hold it for a moment.
    await eventually(async () => runTool('multipath', ['-f', map]));
    await onPorts(site, ['--logout'], ['-o', 'delete']);
    await removePair(hands);
  });
}

type Hands = readonly [Administrator, Administrator];

/** Answers the WWN. */
async function makePair({ primary, secondary }: Site, hands: Hands): Promise<string> {
  const [first, second] = hands;
  const [localUserCPG, localSnapCPG] = primary.cpgs;
  const [userCPG, snapCPG] = secondary.cpgs;
  const { targetName } = primary;
  const group = `/remotecopygroups/${GROUP}`;
  const targets = [{ targetName, mode: 1, userCPG, snapCPG }];
  await first.createVolume(VOLUME, 1024);
  await first.send('POST', '/remotecopygroups', { name: GROUP, localUserCPG, localSnapCPG, targets });
  const policies = { pathManagement: true, autoFailover: true, autoRecover: true };
  await first.send('PUT', group, { targets: [{ targetName, policies }] });
  const admitted = [{ targetName, secVolumeName: VOLUME }];
  await first.send('PUT', group, { action: 1, volumeName: VOLUME, volumeAutoCreation: true, targets: admitted });
  await first.send('PUT', group, { action: 3 });
  for (const hand of hands) {
    await hand.createHost(HOST, INITIATOR);
    await hand.exportVolume(VOLUME, HOST, LUN);
  }
  const [one, other] = [await wwnOf(first), await wwnOf(second)];
  expectEqual(other, one, 'WWN on the secondary array');
  return one;
}

async function wwnOf(hand: Administrator): Promise<string> {
  const { wwn } = (await hand.send('GET', `/volumes/${VOLUME}`)) as { wwn: string };
  return wwn.toLowerCase();
}

async function removePair(hands: Hands): Promise<void> {
  for (const hand of hands) {
    await hand.removeExport(VOLUME, HOST, LUN);
    await hand.removeHost(HOST);
  }
  const [first] = hands;
  const group = `/remotecopygroups/${GROUP}`;
  await first.send('PUT', group, { action: 4 });
  await first.send('DELETE', group);
  for (const hand of hands) await hand.removeVolume(VOLUME);
}

async function onPorts({ primary, secondary }: Site, ...commands: string[][]): Promise<void> {
  for (const { iqn, iscsiPortals } of [primary, secondary]) {
    for (const [index, target] of iqn.entries()) {
      const node = ['-m', 'node', '-T', target, '-p', iscsiPortals[index] ?? ''];
      for (const command of commands) await runTool('iscsiadm', [...node, ...command]);
    }
  }
}
