import { expect, expectEqual } from '../inside/checks.js';
import { eventually } from '../inside/command.js';
import { docker } from '../inside/docker.js';
import { mapOf, workingPorts } from '../inside/maps.js';
import { multipathMaps } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import { lastUnmountMs } from '../inside/unmounted.js';
import { startWriter } from '../inside/writer.js';
import type { Scenario } from './scenario.js';

const VOLUME = 'db';
const CONTAINER = 'web';
/** A path fails after pings, beacons and timers of the kernel: 15 to 25 s. */
const NOTICED_MS = 120_000;

export const iscsiPaths: Scenario = {
  name: 'iscsi-paths',
  title: 'iSCSI: a path goes and comes back under I/O; all paths go, Unmount is bounded and clean-up follows',
  conf: { mode: 'synchronous', protocol: 'iscsi' },
  timeoutMs: 10 * 60_000,
  run: async (site) => run(site, '0:2:1'),
};

export const fcPaths: Scenario = {
  ...iscsiPaths,
  name: 'fc-paths',
  title: 'Fibre Channel: the same',
  conf: { mode: 'synchronous', protocol: 'fc' },
  run: async (site) => run(site, '0:1:1'),
};

async function run(site: Site, port: string): Promise<void> {
  const { step, control, primary, daemon } = site;
  await docker.createVolume(VOLUME, { replicationGroup: 'RCG1', size: '1' });
  const writer = await step('a container writes', async () => startWriter(CONTAINER, VOLUME));
  await writer.more(3);
  const map = await mapOf(VOLUME);
  await step('the cable of a port is pulled: one path fails, the container writes on', async () => {
    await control.port(primary.name, port, false);
    await expectActive(map, 1);
    await writer.more(5);
  });
  await step('the cable is back: both paths are used', async () => {
    await control.port(primary.name, port, true);
    await expectActive(map, 2);
    await writer.more(5);
    expectEqual(await writer.errors(), [], 'errors in the container');
  });
  await step('the array loses power under I/O; the container stops', async () => {
    await control.power(primary.name, false);
    // The engine may say that the process does not end: it waits for its write to fail.
    await docker.stop(CONTAINER).catch((error: unknown) => console.log(`    ${String(error)}`));
    await eventually(async () => expect(!(await docker.isRunning(CONTAINER)), 'it still runs'), NOTICED_MS);
  });
  await step('Unmount has let go of the device in bounded time', async () => {
    const ms = await eventually(() => lastUnmountMs(daemon), NOTICED_MS);
    console.log(`    Unmount: ${ms} ms`);
    expectEqual(multipathMaps().filter(({ wwid }) => wwid === map).length, 0, 'maps of the volume');
  });
  await step('the array has power again: the rest is cleaned up', async () => {
    await control.power(primary.name, true);
    await docker.removeContainer(CONTAINER);
    await eventually(async () => docker.removeVolume(VOLUME), NOTICED_MS);
  });
}

async function expectActive(map: string, count: number): Promise<void> {
  await eventually(async () => {
    expectEqual((await workingPorts(map)).length, count, 'working paths');
  }, NOTICED_MS);
}
