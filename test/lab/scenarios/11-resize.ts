import { askDaemon } from '../../../src/commands/daemon-client.js';
import { expect, expectEqual } from '../inside/checks.js';
import { eventually, run as runTool } from '../inside/command.js';
import { STATE_DIR } from '../inside/daemon.js';
import { docker } from '../inside/docker.js';
import { mapOf, workingPorts } from '../inside/maps.js';
import { multipathMaps } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import { startWriter } from '../inside/writer.js';
import type { Scenario } from './scenario.js';

const VOLUME = 'db';
const CONTAINER = 'web';
const GROUP = 'RCG1';
const GIB = 1024 ** 3;
/** A path fails after pings, beacons and timers of the kernel; a round of the plugin comes every minute. */
const NOTICED_MS = 180_000;

export const iscsiResize: Scenario = {
  name: 'iscsi-resize',
  title:
    'iSCSI: a volume in use grows on both arrays, on its paths and map, and its file system; with a dead path, later',
  conf: { mode: 'synchronous', protocol: 'iscsi' },
  timeoutMs: 10 * 60_000,
  run: async (site) => run(site, { port: '0:2:1', fsType: 'ext4' }),
};

export const fcResize: Scenario = {
  ...iscsiResize,
  name: 'fc-resize',
  title: 'Fibre Channel: the same with xfs',
  conf: { mode: 'synchronous', protocol: 'fc' },
  run: async (site) => run(site, { port: '0:1:1', fsType: 'xfs' }),
};

async function run(site: Site, { port, fsType }: { port: string; fsType: string }): Promise<void> {
  const { step, control, primary } = site;
  await docker.createVolume(VOLUME, { replicationGroup: GROUP, size: '1', fsType });
  const writer = await step(`a container writes to ${fsType}`, async () => startWriter(CONTAINER, VOLUME));
  await writer.more(3);
  const map = await mapOf(VOLUME);
  await step('resize to 2 GiB: map and file system have grown, the container writes on', async () => {
    const lines = await resize(2);
    console.log(`    ${lines.join('\n    ')}`);
    await expectSize(map, 2);
    await writer.more(3);
    expectEqual(await writer.errors(), [], 'errors in the container');
  });
  await step('the cable of a port is pulled', async () => {
    await control.port(primary.name, port, false);
    await expectActive(map, 1);
  });
  await step('resize to 3 GiB: the arrays have grown, this host not, and says why', async () => {
    const text = await resize(3).then(
      (lines) => lines.join('; '),
      (error: unknown) => String(error),
    );
    console.log(`    ${text}`);
    expect(/not grown yet.*does not see them/.test(text), text);
    await writer.more(3);
  });
  await step('the cable is back: the rest follows by itself', async () => {
    await control.port(primary.name, port, true);
    await expectActive(map, 2);
    await eventually(async () => expectSize(map, 3), NOTICED_MS);
    await writer.more(3);
    expectEqual(await writer.errors(), [], 'errors in the container');
  });
  const written = await writer.acknowledged();
  await docker.stop(CONTAINER);
  await step('after a failover the other copy has the size and the data', async () => failedOver(site, written));
  await docker.removeContainer(CONTAINER);
  await eventually(async () => docker.removeVolume(VOLUME), NOTICED_MS);
}

async function failedOver({ operator, primary, secondary }: Site, written: number): Promise<void> {
  const remoteGroup = `${GROUP}.r${primary.systemId}`;
  await operator(primary, `stoprcopygroup -f ${GROUP}`);
  await operator(secondary, `setrcopygroup failover -f ${remoteGroup}`);
  await docker.run('reader', VOLUME);
  await expectSize(await mapOf(VOLUME), 3, 'reader');
  expect(Number(await docker.exec('reader', 'tail -n 1 /data/records')) >= written, 'records are lost');
  await docker.removeContainer('reader');
  await operator(secondary, `setrcopygroup recover -f ${remoteGroup}`);
  await operator(secondary, `setrcopygroup restore -f ${remoteGroup}`);
}

async function resize(gib: number): Promise<string[]> {
  return ((await askDaemon(STATE_DIR, '/resize', { volume: VOLUME, gib }))?.result ?? []) as string[];
}

async function expectSize(map: string, gib: number, container = CONTAINER): Promise<void> {
  expectEqual(multipathMaps().filter(({ wwid }) => wwid === map).length, 1, 'maps of the volume');
  const bytes = (await runTool('blockdev', ['--getsize64', `/dev/mapper/${map}`])).trim();
  expectEqual(Number(bytes), gib * GIB, 'bytes of the map');
  const kib = Number((await docker.exec(container, "df -P -k /data | tail -n 1 | awk '{ print $2 }'")).trim());
  expect(kib * 1024 > 0.9 * gib * GIB, `the file system has ${kib} KiB`);
}

async function expectActive(map: string, count: number): Promise<void> {
  await eventually(async () => {
    expectEqual((await workingPorts(map)).length, count, 'working paths');
  }, NOTICED_MS);
}
