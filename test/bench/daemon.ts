import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { dockerClient, type DockerClient } from '../docker-client.js';
import { hpeConf } from '../pair-client.js';
import type { Arrays } from './arrays.js';
import type { CallTimes } from './chain.js';

const HOOK = fileURLToPath(new URL('daemon-hook.mjs', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const START_MS = 30_000;

/** A tool that ran, or a call of a file system. */
export interface HostWork extends CallTimes {
  isTool: boolean;
}

/** The built daemon as a process of its own, with what it tells of itself. */
export interface MeasuredDaemon {
  docker: DockerClient;
  socketPath: string;
  /** The host's tools, and calls of its file systems, since the last look; milliseconds since 1970. */
  takeHostWork(): Promise<HostWork[]>;
  /** How late the event loop was since the last look. */
  takeLoopDelay(): Promise<{ p99Ms: number; maxMs: number }>;
  close(): Promise<void>;
}

/** Needs `npm run build`. @param dir for socket, state and log; has to be there */
export async function startDaemon(dir: string, arrays: Arrays, etcd: string): Promise<MeasuredDaemon> {
  const configFile = path.join(dir, 'hpe.conf');
  const { pair, fabricDir } = arrays;
  const more = [`host_etcd_ip_address = ${etcd}`];
  await writeFile(configFile, hpeConf(pair, { mode: 'synchronous', fabricDir, hasPeriodic: true, more }), {
    mode: 0o600,
  });
  const [socketPath, logFile] = [path.join(dir, 'hpe.sock'), path.join(dir, 'daemon.log')];
  const log = openSync(logFile, 'a');
  const serve = ['serve', '--config', configFile, '--socket', socketPath, '--state-dir', path.join(dir, 'state')];
  const child = spawn(process.execPath, ['--import', HOOK, PROGRAM, ...serve], { stdio: ['ignore', log, log, 'ipc'] });
  closeSync(log);
  let questions = 0;
  const ask = async (question: string): Promise<unknown> => {
    questions += 1;
    const id = questions;
    return new Promise((resolve) => {
      const listen = (message: { id: number; answer: unknown }): void => {
        if (message.id !== id) return;
        child.off('message', listen);
        resolve(message.answer);
      };
      child.on('message', listen);
      child.send({ id, question });
    });
  };
  const docker = dockerClient(socketPath);
  const until = performance.now() + START_MS;
  while (!(await docker.call('Plugin.Activate').catch(() => undefined))) {
    if (child.exitCode !== null || performance.now() > until)
      throw new Error(`the daemon does not start:\n${await readFile(logFile, 'utf8')}`);
    await pause(20);
  }
  return {
    docker,
    socketPath,
    takeHostWork: async () => (await ask('hostWork')) as HostWork[],
    takeLoopDelay: async () => (await ask('loop')) as { p99Ms: number; maxMs: number },
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
