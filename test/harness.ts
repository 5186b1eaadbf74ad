import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { serve } from '../src/commands/serve.js';
import type { Run } from '../src/host/run.js';
import type { RecordKind, Records } from '../src/contracts/store.js';
import { startPair, type RunningPair } from '../src/simulator/pair.js';
import { openEmbeddedStore } from '../src/store/embedded-store.js';
import { openEtcdStore } from '../src/store/etcd-store.js';
import { dockerClient, type DockerClient } from './docker-client.js';
import { controlOf, hpeConf, type PairControl, type ReadyPair, type ReplicationMode } from './pair-client.js';

/** One whole daemon on its socket, in this process, with a pair of simulated arrays. */
export interface Node {
  name: string;
  docker: DockerClient;
  control: PairControl;
  pair: ReadyPair;
  /** The arrays' own model, for states that no command brings about; change it inside `simulator.pair.exclusive` only. */
  simulator: RunningPair;
  dir: string;
  fabricDir: string;
  /** Ends the daemon in good order and starts it again on the same state. */
  restart(): Promise<void>;
  /** The metadata's records of one kind as they are on file; without etcd it restarts the daemon, which alone may have them open. */
  records<K extends RecordKind>(kind: K): Promise<Records[K][]>;
  /** Ends only the daemon. */
  stopDaemon(): Promise<void>;
  /** One more daemon on the same pair and etcd, which has to be in the options; its `close` leaves the pair as it is. */
  secondNode(options?: SecondNodeOptions): Promise<Node>;
  /** Ends the daemon, and the pair with it; other daemons on the pair have to be closed before. */
  close(): Promise<void>;
}

export interface SecondNodeOptions {
  /** `node2` when not given. */
  name?: string;
  /** How the daemon runs the host's tools; as they are, when not given. */
  run?: Run;
  /** More lines for the [DEFAULT] section of its hpe.conf. */
  more?: string[];
}

export interface NodeOptions {
  mode?: ReplicationMode;
  /** Peer persistence, with the arrays' own quorum witness. */
  hasWitness?: true;
  /** One more backend, `periodic`. */
  hasPeriodic?: true;
  /** More lines for the [DEFAULT] section of hpe.conf. */
  more?: string[];
  /** The simulator's seed. */
  seed?: Record<string, unknown>;
  /** How the daemon runs the host's tools; as they are, when not given. */
  run?: Run;
  /** The metadata are there (`Etcd.host`) instead of in the state directory. */
  etcd?: string;
}

/** What all daemons of one pair have in common. */
interface Shared {
  pair: RunningPair;
  pairDir: string;
  options: NodeOptions;
}

export async function startNode(options: NodeOptions = {}): Promise<Node> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hpe-node-'));
  const pairDir = path.join(dir, 'pair');
  const pair = await startPair({
    dir: pairDir,
    fabric: 'loopback',
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  });
  const node = await startDaemon({ pair, pairDir, options }, { name: 'node1', dir, run: options.run });
  return {
    ...node,
    async close() {
      await node.stopDaemon();
      await pair.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function startDaemon(
  shared: Shared,
  own: { name: string; dir: string; run: Run | undefined; more?: string[] },
): Promise<Node> {
  const { pair, pairDir, options } = shared;
  const { name, dir } = own;
  const configFile = path.join(dir, 'hpe.conf');
  const fabricDir = path.join(pairDir, 'fabric');
  const etcdLines = options.etcd === undefined ? [] : [`host_etcd_ip_address = ${options.etcd}`];
  const conf = hpeConf(pair.ready, {
    mode: options.mode ?? 'synchronous',
    fabricDir,
    ...(options.hasPeriodic === true ? { hasPeriodic: true } : {}),
    ...(options.hasWitness === true ? { witness: pair.ready.arrays[0].quorumWitness ?? '' } : {}),
    more: ['logging = ERROR', ...etcdLines, ...(options.more ?? []), ...(own.more ?? [])],
  });
  await writeFile(configFile, conf, { mode: 0o600 });
  const socketPath = path.join(dir, 'hpe.sock');
  const stateDir = path.join(dir, 'state');
  const tools = own.run === undefined ? {} : { run: own.run };
  const start = async () => serve({ configFile, socketPath, stateDir, nodeName: name, ...tools });
  let daemon: Awaited<ReturnType<typeof start>> | undefined = await start();
  const stopDaemon = async (): Promise<void> => {
    await daemon?.close();
    daemon = undefined;
  };
  return {
    name,
    docker: dockerClient(socketPath),
    control: controlOf(pair.ready),
    pair: pair.ready,
    simulator: pair,
    dir,
    fabricDir,
    async restart() {
      await stopDaemon();
      daemon = await start();
    },
    async records(kind) {
      if (options.etcd !== undefined) return etcdRecords(options.etcd, { stateDir, name }, kind);
      await stopDaemon();
      const store = await openEmbeddedStore(stateDir, { id: 'test', name });
      try {
        return await store.list(kind, AbortSignal.timeout(5000));
      } finally {
        await store.close();
        daemon = await start();
      }
    },
    stopDaemon,
    async secondNode({ name: second = 'node2', run, more = [] } = {}) {
      if (options.etcd === undefined) throw new Error('two daemons need an etcd: startNode({ etcd: etcd.host })');
      const place = path.join(dir, second);
      await mkdir(place);
      return startDaemon(shared, { name: second, dir: place, run, more });
    },
    close: stopDaemon,
  };
}

async function etcdRecords<K extends RecordKind>(
  host: string,
  { stateDir, name }: { stateDir: string; name: string },
  kind: K,
): Promise<Records[K][]> {
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const store = openEtcdStore({ hosts: [host], stateDir, node: { id: 'reader', name }, logger: silent });
  try {
    return await store.list(kind, AbortSignal.timeout(5000));
  } finally {
    await store.close();
  }
}
