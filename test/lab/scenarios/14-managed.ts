import { askDaemon } from '../../../src/commands/daemon-client.js';
import { deviceInventory, expect, expectEqual } from '../inside/checks.js';
import { eventually } from '../inside/command.js';
import { STATE_DIR } from '../inside/daemon.js';
import { docker } from '../inside/docker.js';
import { managedPlugin } from '../inside/managed-plugin.js';
import { mapOf } from '../inside/maps.js';
import { multipathMaps } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import { readAndRemove, startWriter, type Writer } from '../inside/writer.js';
import { mainJob } from './main-job.js';
import type { Scenario } from './scenario.js';

const MINUTE_MS = 60_000;
const [VOLUME, CONTAINER] = ['live', 'writer'];
const RECORDS = 10;
const RESIZED_MS = 2 * MINUTE_MS;

export const managed: Scenario = {
  name: 'managed',
  title:
    'managed plugin on iSCSI: the main job; restart, disable -f and upgrade under a container that writes: no error',
  conf: { mode: 'synchronous', protocol: 'iscsi', more: ['docker_timeout = 120'] },
  managed: true,
  timeoutMs: 15 * MINUTE_MS,
  run,
};

async function run(site: Site): Promise<void> {
  const { step, daemon, primary } = site;
  await mainJob(site);
  const before = await deviceInventory();
  const writer = await step('a container writes', async () => {
    await docker.createVolume(VOLUME, { replicationGroup: 'RCG1', size: '1' });
    const started = await startWriter(CONTAINER, VOLUME);
    await started.more(RECORDS);
    return started;
  });
  const map = await mapOf(VOLUME);
  await step('resize to 2 GiB under I/O', async () => resized(writer));
  await step('its process is killed: Docker starts it again, the container writes on', async () => {
    await daemon.kill();
    await writer.more(RECORDS);
  });
  await step('docker plugin disable -f: the container writes on; enable', async () => {
    await managedPlugin.disable();
    expectEqual(managedPlugin.pid(), undefined, 'process of the disabled plugin');
    await writer.more(RECORDS);
    await managedPlugin.enable();
    await writer.more(RECORDS);
  });
  await step('upgrade to the next version: disable -f, rm -f, create, enable; the container writes on', async () => {
    expectEqual(managedPlugin.version(), '0.1.1', 'version');
    await managedPlugin.disable();
    await managedPlugin.remove();
    await managedPlugin.create('0.1.2');
    await managedPlugin.enable();
    expectEqual(managedPlugin.version(), '0.1.2', 'version');
    await writer.more(RECORDS);
  });
  await step('no error, no restart', async () => {
    expectEqual(await writer.errors(), [], 'errors in the container');
    expect(await docker.isRunning(CONTAINER), 'the container has ended');
    expectEqual(await site.servedBy(VOLUME), [primary.name], 'served by');
    expectEqual(multipathMaps().filter(({ wwid }) => wwid === map).length, 1, 'maps of the volume');
  });
  await stopAndRead(site, { writer, before });
}

/** No map, session or export is left of it, and everything that was acknowledged is there. */
async function stopAndRead(site: Site, of: { writer: Writer; before: string[] }): Promise<void> {
  const { step } = site;
  const written = await of.writer.acknowledged();
  await step('docker stop detaches: no export, no map, no session', async () => {
    await docker.stop(CONTAINER);
    await eventually(async () => expectEqual(await site.servedBy(VOLUME), [], 'served by'), 2 * MINUTE_MS);
    expectEqual(await deviceInventory(), of.before, 'devices, sessions and mounts');
  });
  await readAndRemove(site, { container: CONTAINER, volume: VOLUME, written });
}

/** The kernel lets only CAP_SYS_RESOURCE grow a mounted ext4. */
async function resized(writer: Writer): Promise<void> {
  await eventually(async () => askDaemon(STATE_DIR, '/resize', { volume: VOLUME, gib: 2 }), RESIZED_MS);
  await eventually(async () => {
    const kib = Number((await docker.exec(CONTAINER, "df -P -k /data | tail -n 1 | awk '{ print $2 }'")).trim());
    expect(kib > 1.8 * 1024 ** 2, `the file system has ${kib} KiB`);
  }, RESIZED_MS);
  await writer.more(RECORDS);
}
