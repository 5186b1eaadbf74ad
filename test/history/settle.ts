import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { Violation } from './ledger.js';
import { isHealthy, type Scene } from './scene.js';
import { NODES } from './steps.js';
import { PATIENCE_MS, waitUntilNone } from './wait.js';

const attachmentRecord = z.object({ record: z.object({ nodeName: z.string() }) });

/**
 * Waits until all that was left open is finished, and learns how it ended. False: something is broken, or an operation
 * has to wait until its group is home. @throws Violation when it takes too long
 */
export async function settle(scene: Scene): Promise<boolean> {
  if (!isHealthy(scene)) return false;
  const left = await waitUntilNone(async () => leftOpen(scene));
  const isHome = [...scene.ledger.volumes.values()].every((each) => scene.ledger.activeSide(each) === 'primary');
  if (left.length > 0) {
    if (isHome) throw new Violation(`not finished in ${PATIENCE_MS} ms: ${left.join('; ')}${await complaints(scene)}`);
    return false;
  }
  await unmountLost(scene);
  await learnWhatExists(scene);
  await learnWhoHolds(scene);
  scene.unsettled = false;
  return true;
}

/** What the daemons complained of last. */
export async function complaints({ world }: Scene): Promise<string> {
  const told = await Promise.all(NODES.map(async (node) => [node, ...(await world.daemons[node].warnings())]));
  return told
    .flat()
    .map((line) => `\n    ${line}`)
    .join('');
}

async function leftOpen({ world }: Scene): Promise<string[]> {
  const open = [...(await world.metadata()).keys()].filter((key) => /^(operation|lock)\//.test(key));
  for (const node of NODES) {
    const folder = path.join(world.daemons[node].stateDir, 'deferred-removals');
    for (const name of await readdir(folder)) open.push(`${node}: deferred removal ${name}`);
  }
  return open;
}

/** The container is started again with the same id, and ends: so at last dockerd unmounts what it never heard of. */
async function unmountLost({ world, ledger }: Scene): Promise<void> {
  for (const { node, volume, id } of ledger.lostIds.splice(0)) {
    const err = await world.daemons[node].docker.unmount(volume, id);
    // Another container may still hold what was taken from this node.
    if (err !== '' && !err.startsWith('fenced')) throw new Violation(`${node}: unmount ${volume} for ${id}: ${err}`);
  }
}

async function learnWhatExists({ world, ledger }: Scene): Promise<void> {
  for (const volume of ledger.volumes.values()) {
    if (volume.existence !== 'maybe') continue;
    const answers = await Promise.all(
      NODES.map(async (node) => {
        const { Volume } = await world.daemons[node].docker.call('VolumeDriver.Get', { Name: volume.name });
        return Volume !== undefined;
      }),
    );
    if (answers[0] !== answers[1]) throw new Violation(`only one node says that ${volume.name} exists`);
    volume.existence = answers[0] === true ? 'present' : 'absent';
    if (volume.existence === 'absent') ledger.volumes.delete(volume.name);
  }
}

async function learnWhoHolds({ world, ledger }: Scene): Promise<void> {
  const metadata = await world.metadata();
  for (const volume of ledger.volumes.values()) {
    const text = metadata.get(`attachment/${volume.name}`);
    const holder = text === undefined ? undefined : attachmentRecord.parse(JSON.parse(text)).record.nodeName;
    for (const container of ledger.containersOf(volume)) container.robbed = container.node !== holder;
    volume.unsure = holder !== undefined && ledger.containersOf(volume).every(({ robbed }) => robbed);
  }
}
