import { appendFile, open, readFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

const DIARY = 'diary';

/** A container that writes to a mounted volume all the while; no crash of the daemon may be felt there. */
export class Bystander {
  readonly mountpoint: string;
  readonly #file: FileHandle;
  readonly #device: number;
  #written: string;

  private constructor(mountpoint: string, file: FileHandle, found: { device: number; text: string }) {
    this.mountpoint = mountpoint;
    this.#file = file;
    this.#device = found.device;
    this.#written = found.text;
  }

  static async start(mountpoint: string): Promise<Bystander> {
    const file = await open(path.join(mountpoint, DIARY), 'a+');
    return new Bystander(mountpoint, file, { device: (await file.stat()).dev, text: await file.readFile('utf8') });
  }

  /** @throws when something that it wrote is not there, where the volume is mounted now */
  async findWritten(mountpoint: string): Promise<void> {
    const text = await readFile(path.join(mountpoint, DIARY), 'utf8');
    if (!text.startsWith(this.#written)) throw new Error(`the volume has lost what was written: ${text.slice(-80)}`);
  }

  /** What is wrong, after one more line was written; nothing when all is well. */
  async disturbances(line: string): Promise<string[]> {
    try {
      this.#written += `${line}\n`;
      await this.#file.appendFile(`${line}\n`);
      await this.#file.datasync();
      const seen = await open(path.join(this.mountpoint, DIARY));
      try {
        const { dev } = await seen.stat();
        if (dev !== this.#device) return ['the volume in use is on another device now'];
        if ((await seen.readFile('utf8')) !== this.#written) return ['the volume in use has lost what was written'];
      } finally {
        await seen.close();
      }
      return [];
    } catch (error) {
      return [`the volume in use: ${String(error)}`];
    }
  }

  /** The container stops, if it has not yet. */
  async end(): Promise<void> {
    await this.#file.close();
  }
}

const MARK = 'what was written before\n';

/** Data that has to be there for ever after. */
export async function leaveMark(mountpoint: string): Promise<void> {
  await appendFile(path.join(mountpoint, 'mark'), MARK, { flush: true });
}

/** @throws when the data is not there */
export async function findMark(mountpoint: string): Promise<void> {
  const text = await readFile(path.join(mountpoint, 'mark'), 'utf8');
  if (text !== MARK) throw new Error(`the data is lost: ${JSON.stringify(text.slice(0, 40))}`);
}
