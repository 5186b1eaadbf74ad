import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Another pair works in the directory: the command ends with code 2. */
export class DirectoryInUseError extends Error {}

export interface DirectoryLock {
  release(): Promise<void>;
}

const heldHere = new Set<string>();

/**
 * Makes this process the only one that works in the directory: two pairs would overwrite each other's keys and detach
 * each other's loop devices. The lock of a process that has ended is taken over. @throws DirectoryInUseError
 */
export async function lockDirectory(dir: string): Promise<DirectoryLock> {
  const file = join(dir, '.pid');
  if (!(await create(file))) {
    const owner = Number(await readFile(file, 'utf8'));
    if (lives(owner, dir)) {
      throw new DirectoryInUseError(`${dir} is used by process ${owner} (if that is no simulator, remove ${file})`);
    }
    await rm(file);
    if (!(await create(file))) throw new DirectoryInUseError(`${dir} was taken by another process just now`);
  }
  heldHere.add(dir);
  return {
    async release() {
      heldHere.delete(dir);
      await rm(file, { force: true });
    },
  };
}

/** False when the file is there already. */
async function create(file: string): Promise<boolean> {
  try {
    await writeFile(file, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function lives(pid: number, dir: string): boolean {
  // In a container each start may get the same number: our own is then the one of a predecessor.
  if (pid === process.pid) return heldHere.has(dir);
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, under another user.
    return codeOf(error) === 'EPERM';
  }
}

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
