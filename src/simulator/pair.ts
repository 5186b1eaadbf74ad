import { execFile } from 'node:child_process';
import { mkdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SimulatedArray } from './array.js';
import { ArrayPair } from './array-pair.js';
import { makeCertificate } from './certificate.js';
import { startControlServer } from './control.js';
import { runDueWork } from './clock.js';
import { lockDirectory } from './directory-lock.js';
import { LinkFabric } from './fabric.js';
import { chooseCommonPort } from './free-port.js';
import { LioFabric } from './lio.js';
import { runDueSyncs } from './replication.js';
import { parseSeed } from './seed.js';
import type { ArraySeed, Seed } from './seed.js';
import { Sessions } from './sessions.js';
import { startSshServer } from './ssh.js';
import { startWsapiServer } from './wsapi.js';

export const FABRICS = ['none', 'loopback', 'lio'] as const;
export type FabricName = (typeof FABRICS)[number];

export interface PairOptions {
  /** Everything is kept below it; made when it is missing, and then removed at the end. */
  dir: string;
  latencyMs?: number;
  fabric?: FabricName;
  addresses?: [string, string];
  /** 0 = one that is free on both addresses. */
  wsapiPort?: number;
  sshPort?: number;
  user?: string;
  password?: string;
  /** `3.3.1` */
  os?: string;
  /** Content of a seed file; see seed.ts. */
  seed?: unknown;
  /** Address that the arrays have as their quorum witness, or `none`. */
  witness?: string;
  /** Between the loss of an array and the automatic failover. */
  failoverDelayMs?: number;
}

/** One array in the line that is printed when the pair is ready. */
export interface ReadyArray {
  name: string;
  systemId: number;
  apiUrl: string;
  caFile: string;
  /** SHA-256 of the certificate, hex with colons. */
  fingerprint: string;
  sshHost: string;
  sshPort: number;
  /** `SHA256:…` */
  sshHostKey: string;
  user: string;
  password: string;
  cpgs: string[];
  /** `address:port` */
  iscsiPortals: string[];
  iqn: string[];
  /** What this array calls its remote copy target, the other one. */
  targetName: string;
  /** Address of the quorum witness of that target. */
  quorumWitness: string | undefined;
}

export interface ReadyLine {
  arrays: [ReadyArray, ReadyArray];
  controlUrl: string;
}

export interface RunningPair {
  ready: ReadyLine;
  controlUrl: string;
  /** The live state, for tests in the same process; change it inside `pair.exclusive` only. */
  pair: ArrayPair;
  arrays: readonly [SimulatedArray, SimulatedArray];
  /** Frees sockets, timers, links and the loop devices on files below the directory. May be repeated. */
  close(): Promise<void>;
}

const OWN_DEFAULTS = {
  latencyMs: 0,
  fabric: 'none',
  addresses: ['127.0.0.1', '127.0.0.2'],
  wsapiPort: 0,
  sshPort: 0,
  user: '3paradm',
  password: '3pardata',
  os: '3.3.1',
  witness: '10.30.0.10',
} as const;

type Setup = Required<Omit<PairOptions, 'seed' | 'addresses' | 'failoverDelayMs'>> &
  Pick<PairOptions, 'failoverDelayMs'> & { addresses: readonly [string, string] };

interface Running {
  close(): Promise<void>;
}

/** Starts two arrays that replicate to each other. @throws SeedError; DirectoryInUseError; Error for a port in use */
export async function startPair(options: PairOptions): Promise<RunningPair> {
  const seed = parseSeed(options.seed ?? {});
  const madeDir = await mkdir(options.dir, { recursive: true });
  const setup: Setup = { ...OWN_DEFAULTS, ...options, dir: await realpath(options.dir) };
  const lock = await lockDirectory(setup.dir);
  const pair = makePair(setup, seed);
  const running: Running[] = [];
  const end = async () => {
    await Promise.all(running.splice(0).map((each) => each.close()));
    await pair.close();
    await clearFabric(setup, pair);
    if (madeDir !== undefined) await rm(madeDir, { recursive: true, force: true });
    await lock.release();
  };
  // Once only: by the second call the directory may belong to another pair.
  let ending: Promise<void> | undefined;
  const close = async () => (ending ??= end());
  try {
    pair.latencyMs = setup.latencyMs;
    // What a killed predecessor left behind.
    await clearFabric(setup, pair);
    await pair.fabric.refresh(pair.arrays);
    const arrays = await startServers(setup, pair, running);
    const control = await startControlServer(pair);
    running.push(control, startTicker(pair));
    return { ready: { arrays, controlUrl: control.url }, controlUrl: control.url, pair, arrays: pair.arrays, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function makePair(setup: Setup, seed: Seed): ArrayPair {
  const make = (array: ArraySeed) => {
    const sessions = new Sessions({ max: seed.maxSessions, idleSeconds: seed.sessionIdleSeconds });
    return new SimulatedArray(array, { dir: setup.dir, os: setup.os, licenses: seed.licenses, sessions });
  };
  const arrays = [make(seed.arrays[0]), make(seed.arrays[1])] as const;
  const links = setup.fabric === 'loopback' ? join(setup.dir, 'fabric') : undefined;
  const fabric = setup.fabric === 'lio' ? new LioFabric(arrays) : new LinkFabric(links);
  return new ArrayPair(arrays, {
    ...setup,
    seed,
    fabric,
    witness: setup.witness === 'none' ? undefined : setup.witness,
  });
}

async function startServers(setup: Setup, pair: ArrayPair, running: Running[]): Promise<[ReadyArray, ReadyArray]> {
  const wsapiPort = setup.wsapiPort || (await chooseCommonPort(setup.addresses));
  const sshPort = setup.sshPort || (await chooseCommonPort(setup.addresses));
  const [first, second] = pair.arrays;
  const ports = { wsapiPort, sshPort };
  return [
    await startArray({ ...setup, ...ports, address: setup.addresses[0], pair, array: first }, running),
    await startArray({ ...setup, ...ports, address: setup.addresses[1], pair, array: second }, running),
  ];
}

interface ArraySetup extends Setup {
  address: string;
  pair: ArrayPair;
  array: SimulatedArray;
}

async function startArray(setup: ArraySetup, running: Running[]): Promise<ReadyArray> {
  const { array, pair, address, user, password } = setup;
  await mkdir(array.volumesDir, { recursive: true });
  const arrayDir = join(setup.dir, array.name);
  const { caFile, fingerprint, ...pems } = await makeCertificate(array.name, address, arrayDir);
  const wsapi = await startWsapiServer({ pair, array, address, port: setup.wsapiPort, ...pems, user, password });
  running.push(wsapi);
  const ssh = await startSshServer({
    pair,
    array,
    address,
    port: setup.sshPort,
    hostKeyFile: join(arrayDir, 'ssh-host-key'),
    user,
    password,
  });
  running.push(ssh);
  const iscsi = array.ports.filter((port) => port.kind === 'iscsi');
  return {
    name: array.name,
    systemId: array.systemId,
    apiUrl: `https://${address}:${wsapi.port}/api/v1`,
    caFile,
    fingerprint,
    sshHost: address,
    sshPort: ssh.port,
    sshHostKey: ssh.hostKeyFingerprint,
    user,
    password,
    cpgs: array.cpgs.map((cpg) => cpg.name),
    iscsiPortals: iscsi.map((port) => `${port.ip ?? ''}:3260`),
    iqn: iscsi.map((port) => port.iqn ?? ''),
    targetName: array.targetName,
    quorumWitness: pair.witness,
  };
}

/** Watches the periods of the groups and what is due by the arrays' clocks. */
function startTicker(pair: ArrayPair): Running {
  const timer = setInterval(() => {
    pair
      .exclusive(async () => {
        await runDueWork(pair);
        await runDueSyncs(pair);
      })
      .catch((error: unknown) => console.error('work of the clock failed:', error));
  }, 1000);
  timer.unref();
  return {
    close: async () => {
      clearInterval(timer);
      await Promise.resolve();
    },
  };
}

/** Links and loop devices. */
async function clearFabric(setup: Setup, pair: ArrayPair): Promise<void> {
  await pair.fabric.close();
  if (setup.fabric === 'loopback') await detachLoopDevices(setup.dir);
}

/** Loop devices on files below the directory, deleted files included. */
async function detachLoopDevices(dir: string): Promise<void> {
  const run = promisify(execFile);
  const { stdout } = await run('losetup', ['--list', '--noheadings', '--raw', '--output', 'NAME,BACK-FILE']);
  for (const line of stdout.split('\n')) {
    const [device, ...file] = line.split(' ');
    if (device === undefined || !file.join(' ').startsWith(`${dir}/`)) continue;
    await run('losetup', ['--detach', device]).catch(() => undefined);
  }
}
