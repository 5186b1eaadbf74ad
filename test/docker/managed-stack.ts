import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { makePluginDirectory } from '../../packaging/plugin-directory.js';
import { controlOf, hpeConf } from '../pair-client.js';
import { endProcess } from './dockerd.js';
import { startEngine } from './engine.js';
import { removeDirectory, startSimulator, type Stack } from './stack.js';

const execute = promisify(execFile);

/** The mount namespace of this process stands in for that of process 1, which is out of reach on some machines that run tests. */
const HOST = `nsenter --mount=/proc/${process.pid}/ns/mnt --ipc=/proc/${process.pid}/ns/ipc --`;

/** A simulated pair and a Docker engine with the managed plugin. */
export interface ManagedStack extends Pick<Stack, 'engine' | 'driver' | 'pair' | 'control' | 'dir'> {
  /** What `docker plugin create` takes. */
  pluginDir: string;
  /** `docker plugin create`, `set` and `enable`, as users do it. */
  install(): Promise<void>;
  /** A process of the plugin; undefined when it does not run. */
  pid(): Promise<number | undefined>;
  /** Its socket on the host. */
  socket(): Promise<string>;
  stop(): Promise<void>;
}

export async function startManagedStack(driver: string): Promise<ManagedStack> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hpe-managed-'));
  const undo: (() => Promise<void>)[] = [async () => removeDirectory(dir)];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const { simulator, ready, fabricDir } = startSimulator(dir);
    undo.push(async () => endProcess(simulator));
    const [config, state, pluginDir] = [path.join(dir, 'config'), path.join(dir, 'state'), path.join(dir, 'plugin')];
    const [engine, pair] = await Promise.all([
      startEngine({ hostNetwork: true }),
      ready,
      makePluginDirectory(pluginDir, 'debian'),
    ]);
    undo.push(async () => engine.stop());
    const more = [`host_command_prefix = ${HOST}`, 'docker_timeout = 120'];
    await Promise.all([mkdir(config), mkdir(state), showFabric(pluginDir, path.join(dir, 'pair'))]);
    const conf = hpeConf(pair, { mode: 'synchronous', fabricDir, more });
    await writeFile(path.join(config, 'hpe.conf'), conf, { mode: 0o600 });
    undo.push(async () => removePlugin(engine.docker, driver));
    const id = async (): Promise<string> => engine.docker('plugin', 'inspect', '-f', '{{.Id}}', driver);
    const install = async (): Promise<void> => {
      await engine.docker('plugin', 'create', driver, pluginDir);
      await engine.docker(
        'plugin',
        'set',
        driver,
        `config.source=${config}`,
        `state.source=${state}`,
        'LOG_LEVEL=INFO',
      );
      await engine.docker('plugin', 'enable', '--timeout', '120', driver);
    };
    await install();
    return {
      engine,
      driver,
      pair,
      control: controlOf(pair),
      dir,
      pluginDir,
      install,
      pid: async () => pidOf(await id()),
      socket: async () => path.join('/run/docker/plugins', await id(), 'hpe.sock'),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The simulator's fabric takes the place of a SAN, and its files have to be seen under the names that they have outside. */
async function showFabric(pluginDir: string, pairDir: string): Promise<void> {
  const file = path.join(pluginDir, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as { mounts: unknown[] };
  const mount = { name: 'pair', type: 'bind', source: pairDir, destination: pairDir, options: ['rbind'] };
  await writeFile(file, JSON.stringify({ ...config, mounts: [...config.mounts, mount] }));
}

/** Makes another version of it, for the next `docker plugin create`. */
export async function setVersion(pluginDir: string, version: string): Promise<void> {
  const file = path.join(pluginDir, 'rootfs/opt/hpe-volume-plugin/package.json');
  const manifest = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...manifest, version }));
}

async function removePlugin(docker: Stack['engine']['docker'], driver: string): Promise<void> {
  await docker('plugin', 'disable', '-f', driver).catch(() => undefined);
  await docker('plugin', 'rm', '-f', driver).catch(() => undefined);
}

/** The process whose cgroup names the plugin: runc calls it so in every layout of cgroups. */
async function pidOf(id: string): Promise<number | undefined> {
  const { stdout } = await execute('pgrep', ['--full', '/opt/hpe-volume-plugin/dist/main.js serve --managed']).catch(
    () => ({ stdout: '' }),
  );
  for (const pid of stdout.split('\n').filter((each) => each !== '')) {
    const cgroup = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
    if (cgroup.includes(id)) return Number(pid);
  }
  return undefined;
}

/** Permission bits of a file. */
export const modeOf = async (file: string): Promise<number> => (await stat(file)).mode & 0o777;
