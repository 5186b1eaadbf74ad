import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startPair, type RunningPair } from '../../src/simulator/pair.js';
import { DaemonProcess } from '../daemon-process.js';
import { startEtcdCluster, type EtcdCluster } from '../etcd.js';
import { freeLoopDevicesOf, hostLeftovers, unmountBelow } from '../host-leftovers.js';
import { controlOf, hpeConf } from '../pair-client.js';
import { arrayObjects } from '../simulator-state.js';

const NODES = ['node1', 'node2', 'node3'];
const PREFIX = '/hpe-volume-plugin/v1/';
/** Presence of daemons, what they learn once, and what they look for an hour long; what they find would be on an array. */
const LASTING = /^(lock|session|node|pin|late|root$|volume-index$)/;

/** A pair of arrays in this process; three daemons and three members of an etcd, each a process of its own. */
export class LoadSite {
  readonly dir: string;
  readonly simulator: RunningPair;
  readonly etcd: EtcdCluster;
  readonly daemons: DaemonProcess[];

  private constructor(parts: Pick<LoadSite, 'dir' | 'simulator' | 'etcd' | 'daemons'>) {
    this.dir = parts.dir;
    this.simulator = parts.simulator;
    this.etcd = parts.etcd;
    this.daemons = parts.daemons;
  }

  /** @param latencyMs added to every array call */
  static async open(latencyMs: number): Promise<LoadSite> {
    const dir = await mkdtemp(path.join(tmpdir(), 'hpe-load-'));
    const pairDir = path.join(dir, 'pair');
    const simulator = await startPair({ dir: pairDir, fabric: 'loopback', latencyMs });
    const etcd = await startEtcdCluster();
    const configFile = path.join(dir, 'hpe.conf');
    const fabricDir = path.join(pairDir, 'fabric');
    const more = [`host_etcd_ip_address = ${etcd.hosts}`];
    await writeFile(configFile, hpeConf(simulator.ready, { mode: 'synchronous', fabricDir, more }), { mode: 0o600 });
    const daemons = NODES.map((nodeName) => new DaemonProcess({ dir: path.join(dir, nodeName), configFile, nodeName }));
    const site = new LoadSite({ dir, simulator, etcd, daemons });
    try {
      await Promise.all(NODES.map(async (name) => mkdir(path.join(dir, name))));
      await Promise.all(daemons.map(async (daemon) => daemon.start()));
    } catch (error) {
      await site.close();
      throw error;
    }
    return site;
  }

  /** What nobody uses any more and is still there: on the arrays, in the metadata, on this host. */
  async leftOvers(): Promise<string[]> {
    const keys = (await this.etcd.ctl('get', '--prefix', '--keys-only', PREFIX)).split('\n');
    const records = keys.map((key) => key.slice(PREFIX.length)).filter((key) => key !== '' && !LASTING.test(key));
    // Its host entries stay on the arrays with a daemon.
    const objects = (await arrayObjects(controlOf(this.simulator.ready))).filter((each) => !/: host /.test(each));
    return [...objects, ...records.map((key) => `etcd: ${key}`), ...(await hostLeftovers(`${this.dir}/`))];
  }

  async keepLogs(to: string): Promise<void> {
    for (const { nodeName, logFile } of this.daemons) await cp(logFile, path.join(to, `${nodeName}.log`));
  }

  /** Whatever state it is in. */
  async close(): Promise<void> {
    await Promise.all(this.daemons.map(async (daemon) => daemon.stop()));
    await this.etcd.stop();
    await unmountBelow(this.dir).catch(() => undefined);
    await this.simulator.close();
    await freeLoopDevicesOf(`${this.dir}/`).catch(() => undefined);
    await rm(this.dir, { recursive: true, force: true });
  }
}
