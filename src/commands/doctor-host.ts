import { access } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import type { Config } from '../config/config.js';
import type { Logger } from '../contracts/log.js';
import type { BackendManager } from '../backend/manager.js';
import type { ExaminedHost } from '../doctor/host.js';
import { CommandError, isMissingTool, type Run } from '../host/run.js';
import { buildConnectors } from './build.js';

const TOOL_TIMEOUT_MS = 10_000;
const PORTAL_TIMEOUT_MS = 3_000;
const SETTINGS_TIMEOUT_MS = 20_000;

interface HostParts {
  config: Config;
  backends: BackendManager;
  stateDir: string;
  run: Run;
  logger: Logger;
}

export interface HostLook extends ExaminedHost {
  connector: ReturnType<typeof buildConnectors>;
}

/** This host as the daemon would use it. */
export function lookAtHost({ config, backends, stateDir, run, logger }: HostParts): HostLook {
  const connector = buildConnectors(config, { stateDir, node: { id: '', name: '' }, run, logger });
  const said = async (tool: string, args: string[]): Promise<string | undefined> => {
    try {
      const { stdout, stderr } = await run(tool, args, { timeoutMs: TOOL_TIMEOUT_MS });
      return `${stdout}\n${stderr}`;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return isMissingTool(error) ? undefined : `${error.stdout}\n${error.stderr}`;
    }
  };
  return {
    connector,
    run: said,
    findProblems: async (name) => connector(backends.get(name)).findProblems(AbortSignal.timeout(SETTINGS_TIMEOUT_MS)),
    hasModule: async (name) => {
      if (await exists(path.join('/sys/module', name))) return true;
      return run('modprobe', ['--dry-run', '--quiet', name], { timeoutMs: TOOL_TIMEOUT_MS }).then(
        () => true,
        () => false,
      );
    },
  };
}

const exists = async (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

/** Whether somebody takes a TCP connection there. */
export async function reaches({ host, port }: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PORTAL_TIMEOUT_MS });
    const end = (isReached: boolean) => (): void => {
      socket.destroy();
      resolve(isReached);
    };
    socket.once('connect', end(true));
    socket.once('error', end(false));
    socket.once('timeout', end(false));
  });
}
