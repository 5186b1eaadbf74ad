import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { DriverError } from '../domain/errors.js';
import { errorCode } from './error-code.js';
import { removeRecord, saveRecord } from './record-file.js';

/**
 * Which loop device is which volume's. Written before the device is made, because a crash between the two must not leave
 * a device that nobody knows; the kernel's own numbers prove it at each use.
 */
const recordSchema = z.object({
  schema: z.literal(1),
  wwn: z.string(),
  bootId: z.string(),
  inode: z.number(),
  device: z.string(),
  /** Missing between the intention and the read back. */
  loop: z.object({ path: z.string(), diskSequence: z.string() }).optional(),
});

export type LoopRecord = z.infer<typeof recordSchema>;

/** One file for each attached volume, `<folder>/<wwn>.json`. */
export class LoopRecords {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws `unavailable` when there is a record, but not a readable one */
  async find(wwn: string): Promise<LoopRecord | undefined> {
    const file = this.#file(wwn);
    try {
      return recordSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw new DriverError('unavailable', `the record ${file} of an attached loop device cannot be read`, {
        cause: error,
        next: `find the device with losetup --list, free it if nothing is mounted from it, then remove ${file}`,
      });
    }
  }

  async save(record: LoopRecord): Promise<void> {
    await saveRecord(this.#file(record.wwn), record);
  }

  async remove(wwn: string): Promise<void> {
    await removeRecord(this.#file(wwn));
  }

  #file(wwn: string): string {
    if (!/^[0-9a-f]+$/.test(wwn)) throw new DriverError('internal', `not a WWN: ${wwn}`);
    return path.join(this.#folder, `${wwn}.json`);
  }
}
