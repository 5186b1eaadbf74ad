import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { chooseCommonPort } from '../src/simulator/free-port.js';

/** A real etcd of its own, on free loopback ports and with its own data. */
export interface Etcd {
  /** As hpe.conf's host_etcd_ip_address has it: `127.0.0.1:PORT`. */
  host: string;
  /** etcdctl on it; returns what it prints. */
  ctl(...args: string[]): Promise<string>;
  /** SIGSTOP: connections stay open, nothing is answered. */
  pause(): void;
  resume(): void;
  kill(): Promise<void>;
  /** After `kill`, on the same port with the same data. */
  start(): Promise<void>;
  /** Kills it and starts it again without any data. */
  wipe(): Promise<void>;
  /** Kills it and removes its data. */
  stop(): Promise<void>;
}

/** PEM files for an etcd that takes only clients with a certificate of that CA. */
export interface EtcdTlsFiles {
  ca: string;
  cert: string;
  key: string;
}

/** Starts an etcd and waits until it is healthy. `ctl` works without TLS only. @throws when there is none on the PATH */
export async function startEtcd(tls?: EtcdTlsFiles): Promise<Etcd> {
  const [port, peerPort, healthPort] = await freePorts();
  const dir = await mkdtemp(path.join(os.tmpdir(), 'etcd-'));
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    child = launch({ port, peerPort, healthPort, dir }, tls);
    await healthy(child, healthPort);
  };
  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  const stop = async (): Promise<void> => {
    await kill();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    host: `127.0.0.1:${port}`,
    ctl: async (...args) => {
      const env = { ...process.env, ETCDCTL_API: '3' };
      return (await promisify(execFile)('etcdctl', [`--endpoints=127.0.0.1:${port}`, ...args], { env })).stdout;
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    kill,
    start,
    wipe: async () => {
      await kill();
      await rm(path.join(dir, 'data'), { recursive: true, force: true });
      await start();
    },
    stop,
  };
}

interface Place {
  port: number;
  peerPort: number;
  healthPort: number;
  dir: string;
}

function launch(where: Place, tls: EtcdTlsFiles | undefined): ChildProcess {
  const client = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${where.port}`;
  const peer = `http://127.0.0.1:${where.peerPort}`;
  const args = ['--name=test', `--data-dir=${path.join(where.dir, 'data')}`];
  args.push(`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`);
  args.push(`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=test=${peer}`);
  args.push(`--listen-metrics-urls=http://127.0.0.1:${where.healthPort}`);
  if (tls !== undefined) {
    args.push('--client-cert-auth', `--trusted-ca-file=${tls.ca}`, `--cert-file=${tls.cert}`, `--key-file=${tls.key}`);
  }
  return spawn('etcd', args, { stdio: 'ignore' });
}

async function healthy(child: ChildProcess, port: number): Promise<void> {
  let failure: string | undefined;
  child.once('error', (error) => {
    failure = `etcd cannot be started (${error.message}); these tests need it on the PATH: apt-get install -y etcd-server etcd-client`;
  });
  child.once('exit', (code) => (failure ??= `etcd ended at its start with code ${code}`));
  const until = performance.now() + 15_000;
  while (performance.now() < until) {
    if (failure !== undefined) throw new Error(failure);
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(1_000) });
      if ((await answer.text()).includes('"true"')) return;
    } catch {
      // Not listening yet.
    }
    await pause(50);
  }
  throw new Error('etcd did not become healthy within 15 s');
}

/** Three ports that were free a moment ago. */
async function freePorts(): Promise<[number, number, number]> {
  const free = async (): Promise<number> => chooseCommonPort(['127.0.0.1', '127.0.0.2']);
  return [await free(), await free(), await free()];
}
