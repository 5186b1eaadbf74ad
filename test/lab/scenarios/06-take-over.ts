import { setTimeout as pause } from 'node:timers/promises';
import { hpeConf } from '../../pair-client.js';
import { arrayVolumes, stateOf } from '../../simulator-state.js';
import { deviceInventory, expect, expectEqual } from '../inside/checks.js';
import { eventually, run } from '../inside/command.js';
import { docker } from '../inside/docker.js';
import { nodeAddress } from '../inside/network.js';
import { nodeTwo, nodeTwoIsThere } from '../inside/node-two.js';
import { multipathMaps } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import { startWriter, type Writer } from '../inside/writer.js';
import type { Scenario } from './scenario.js';

const MINUTE_MS = 60_000;
const VOLUME = 'db';
const [OLD, NEW] = ['old', 'new'];
const DELAY_S = 10;
/** Paths are failed by multipathd at once, and writes wait 18 s for them to come back. */
const FAILED_MS = 2 * MINUTE_MS;
const QUIET_MS = 5_000;

export const takeOver: Scenario = {
  name: 'take-over',
  title: 'take-over by a second node: the first one writes nothing more, and cleans up',
  conf: { mode: 'synchronous', protocol: 'iscsi' },
  timeoutMs: 10 * MINUTE_MS,
  twoNodes: true,
  run: async (site) => takeOverWith(site, { paused: false }),
};

/** Rule 24. */
export const takeOverPaused: Scenario = {
  ...takeOver,
  name: 'take-over-paused',
  title: 'take-over while the daemon of the first node is suspended: it touches nothing when it goes on',
  run: async (site) => takeOverWith(site, { paused: true }),
};

async function takeOverWith(site: Site, { paused }: { paused: boolean }): Promise<void> {
  const { step, daemon } = site;
  const before = await deviceInventory();
  await step('the daemon of the second node starts', async () => {
    await nodeTwoIsThere();
    await nodeTwo.host.startDaemon(confOfNodeTwo(site));
  });
  const writer = await step('docker volume create, docker run on the first node', async () => {
    const options = { replicationGroup: 'RCG1', size: '1', mountConflictDelay: String(DELAY_S) };
    await docker.createVolume(VOLUME, options);
    const started = await startWriter(OLD, VOLUME);
    await started.more(10);
    expectEqual(await exportedTo(site), ['node1'], 'exported to');
    return started;
  });
  if (paused) await step('the daemon of the first node is suspended', async () => daemon.pause());
  await step(`docker run on the second node takes the volume over after ${DELAY_S} s`, async () => takenOver(site));
  const there = await step('all that was acknowledged on the first node is there', async () => {
    const records = await recordsOnNodeTwo();
    expectAcknowledged(await writer.acknowledged(), records);
    return records;
  });
  if (paused) await step('the suspended daemon goes on: it changes nothing', async () => resumed(site));
  await step('writes on the first node fail, none reaches the array', async () =>
    expectNoWrites(site, { writer, there }),
  );
  await step('the first node says "fenced", and cleans up when its container has stopped', async () => {
    const { Status } = await docker.inspectVolume(VOLUME);
    expect(/node2/.test(String(Status['fenced'])), `fenced: ${String(Status['fenced'])}`);
    await docker.removeContainer(OLD);
    await eventually(async () => expectEqual(await deviceInventory(), before, 'on the first node'), FAILED_MS);
    expectEqual(await exportedTo(site), ['node2'], 'exported to');
  });
  await step('the second node still reads and writes; docker rm, docker volume rm', async () => {
    expectEqual(await recordsOnNodeTwo(), there, 'records');
    await nodeTwo.docker.exec(NEW, 'echo more > /data/new; sync');
    await nodeTwo.docker.removeContainer(NEW);
    await nodeTwo.docker.removeVolume(VOLUME);
  });
  await step('nothing is left on the second node', async () => nodeTwo.host.expectNothingLeft());
}

function confOfNodeTwo({ pair }: Site): string {
  return hpeConf(pair, { ...takeOver.conf, more: [`host_etcd_ip_address = ${nodeAddress(1)}`] });
}

async function takenOver(site: Site): Promise<void> {
  await site.control.clearLog();
  const start = performance.now();
  await nodeTwo.docker.run(NEW, VOLUME);
  const seconds = (performance.now() - start) / 1000;
  expect(seconds >= DELAY_S, `taken over after ${seconds} s`);
  const changes = (await site.control.log()).filter(({ path }) => path?.includes('/vluns')).map(({ method }) => method);
  const exports = changes.slice(changes.indexOf('POST'));
  expect(
    changes.includes('DELETE') && !exports.includes('DELETE'),
    `exported before all was removed: ${changes.join(' ')}`,
  );
  expectEqual(await exportedTo(site), ['node2'], 'exported to');
}

/** Nobody but the daemon that goes on has a reason to change anything on the arrays then. */
async function resumed({ control, daemon }: Site): Promise<void> {
  await control.clearLog();
  daemon.resume();
  await eventually(async () => {
    const { Status } = await docker.inspectVolume(VOLUME);
    expect(Status['fenced'] !== undefined, 'the daemon that went on does not say "fenced"');
  });
  await pause(QUIET_MS);
  const changes = (await control.log()).filter(
    ({ method, path }) => method !== 'GET' && !path?.includes('/credentials'),
  );
  expectEqual(changes, [], 'changes');
}

/** Through the file system the first node fails by itself after a first failure, so its disks are also written to directly. */
async function expectNoWrites(site: Site, of: { writer: Writer; there: number[] }): Promise<void> {
  const { writer, there } = of;
  await nodeTwo.docker.exec(NEW, 'sync');
  const [map] = multipathMaps().filter(({ wwid }) => wwid.startsWith('360002ac'));
  if (map === undefined) throw new Error('the first node has lost its map while a container uses it');
  await eventually(async () => expect((await writer.errors()).length > 0, 'no write has failed'), FAILED_MS);
  const quiet = await quietSince(site);
  for (const name of [...map.paths, map.device]) await expectWriteFails(`/dev/${name}`);
  expectEqual(await changedAt(site), quiet, 'last change of the data');
  expectAcknowledged(await writer.acknowledged(), there);
}

async function expectWriteFails(device: string): Promise<void> {
  const options = ['bs=4k', 'count=1', 'oflag=direct', 'conv=nocreat,notrunc'];
  const error = await run('dd', ['if=/dev/urandom', `of=${device}`, ...options]).then(
    () => 'written',
    (reason: unknown) => String(reason),
  );
  // The second one when the kernel has given the disk up.
  expect(/Input\/output error|No such device or address/.test(error), `${device}: ${error}`);
}

/** The time of the last change, when there was none for a while: a new file system is still being initialised. */
async function quietSince(site: Site): Promise<string> {
  return eventually(async () => {
    const first = await changedAt(site);
    await pause(QUIET_MS);
    expectEqual(await changedAt(site), first, 'the data still change');
    return first;
  });
}

/** When the active copy last changed; every single write moves it. */
async function changedAt({ control, primary }: Site): Promise<string> {
  const { devices = [] } = await stateOf(control);
  const names = (await arrayVolumes(control, VOLUME)).map(({ name }) => name);
  const device = devices.find(({ array, volume }) => array === primary.name && names.includes(volume));
  if (device === undefined) throw new Error(`${primary.name} exports nothing: ${JSON.stringify(devices)}`);
  return device.changedAtNs;
}

/** The writer ends with its first failure, so what is there is one row of numbers. */
function expectAcknowledged(acknowledged: number, records: number[]): void {
  expectEqual(
    records,
    records.map((_, index) => index + 1),
    'records',
  );
  expect(records.length >= acknowledged, `${acknowledged} records were acknowledged, ${records.length} are there`);
}

/** From the disk, not from the second node's memory. */
async function recordsOnNodeTwo(): Promise<number[]> {
  return (await nodeTwo.docker.exec(NEW, 'dd if=/data/records bs=64k iflag=direct 2>/dev/null'))
    .split('\n')
    .map(Number);
}

/** The hosts that any array exports the volume to. */
async function exportedTo({ control }: Site): Promise<string[]> {
  const names = (await arrayVolumes(control, VOLUME)).map(({ name }) => name);
  const { arrays } = await stateOf(control);
  const vluns = arrays.flatMap((array) => array.vluns.filter(({ volume }) => names.includes(volume)));
  return [...new Set(vluns.map(({ host }) => host ?? 'a port'))].toSorted();
}
