import type { Bystander } from './bystander.js';
import { rivalOf, type Lane } from './lane.js';
import { createUsed, ID, OTHER_ID, PLAIN, succeed, type Scene } from './scenes.js';

const OPTIONS = { size: '1', replicationGroup: 'G', mountConflictDelay: '1' };

/** What writes to the volume on the other node, in each lane. */
const containers = new WeakMap<Lane, Bystander>();

function containerOf(lane: Lane): Bystander {
  const found = containers.get(lane);
  if (found === undefined) throw new Error('no container runs on the other node');
  return found;
}

async function startContainer(lane: Lane): Promise<void> {
  containers.set(lane, await lane.startContainer(await rivalOf(lane).docker.mount('v', ID)));
  await write(lane);
}

/** @throws when the container on the other node feels anything */
async function write(lane: Lane): Promise<void> {
  const wrong = await containerOf(lane).disturbances('a line');
  if (wrong.length > 0) throw new Error(`on the node that holds the volume: ${wrong.join('; ')}`);
}

/** Rule 24. */
async function expectFenced(lane: Lane): Promise<void> {
  const { daemon, docker } = rivalOf(lane);
  const log = await daemon.log();
  const answer = await docker.mount('v', OTHER_ID).catch(String);
  if (!answer.includes('fenced: volume v was taken from this node')) throw new Error(`not fenced, but: ${answer}`);
  if (!log.includes('"fenced: volume v was taken')) throw new Error('the log of the robbed node does not say fenced');
}

/** The container of the robbed node ends, and the next one finds all that was written before the volume was lost. */
async function useAgain(lane: Lane): Promise<void> {
  const container = containerOf(lane);
  await container.end();
  await succeed(rivalOf(lane).docker.unmount('v', ID));
  await startContainer(lane);
  await container.findWritten(container.mountpoint);
}

/** A container on the other node has the volume and writes; the node that takes it is killed, and comes back by itself. */
export const TAKE_OVER: Scene = {
  verb: 'Mount',
  title: 'rules 23, 24, 25: take-over',
  store: 'etcd',
  calm: PLAIN,
  async prepare(lane) {
    await createUsed(lane, OPTIONS);
    await startContainer(lane);
  },
  act: async (docker) => docker.mount('v', OTHER_ID),
  decisive: /^metadata .*del operation\/v/,
  robs: {
    claim: /^metadata put operation\/v, put attachment\/v/,
    giveUp: async (lane) => succeed(lane.docker.unmount('v', OTHER_ID)),
  },
  async restore(lane, end) {
    if (end === 'undone') return write(lane);
    await expectFenced(lane);
    if (end === 'done') {
      const mountpoint = await lane.docker.mount('v', OTHER_ID);
      await containerOf(lane).findWritten(mountpoint);
      await succeed(lane.docker.unmount('v', OTHER_ID));
      await succeed(lane.docker.unmount('v', OTHER_ID));
    }
    await useAgain(lane);
  },
};
