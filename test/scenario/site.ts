import { startEtcd } from '../etcd.js';
import { setTimeout as pause } from 'node:timers/promises';
import { startNode, type Node, type NodeOptions } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayOf } from '../pair-client.js';
import { arraysExporting, stateOf } from '../simulator-state.js';
import { commandsFor, type GroupCommands } from './group-commands.js';

/** A volume in a remote copy group. */
export interface Replica {
  name: string;
  group: string;
  /** Name on both arrays. */
  arrayVolume: string;
  /** What an operator types for its group. */
  type: GroupCommands;
}

/** Two hosts, `node1` and `node2`, on the same arrays and the same etcd. */
export interface TwoHosts {
  /** As `node1` sees it. */
  site: Site;
  first: Node;
  second: Node;
  close(): Promise<void>;
}

export async function startTwoHosts(options: NodeOptions = {}): Promise<TwoHosts> {
  const etcd = await startEtcd();
  const site = await Site.start({ ...options, etcd: etcd.host });
  const second = await site.node.secondNode();
  const close = async (): Promise<void> => {
    await second.close();
    await site.close();
    await etcd.stop();
  };
  return { site, first: site.node, second, close };
}

/** A host and its pair of arrays, with the volumes that a scenario uses on them. */
export class Site {
  readonly node: Node;
  /** Names of the arrays. */
  readonly primary: string;
  readonly secondary: string;
  readonly #mounted = new Set<string>();
  #volumes = 0;

  private constructor(node: Node) {
    this.node = node;
    this.primary = arrayOf(node.pair, 'primary').name;
    this.secondary = arrayOf(node.pair, 'secondary').name;
  }

  static async start(options: NodeOptions = {}): Promise<Site> {
    return new Site(await startNode(options));
  }

  /** A new volume, in a group of its own unless one is given. */
  async createVolume(group?: string, options: Record<string, string> = {}): Promise<Replica> {
    this.#volumes += 1;
    const name = `vol-${this.#volumes}`;
    const replicationGroup = group ?? `RCG${this.#volumes}`;
    succeed(await this.node.docker.create(name, { size: '1', replicationGroup, ...options }));
    const arrayVolume = String((await this.node.docker.status(name))['arrayVolume']);
    return { name, group: replicationGroup, arrayVolume, type: commandsFor(this.node.pair, replicationGroup) };
  }

  /** A volume that a failover took to the secondary array, after it was in use on the primary one. */
  async createFailedOver(): Promise<Replica> {
    const volume = await this.createVolume();
    await this.useOnce(volume);
    await volume.type.stop();
    await volume.type.failover();
    return volume;
  }

  async mount(volume: Replica): Promise<string> {
    const mountpoint = await this.node.docker.mount(volume.name);
    this.#mounted.add(volume.name);
    return mountpoint;
  }

  async unmount(volume: Replica): Promise<void> {
    succeed(await this.node.docker.unmount(volume.name));
    this.#mounted.delete(volume.name);
  }

  /** Mounts it once, so that its array is on record as the one that was used last. */
  async useOnce(volume: Replica): Promise<void> {
    await this.mount(volume);
    await this.unmount(volume);
  }

  /** Mounts it; the names of the arrays that export it now. */
  async mountedFrom(volume: Replica): Promise<string[]> {
    await this.mount(volume);
    return this.exporting(volume);
  }

  async exporting(volume: Replica): Promise<string[]> {
    return arraysExporting(this.node.control, volume.arrayVolume);
  }

  /** Why Mount is refused. */
  async refusalOf(volume: Replica, id?: string): Promise<string> {
    try {
      await this.node.docker.mount(volume.name, id);
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message : String(thrown);
    }
    throw new Error(`${volume.name} was mounted, from ${(await this.exporting(volume)).join(' and ')}`);
  }

  /** The file with the data of one copy. */
  async dataFile(volume: Replica, array: string): Promise<string> {
    const { arrays } = await stateOf(this.node.control);
    const volumes = arrays.find((each) => each.name === array)?.volumes ?? [];
    const found = volumes.find((each) => each.name === volume.arrayVolume);
    if (found === undefined) throw new Error(`${array} has no ${volume.arrayVolume}`);
    return found.dataFile;
  }

  /** The daemon gets no answer from that array any more, while the other array still does. */
  async silence(array: string): Promise<void> {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      await this.node.control.fault({ array, match: { method }, effect: 'reset', times: 10_000 });
    }
  }

  /** Everything has power and links again, and nothing is mounted. */
  async calmDown(): Promise<void> {
    const { control, docker } = this.node;
    await control.clearFaults();
    await control.holdSync(false);
    await control.link(true);
    await control.power(this.primary, true);
    await control.power(this.secondary, true);
    for (const name of this.#mounted) succeed(await docker.unmount(name));
    this.#mounted.clear();
  }

  /** @throws when mounts or loop devices are left on the host */
  async close(): Promise<void> {
    await this.calmDown();
    const left = await hostLeftovers(this.node.dir);
    await this.node.close();
    left.push(...(await hostLeftovers(this.node.dir)));
    if (left.length > 0) throw new Error(`left on the host: ${left.join('; ')}`);
  }
}

/** @throws the plugin's Err */
function succeed(err: string): void {
  if (err !== '') throw new Error(err);
}

export async function waitFor(condition: () => boolean | Promise<boolean>, patienceMs = 15_000): Promise<void> {
  const until = performance.now() + patienceMs;
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`waited in vain for ${condition.toString()}`);
    await pause(10);
  }
}
