import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { startPair, type RunningPair } from '../../src/simulator/pair.js';
import { DaemonProcess } from '../daemon-process.js';
import { startEtcd } from '../etcd.js';
import type { DockerClient } from '../docker-client.js';
import { hostLeftovers, unmountBelow } from '../host-leftovers.js';
import { hpeConf } from '../pair-client.js';
import { Bystander } from './bystander.js';
import { etcdView } from './etcd-view.js';
import { patient } from './patient-docker.js';

export interface LaneOptions {
  /** The metadata; two nodes need etcd. */
  store: 'embedded' | 'etcd';
  nodes: 1 | 2;
  /** Leases end after so many seconds, and rounds come as fast; as users have them when not given. */
  leaseTtl?: number;
  /** Peer persistence. */
  hasWitness?: true;
}

/** One or two hosts with a daemon each, their pair of arrays and their metadata. Scenes run in lanes, side by side. */
export interface Lane {
  dir: string;
  simulator: RunningPair;
  /** The one that is struck; `daemon.docker` asks it once. */
  daemon: DaemonProcess;
  /** Its users, who are patient. */
  docker: DockerClient;
  /** All of them, `daemon` first. */
  daemons: DaemonProcess[];
  /** Keys below our prefix, and texts. */
  metadata(): Promise<[string, string][]>;
  /** Takes keys below our prefix out of etcd behind everybody's back; all that start so. */
  loseMetadata(start: string): Promise<void>;
  /** What etcd does 10 s after the death of `daemon`: its leases end; its next run may then take its locks. */
  endLeases(): Promise<void>;
  /** A container on that mountpoint; it is stopped with the lane at the latest. */
  startContainer(mountpoint: string): Promise<Bystander>;
  /** What a broken daemon has left mounted does not stop it. @throws when something is left on the host */
  close(): Promise<void>;
}

/** The kernel frees a loop device when the last who looks at it has closed it. */
const FREE_MS = 5_000;

/** The node that is not struck, and its users. @throws in a lane of one node */
export function rivalOf(lane: Lane): { daemon: DaemonProcess; docker: DockerClient } {
  const daemon = lane.daemons[1];
  if (daemon === undefined) throw new Error('this lane has one node only');
  return { daemon, docker: patient(daemon.docker) };
}

export async function openLane(options: LaneOptions): Promise<Lane> {
  const dir = await mkdtemp(path.join(tmpdir(), 'crash-lane-'));
  const undo: (() => Promise<void>)[] = [async () => rm(dir, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
    const until = performance.now() + FREE_MS;
    let left = await hostLeftovers(`${dir}/`);
    for (; left.length > 0 && performance.now() < until; await pause(100)) left = await hostLeftovers(`${dir}/`);
    if (left.length > 0) throw new Error(`left on the host: ${left.join('; ')}`);
  };
  try {
    // A killed daemon never logs out; here it dies more often in a minute than an array has sessions.
    const simulator = await startPair({
      dir: path.join(dir, 'pair'),
      fabric: 'loopback',
      seed: { maxSessions: 10_000 },
    });
    undo.push(async () => simulator.close());
    const metadata = options.store === 'etcd' ? await openEtcd(undo) : undefined;
    const configFile = path.join(dir, 'hpe.conf');
    const more = metadata === undefined ? [] : [`host_etcd_ip_address = ${metadata.host}`];
    const fabricDir = path.join(dir, 'pair', 'fabric');
    const { quorumWitness = '' } = simulator.ready.arrays[0];
    const witness = options.hasWitness === true ? { witness: quorumWitness } : {};
    const conf = hpeConf(simulator.ready, { mode: 'synchronous', fabricDir, more, ...witness });
    await writeFile(configFile, conf, { mode: 0o600 });
    undo.push(async () => unmountBelow(dir));
    const daemon = await startDaemon({ dir, configFile, undo, options }, 'node1');
    const rivals = options.nodes === 2 ? [await startDaemon({ dir, configFile, undo, options }, 'node2')] : [];
    return {
      dir,
      simulator,
      daemon,
      docker: patient(daemon.docker),
      daemons: [daemon, ...rivals],
      metadata: metadata?.read ?? (async () => daemon.embeddedMetadata()),
      loseMetadata: async (start) => metadata?.lose(start),
      endLeases: async () => metadata?.endLeases(daemon),
      startContainer: async (mountpoint) => {
        const container = await Bystander.start(mountpoint);
        undo.push(async () => container.end());
        return container;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Place {
  dir: string;
  configFile: string;
  undo: (() => Promise<void>)[];
  options: LaneOptions;
}

async function startDaemon({ dir, configFile, undo, options }: Place, nodeName: string): Promise<DaemonProcess> {
  const own = path.join(dir, nodeName);
  await mkdir(own);
  const { leaseTtl } = options;
  const hurry = leaseTtl === undefined ? {} : { hurry: { leaseTtl, roundMs: leaseTtl * 1000 } };
  const daemon = new DaemonProcess({ dir: own, configFile, nodeName, ...hurry });
  undo.push(async () => daemon.kill());
  await daemon.start();
  return daemon;
}

async function openEtcd(undo: (() => Promise<void>)[]) {
  const etcd = await startEtcd();
  undo.push(async () => etcd.stop());
  const client = new Etcd3({ hosts: `http://${etcd.host}` });
  undo.push(async () => Promise.resolve(client.close()));
  return { host: etcd.host, ...etcdView(client) };
}
