import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { askDaemon } from '../../src/commands/daemon-client.js';
import { createVolume } from '../../src/simulator/volumes.js';
import { findMark, leaveMark } from './bystander.js';
import type { Lane } from './lane.js';
import { create, PLAIN, succeed, useOnce, type Scene } from './scenes.js';

const { backend } = PLAIN;
const IMPORT = { importVol: 'old_data', backend };

/** What an administrator made on the array long ago, with a file system and data. */
async function makeOldVolume({ dir, simulator: { arrays, pair } }: Lane): Promise<void> {
  const [array] = arrays;
  const kind = { cpg: 'cpg-a', snapCpg: 'cpg-a-snap', tpvv: true, tdvv: false, compression: false };
  const wanted = { ...kind, name: 'old_data', sizeMiB: 1024, comment: 'of accounting' };
  const content = await mkdtemp(path.join(dir, 'content-'));
  await leaveMark(content);
  await pair.exclusive(async () => {
    const file = array.dataFile(await createVolume(array, wanted));
    await promisify(execFile)('mkfs.ext4', ['-q', '-F', '-d', content, file]);
  });
  await rm(content, { recursive: true });
}

async function importUsed(lane: Lane): Promise<void> {
  await succeed(lane.docker.create('v', IMPORT));
  await useOnce(lane, findMark);
}

const release = async ({ daemon }: Lane): Promise<unknown> => askDaemon(daemon.stateDir, '/release', { volume: 'v' });

/** A volume of the array comes to Docker, and goes back. */
export const IMPORT_SCENES: Scene[] = [
  create('of a volume of the array', IMPORT, {
    sparse: 2,
    prepare: makeOldVolume,
    async restore(lane) {
      await importUsed(lane);
      await release(lane);
    },
  }),
  {
    verb: 'Release',
    title: 'of an imported volume',
    sparse: 2,
    store: 'embedded',
    calm: PLAIN,
    async prepare(lane) {
      await makeOldVolume(lane);
      await importUsed(lane);
    },
    act: async (_docker, lane) => release(lane),
    decisive: /^metadata .*del operation\/v/,
    async restore(lane, end) {
      if (end === 'undone') {
        await useOnce(lane, findMark);
        await release(lane);
      }
      await importUsed(lane);
    },
  },
];
