import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { DockerClient } from '../docker-client.js';

const GROUPS = 8;
/** A container's life moves its volume from host to host that often at most. */
const MOST_MOUNTS = 3;
/** A user tries again after a failure; what fails so often stays failed. */
const ATTEMPTS = 5;
const RETRY_MS = 2_000;

/** What the clients did, and what they were told. */
export interface Tally {
  verbs: number;
  /** How often each refusal was the answer, with the verb in front of it. */
  errors: Map<string, number>;
  /** Contents that were not what was written before. */
  wrong: string[];
}

export interface ClientOptions {
  number: number;
  /** The daemons' clients; each verb goes to any of them, as a volume's container may start anywhere. */
  nodes: readonly DockerClient[];
  tally: Tally;
  /** Mean pause between two verbs. */
  thinkMs: number;
  isOver: () => boolean;
}

/** One user after the other: creates a volume, uses it on several hosts, looks at it, and removes it. */
export async function playClient(options: ClientOptions): Promise<void> {
  for (let round = 1; !options.isOver(); round += 1) await useVolume(options, `c${options.number}-${round}`);
}

async function useVolume(options: ClientOptions, name: string): Promise<void> {
  const { nodes } = options;
  const where =
    Math.random() < 0.4 ? { backend: 'plain' } : { replicationGroup: `load-${Math.floor(Math.random() * GROUPS)}` };
  await tell(options, 'create', async () => any(nodes).create(name, { size: '1', ...where }));
  const mounts = 1 + Math.floor(Math.random() * MOST_MOUNTS);
  for (let mount = 1; mount <= mounts; mount += 1) {
    await look(options, name);
    await mountOnce(options, { name, mount });
  }
  await tell(options, 'remove', async () => any(nodes).remove(name));
}

async function mountOnce(options: ClientOptions, { name, mount }: { name: string; mount: number }): Promise<void> {
  const node = any(options.nodes);
  let mountpoint = '';
  const err = await tell(options, 'mount', async () => {
    const answer = await node.call('VolumeDriver.Mount', { Name: name, ID: name });
    mountpoint = answer.Mountpoint ?? '';
    return answer.Err ?? '';
  });
  if (err === '') {
    const file = path.join(mountpoint, 'count');
    const found = mount === 1 ? '0' : await readFile(file, 'utf8').catch(String);
    if (found !== String(mount - 1)) options.tally.wrong.push(`${name}, mount ${mount}: ${found}`);
    await writeFile(file, String(mount));
  }
  await tell(options, 'path', async () => (await node.call('VolumeDriver.Path', { Name: name })).Err ?? '');
  await tell(options, 'unmount', async () => node.unmount(name, name));
}

async function look(options: ClientOptions, name: string): Promise<void> {
  const node = any(options.nodes);
  await tell(options, 'get', async () => (await node.call('VolumeDriver.Get', { Name: name })).Err ?? '');
  await tell(options, 'list', async () => {
    const { Err = '', Volumes = [] } = await node.call('VolumeDriver.List');
    if (Err !== '') return Err;
    return Volumes.some((each) => each.Name === name) ? '' : 'the list has not the volume that was just made';
  });
}

/** Does it as often as a patient user would; the last answer. */
async function tell(options: ClientOptions, verb: string, act: () => Promise<string>): Promise<string> {
  const { tally, thinkMs } = options;
  for (let attempt = 1; ; attempt += 1) {
    const err = await act().catch((error: unknown) => `no answer: ${String(error)}`);
    tally.verbs += 1;
    if (err === '') {
      await pause(Math.random() * 2 * thinkMs);
      return '';
    }
    const kind = `${verb}: ${err.replaceAll(/c\d+-\d+/g, 'VOLUME')}`;
    tally.errors.set(kind, (tally.errors.get(kind) ?? 0) + 1);
    if (attempt === ATTEMPTS) return err;
    await pause(RETRY_MS);
  }
}

function any<T>(choice: readonly T[]): T {
  const found = choice[Math.floor(Math.random() * choice.length)];
  if (found === undefined) throw new Error('nothing to choose from');
  return found;
}
