import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { administratorOf } from '../inside/administrator.js';
import { expectEqual } from '../inside/checks.js';
import { eventually, run as runTool } from '../inside/command.js';
import { scsiDisks } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import type { Scenario, ScenarioOptions } from './scenario.js';

const [ROUNDS, FULL_ROUNDS] = [20, 100];
/** In each of so many rounds the host keeps devices of the LUN's last volume that nobody took away. */
const STALE_EVERY = 5;
const DATA_BYTES = 1 << 20;
const HOST = 'by-hand';

export const reusedLuns: Scenario = {
  name: 'reused-luns',
  title: 'LUN numbers of removed volumes are used again: the right device is mounted each time',
  conf: { mode: 'synchronous', protocol: 'iscsi' },
  timeoutMs: 60 * 60_000,
  run,
};

/** In each round a new volume and that of the round before are mounted in turn, on the same LUN number. */
async function run(site: Site, { full }: ScenarioOptions): Promise<void> {
  const rounds = full ? FULL_ROUNDS : ROUNDS;
  const sums = new Map<string, string>();
  const hand = await handOf(site);
  let stale = 0;
  await site.step(`${rounds} rounds of create, mount, write, unmount, mount the one before, compare, rm`, async () => {
    for (let round = 0; round < rounds; round += 1) {
      const [fresh, before] = [`v${round}`, `v${round - 1}`];
      expectEqual(await site.plugin.create(fresh, { backend: 'plain', size: '1' }), '', `create ${fresh}`);
      await mounted(site, fresh, (dir) => sums.set(fresh, write(dir)));
      if (round === 0) continue;
      if (round % STALE_EVERY === 0) stale += await hand.leaveStaleDevices(fresh);
      await mounted(site, before, (dir) => expectEqual(read(dir), sums.get(before), `checksum of ${before}`));
      expectEqual(await site.plugin.remove(before), '', `remove ${before}`);
    }
    expectEqual(await site.plugin.remove(`v${rounds - 1}`), '', 'remove the last one');
  });
  await site.step('the sessions that somebody made by hand are still there, and end', hand.logOut);
  console.log(`    ${2 * rounds - 1} mounts, ${stale} stale devices in the way, all checksums right`);
}

async function mounted(site: Site, volume: string, work: (dir: string) => void): Promise<void> {
  const dir = await site.plugin.mount(volume);
  work(dir);
  expectEqual(await site.plugin.unmount(volume), '', `unmount ${volume}`);
}

function write(dir: string): string {
  const data = randomBytes(DATA_BYTES);
  const file = openSync(path.join(dir, 'data'), 'w');
  writeSync(file, data);
  fsyncSync(file);
  closeSync(file);
  return createHash('md5').update(data).digest('hex');
}

const read = (dir: string): string =>
  createHash('md5')
    .update(readFileSync(path.join(dir, 'data')))
    .digest('hex');

/** Somebody who works on the first array and on this host beside the plugin, with a host entry and sessions of his own. */
interface Hand {
  /**
   * Exports the volume to this host, scans, and takes the export away again without a word to the host: its devices stay, on the
   * LUN number that the next volume gets. Answers how many.
   */
  leaveStaleDevices(volume: string): Promise<number>;
  logOut(): Promise<void>;
}

async function handOf(site: Site): Promise<Hand> {
  const { primary } = site;
  const administrator = await administratorOf(primary);
  await administrator.createHost(HOST, 'iqn.1993-08.org.debian:01:node1');
  const nodes = primary.iqn.map((target, index) => ['-T', target, '-p', primary.iscsiPortals[index] ?? '']);
  const onNodes = async (...args: string[]): Promise<void> => {
    for (const node of nodes) await runTool('iscsiadm', ['-m', 'node', ...node, ...args]);
  };
  let isLoggedIn = false;
  return {
    async leaveStaleDevices(volume) {
      const arrayVolume = String((await site.plugin.status(volume))['arrayVolume']);
      const before = scsiDisks().length;
      await administrator.exportVolume(arrayVolume, HOST, 0);
      if (!isLoggedIn) await onNodes('-o', 'new');
      await onNodes(isLoggedIn ? '--rescan' : '--login');
      isLoggedIn = true;
      await eventually(() => expectEqual(scsiDisks().length, before + nodes.length, 'disks'));
      await administrator.removeExport(arrayVolume, HOST, 0);
      return nodes.length;
    },
    async logOut() {
      await onNodes('--logout');
      await onNodes('-o', 'delete');
      await administrator.removeHost(HOST);
    },
  };
}
