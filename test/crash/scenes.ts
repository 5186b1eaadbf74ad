import { stat } from 'node:fs/promises';
import { askDaemon } from '../../src/commands/daemon-client.js';
import type { DockerClient } from '../docker-client.js';
import { controlOf } from '../pair-client.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { commandsFor } from '../scenario/group-commands.js';
import { findMark, leaveMark } from './bystander.js';
import type { Lane, LaneOptions } from './lane.js';
import { HAS_XFS } from '../has-xfs.js';

/**
 * How a verb may end when it was interrupted: as if nobody had asked, or as if it had been answered; `robbed` when the node
 * that held the volume has lost it, and nobody else has got it.
 */
export type End = 'undone' | 'done' | 'robbed';

/** One verb in one situation. The volume that it is about is `v`; `calm` is in use all the while. */
export interface Scene {
  verb: 'Create' | 'Mount' | 'Unmount' | 'Remove' | 'Resize' | 'Release' | 'Rebuild' | 'Import of metadata';
  title: string;
  store: LaneOptions['store'];
  /** Peer persistence: what is mounted is exported from both arrays. */
  hasWitness?: true;
  /** Options of `calm`; it is made and mounted before `prepare`. */
  calm: Record<string, string>;
  /** From a lane where only `calm` is there to the start of the scene. */
  prepare(lane: Lane): Promise<void>;
  /** What dockerd sends, or what is typed on the host. */
  act(docker: DockerClient, lane: Lane): Promise<unknown>;
  /** Of its calls one in so many is struck, where elsewhere each one is: they are many, and most of them only look. */
  sparse?: number;
  /** Calls that are struck, where the others only look; all of them when not given. */
  only?: RegExp;
  /** The call after which the verb has to end as done, and before which as undone. */
  decisive: RegExp;
  /**
   * Of a command that nobody goes on with but who types it again, which then ends as done: what is asked before.
   * @throws when what it had come to is taken for the whole, or anything is lost
   */
  lookBeforeRepeat?: (lane: Lane) => Promise<void>;
  /** Of a Mount that takes the volume from another node. */
  robs?: {
    /** The call after which the other node has lost the volume, whatever follows. */
    claim: RegExp;
    /** From the end `done` to `robbed`. */
    giveUp(lane: Lane): Promise<void>;
  };
  /** From an end to the start again, using what is there so that nothing that is lost or broken stays unnoticed. */
  restore(lane: Lane, end: End): Promise<void>;
}

const RETAINED = { virtualCopyOf: 'calm', expirationHours: '9', retentionHours: '1' };
export const PLAIN = { size: '1', backend: 'plain' };
/** The mount that makes the file system makes its root, too, or the next one does it all again (rule 22). */
const OWNED = { ...PLAIN, fsOwner: '1001:1002', fsMode: '0750' };
export const member = (group: string): Record<string, string> => ({ size: '1', replicationGroup: group });
const IN_SETS = { ...PLAIN, 'qos-name': 'gold', 'flash-cache': 'True' };
const CLONE = { cloneOf: 'calm' };
export const ID = 'a'.repeat(64);
export const OTHER_ID = 'b'.repeat(64);

/** @throws the plugin's Err */
export async function succeed(answer: Promise<string>): Promise<void> {
  const err = await answer;
  if (err !== '') throw new Error(err);
}

/** A container that was started with `v` and has ended. */
export async function useOnce({ docker }: Lane, look: (mountpoint: string) => Promise<void>): Promise<void> {
  await look(await docker.mount('v', OTHER_ID));
  await succeed(docker.unmount('v', OTHER_ID));
}

export async function createUsed(lane: Lane, options: Record<string, string>): Promise<void> {
  await succeed(lane.docker.create('v', options));
  await useOnce(lane, leaveMark);
}

export async function failOver(lane: Lane): Promise<void> {
  const group = commandsFor(lane.simulator.ready, 'G');
  await group.stop();
  await group.failover();
}

export async function bringHome(lane: Lane): Promise<void> {
  const group = commandsFor(lane.simulator.ready, 'G');
  await group.recover();
  await group.restore();
}

/** What an administrator made. */
async function makeGoldSet({ simulator }: Lane): Promise<void> {
  const admin = await new WsapiClient(simulator.ready.arrays[0]).login();
  await admin.done('POST', '/volumesets', { name: 'gold' });
  await admin.done('POST', '/qos', { name: 'gold', type: 1, ioMaxLimit: 1000 });
}

export function create(title: string, options: Record<string, string>, more: Partial<Scene> = {}): Scene {
  return {
    verb: 'Create',
    title,
    store: 'embedded',
    calm: PLAIN,
    prepare: async () => Promise.resolve(),
    act: async (docker) => docker.create('v', options),
    decisive: /^metadata .*del operation\/v/,
    async restore(lane, end) {
      // The user types it again when it was undone, and it is the same volume when it was not.
      await succeed(lane.docker.create('v', options));
      if (end === 'done') await useOnce(lane, leaveMark);
      await succeed(lane.docker.remove('v'));
    },
    ...more,
  };
}

function mount(title: string, more: Partial<Scene>): Scene {
  return {
    verb: 'Mount',
    title,
    store: 'embedded',
    calm: PLAIN,
    prepare: async () => Promise.resolve(),
    act: async (docker) => docker.mount('v', ID),
    decisive: /^metadata .*del operation\/v/,
    restore: async () => Promise.resolve(),
    ...more,
  };
}

/** @throws when it is not as it was asked for */
async function findOwned(mountpoint: string): Promise<void> {
  const { uid, gid, mode } = await stat(mountpoint);
  if (uid === 1001 && gid === 1002 && (mode & 0o7777) === 0o750) return;
  throw new Error(`the root belongs to ${uid}:${gid}, mode ${mode.toString(8)}`);
}

function firstMount(title: string, options: Record<string, string>, more: Partial<Scene> = {}): Scene {
  return mount(title, {
    prepare: async ({ docker }) => succeed(docker.create('v', options)),
    async restore(lane, end) {
      if (end === 'done') await succeed(lane.docker.unmount('v', ID));
      if (options === OWNED) await useOnce(lane, findOwned);
      await useOnce(lane, leaveMark);
      await succeed(lane.docker.remove('v'));
      await succeed(lane.docker.create('v', options));
    },
    ...more,
  });
}

function unmount(title: string, more: Partial<Scene>): Scene {
  return {
    verb: 'Unmount',
    title,
    store: 'embedded',
    calm: PLAIN,
    prepare: async () => Promise.resolve(),
    act: async (docker) => docker.unmount('v', ID),
    decisive: /^file rename mounts\/v\.json/,
    async restore({ docker }, end) {
      // dockerd sends the same id when the container is started again, also after an Unmount that nobody heard.
      await findMark(await docker.mount('v', ID));
      if (end === 'done') return;
      await succeed(docker.unmount('v', ID));
      await findMark(await docker.mount('v', ID));
    },
    ...more,
  };
}

function remove(title: string, options: Record<string, string>, more: Partial<Scene> = {}): Scene {
  return {
    verb: 'Remove',
    title,
    store: 'embedded',
    calm: PLAIN,
    prepare: async (lane) => createUsed(lane, options),
    act: async (docker) => docker.remove('v'),
    decisive: /^metadata .*put operation\/v/,
    async restore(lane, end) {
      if (end === 'undone') await useOnce(lane, findMark);
      else await createUsed(lane, options);
    },
    ...more,
  };
}

/** An ext4 cannot be grown everywhere while it is mounted. */
const XFS = { ...member('G'), fsType: 'xfs' };

async function mountUsed(lane: Lane, options: Record<string, string>): Promise<void> {
  await createUsed(lane, options);
  await lane.docker.mount('v', ID);
}

/** In use; what was begun is finished by the daemon itself. */
const resize: Scene = {
  verb: 'Resize',
  title: 'replicated, in use',
  sparse: 3,
  store: 'embedded',
  calm: member('G'),
  prepare: async (lane) => mountUsed(lane, XFS),
  act: async (_docker, { daemon }) => askDaemon(daemon.stateDir, '/resize', { volume: 'v', gib: 2 }),
  decisive: /^metadata .*put operation\/v/,
  async restore(lane, end) {
    if (end === 'undone') return;
    await succeed(lane.docker.unmount('v', ID));
    await useOnce(lane, findMark);
    await succeed(lane.docker.remove('v'));
    await mountUsed(lane, XFS);
  },
};

export const SCENES: Scene[] = [
  // What a volume without sets does is in it, too.
  create('plain, in volume sets', IN_SETS, { prepare: makeGoldSet }),
  // With etcd all of it is struck.
  create('replicated, new group', member('G'), { sparse: 2 }),
  create('replicated, new group', member('G'), { store: 'etcd' }),
  create('replicated, existing group', member('G'), { calm: member('G') }),
  create('snapshot of a volume in use', { virtualCopyOf: 'calm', expirationHours: '9' }),
  create('snapshot that the array retains', RETAINED, {
    calm: member('G'),
    decisive: /^array PUT .*\/volumes\//,
    async restore(lane) {
      await succeed(lane.docker.create('v', RETAINED));
      // Until then the array lets nobody delete it.
      await controlOf(lane.simulator.ready).clock(lane.simulator.ready.arrays[0].name, 1.1);
      await succeed(lane.docker.remove('v'));
    },
  }),
  create('clone of a volume in use', CLONE, { sparse: 2 }),
  firstMount('first, plain', OWNED),
  // The copy gets a uuid of its own.
  firstMount('first, of a clone', CLONE, { sparse: 4 }),
  firstMount('first, replicated', member('G'), { store: 'etcd' }),
  firstMount('first, from both arrays', member('G'), { hasWitness: true }),
  mount('second container', {
    decisive: /^file rename mounts\/v\.json/,
    async prepare(lane) {
      await createUsed(lane, member('G'));
      await lane.docker.mount('v', OTHER_ID);
    },
    async restore({ docker }, end) {
      if (end === 'done') await succeed(docker.unmount('v', ID));
      // The first container can still write, and a later one can start.
      await findMark(await docker.mount('v', ID));
      await succeed(docker.unmount('v', ID));
    },
  }),
  mount('after failover', {
    async prepare(lane) {
      await createUsed(lane, member('G'));
      await failOver(lane);
    },
    async restore(lane, end) {
      if (end === 'done') await succeed(lane.docker.unmount('v', ID));
      await useOnce(lane, findMark);
      await bringHome(lane);
      await useOnce(lane, findMark);
      await failOver(lane);
    },
  }),
  unmount('last container, plain', {
    prepare: async (lane) => mountUsed(lane, PLAIN),
  }),
  unmount('last container, from both arrays', {
    hasWitness: true,
    prepare: async (lane) => mountUsed(lane, member('G')),
  }),
  unmount('after failover', {
    async prepare(lane) {
      await createUsed(lane, member('G'));
      await failOver(lane);
      await lane.docker.mount('v', ID);
    },
  }),
  remove('plain, in volume sets', IN_SETS, {
    async prepare(lane) {
      await makeGoldSet(lane);
      await createUsed(lane, IN_SETS);
    },
  }),
  remove('member', member('G'), { calm: member('G') }),
  remove('last member', member('G')),
  ...(HAS_XFS ? [resize] : []),
];
