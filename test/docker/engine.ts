import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { dockerdIn, type Dockerd } from './dockerd.js';

const execute = promisify(execFile);
const COMMAND_TIMEOUT_MS = 150_000;
const TOOLS = ['sh', 'cat', 'dd', 'df', 'ls', 'md5sum', 'sleep', 'sync', 'tail', 'touch', 'wc', 'mkdir', 'rm'];

/** The image that containers of the tests and the demo run: Debian's static busybox and nothing else. */
export const IMAGE = 'hpe-volume-plugin-busybox:1';

/** A Docker engine with that image. */
export interface Engine {
  /** Standard output of the docker client, trimmed. */
  docker(...args: string[]): Promise<string>;
  /** Its daemon, if it was started here; undefined for the engine that was running before us. */
  readonly dockerd: Dockerd | undefined;
  /** Removes the image; ends the engine if it was started here, and removes its data. */
  stop(): Promise<void>;
}

export interface EngineOptions {
  /** An engine of its own even if this machine has one: for tests that kill it. */
  own?: boolean;
  liveRestore?: boolean;
  /**
   * An engine that is started here is in this machine's network, for managed plugins that have to reach the arrays; else in
   * one of its own.
   */
  hostNetwork?: boolean;
}

/** The engine of this machine, or one with a data root of its own if none runs. */
export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hpe-engine-'));
  const isShared = options.own !== true && (await isRunning());
  const dockerd = isShared ? undefined : ownDockerd(dir, options);
  const docker = clientOf(dockerd?.host);
  const stop = async (): Promise<void> => {
    if (isShared) await docker('image', 'rm', '-f', IMAGE).catch(() => undefined);
    await dockerd?.stop();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await dockerd?.start();
    await importImage(docker, dir);
  } catch (error) {
    await stop();
    throw error;
  }
  return { docker, dockerd, stop };
}

async function isRunning(): Promise<boolean> {
  return clientOf(undefined)('version').then(
    () => true,
    () => false,
  );
}

function ownDockerd(dir: string, { liveRestore = false, hostNetwork = false }: EngineOptions): Dockerd {
  return dockerdIn(dir, { liveRestore, hostNetwork, answers: async (host) => clientOf(host)('version') });
}

function clientOf(host: string | undefined): Engine['docker'] {
  return async (...args) => {
    const all = host === undefined ? args : ['-H', host, ...args];
    const { stdout } = await execute('docker', all, { timeout: COMMAND_TIMEOUT_MS, maxBuffer: 16 << 20 });
    return stdout.trim();
  };
}

async function importImage(docker: Engine['docker'], dir: string): Promise<void> {
  const bin = path.join(dir, 'image', 'bin');
  await mkdir(bin, { recursive: true });
  const { stdout } = await execute('which', ['busybox']);
  await copyFile(stdout.trim(), path.join(bin, 'busybox'));
  for (const tool of TOOLS) await symlink('busybox', path.join(bin, tool));
  const tar = path.join(dir, 'image.tar');
  await execute('tar', ['-C', path.join(dir, 'image'), '-cf', tar, '.']);
  await docker('import', tar, IMAGE);
}
