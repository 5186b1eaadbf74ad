import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freeLoopDevicesOf, hostLeftovers, unmountBelow } from '../host-leftovers.js';
import { controlOf, hpeConf, type PairControl, type ReadyPair, type ReplicationMode } from '../pair-client.js';
import { endProcess, hasEnded, killProcess, waitFor } from './dockerd.js';
import { startEngine, type Engine, type EngineOptions } from './engine.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PLUGIN_SOCKETS = '/run/docker/plugins';

/** A simulated pair, a daemon and a Docker engine, each a process of its own. */
export interface Stack {
  engine: Engine;
  /** What `docker volume create -d` takes. */
  driver: string;
  pair: ReadyPair;
  control: PairControl;
  dir: string;
  daemon: Daemon;
  /** The loss of the whole host, and its boot: daemon, engine, containers, mounts and devices are gone; then both start. */
  rebootHost(): Promise<void>;
  /** @throws when a mount or a loop device is left; it is gone then */
  stop(): Promise<void>;
}

export interface Daemon {
  /** Where it listens. */
  readonly socket: string;
  /** Unless it runs. */
  start(): Promise<void>;
  /** SIGKILL, as at a crash. */
  kill(): Promise<void>;
  /** SIGTERM. */
  stop(): Promise<void>;
  /** All that it has logged, over all its lives. */
  log(): Promise<string>;
}

export interface StackOptions {
  /** Driver name; the file name of the socket. */
  driver: string;
  mode: ReplicationMode;
  /** More lines for the [DEFAULT] section. */
  more?: string[];
  engine?: EngineOptions;
  /** The daemon listens in the stack's directory, and somebody else where Docker looks for it. */
  hidden?: boolean;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hpe-stack-'));
  const undo: (() => Promise<void>)[] = [async () => removeDirectory(dir)];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const engine = await startEngine(options.engine);
    undo.push(async () => engine.stop());
    const { simulator, ready, fabricDir } = startSimulator(dir);
    undo.push(async () => endProcess(simulator));
    const pair = await ready;
    await writeFile(path.join(dir, 'hpe.conf'), hpeConf(pair, { ...options, fabricDir }), { mode: 0o600 });
    const daemon = daemonIn(dir, options.hidden === true ? path.join(dir, 'hpe.sock') : pluginSocket(options.driver));
    undo.push(async () => daemon.stop());
    await daemon.start();
    const rebootHost = async (): Promise<void> => {
      await daemon.kill();
      await engine.dockerd?.crash();
      await loseHostState(dir);
      await daemon.start();
      await engine.dockerd?.start();
    };
    return { engine, driver: options.driver, pair, control: controlOf(pair), dir, daemon, rebootHost, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A pair on the loopback fabric, below `dir`. */
export function startSimulator(dir: string): { simulator: ChildProcess; ready: Promise<ReadyPair>; fabricDir: string } {
  const pairDir = path.join(dir, 'pair');
  const simulator = node('src/simulator/main.ts', ['pair', '--dir', pairDir, '--fabric', 'loopback'], dir);
  return { simulator, ready: firstLine(simulator), fabricDir: path.join(pairDir, 'fabric') };
}

/** Where Docker looks for a driver of that name. */
export const pluginSocket = (driver: string): string => path.join(PLUGIN_SOCKETS, `${driver}.sock`);

function daemonIn(dir: string, socket: string): Daemon {
  let daemon: ChildProcess | undefined;
  return {
    socket,
    async start() {
      if (daemon !== undefined && !hasEnded(daemon)) return;
      await mkdir(PLUGIN_SOCKETS, { recursive: true, mode: 0o700 });
      const conf = path.join(dir, 'hpe.conf');
      const args = ['serve', '--config', conf, '--socket', socket, '--state-dir', path.join(dir, 'state')];
      const started = node('src/main.ts', args, dir);
      daemon = started;
      await waitFor(async () => {
        if (started.exitCode !== null)
          throw new Error(`the daemon ended with ${started.exitCode}; see its log in ${dir}`);
        await reach(socket);
      }, 20_000);
    },
    async kill() {
      if (daemon !== undefined) await killProcess(daemon);
    },
    async stop() {
      if (daemon !== undefined) await endProcess(daemon);
    },
    log: async () => readFile(path.join(dir, 'src.log'), 'utf8'),
  };
}

/** A killed daemon leaves its socket, so that the file alone says nothing. */
async function reach(socket: string): Promise<void> {
  const probe = connect(socket);
  try {
    await once(probe, 'connect');
  } finally {
    probe.destroy();
  }
}

/** What a boot takes from the host. The kernel's boot id cannot change here, so its old records get another one. */
async function loseHostState(dir: string): Promise<void> {
  await unmountBelow(dir);
  await freeLoopDevicesOf(dir);
  const records = path.join(dir, 'state', 'loopback');
  for (const name of await readdir(records)) {
    const file = path.join(records, name);
    const record = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    await writeFile(file, JSON.stringify({ ...record, bootId: 'of-the-boot-before' }));
  }
}

/** @throws when a mount or a loop device is left; it is gone then */
export async function removeDirectory(dir: string): Promise<void> {
  const left = await hostLeftovers(dir);
  await unmountBelow(dir);
  await freeLoopDevicesOf(dir);
  await rm(dir, { recursive: true, force: true });
  if (left.length > 0) throw new Error(`left on the host: ${left.join('; ')}`);
}

/** One of our programs, run from its source, with its log in `dir`. */
function node(script: string, args: string[], dir: string): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', path.join(root, script), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(path.join(dir, `${path.basename(path.dirname(script))}.log`), { flags: 'a' });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  child.once('exit', () => log.end());
  return child;
}

async function firstLine(child: ChildProcess): Promise<ReadyPair> {
  if (child.stdout === null) throw new Error('no output');
  const lines = createInterface({ input: child.stdout });
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  try {
    for await (const line of lines) return JSON.parse(line) as ReadyPair;
  } finally {
    clearTimeout(timer);
    lines.close();
    child.stdout.resume();
  }
  throw new Error('the simulator ended before it was ready');
}
