import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CACHE, SCRIPTS } from './guest.js';

const execute = promisify(execFile);
const UNUSED_MS = 2 * 3_600_000;

/** A machine is used again for as long as nothing that it was made of has changed; `save` makes one in a directory. */
export async function savedMachine(
  of: { guest: string; app: string },
  save: (target: string) => Promise<void>,
): Promise<string> {
  const saved = path.join(CACHE, `machine-${await key(of)}`);
  if (!(await isThere(saved))) {
    const making = `${saved}.${process.pid}`;
    try {
      await save(making);
      await rename(making, saved);
    } finally {
      await rm(making, { recursive: true, force: true });
    }
  }
  await utimes(saved, new Date(), new Date());
  await removeUnused();
  return saved;
}

/** What runs in the machine when it is saved, and what it is saved with. */
async function key({ guest, app }: { guest: string; app: string }): Promise<string> {
  const files = ['simulator.mjs', 'prepare.mjs'].map((name) => path.join(app, 'lib', name));
  for (const name of (await readdir(SCRIPTS)).toSorted()) files.push(path.join(SCRIPTS, name));
  files.push(fileURLToPath(new URL('qemu.ts', import.meta.url)));
  const hash = createHash('sha256').update(path.basename(guest));
  hash.update((await execute('qemu-system-x86_64', ['--version'])).stdout);
  for (const file of files) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 12);
}

async function removeUnused(): Promise<void> {
  for (const name of await readdir(CACHE)) {
    const file = path.join(CACHE, name);
    if (name.startsWith('machine-') && Date.now() - (await stat(file)).mtimeMs > UNUSED_MS) {
      await rm(file, { recursive: true, force: true });
    }
  }
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
