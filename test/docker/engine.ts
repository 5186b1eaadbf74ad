import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, open, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const READY_TIMEOUT_MS = 60_000;
const COMMAND_TIMEOUT_MS = 150_000;

/** The image that containers of the tests and the demo run: Debian's static busybox and nothing else. */
export const IMAGE = 'hpe-volume-plugin-busybox:1';

/** A Docker engine with that image. */
export interface Engine {
  /** Standard output of the docker client, trimmed. */
  docker(...args: string[]): Promise<string>;
  /** Was running before us. */
  readonly shared: boolean;
  /** Removes the image; ends the engine if it was started here, and removes its data. */
  stop(): Promise<void>;
}

/** The engine of this machine, or one with a data root of its own if none runs. */
export async function startEngine(): Promise<Engine> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hpe-engine-'));
  const running = await clientOf(undefined)('version').then(
    () => true,
    () => false,
  );
  const daemon = running ? undefined : await startDaemon(dir);
  const docker = clientOf(daemon?.host);
  await importImage(docker, dir);
  return {
    docker,
    shared: daemon === undefined,
    async stop() {
      await docker('image', 'rm', '-f', IMAGE).catch(() => undefined);
      await daemon?.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function clientOf(host: string | undefined): Engine['docker'] {
  return async (...args) => {
    const all = host === undefined ? args : ['-H', host, ...args];
    const { stdout } = await execute('docker', all, { timeout: COMMAND_TIMEOUT_MS, maxBuffer: 16 << 20 });
    return stdout.trim();
  };
}

async function startDaemon(dir: string): Promise<{ host: string; stop(): Promise<void> }> {
  const host = `unix://${dir}/docker.sock`;
  const log = await open(path.join(dir, 'dockerd.log'), 'w');
  const daemon = spawn(
    'dockerd',
    [
      '--data-root',
      path.join(dir, 'data'),
      '--exec-root',
      path.join(dir, 'exec'),
      '--pidfile',
      path.join(dir, 'pid'),
      '-H',
      host,
      '--bridge=none',
      '--iptables=false',
      '--ip6tables=false',
      '--ip-forward=false',
      '--ip-masq=false',
    ],
    { stdio: ['ignore', log.fd, log.fd] },
  );
  const stop = async (): Promise<void> => {
    await endProcess(daemon);
    await log.close();
  };
  try {
    await waitFor(async () => {
      if (daemon.exitCode === null) return clientOf(host)('version');
      const tail = (await readFile(path.join(dir, 'dockerd.log'), 'utf8')).trim().split('\n').slice(-3).join('\n');
      throw new Error(`dockerd ended with ${daemon.exitCode}: ${tail}`);
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, stop };
}

async function importImage(docker: Engine['docker'], dir: string): Promise<void> {
  const bin = path.join(dir, 'image', 'bin');
  await mkdir(bin, { recursive: true });
  const { stdout } = await execute('which', ['busybox']);
  await copyFile(stdout.trim(), path.join(bin, 'busybox'));
  for (const tool of ['sh', 'cat', 'dd', 'ls', 'md5sum', 'sleep', 'sync', 'touch', 'wc', 'mkdir', 'rm']) {
    await symlink('busybox', path.join(bin, tool));
  }
  const tar = path.join(dir, 'image.tar');
  await execute('tar', ['-C', path.join(dir, 'image'), '-cf', tar, '.']);
  await docker('import', tar, IMAGE);
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

/** SIGTERM, and SIGKILL for one that does not listen. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(patience);
}
