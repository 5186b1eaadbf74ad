import { mkdirSync } from 'node:fs';
import { administratorOf, type Administrator } from '../inside/administrator.js';
import { expect, expectEqual } from '../inside/checks.js';
import { eventually, run as runTool } from '../inside/command.js';
import { pathStates } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import { stateOf } from '../../simulator-state.js';
import type { Scenario } from './scenario.js';

const INITIATOR = 'iqn.1993-08.org.debian:01:node1';
const [VOLUME, GROUP, HOST, LUN] = ['pp-volume', 'pp-group', 'pp-host', 9] as const;
const MOUNTED = '/mnt/pp';

export const peerPersistence: Scenario = {
  name: 'peer-persistence',
  title: 'one WWN on both arrays with ALUA states: one map, two groups of paths; the role moves under I/O',
  conf: { mode: 'synchronous', protocol: 'iscsi' },
  timeoutMs: 8 * 60_000,
  run,
};

/** All by hand: what the plugin will need for peer persistence, not what it does today. */
async function run(site: Site): Promise<void> {
  const { primary, secondary, step, operator } = site;
  const hands = [await administratorOf(primary), await administratorOf(secondary)] as const;
  await step('a volume on both arrays with one WWN', async () => makePair(site, hands));
  await step('the host logs in to all four ports', async () => onNodes(site, ['-o', 'new'], ['--login']));
  const map = `3${await wwnOf(site)}`;
  await step('one map: two active paths to the one array, two standby paths to the other', async () => {
    await eventually(async () => expectGroups(map, primary.iqn, secondary.iqn));
  });
  await eventually(async () => runTool('mkfs.ext4', ['-q', `/dev/mapper/${map}`]));
  mkdirSync(MOUNTED);
  await runTool('mount', [`/dev/mapper/${map}`, MOUNTED]);
  const writer = startWriting();
  await step('the role moves to the other array under I/O', async () => {
    await operator(primary, `setrcopygroup switchover -f ${GROUP}`);
    await eventually(async () => expectGroups(map, secondary.iqn, primary.iqn));
    await writer.more(5);
  });
  await step('and back', async () => {
    await operator(secondary, `setrcopygroup switchover -f ${GROUP}.r${primary.systemId}`);
    await eventually(async () => expectGroups(map, primary.iqn, secondary.iqn));
    await writer.more(5);
  });
  const { writes, errors } = await writer.stop();
  expectEqual(errors, [], 'errors of the writer');
  console.log(`    ${writes} writes, no error`);
  await step('everything is taken away again', async () => {
    await runTool('umount', [MOUNTED]);
    await eventually(async () => runTool('multipath', ['-f', map]));
    await onNodes(site, ['--logout'], ['-o', 'delete']);
    await removePair(site, hands);
  });
}

type Hands = readonly [Administrator, Administrator];

async function makePair({ primary, secondary }: Site, [first, second]: Hands): Promise<void> {
  await first.createVolume(VOLUME, 1024);
  const [localUserCPG, localSnapCPG] = primary.cpgs;
  const [userCPG, snapCPG] = secondary.cpgs;
  const { targetName } = primary;
  const targets = [{ targetName, mode: 1, userCPG, snapCPG }];
  await first.send('POST', '/remotecopygroups', { name: GROUP, localUserCPG, localSnapCPG, targets });
  await first.send('PUT', `/remotecopygroups/${GROUP}`, {
    action: 1,
    volumeName: VOLUME,
    volumeAutoCreation: true,
    targets: [{ targetName, secVolumeName: VOLUME }],
  });
  const policies = { targets: [{ targetName, policies: { pathManagement: true } }] };
  await first.send('PUT', `/remotecopygroups/${GROUP}`, policies);
  await first.send('PUT', `/remotecopygroups/${GROUP}`, { action: 3 });
  for (const hand of [first, second]) {
    await hand.createHost(HOST, INITIATOR);
    await hand.exportVolume(VOLUME, HOST, LUN);
  }
}

async function removePair(_site: Site, [first, second]: Hands): Promise<void> {
  for (const hand of [first, second]) await hand.removeExport(VOLUME, HOST, LUN);
  for (const hand of [first, second]) await hand.removeHost(HOST);
  await first.send('PUT', `/remotecopygroups/${GROUP}`, { action: 4 });
  await first.send('DELETE', `/remotecopygroups/${GROUP}`);
  for (const hand of [first, second]) await hand.removeVolume(VOLUME);
}

async function onNodes({ primary, secondary }: Site, ...commands: string[][]): Promise<void> {
  for (const { iqn, iscsiPortals } of [primary, secondary]) {
    for (const [index, target] of iqn.entries()) {
      const node = ['-m', 'node', '-T', target, '-p', iscsiPortals[index] ?? ''];
      for (const command of commands) await runTool('iscsiadm', [...node, ...command]);
    }
  }
}

/** @throws unless both paths to the one array are active and ready, and both to the other ghosts with a lower priority */
async function expectGroups(map: string, active: string[], standby: string[]): Promise<void> {
  const paths = await pathStates(map);
  const to = (targets: string[]): string[] =>
    paths.filter(({ target }) => targets.includes(target)).map(({ checker, priority }) => `${checker} ${priority}`);
  expectEqual(
    [to(active), to(standby)],
    [
      ['ready 50', 'ready 50'],
      ['ghost 1', 'ghost 1'],
    ],
    'paths',
  );
}

async function wwnOf({ control }: Site): Promise<string> {
  const wwns = (await stateOf(control)).arrays.flatMap(({ volumes }) => volumes.map(({ wwn }) => wwn.toLowerCase()));
  expect(wwns.length === 2 && wwns[0] === wwns[1], `the WWNs are ${wwns.join(' and ')}`);
  return wwns[0] ?? '';
}

interface Writing {
  more(writes: number): Promise<void>;
  stop(): Promise<{ writes: number; errors: string[] }>;
}

/** One synchronous write after the other. */
function startWriting(): Writing {
  const errors: string[] = [];
  const over = new AbortController();
  let writes = 0;
  const loop = (async () => {
    const to = ['if=/dev/zero', `of=${MOUNTED}/file`, 'bs=16k', 'count=4', 'oflag=direct,dsync', 'status=none'];
    while (!over.signal.aborted) {
      await runTool('dd', to).then(
        () => (writes += 1),
        (error: unknown) => errors.push(String(error)),
      );
    }
  })();
  return {
    async more(number) {
      const goal = writes + number;
      await eventually(() => expect(writes >= goal, `${writes} writes, ${goal} are awaited`));
    },
    async stop() {
      over.abort();
      await loop;
      return { writes, errors };
    },
  };
}
