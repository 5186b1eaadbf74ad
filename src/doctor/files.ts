import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { BackendConfig } from '../config/config.js';
import { about, type Finding } from './finding.js';

interface Files {
  configFile: string;
  socketPath: string;
  stateDir: string;
}

const OTHERS_READ = 0o004;
const ANY_OTHER = 0o077;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/** Who besides root may use the plugin's files: each of them is as good as root on this host. */
export async function examineFiles(
  { configFile, socketPath, stateDir }: Files,
  backends: readonly BackendConfig[],
): Promise<Finding[]> {
  const [config, socket, folder, state] = await Promise.all([
    modeOf(configFile),
    modeOf(socketPath),
    modeOf(path.dirname(socketPath)),
    modeOf(stateDir),
  ]);
  const findings: Finding[] = [];
  const arrays = backends.flatMap(({ primary, secondary }) =>
    secondary === undefined ? [primary] : [primary, secondary],
  );
  const hasText = arrays.some(({ passwordFrom, sanPasswordFrom }) => [passwordFrom, sanPasswordFrom].includes('text'));
  if (hasText && (config & OTHERS_READ) !== 0) {
    findings.push(
      about(configFile)(
        'config-exposed',
        `it holds passwords, and every user may read it (mode ${octal(config)})`,
        `chmod 0600 ${configFile}`,
      ),
    );
  }
  if ((socket & ANY_OTHER) !== 0) {
    findings.push(
      about(socketPath)(
        'socket-exposed',
        `others than root may use the plugin's socket (mode ${octal(socket)})`,
        `chmod 0600 ${socketPath}`,
      ),
    );
  }
  if ((folder & OTHERS_WRITE) !== 0 && (folder & STICKY) === 0) {
    const at = path.dirname(socketPath);
    findings.push(
      about(at)(
        'socket-exposed',
        `others than root may replace the plugin's socket in it (mode ${octal(folder)})`,
        `chmod go-w ${at}`,
      ),
    );
  }
  if ((state & ANY_OTHER) !== 0) {
    findings.push(
      about(stateDir)(
        'state-dir-exposed',
        `others than root may look into the daemon's state, and at its admin socket (mode ${octal(state)})`,
        `chmod 0700 ${stateDir}`,
      ),
    );
  }
  return findings;
}

/** 0 for what is not there. */
const modeOf = async (file: string): Promise<number> => (await stat(file).catch(() => undefined))?.mode ?? 0;

const octal = (mode: number): string => `0${(mode & 0o7777).toString(8)}`;
