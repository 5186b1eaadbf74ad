import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createWriteStream } from 'node:fs';
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { controlOf, hpeConf, type PairControl, type ReadyPair, type ReplicationMode } from '../pair-client.js';
import { endProcess, startEngine, waitFor, type Engine } from './engine.js';

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
  /** SIGKILL for the daemon, as at a crash. */
  killDaemon(): Promise<void>;
  startDaemon(): Promise<void>;
  stop(): Promise<void>;
}

export interface StackOptions {
  /** Driver name; the file name of the socket. */
  driver: string;
  mode: ReplicationMode;
  /** More lines for the [DEFAULT] section. */
  more?: string[];
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hpe-stack-'));
  const undo: (() => Promise<void>)[] = [async () => rm(dir, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const engine = await startEngine();
    undo.push(async () => engine.stop());
    const simulator = node(
      'src/simulator/main.ts',
      ['pair', '--dir', path.join(dir, 'pair'), '--fabric', 'loopback'],
      dir,
    );
    undo.push(async () => endProcess(simulator));
    const pair = await firstLine(simulator);
    const conf = path.join(dir, 'hpe.conf');
    const fabricDir = path.join(dir, 'pair', 'fabric');
    await writeFile(conf, hpeConf(pair, { ...options, fabricDir }), { mode: 0o600 });
    await mkdir(PLUGIN_SOCKETS, { recursive: true, mode: 0o700 });
    const socket = path.join(PLUGIN_SOCKETS, `${options.driver}.sock`);
    let daemon: ChildProcess | undefined;
    const startDaemon = async (): Promise<void> => {
      const args = ['serve', '--config', conf, '--socket', socket, '--state-dir', path.join(dir, 'state')];
      const started = node('src/main.ts', args, dir);
      daemon = started;
      await waitFor(async () => {
        if (started.exitCode !== null)
          throw new Error(`the daemon ended with ${started.exitCode}; see its log in ${dir}`);
        await access(socket);
      }, 20_000);
    };
    undo.push(async () => {
      if (daemon !== undefined) await endProcess(daemon);
    });
    await startDaemon();
    return {
      engine,
      driver: options.driver,
      pair,
      control: controlOf(pair),
      dir,
      async killDaemon() {
        daemon?.kill('SIGKILL');
        if (daemon !== undefined) await endProcess(daemon);
      },
      startDaemon,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
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
