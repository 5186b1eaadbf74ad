import { createReadStream, readdirSync, readFileSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ReadyPair } from '../../pair-client.js';
import { pluginTar, type PluginVersion } from '../plugin-versions.js';
import { connectSoon } from '../unix-socket.js';
import { eventually, LOGS } from './command.js';
import { CONF, STATE_DIR, type Daemon } from './daemon.js';
import { call, json } from './docker.js';

const NAME = 'hpe';
/** dockerd packs and unpacks the root file system, in emulation. */
const CREATE_MS = 600_000;
const START_MS = 180_000;

/** The managed plugin in the guest's Docker, by what its users type. */
export const managedPlugin = {
  /** `docker plugin create`, `set`. */
  async create(version: PluginVersion): Promise<void> {
    await call('POST', `/plugins/create?name=${NAME}`, createReadStream(`/host/${pluginTar(version)}`), CREATE_MS);
    await call('POST', `/plugins/${NAME}/set`, ['LOG_LEVEL=INFO']);
  },
  /** `docker plugin enable --timeout 120`, again if dockerd gives up: after 12 s, which a busy emulated machine may take. */
  async enable(): Promise<void> {
    await eventually(async () => call('POST', `/plugins/${NAME}/enable?timeout=120`), START_MS);
    const socket = path.join('/run/docker/plugins', await idOf(), 'hpe.sock');
    (await connectSoon(socket, AbortSignal.timeout(START_MS))).destroy();
  },
  /** `docker plugin disable -f`. */
  disable: async (): Promise<void> => void (await call('POST', `/plugins/${NAME}/disable?force=true`)),
  /** `docker plugin rm -f`. */
  remove: async (): Promise<void> => void (await call('DELETE', `/plugins/${NAME}?force=true`)),
  /** Its process; undefined when it does not run. */
  pid: (): number | undefined => readdirSync('/proc').filter(isPlugin).map(Number)[0],
  /** Of the product in the plugin that runs. */
  version(): string {
    const file = `/proc/${managedPlugin.pid()}/root/opt/hpe-volume-plugin/package.json`;
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  },
};

async function idOf(): Promise<string> {
  return ((await json('GET', `/plugins/${NAME}/json`)) as { Id: string }).Id;
}

function isPlugin(pid: string): boolean {
  try {
    return /^node\0.*serve\0--managed/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return false;
  }
}

/** The daemon in the plugin; the files that hpe.conf names go where it sees them. */
export function managedDaemonWith(conf: string, { arrays }: ReadyPair): Daemon {
  const config = path.dirname(CONF);
  let text = conf;
  return {
    async start() {
      for (const dir of [config, STATE_DIR]) mkdirSync(dir, { recursive: true, mode: 0o700 });
      for (const { name, caFile } of arrays) {
        const file = path.join(config, `${name}.pem`);
        copyFileSync(caFile, file);
        text = text.replaceAll(caFile, file);
      }
      writeFileSync(CONF, text, { mode: 0o600 });
      await managedPlugin.create('0.1.1');
      await managedPlugin.enable();
    },
    async kill() {
      const before = managedPlugin.pid();
      if (before === undefined) throw new Error('the plugin does not run');
      process.kill(before, 'SIGKILL');
      await eventually(() => {
        const now = managedPlugin.pid();
        if (now === undefined || now === before) throw new Error('Docker does not start the plugin again');
      });
    },
    stop: managedPlugin.disable,
    pause: () => process.kill(managedPlugin.pid() ?? 0, 'SIGSTOP'),
    resume: () => process.kill(managedPlugin.pid() ?? 0, 'SIGCONT'),
    log: () => readFileSync(path.join(LOGS, 'dockerd.log'), 'utf8'),
  };
}
