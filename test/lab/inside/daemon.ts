import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { connectSoon } from '../unix-socket.js';
import { eventually, LOGS, startDaemon } from './command.js';
import { APP } from './services.js';

/** Where Docker looks for the driver `hpe`. */
export const PLUGIN_SOCKET = '/run/docker/plugins/hpe.sock';
export const STATE_DIR = '/var/lib/hpe-volume-plugin';
export const CONF = '/etc/hpedockerplugin/hpe.conf';
/** Seconds that leases live; with the product's 10 an emulated machine on a busy host is fenced although nothing is wrong. */
export const LEASE_TTL = 30;
const START_MS = 180_000;

/** The plugin's daemon in the guest. */
export interface Daemon {
  start(): Promise<void>;
  /** SIGKILL, as at a crash. */
  kill(): Promise<void>;
  /** SIGTERM. */
  stop(): Promise<void>;
  /** SIGSTOP, SIGCONT. */
  pause(): void;
  resume(): void;
  /** All that it has logged, over all its lives. */
  log(): string;
}

export function daemonWith(conf: string): Daemon {
  let pid: number | undefined;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (pid === undefined) return;
    const ended = pid;
    pid = undefined;
    process.kill(ended, signal);
    await eventually(() => {
      if (isRunning(ended)) throw new Error(`the daemon does not end after ${signal}`);
    });
  };
  return {
    async start() {
      for (const file of [CONF, PLUGIN_SOCKET]) mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(CONF, conf, { mode: 0o600 });
      pid = startDaemon('daemon', ['node', `${APP}/daemon.mjs`]);
      (await connectSoon(PLUGIN_SOCKET, AbortSignal.timeout(START_MS))).destroy();
    },
    kill: async () => end('SIGKILL'),
    stop: async () => end('SIGTERM'),
    pause: () => void (pid !== undefined && process.kill(pid, 'SIGSTOP')),
    resume: () => void (pid !== undefined && process.kill(pid, 'SIGCONT')),
    log: () => readFileSync(path.join(LOGS, 'daemon.log'), 'utf8'),
  };
}

/** A zombie has ended, too: the first process of the guest is in no hurry to reap. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
