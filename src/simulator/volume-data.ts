import { execFile } from 'node:child_process';
import { open, rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MIB = 1024 * 1024;

/** An empty sparse file; nothing is allocated until somebody writes. */
export async function createData(file: string, sizeMiB: number): Promise<void> {
  const handle = await open(file, 'w');
  try {
    await handle.truncate(sizeMiB * MIB);
  } finally {
    await handle.close();
  }
}

/**
 * Makes `to` hold what `from` holds now, in a new inode: whoever still has the old one open neither sees nor disturbs it.
 * `cp` copies holes as holes, which node's own copy does not.
 */
export async function copyData(from: string, to: string): Promise<void> {
  const fresh = `${to}.new`;
  await run('cp', ['--sparse=always', '--reflink=auto', '--', from, fresh]);
  await rename(fresh, to);
}

/** Cuts off whoever has the file open. */
export const renewInode = (file: string): Promise<void> => copyData(file, file);

export const removeData = (file: string): Promise<void> => rm(file, { force: true });
