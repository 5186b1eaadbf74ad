import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/**
 * Replaces the file as a whole, and makes its folder; the text is on disk before it has its name. Readable by root only. A
 * loss of power may take it along, as it takes the sessions and devices that such records speak of.
 */
export async function saveRecord(file: string, record: object): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const handle = await open(`${file}.new`, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify(record));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
}

/** Gone already is success. A crash may have come between a new record and its place. */
export async function removeRecord(file: string): Promise<void> {
  await Promise.all([rm(file, { force: true }), rm(`${file}.new`, { force: true })]);
}
