import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Etcd3 } from 'etcd3';
import { startPair, type RunningPair } from '../../src/simulator/pair.js';
import { DaemonProcess } from '../daemon-process.js';
import { startEtcd } from '../etcd.js';
import type { DockerClient } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { hpeConf } from '../pair-client.js';

export type StoreKind = 'embedded' | 'etcd';

/** One host: a daemon of its own with its pair of arrays and its metadata. Scenes run in lanes, side by side. */
export interface Lane {
  dir: string;
  simulator: RunningPair;
  daemon: DaemonProcess;
  docker: DockerClient;
  /** Keys below our prefix, and texts. */
  metadata(): Promise<[string, string][]>;
  /** What etcd does 15 s after the daemon's death: its leases end, and its locks with them. */
  endLeases(): Promise<void>;
  /** What a broken daemon has left mounted does not stop it. @throws when something is left on the host */
  close(): Promise<void>;
}

const PREFIX = '/hpe-volume-plugin/v1/';

export async function openLane(store: StoreKind): Promise<Lane> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hpe-crash-'));
  const undo: (() => Promise<void>)[] = [async () => rm(dir, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
    const left = await hostLeftovers(dir);
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
    const metadata = store === 'etcd' ? await openEtcd(undo) : undefined;
    const configFile = path.join(dir, 'hpe.conf');
    const more = metadata === undefined ? [] : [`host_etcd_ip_address = ${metadata.host}`];
    const fabricDir = path.join(dir, 'pair', 'fabric');
    await writeFile(configFile, hpeConf(simulator.ready, { mode: 'synchronous', fabricDir, more }), { mode: 0o600 });
    const daemon = new DaemonProcess({ dir, configFile, nodeName: 'node1' });
    undo.push(async () => unmountBelow(dir));
    undo.push(async () => daemon.kill());
    await daemon.start();
    return {
      dir,
      simulator,
      daemon,
      docker: daemon.docker,
      metadata: metadata?.read ?? (async () => daemon.embeddedMetadata()),
      endLeases: metadata?.endLeases ?? (async () => Promise.resolve()),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function unmountBelow(dir: string): Promise<void> {
  const mountinfo = await readFile('/proc/self/mountinfo', 'utf8');
  const targets = mountinfo.split('\n').map((line) => line.split(' ')[4] ?? '');
  for (const target of targets) if (target.startsWith(`${dir}/`)) await promisify(execFile)('umount', [target]);
}

async function openEtcd(undo: (() => Promise<void>)[]) {
  const etcd = await startEtcd();
  undo.push(async () => etcd.stop());
  const client = new Etcd3({ hosts: `http://${etcd.host}` });
  undo.push(async () => Promise.resolve(client.close()));
  return {
    host: etcd.host,
    read: async () => Object.entries(await client.namespace(PREFIX).getAll().strings()),
    endLeases: async () => {
      const { leases } = await client.leaseClient.leaseLeases();
      for (const { ID } of leases) await client.leaseClient.leaseRevoke({ ID });
    },
  };
}
