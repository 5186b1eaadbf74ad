import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
/** What the guest's first process runs, and the configuration of its tools. */
export const SCRIPTS = fileURLToPath(new URL('guest', import.meta.url));
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** What a run leaves for the next one: packages, the guest, the saved machine. */
export const CACHE = path.join(process.env['XDG_CACHE_HOME'] ?? '/var/cache', 'hpe-3par-lab');

/** Builds the guest unless it is there; answers its directory. */
export async function buildGuest(): Promise<string> {
  await run([here('../install.sh'), 'qemu-system-x86_64', 'qemu-img', 'cpio', 'mkfs.ext4']);
  return (await run([here('guest/build.sh'), CACHE])).trim();
}

async function run(args: string[]): Promise<string> {
  const { stdout } = await execute('bash', args, {
    maxBuffer: 64 << 20,
    env: { ...process.env, NODE: process.execPath },
  });
  return stdout;
}
