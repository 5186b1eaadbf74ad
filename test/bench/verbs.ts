import type { DockerClient } from '../docker-client.js';

/** The situations in which verbs are measured, in the order in which they come. */
export const VERBS = [
  'create-plain',
  'create-new-group',
  'create-periodic-group',
  'create-existing-group',
  'mount-first-on-host',
  'unmount-last-on-host',
  'mount',
  'mount-again',
  'get',
  'list',
  'path',
  'unmount-one-of-two',
  'unmount',
  'remove-member',
  'remove-last-member',
  'remove-plain',
] as const;
export type Verb = (typeof VERBS)[number];

/** The longest chains of array calls that issue 7 allows; what is not here has no limit. */
export const CHAIN_LIMITS: Partial<Record<Verb, number>> = {
  'create-plain': 2,
  'create-new-group': 5,
  'create-periodic-group': 6,
  'create-existing-group': 5,
  'mount-first-on-host': 5,
  'unmount-last-on-host': 3,
  mount: 5,
  'mount-again': 5,
  get: 0,
  list: 0,
  path: 0,
  'unmount-one-of-two': 3,
  unmount: 3,
  'remove-member': 6,
};

/** A group that has a member all the time, which the others join and leave. */
const GROUP = 'bench';
/** Stays mounted while others are mounted and unmounted, unless nothing is to be. */
const KEEPER = 'keeper';
const ONE_GIB = { size: '1' };
const CONTAINERS = ['a'.repeat(64), 'b'.repeat(64)] as const;

/** Does the verb once for each client, all at once; `act` throws the plugin's Err. */
export type Measure = (verb: Verb, act: (client: number) => Promise<void>) => Promise<void>;

const mounted = (client: number): string => `mounted-${client}`;

/** So many volumes are formatted side by side: what is only a preparation is not to fail on a busy machine. */
const FORMATTING = 8;

/** Volumes that are formatted, each in a group of its own, so that no Mount waits for another one. */
export async function prepareVolumes(docker: DockerClient, clients: number): Promise<void> {
  await done(docker.create(KEEPER, { ...ONE_GIB, replicationGroup: GROUP }));
  await useOnce(docker, KEEPER);
  for (let from = 0; from < clients; from += FORMATTING) {
    await forEach(Math.min(FORMATTING, clients - from), async (offset) => {
      const name = mounted(from + offset);
      await done(docker.create(name, { ...ONE_GIB, replicationGroup: `of-${name}` }));
      await useOnce(docker, name);
    });
  }
}

async function useOnce(docker: DockerClient, name: string): Promise<void> {
  await docker.mount(name);
  await done(docker.unmount(name));
}

const forEach = async (clients: number, act: (client: number) => Promise<void>): Promise<void> =>
  void (await Promise.all(Array.from({ length: clients }, async (_, client) => act(client))));

/** Takes away what `prepareVolumes` made. */
export async function removeVolumes(docker: DockerClient, clients: number): Promise<void> {
  await forEach(clients, async (client) => done(docker.remove(mounted(client))));
  await done(docker.remove(KEEPER));
}

/** Every verb in its situation; what it made is gone at the end. Those on an idle host are left out with several clients. */
export async function playVerbs(docker: DockerClient, clients: number, measure: Measure): Promise<void> {
  await createAll(docker, measure);
  if (clients === 1) {
    await measure('mount-first-on-host', async (client) => mount(docker, mounted(client)));
    await measure('unmount-last-on-host', async (client) => done(docker.unmount(mounted(client))));
  }
  await docker.mount(KEEPER);
  await useAll(docker, measure);
  await done(docker.unmount(KEEPER));
  await measure('remove-member', async (client) => done(docker.remove(`member-${client}`)));
  await measure('remove-last-member', async (client) => done(docker.remove(`first-${client}`)));
  await measure('remove-plain', async (client) => done(docker.remove(`plain-${client}`)));
  await forEach(clients, async (client) => done(docker.remove(`periodic-${client}`)));
}

async function createAll(docker: DockerClient, measure: Measure): Promise<void> {
  const create = async (name: string, where: Record<string, string>): Promise<void> =>
    done(docker.create(name, { ...ONE_GIB, ...where }));
  await measure('create-plain', async (client) => create(`plain-${client}`, { backend: 'plain' }));
  await measure('create-new-group', async (client) => create(`first-${client}`, { replicationGroup: `new-${client}` }));
  await measure('create-periodic-group', async (client) =>
    create(`periodic-${client}`, { backend: 'periodic', replicationGroup: `period-${client}` }),
  );
  await measure('create-existing-group', async (client) => create(`member-${client}`, { replicationGroup: GROUP }));
}

async function useAll(docker: DockerClient, measure: Measure): Promise<void> {
  const [one, two] = CONTAINERS;
  await measure('mount', async (client) => mount(docker, mounted(client), one));
  await measure('mount-again', async (client) => mount(docker, mounted(client), two));
  await measure('get', async (client) => ask(docker, 'Get', mounted(client)));
  await measure('list', async (client) => ask(docker, 'List', mounted(client)));
  await measure('path', async (client) => ask(docker, 'Path', mounted(client)));
  await measure('unmount-one-of-two', async (client) => done(docker.unmount(mounted(client), two)));
  await measure('unmount', async (client) => done(docker.unmount(mounted(client), one)));
}

const mount = async (docker: DockerClient, name: string, id?: string): Promise<void> =>
  void (await docker.mount(name, id));

async function ask(docker: DockerClient, verb: 'Get' | 'List' | 'Path', Name: string): Promise<void> {
  await done(docker.call(`VolumeDriver.${verb}`, { Name }).then(({ Err = '' }) => Err));
}

/** @throws the plugin's Err */
async function done(answer: Promise<string>): Promise<void> {
  const error = await answer;
  if (error !== '') throw new Error(error);
}
