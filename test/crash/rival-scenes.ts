import type { DockerClient } from '../docker-client.js';
import { findMark, leaveMark } from './bystander.js';
import { rivalOf, type Lane } from './lane.js';
import { bringHome, failOver, ID, OTHER_ID, PLAIN, succeed } from './scenes.js';

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

const RIVAL_ID = 'b'.repeat(64);
/** node2 takes over from a node that is still there after this many seconds. */
const SOON = { mountConflictDelay: '1' };
const PLAIN_SOON = { ...PLAIN, ...SOON };
const MEMBER = { size: '1', replicationGroup: 'G', ...SOON };

type Options = Record<string, string>;
type Told = Pick<RivalScene, 'title'> & Partial<RivalScene>;

async function createUsed({ docker }: Lane, options: Options = MEMBER): Promise<void> {
  await succeed(docker.create('v', options));
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

function create(options: Options, told: Told): RivalScene {
  const make = async (docker: DockerClient): Promise<string> => docker.create('v', options);
  return {
    calm: PLAIN,
    prepare: async () => Promise.resolve(),
    act: make,
    rival: async (lane) => succeed(make(rivalOf(lane).docker)),
    restore: async (lane) => succeed(rivalOf(lane).docker.remove('v')),
    ...told,
  };
}

function mount(told: Told): RivalScene {
  return {
    calm: PLAIN,
    prepare: createUsed,
    act: async (docker) => docker.mount('v', ID),
    rival: mountOnRival,
    restore: comeBack,
    ...told,
  };
}

function remove(options: Options, told: Told): RivalScene {
  return {
    calm: PLAIN,
    prepare: async (lane) => createUsed(lane, options),
    act: async (docker) => docker.remove('v'),
    rival: async (lane) => succeed(rivalOf(lane).docker.remove('v')),
    restore: async (lane) => createUsed(lane, options),
    ...told,
  };
}

export const RIVAL_SCENES: RivalScene[] = [
  create(PLAIN_SOON, { title: 'rule 24: Create, plain' }),
  create(MEMBER, { title: 'rule 24: Create of a member of a new group' }),
  create(MEMBER, { title: 'rules 24 and 35: Create of a member of a group in use', calm: MEMBER }),
  mount({
    title: 'rules 16, 23 and 24: Mount, the first one ever',
    prepare: async ({ docker }) => succeed(docker.create('v', MEMBER)),
    async rival(lane) {
      await rivalOf(lane).docker.mount('v', RIVAL_ID);
    },
    async restore(lane) {
      await succeed(rivalOf(lane).docker.unmount('v', RIVAL_ID));
      await succeed(lane.docker.remove('v'));
      await succeed(lane.docker.create('v', MEMBER));
    },
  }),
  mount({ title: 'rules 23 and 24: Mount of a free volume' }),
  mount({
    title: 'rules 23 and 24: Mount for a second container',
    async prepare(lane) {
      await createUsed(lane);
      await findMark(await lane.docker.mount('v', OTHER_ID));
    },
    async restore(lane) {
      await succeed(rivalOf(lane).docker.unmount('v', RIVAL_ID));
      await findMark(await lane.docker.mount('v', OTHER_ID));
    },
  }),
  mount({
    title: 'rules 5, 23 and 24: Mount after a failover',
    async prepare(lane) {
      await createUsed(lane);
      await failOver(lane);
    },
    async restore(lane) {
      await comeBack(lane);
      await bringHome(lane);
      await findMark(await lane.docker.mount('v', ID));
      await succeed(lane.docker.unmount('v', ID));
      await failOver(lane);
    },
  }),
  mount({
    title: 'rules 23, 24 and 25: Mount that takes over',
    async prepare(lane) {
      await createUsed(lane);
      await mountOnRival(lane);
    },
    // Its container stops, and is started again: node2 may still have the volume, or may have lost it for good.
    async rival(lane) {
      await succeed(rivalOf(lane).docker.unmount('v', RIVAL_ID));
      await mountOnRival(lane);
    },
    restore: async () => Promise.resolve(),
  }),
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
  remove(PLAIN_SOON, { title: 'rule 24: Remove, plain' }),
  remove(MEMBER, { title: 'rules 24 and 33: Remove of the last member' }),
  remove(MEMBER, { title: 'rules 24, 33 and 35: Remove of a member of a group in use', calm: MEMBER }),
];
