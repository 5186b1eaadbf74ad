import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { waitFor } from './dockerd.js';
import { IMAGE } from './engine.js';
import type { Stack } from './stack.js';

/**
 * Appends numbered records, one synchronous write each, and notes a number outside of the volume once its write has
 * returned. Goes on after a restart where the notes end. At the first error it notes that and only waits.
 */
const SCRIPT = `
n=$(wc -l < /notes/acknowledged)
while :; do
  n=$((n+1))
  if echo $n | dd of=/data/records oflag=append conv=notrunc,fsync 2>/notes/dd; then echo $n >> /notes/acknowledged
  else echo "record $n: $(tail -n 1 /notes/dd)" >> /notes/errors; exec sleep 100000
  fi
done`;

/** A container that writes without pause. */
export interface Writer {
  readonly container: string;
  readonly volume: string;
  run(...options: string[]): Promise<void>;
  /** How many records were acknowledged up to now. */
  acknowledged(): Promise<number>;
  /** Waits until that many more are. @throws with the container's I/O error when it has one */
  more(records: number): Promise<number>;
  /** The I/O errors that the container got. */
  errors(): Promise<string[]>;
  forgetErrors(): Promise<void>;
  /** Reads the records in the running container. @throws unless all from 1 to `upTo` are there, in order */
  prove(upTo: number): Promise<void>;
}

export async function writerIn(
  stack: Pick<Stack, 'engine' | 'dir'>,
  container: string,
  volume: string,
): Promise<Writer> {
  const notes = path.join(stack.dir, `notes-${container}`);
  await mkdir(notes);
  const noted = path.join(notes, 'acknowledged');
  for (const name of ['acknowledged', 'errors']) await writeFile(path.join(notes, name), '');
  const lines = async (name: string): Promise<string[]> =>
    (await readFile(path.join(notes, name), 'utf8')).split('\n').slice(0, -1);
  const acknowledged = async (): Promise<number> => Number((await lines('acknowledged')).at(-1) ?? 0);
  const errors = async (): Promise<string[]> => lines('errors');
  return {
    container,
    volume,
    async run(...options) {
      const all = ['--name', container, '--network', 'none', '-v', `${notes}:/notes`, '-v', `${volume}:/data`];
      await stack.engine.docker('run', '-d', ...all, ...options, IMAGE, 'sh', '-c', SCRIPT);
    },
    acknowledged,
    async more(records) {
      const goal = (await acknowledged()) + records;
      return waitFor(async () => {
        const [now, [error]] = [await acknowledged(), await errors()];
        if (now >= goal) return now;
        throw new Error(`${noted} has ${now} records, ${goal} are awaited; ${error ?? 'no I/O error'}`);
      }, 30_000);
    },
    errors,
    forgetErrors: async () => writeFile(path.join(notes, 'errors'), ''),
    async prove(upTo) {
      const text = await stack.engine.docker('exec', container, 'cat', '/data/records');
      // A record that was written, but not acknowledged, is written again after a restart.
      const found = [...new Set(text.split('\n'))];
      const wrong = Array.from({ length: upTo }, (_, index) => String(index + 1)).findIndex((n, at) => found[at] !== n);
      if (wrong >= 0) throw new Error(`record ${wrong + 1} of ${upTo} is missing or out of order: ${found[wrong]}`);
    },
  };
}
