import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { chooseCommonPort } from '../src/simulator/free-port.js';

/** By then the kernel has stopped every thread. */
const STOP_MS = 5_000;

/** A real etcd process on free loopback ports, with its own data. */
export interface EtcdMember {
  /** As hpe.conf's host_etcd_ip_address has it: `127.0.0.1:PORT`. */
  host: string;
  /** SIGSTOP: connections stay open, nothing is answered. */
  pause(): void;
  resume(): void;
  kill(): Promise<void>;
  /** After `kill`, on the same port with the same data; waits until it is healthy, for which most members have to run. */
  start(): Promise<void>;
}

interface Cluster {
  /** etcdctl on it; returns what it prints. */
  ctl(...args: string[]): Promise<string>;
  /** Kills it and removes its data. */
  stop(): Promise<void>;
}

/** A single etcd. */
export interface Etcd extends EtcdMember, Cluster {
  /** Kills it and starts it again without any data. */
  wipe(): Promise<void>;
}

export interface EtcdCluster extends Cluster {
  members: EtcdMember[];
  /** All of them, as hpe.conf's host_etcd_ip_address has them. */
  hosts: string;
  /** The member that leads now; waits for an election. */
  leader(): Promise<EtcdMember>;
}

/** PEM files for an etcd that takes only clients with a certificate of that CA. */
export interface EtcdTlsFiles {
  ca: string;
  cert: string;
  key: string;
}

/** Starts an etcd and waits until it is healthy. @throws when there is none on the PATH */
export async function startEtcd(tls?: EtcdTlsFiles): Promise<Etcd> {
  const { running, ctl, stop } = await startMembers(1, tls);
  const [only] = running;
  if (only === undefined) throw new Error('no member');
  return {
    ...memberOf(only),
    ctl,
    stop,
    wipe: async () => {
      await only.kill();
      await rm(only.place.dataDir, { recursive: true, force: true });
      await only.start();
    },
  };
}

/** Starts three members and waits until they have a leader. */
export async function startEtcdCluster(): Promise<EtcdCluster> {
  const { running, ctl, stop } = await startMembers(3);
  const members = running.map(memberOf);
  return {
    members,
    hosts: members.map(({ host }) => host).join(','),
    ctl,
    stop,
    leader: async () => {
      for (let tries = 0; tries < 300; tries += 1) {
        const leads = await Promise.all(running.map(async (member) => member.leads()));
        const leader = members[leads.indexOf(true)];
        if (leader !== undefined) return leader;
        await pause(100);
      }
      throw new Error('no etcd leads');
    },
  };
}

async function startMembers(count: number, tls?: EtcdTlsFiles): Promise<Cluster & { running: EtcdProcess[] }> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'etcd-'));
  const places: Place[] = [];
  for (let i = 0; i < count; i += 1) {
    const [port, peerPort, healthPort] = [await freePort(), await freePort(), await freePort()];
    places.push({ name: `m${i}`, port, peerPort, healthPort, dataDir: path.join(dir, `data${i}`) });
  }
  const cluster = places.map(({ name, peerPort }) => `${name}=http://127.0.0.1:${peerPort}`).join(',');
  const running = places.map((place) => new EtcdProcess(place, cluster, tls));
  const endpoints = places.map(({ port }) => `127.0.0.1:${port}`).join(',');
  const secure = tls === undefined ? [] : [`--cacert=${tls.ca}`, `--cert=${tls.cert}`, `--key=${tls.key}`];
  const stop = async (): Promise<void> => {
    await Promise.all(running.map(async (member) => member.kill()));
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await Promise.all(running.map(async (member) => member.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  const ctl = async (...args: string[]): Promise<string> => {
    const env = { ...process.env, ETCDCTL_API: '3' };
    return (await promisify(execFile)('etcdctl', [`--endpoints=${endpoints}`, ...secure, ...args], { env })).stdout;
  };
  return { running, ctl, stop };
}

const freePort = async (): Promise<number> => chooseCommonPort(['127.0.0.1', '127.0.0.2']);

const memberOf = (member: EtcdProcess): EtcdMember => ({
  host: `127.0.0.1:${member.place.port}`,
  pause: () => member.pause(),
  resume: () => member.resume(),
  kill: async () => member.kill(),
  start: async () => member.start(),
});

interface Place {
  name: string;
  port: number;
  peerPort: number;
  healthPort: number;
  dataDir: string;
}

class EtcdProcess {
  readonly place: Place;
  readonly #args: string[];
  #child: ChildProcess | undefined;

  constructor(place: Place, cluster: string, tls: EtcdTlsFiles | undefined) {
    this.place = place;
    const client = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${place.port}`;
    const peer = `http://127.0.0.1:${place.peerPort}`;
    this.#args = [`--name=${place.name}`, `--data-dir=${place.dataDir}`];
    this.#args.push(`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`);
    this.#args.push(`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`);
    this.#args.push(`--initial-cluster=${cluster}`, `--listen-metrics-urls=${this.#health}`);
    if (tls === undefined) return;
    this.#args.push('--client-cert-auth', `--trusted-ca-file=${tls.ca}`);
    this.#args.push(`--cert-file=${tls.cert}`, `--key-file=${tls.key}`);
  }

  async start(): Promise<void> {
    this.#child = spawn('etcd', this.#args, { stdio: 'ignore' });
    let failure: string | undefined;
    this.#child.once('error', (error) => {
      failure = `etcd cannot be started (${error.message}); these tests need it on the PATH: apt-get install -y etcd-server etcd-client`;
    });
    this.#child.once('exit', (code) => (failure ??= `etcd ended at its start with code ${code}`));
    const until = performance.now() + 20_000;
    while (performance.now() < until) {
      if (failure !== undefined) throw new Error(failure);
      if ((await this.#ask('health')).includes('"true"')) return;
      await pause(50);
    }
    throw new Error('etcd did not become healthy within 20 s');
  }

  /** Returns when it stands still: on a busy machine its threads go on for a while. */
  pause(): void {
    const child = this.#child;
    if (child === undefined) throw new Error('this etcd does not run');
    child.kill('SIGSTOP');
    const tasks = `/proc/${child.pid}/task`;
    const isStill = (task: string): boolean => / [Tt] /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'));
    for (const until = performance.now() + STOP_MS; performance.now() < until;) {
      if (readdirSync(tasks).every(isStill)) return;
    }
    throw new Error(`etcd did not stand still within ${STOP_MS} ms`);
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async leads(): Promise<boolean> {
    return /^etcd_server_is_leader 1$/m.test(await this.#ask('metrics'));
  }

  get #health(): string {
    return `http://127.0.0.1:${this.place.healthPort}`;
  }

  /** Empty when it does not answer. */
  async #ask(what: string): Promise<string> {
    try {
      return await (await fetch(`${this.#health}/${what}`, { signal: AbortSignal.timeout(1_000) })).text();
    } catch {
      return '';
    }
  }
}
