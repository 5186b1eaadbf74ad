import { docker } from '../inside/docker.js';
import { expectEqual } from '../inside/checks.js';
import type { Site } from '../inside/site.js';

const GROUP = 'RCG1';
const VOLUME = 'db';
const CONTAINER = 'web';

/** Create, run, write; fail over, restart, write; come home, find both; remove. */
export async function mainJob(site: Site): Promise<void> {
  const { primary, secondary, step, operator } = site;
  const remoteGroup = `${GROUP}.r${primary.systemId}`;
  await step('docker volume create: replicated, its group is started', async () => {
    await docker.createVolume(VOLUME, { replicationGroup: GROUP, size: '1' });
  });
  await step('docker run: exported from the primary array, formatted', async () => {
    await docker.run(CONTAINER, VOLUME);
    expectEqual(await site.servedBy(VOLUME), [primary.name], 'served by');
  });
  const first = await step('written', async () => write('first'));
  await step('docker stop: the export is gone', async () => stopped(site));
  await step(`the operator fails ${GROUP} over`, async () => {
    await operator(primary, `stoprcopygroup -f ${GROUP}`);
    await operator(secondary, `setrcopygroup failover -f ${remoteGroup}`);
  });
  await step('docker start: the data are there, served by the secondary array', async () => {
    await docker.start(CONTAINER);
    expectEqual(await site.servedBy(VOLUME), [secondary.name], 'served by');
    expectEqual(await checksum('first'), first, 'checksum of the first file');
  });
  const second = await step('written', async () => write('second'));
  await step('docker stop', async () => stopped(site));
  await step('the operator restores the group', async () => {
    await operator(secondary, `setrcopygroup recover -f ${remoteGroup}`);
    await operator(secondary, `setrcopygroup restore -f ${remoteGroup}`);
  });
  await step('docker start: home again, both files are there', async () => {
    await docker.start(CONTAINER);
    expectEqual(await site.servedBy(VOLUME), [primary.name], 'served by');
    expectEqual([await checksum('first'), await checksum('second')], [first, second], 'checksums');
  });
  await step('docker rm, docker volume rm', async () => {
    await docker.removeContainer(CONTAINER);
    await docker.removeVolume(VOLUME);
  });
}

async function stopped(site: Site): Promise<void> {
  await docker.stop(CONTAINER);
  expectEqual(await site.servedBy(VOLUME), [], 'served by');
}

/** Writes 4 MiB of random data and says their checksum. */
async function write(file: string): Promise<string> {
  const script = `dd if=/dev/urandom of=/data/${file} bs=64k count=64 2>/dev/null; sync; md5sum < /data/${file}`;
  return (await docker.exec(CONTAINER, script)).slice(0, 32);
}

async function checksum(file: string): Promise<string> {
  return (await docker.exec(CONTAINER, `md5sum < /data/${file}`)).slice(0, 32);
}
