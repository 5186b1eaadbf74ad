import type { SimulatedArray } from '../../pair-client.js';
import { stateOf } from '../../simulator-state.js';
import { expect, expectEqual } from '../inside/checks.js';
import { askDaemon } from '../../../src/commands/daemon-client.js';
import { eventually, run as runTool } from '../inside/command.js';
import { STATE_DIR } from '../inside/daemon.js';
import { docker } from '../inside/docker.js';
import { arrayWwpn } from '../inside/fibre-channel.js';
import { expectPathGroups, mapOf, workingPorts } from '../inside/maps.js';
import { multipathMaps } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import { readAndRemove, startWriter, type Writer } from '../inside/writer.js';
import type { Scenario, ScenarioOptions } from './scenario.js';

const VOLUME = 'db';
const CONTAINER = 'web';
const GROUP = 'RCG1';
/** That of the simulated arrays. */
const WITNESS = '10.30.0.10';
const RECORDS = 10;
const GIB = 1024 ** 3;
/** There and back. */
const [ROUNDS, FULL_ROUNDS] = [1, 5];
/** A path fails after pings, beacons and timers of the kernel; a round of the plugin comes every minute. */
const NOTICED_MS = 180_000;

export const iscsiSwitchover: Scenario = {
  name: 'iscsi-switchover',
  title:
    'iSCSI, peer persistence: one map of both arrays; switchover there and back, then the loss of an array, under a container that writes: no error, no restart',
  conf: { mode: 'synchronous', protocol: 'iscsi', witness: WITNESS },
  timeoutMs: 12 * 60_000,
  run: async (site, options) => run(site, ({ iqn }) => iqn, options),
};

export const fcSwitchover: Scenario = {
  ...iscsiSwitchover,
  name: 'fc-switchover',
  title: 'Fibre Channel, peer persistence: the same',
  long: true,
  conf: { mode: 'synchronous', protocol: 'fc', witness: WITNESS },
  run: async (site, options) => {
    const numberOf = ({ name }: SimulatedArray): number => (name === site.primary.name ? 1 : 2);
    await run(site, (array) => [1, 2].map((fabric) => arrayWwpn(numberOf(array), fabric)), options);
  },
};

/** Names of an array's target ports. */
type PortsOf = (array: SimulatedArray) => string[];

async function run(site: Site, portsOf: PortsOf, { full }: ScenarioOptions): Promise<void> {
  const { step, primary, secondary } = site;
  await step('docker volume create: a group with the policies of peer persistence', async () => {
    await docker.createVolume(VOLUME, { replicationGroup: GROUP, size: '1' });
  });
  const writer = await step('a container writes', async () => startWriter(CONTAINER, VOLUME));
  await writer.more(3);
  const map = await mapOf(VOLUME);
  const served = async (active: SimulatedArray, standby: SimulatedArray): Promise<void> =>
    eventually(async () => expectPathGroups(map, { active: portsOf(active), standby: portsOf(standby) }), NOTICED_MS);
  await step('both arrays export it: one map, with a group of paths to each', async () => {
    expectEqual(await site.servedBy(VOLUME), [primary.name, secondary.name], 'served by');
    await served(primary, secondary);
  });
  for (let round = 0; round < (full ? FULL_ROUNDS : ROUNDS); round += 1) {
    for (const [from, to] of [
      [primary, secondary],
      [secondary, primary],
    ] as const) {
      await step(`switchover to ${to.name} under I/O: the groups swap, the container writes on`, async () => {
        await switchover(site, from);
        await served(to, from);
        await writer.more(RECORDS);
      });
    }
  }
  await step(
    'resize to 2 GiB under I/O: all paths of both arrays, the map and the file system have grown',
    async () => {
      // On a busy machine etcd may be late; whoever typed it types it again.
      const told = await eventually(
        async () => askDaemon(STATE_DIR, '/resize', { volume: VOLUME, gib: 2 }),
        NOTICED_MS,
      );
      console.log(`    ${JSON.stringify(told?.result)}`);
      await eventually(async () => expectSize(map, 2), NOTICED_MS);
      await served(primary, secondary);
      await writer.more(RECORDS);
    },
  );
  await loss(site, { writer, map, portsOf });
  await step('the array has power again: it is the secondary, its paths return, everything is synced', async () => {
    await site.control.power(primary.name, true);
    await served(secondary, primary);
    await eventually(async () => expectReplicating(site), NOTICED_MS);
    expectEqual(await site.servedBy(VOLUME), [primary.name, secondary.name], 'served by');
    await writer.more(RECORDS);
  });
  await step('switchover home', async () => {
    await switchover(site, secondary);
    await served(primary, secondary);
    await writer.more(RECORDS);
  });
  await step('no error, no restart', async () => {
    expectEqual(await writer.errors(), [], 'errors in the container');
    expect(await docker.isRunning(CONTAINER), 'the container has ended');
  });
  await end(site, { writer, map });
}

interface Running {
  writer: Writer;
  map: string;
}

async function loss(site: Site, { writer, map, portsOf }: Running & { portsOf: PortsOf }): Promise<void> {
  const { step, control, primary, secondary } = site;
  await step(`${primary.name} loses power under I/O: the other takes over, the container writes on`, async () => {
    const start = performance.now();
    await control.power(primary.name, false);
    await writer.more(RECORDS);
    site.note(`${RECORDS} records ${((performance.now() - start) / 1000).toFixed(1)} s after the loss of the array`);
    await eventually(async () => {
      expectEqual(await workingPorts(map), portsOf(secondary).toSorted(), 'working paths');
    }, NOTICED_MS);
    await writer.more(RECORDS);
  });
}

/** Everything that was acknowledged is there, and then nothing of the volume. */
async function end(site: Site, { writer, map }: Running): Promise<void> {
  const { step } = site;
  const written = await writer.acknowledged();
  await step('docker stop: no export on either array, no device', async () => {
    await docker.stop(CONTAINER);
    expectEqual(await site.servedBy(VOLUME), [], 'served by');
    expectEqual(multipathMaps().filter(({ wwid }) => wwid === map).length, 0, 'maps of the volume');
  });
  await readAndRemove(site, { container: CONTAINER, volume: VOLUME, written });
}

async function switchover({ operator, primary }: Site, from: SimulatedArray): Promise<void> {
  const group = from.name === primary.name ? GROUP : `${GROUP}.r${primary.systemId}`;
  await operator(from, `setrcopygroup switchover -f ${group}`);
}

/** @throws unless the map and its four paths have that size */
async function expectSize(map: string, gib: number): Promise<void> {
  const paths = multipathMaps().find(({ wwid }) => wwid === map)?.paths ?? [];
  expectEqual(paths.length, 4, 'paths');
  const devices = [`/dev/mapper/${map}`, ...paths.map((name) => `/dev/${name}`)];
  const sizes = await Promise.all(devices.map(async (device) => runTool('blockdev', ['--getsize64', device])));
  expectEqual(
    sizes.map(Number),
    devices.map(() => gib * GIB),
    'bytes of the map and its paths',
  );
  const kib = Number((await docker.exec(CONTAINER, "df -P -k /data | tail -n 1 | awk '{ print $2 }'")).trim());
  expect(kib * 1024 > 0.9 * gib * GIB, `the file system has ${kib} KiB`);
}

async function expectReplicating({ control }: Site): Promise<void> {
  const { arrays } = await stateOf(control);
  const groups = arrays.flatMap((array) => array.groups.map(({ role, state }) => `${array.name} ${role} ${state}`));
  expectEqual(groups, ['sim-a secondary started', 'sim-b primary started'], 'groups');
}
