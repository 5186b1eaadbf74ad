import { expect, expectEqual } from '../inside/checks.js';
import { eventually } from '../inside/command.js';
import { docker } from '../inside/docker.js';
import { expectPathGroups, mapOf, workingPorts } from '../inside/maps.js';
import { multipathMaps } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import { lastUnmountMs } from '../inside/unmounted.js';
import { startWriter } from '../inside/writer.js';
import type { Scenario } from './scenario.js';

const VOLUME = 'db';
const GROUP = 'RCG1';
const BEFORE = 'before';
const AFTER = 'after';
const RECORDS = 5;
/** A path fails after pings and timers of the kernel; a round of the plugin comes every minute. */
const NOTICED_MS = 200_000;

export const pairOutage: Scenario = {
  name: 'pair-outage',
  title:
    'iSCSI, peer persistence: unmounted and mounted without the other array; when that one is back, the container in use gets its paths, too, and loses the first array',
  conf: { mode: 'synchronous', protocol: 'iscsi', witness: '10.30.0.10' },
  timeoutMs: 14 * 60_000,
  long: true,
  run,
};

async function run(site: Site): Promise<void> {
  const { step, control, primary, secondary } = site;
  await docker.createVolume(VOLUME, { replicationGroup: GROUP, size: '1' });
  const first = await step('a container writes', async () => startWriter(BEFORE, VOLUME));
  await first.more(RECORDS);
  const map = await mapOf(VOLUME);
  await step('the other array loses power: the container writes on', async () => {
    await control.power(secondary.name, false);
    await first.more(RECORDS);
    await expectWorking(map, primary.iqn);
    await first.more(RECORDS);
  });
  await step('docker stop without that array: in bounded time, no device', async () => stopped(site, BEFORE, map));
  await docker.removeContainer(BEFORE);
  const writer = await step('a container writes, by the paths of one array', async () => startWriter(AFTER, VOLUME));
  await writer.more(RECORDS);
  await expectWorking(map, primary.iqn);
  await step('the array has power again: its export and its paths come to the device in use', async () => {
    await control.power(secondary.name, true);
    await eventually(async () => expectPathGroups(map, { active: primary.iqn, standby: secondary.iqn }), NOTICED_MS);
    await eventually(
      async () => expectEqual(await site.servedBy(VOLUME), [primary.name, secondary.name], 'served by'),
      NOTICED_MS,
    );
    await writer.more(RECORDS);
  });
  await step('the first array loses power: the container writes on by the new paths', async () => {
    await control.power(primary.name, false);
    await writer.more(RECORDS);
    await expectWorking(map, secondary.iqn);
    await writer.more(RECORDS);
    expectEqual(await writer.errors(), [], 'errors in the container');
  });
  const written = await writer.acknowledged();
  await step('docker stop without the first array: in bounded time, no device', async () => stopped(site, AFTER, map));
  await step('the first array has power again: what was left there goes; switchover home', async () => {
    await control.power(primary.name, true);
    await eventually(async () => expectEqual(await site.servedBy(VOLUME), [], 'served by'), NOTICED_MS);
    await site.operator(secondary, `setrcopygroup switchover -f ${GROUP}.r${primary.systemId}`);
  });
  await step(`all ${written} records are there`, async () => {
    await docker.run('reader', VOLUME);
    const last = Number(await docker.exec('reader', 'tail -n 1 /data/records'));
    expect(last >= written, `the last record is ${last}, acknowledged were ${written}`);
    await docker.removeContainer('reader');
    await docker.removeContainer(AFTER);
    await docker.removeVolume(VOLUME);
  });
}

/** @throws unless the working paths of the map lead to these ports, one to each */
async function expectWorking(map: string, ports: string[]): Promise<void> {
  await eventually(async () => expectEqual(await workingPorts(map), ports.toSorted(), 'working paths'), NOTICED_MS);
}

async function stopped({ note, daemon }: Site, container: string, map: string): Promise<void> {
  await docker.stop(container);
  expectEqual(multipathMaps().filter(({ wwid }) => wwid === map).length, 0, 'maps of the volume');
  note(`Unmount in ${(lastUnmountMs(daemon) / 1000).toFixed(1)} s`);
}
