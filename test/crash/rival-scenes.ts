import type { DockerClient } from '../harness.js';
import { findMark, leaveMark } from './bystander.js';
import { rivalOf, type Lane } from './lane.js';
import { ID, PLAIN, succeed } from './scenes.js';

/** One verb of node1 that is struck, and what its users then do on node2. The volume that both are about is `v`. */
export interface RivalScene {
  /** Begins with the rules that it shows. */
  title: string;
  /** Options of `calm`, which is in use on node1 all the while. */
  calm: Record<string, string>;
  /** From a lane where only `calm` is mounted on node1 to the start of the scene. */
  prepare(lane: Lane): Promise<void>;
  /** What dockerd sends to node1. */
  act(docker: DockerClient): Promise<unknown>;
  /** What is done on node2 while node1 is dead or stands still. @throws when it does not succeed, or data is lost */
  rival(lane: Lane): Promise<void>;
  /** From the end, which is the same whatever became of `act`, to the start again. */
  restore(lane: Lane): Promise<void>;
}

const OPTIONS = { size: '1', replicationGroup: 'G', mountConflictDelay: '1' };
const RIVAL_ID = 'b'.repeat(64);

async function createUsed({ docker }: Lane): Promise<void> {
  await succeed(docker.create('v', OPTIONS));
  await leaveMark(await docker.mount('v', ID));
  await succeed(docker.unmount('v', ID));
}

/** A container that starts on node2, finds the data, and stays. */
async function mountOnRival(lane: Lane): Promise<void> {
  await findMark(await rivalOf(lane).docker.mount('v', RIVAL_ID));
}

/** The container on node2 stops; one on node1 starts, finds the data, and stops. */
async function comeBack(lane: Lane): Promise<void> {
  await succeed(rivalOf(lane).docker.unmount('v', RIVAL_ID));
  await findMark(await lane.docker.mount('v', ID));
  await succeed(lane.docker.unmount('v', ID));
}

const create = async (docker: DockerClient): Promise<string> => docker.create('v', OPTIONS);
const remove = async (docker: DockerClient): Promise<string> => docker.remove('v');

export const RIVAL_SCENES: RivalScene[] = [
  {
    title: 'rule 24: Create of a member of a new group',
    calm: PLAIN,
    prepare: async () => Promise.resolve(),
    act: create,
    rival: async (lane) => succeed(create(rivalOf(lane).docker)),
    restore: async (lane) => succeed(remove(rivalOf(lane).docker)),
  },
  {
    title: 'rules 24 and 35: Create of a member of a group in use',
    calm: OPTIONS,
    prepare: async () => Promise.resolve(),
    act: create,
    rival: async (lane) => succeed(create(rivalOf(lane).docker)),
    restore: async (lane) => succeed(remove(rivalOf(lane).docker)),
  },
  {
    title: 'rules 23 and 24: Mount of a free volume',
    calm: PLAIN,
    prepare: createUsed,
    act: async (docker) => docker.mount('v', ID),
    rival: mountOnRival,
    restore: comeBack,
  },
  {
    title: 'rules 23, 24 and 25: Mount that takes over',
    calm: PLAIN,
    async prepare(lane) {
      await createUsed(lane);
      await mountOnRival(lane);
    },
    act: async (docker) => docker.mount('v', ID),
    // Its container stops, and is started again: node2 may still have the volume, or may have lost it for good.
    async rival(lane) {
      await succeed(rivalOf(lane).docker.unmount('v', RIVAL_ID));
      await mountOnRival(lane);
    },
    restore: async () => Promise.resolve(),
  },
  {
    title: 'rules 23 and 24: Unmount of the last container',
    calm: PLAIN,
    async prepare(lane) {
      await createUsed(lane);
      await findMark(await lane.docker.mount('v', ID));
    },
    act: async (docker) => docker.unmount('v', ID),
    rival: mountOnRival,
    async restore(lane) {
      await comeBack(lane);
      await findMark(await lane.docker.mount('v', ID));
    },
  },
  {
    title: 'rules 24 and 33: Remove of the last member',
    calm: PLAIN,
    prepare: createUsed,
    act: remove,
    rival: async (lane) => succeed(remove(rivalOf(lane).docker)),
    restore: createUsed,
  },
  {
    title: 'rules 24, 33 and 35: Remove of a member of a group in use',
    calm: OPTIONS,
    prepare: createUsed,
    act: remove,
    rival: async (lane) => succeed(remove(rivalOf(lane).docker)),
    restore: createUsed,
  },
];
