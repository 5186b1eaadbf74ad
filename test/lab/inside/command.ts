import { execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const COMMAND_MS = 60_000;

/** Where the programs of the guest log. */
export const LOGS = '/var/log/lab';

/** Standard output of a program. @throws with what it printed when it fails, or has not ended after a minute */
export async function run(file: string, args: string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, { timeout: COMMAND_MS, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${file} ${args.join(' ')}: ${error.message} ${stdout}${stderr}`, { cause: error }));
    });
    // One that has ended reads nothing; how it ended is told above.
    child.stdin?.on('error', () => undefined).end(input);
  });
}

/** Starts a program that outlives this one, and keeps nothing of /host busy. Returns its process id. */
export function startDaemon(name: string, [file, ...args]: [string, ...string[]]): number {
  mkdirSync(LOGS, { recursive: true });
  const log = openSync(path.join(LOGS, `${name}.log`), 'a');
  const child = spawn(file, args, { cwd: '/', detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  child.unref();
  if (child.pid === undefined) throw new Error(`${file} does not start`);
  return child.pid;
}

/** Tries again until it does not throw; the last error counts. */
export async function eventually<T>(work: () => Promise<T> | T, timeoutMs = 180_000): Promise<T> {
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
