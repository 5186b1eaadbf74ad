import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Etcd3 } from 'etcd3';
import type { SimulatedArray } from '../../src/simulator/array.js';
import { startPair, type RunningPair } from '../../src/simulator/pair.js';
import { DaemonProcess } from '../daemon-process.js';
import { startEtcd, type Etcd } from '../etcd.js';
import type { DockerClient } from '../docker-client.js';
import { freeLoopDevicesOf, hostLeftovers, unmountBelow } from '../host-leftovers.js';
import { hpeConf } from '../pair-client.js';
import { Foreign } from './foreign.js';
import { NODES, type NodeName } from './steps.js';
import { waitUntilNone } from './wait.js';

/** Seconds after which a paused node has lost what it held. */
export const LEASE_TTL = 2;
/** Milliseconds between the rounds in which a daemon finishes what is left. */
export const ROUND_MS = 2_000;
/** Seconds in which a verb is answered, whatever happens; dockerd's own limit here is 5 s more. */
const DOCKER_TIMEOUT = 25;
const PREFIX = '/hpe-volume-plugin/v1/';
const OTHERS_KEY = '/somebody-else/config';

/** A pair of arrays, an etcd and two hosts, in which one history follows another. */
export class World {
  readonly dir: string;
  readonly simulator: RunningPair;
  readonly etcd: Etcd;
  readonly daemons: Record<NodeName, DaemonProcess>;
  readonly #client: Etcd3;
  readonly #foreign: Foreign;

  private constructor(parts: Pick<World, 'dir' | 'simulator' | 'etcd' | 'daemons'>, client: Etcd3, foreign: Foreign) {
    this.dir = parts.dir;
    this.simulator = parts.simulator;
    this.etcd = parts.etcd;
    this.daemons = parts.daemons;
    this.#client = client;
    this.#foreign = foreign;
  }

  static async open(): Promise<World> {
    const dir = await mkdtemp(path.join(tmpdir(), 'hpe-history-'));
    // A killed daemon never logs out.
    const pairDir = path.join(dir, 'pair');
    const [simulator, etcd] = await Promise.all([
      startPair({ dir: pairDir, fabric: 'loopback', seed: { maxSessions: 10_000 } }),
      startEtcd(),
    ]);
    const client = new Etcd3({ hosts: `http://${etcd.host}` });
    await client.put(OTHERS_KEY).value('not yours');
    const configFile = path.join(dir, 'hpe.conf');
    const more = [`host_etcd_ip_address = ${etcd.host}`, `docker_timeout = ${DOCKER_TIMEOUT}`, 'logging = DEBUG'];
    const conf = hpeConf(simulator.ready, { mode: 'synchronous', fabricDir: path.join(pairDir, 'fabric'), more });
    await writeFile(configFile, conf, { mode: 0o600 });
    const foreign = await Foreign.place(simulator, `${dir}-of-others`);
    const daemon = async (nodeName: NodeName): Promise<DaemonProcess> => {
      const place = path.join(dir, nodeName);
      await mkdir(place);
      const hurry = { leaseTtl: LEASE_TTL, roundMs: ROUND_MS };
      const made = new DaemonProcess({ dir: place, configFile, nodeName, hurry });
      await made.start();
      return made;
    };
    const [node1, node2] = await Promise.all([daemon('node1'), daemon('node2')]);
    const world = new World({ dir, simulator, etcd, daemons: { node1, node2 } }, client, foreign);
    try {
      for (const { docker } of [node1, node2]) await useOnce(docker);
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  get pair(): RunningPair['pair'] {
    return this.simulator.pair;
  }

  /** Of our prefix in etcd. */
  async metadata(): Promise<Map<string, string>> {
    return new Map(Object.entries(await this.#client.namespace(PREFIX).getAll().strings()));
  }

  /** Everything that histories may leave behind or touch, in words. */
  async outline(): Promise<string[]> {
    const lines = this.simulator.arrays.flatMap((array) => arrayLines(array));
    for (const [key, text] of await this.metadata()) {
      // Leases of daemons, what they learn once, and what they look for an hour long; what they find would be on an array.
      if (!/^(lock|session|node|pin|late)\//.test(key)) lines.push(`etcd: ${key} ${text}`);
    }
    lines.push(`etcd: ${OTHERS_KEY} ${await this.#client.get(OTHERS_KEY).string()}`);
    for (const node of NODES) {
      for (const file of await filesBelow(this.daemons[node].stateDir)) {
        if (!UNTOLD.test(file)) lines.push(`${node}: ${file}`);
      }
    }
    lines.push(...(await hostLeftovers(`${this.dir}/`)), ...(await this.#foreign.outline()));
    return lines.toSorted();
  }

  /** Whatever state it is in. */
  async close(): Promise<void> {
    this.etcd.resume();
    await Promise.all(NODES.map(async (node) => this.daemons[node].kill()));
    this.#client.close();
    await this.etcd.stop();
    await unmountBelow(this.dir).catch(() => undefined);
    await this.#foreign.remove();
    await this.simulator.close();
    await freeLoopDevicesOf(`${this.dir}/`).catch(() => undefined);
    await rm(this.dir, { recursive: true, force: true });
    await rm(`${this.dir}-of-others`, { recursive: true, force: true });
  }
}

/** What a daemon makes at its first use stays for ever. Tried again on a machine that is too busy for short leases. */
async function useOnce(docker: DockerClient): Promise<void> {
  const name = 'warm-up';
  const steps = [
    async () => docker.create(name, { size: '1', backend: 'plain' }),
    async () => (await docker.call('VolumeDriver.Mount', { Name: name, ID: name })).Err ?? '',
    async () => docker.unmount(name, name),
    async () => docker.remove(name),
  ];
  for (const step of steps) {
    const left = await waitUntilNone(async () => [await step()].filter((err) => err !== ''));
    if (left.length > 0) throw new Error(left.join('; '));
  }
}

function arrayLines(array: SimulatedArray): string[] {
  const on = array.name;
  return [
    ...[...array.volumes.values()].map(
      ({ name, wwn, comment, sizeMiB }) => `${on}: volume ${name} ${wwn} ${sizeMiB} ${comment}`,
    ),
    ...[...array.hosts.values()].map(({ name, iqns }) => `${on}: host ${name} ${iqns.join(' ')}`),
    ...array.vluns.map(({ volume, lun, host }) => `${on}: VLUN ${lun} of ${volume.name} to ${host?.name ?? 'a port'}`),
    ...[...array.groups.values()].flatMap(({ name, role, roleReversed, state, members }) => [
      `${on}: group ${name} ${role}${roleReversed ? ' reversed' : ''} ${state}`,
      ...members.map(({ local, syncStatus }) => `${on}: group ${name} has ${local.name} ${syncStatus}`),
    ]),
  ];
}

/** What a daemon remembers for people, and no work that is left. */
const UNTOLD = /^(cache\/|conflicts\/|protection\.json)/;

async function filesBelow(dir: string): Promise<string[]> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  return found.map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)));
}
