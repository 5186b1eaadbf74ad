import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { errorCode } from './failure.js';

/** Replaces the file as a whole; it is on disk when this returns. Readable by root only. */
export async function writeDurably(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`;
  await writeSynced(temporary, 'w', text);
  await rename(temporary, file);
  await syncFolder(path.dirname(file));
}

/**
 * Makes a new file as a whole, or none; it is on disk when this returns. Readable by root only. @throws the system's error,
 * EEXIST for a file that is there
 */
export async function createDurably(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  try {
    await writeSynced(temporary, 'wx', text);
    // The name is taken before, since a rename replaces what is there.
    await (await open(file, 'wx', 0o600)).close();
    await rename(temporary, file).catch(async (error: unknown) => {
      await rm(file, { force: true });
      throw error;
    });
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(path.dirname(file));
}

/** Gone already is success; it is gone from the disk when this returns. */
export async function removeDurably(file: string): Promise<void> {
  await rm(file, { force: true });
  await syncFolder(path.dirname(file));
}

/** The file's text, or undefined if there is no such file. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeSynced(file: string, flags: 'w' | 'wx', text: string): Promise<void> {
  const handle = await open(file, flags, 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
