import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { unmountBelow } from '../host-leftovers.js';

const READY_TIMEOUT_MS = 60_000;

/** A dockerd with a data root of its own, which may be killed and started again on it. */
export interface Dockerd {
  /** For the client's `-H`. */
  readonly host: string;
  start(): Promise<void>;
  /** SIGKILL, as at a crash: its containerd goes with it, the containers run on. */
  kill(): Promise<void>;
  /** What the loss of the whole host does to it: no process, no mount, nothing under /run. */
  crash(): Promise<void>;
  /** SIGTERM, and the end of whatever is left; the data stay. */
  stop(): Promise<void>;
}

/** `answers` tells whether the engine's API is open; it throws while it is not. */
export function dockerdIn(
  dir: string,
  options: { liveRestore: boolean; hostNetwork: boolean; answers: (host: string) => Promise<unknown> },
): Dockerd {
  const host = `unix://${dir}/docker.sock`;
  const logFile = path.join(dir, 'dockerd.log');
  let daemon: ChildProcess | undefined;
  const kill = async (): Promise<void> => {
    if (daemon !== undefined) await killProcess(daemon);
    await endContainerd(dir);
  };
  const crash = async (): Promise<void> => {
    await kill();
    await endContainers(dir);
    await unmountBelow(dir);
    await rm(path.join(dir, 'exec'), { recursive: true, force: true });
  };
  return {
    host,
    async start() {
      const log = await open(logFile, 'a');
      const [command, ...args] = [...(options.hostNetwork ? [] : ['unshare', '--net']), 'dockerd'];
      const started = spawn(command ?? '', [...args, ...argumentsFor(dir, options.liveRestore, host)], {
        stdio: ['ignore', log.fd, log.fd],
      });
      daemon = started;
      await log.close();
      await waitFor(async () => {
        if (started.exitCode === null) return options.answers(host);
        const tail = (await readFile(logFile, 'utf8')).trim().split('\n').slice(-3).join('\n');
        throw new Error(`dockerd ended with ${started.exitCode}: ${tail}`);
      });
    },
    kill,
    crash,
    async stop() {
      if (daemon !== undefined) await endProcess(daemon);
      // Live-restore and a dockerd that was killed leave their containers.
      await crash();
    },
  };
}

/** The network namespace of its own keeps `--bridge=none` from deleting another engine's docker0. */
function argumentsFor(dir: string, liveRestore: boolean, host: string): string[] {
  return [
    '--data-root',
    path.join(dir, 'data'),
    '--exec-root',
    path.join(dir, 'exec'),
    '--pidfile',
    path.join(dir, 'pid'),
    '-H',
    host,
    ...(liveRestore ? ['--live-restore'] : []),
    '--bridge=none',
    '--iptables=false',
    '--ip6tables=false',
    '--ip-forward=false',
    '--ip-masq=false',
  ];
}

/** The kernel ends it with dockerd; files with its number would make the next dockerd wait for it, or refuse. */
async function endContainerd(dir: string): Promise<void> {
  const pidFile = path.join(dir, 'exec', 'containerd', 'containerd.pid');
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => '0'));
  const commandLine = pid > 0 ? await commandOf(pid) : '';
  if (commandLine.includes(dir)) await killPids([pid]);
  await rm(pidFile, { force: true });
  await rm(path.join(dir, 'pid'), { force: true });
}

/** Kills the shims of this engine, which bear its directory in their arguments, and all that they have started. */
async function endContainers(dir: string): Promise<void> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = new Map<number, number>();
  const doomed = new Set<number>();
  for (const pid of pids) {
    parents.set(pid, await parentOf(pid));
    if ((await commandOf(pid)).includes(`${dir}/exec/containerd`)) doomed.add(pid);
  }
  for (let found = 0; found < doomed.size;) {
    found = doomed.size;
    for (const [pid, parent] of parents) if (doomed.has(parent)) doomed.add(pid);
  }
  await killPids([...doomed]);
}

async function killPids(pids: number[]): Promise<void> {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  }
  // A zombie is nobody any more: whoever adopts it reaps it when it likes.
  await waitFor(async () => {
    for (const pid of pids) if ((await commandOf(pid)) !== '') throw new Error(`process ${pid} does not end`);
  }, 10_000);
}

const commandOf = async (pid: number): Promise<string> => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');

async function parentOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^PPid:\s*(\d+)/m.exec(text)?.[1] ?? 0);
}

/** Tries until it does not throw any more. */
export async function waitFor<T>(work: () => Promise<T>, timeoutMs = READY_TIMEOUT_MS): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > end) throw error;
      await pause(100);
    }
  }
}

export const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** SIGTERM, and SIGKILL for one that does not listen. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(patience);
}

export async function killProcess(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
