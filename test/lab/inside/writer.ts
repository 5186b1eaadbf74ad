import { setTimeout as pause } from 'node:timers/promises';
import { expect, expectEqual } from './checks.js';
import { docker } from './docker.js';
import type { Site } from './site.js';

/**
 * Appends numbered records, one synchronous write each, and prints a number once its write has returned, or an error, after
 * which it only waits.
 */
const SCRIPT = `
n=0
while :; do
  n=$((n+1))
  if said=$(echo $n | dd of=/data/records oflag=append conv=notrunc,fsync 2>&1); then echo $n
  else echo error at record $n: $said; exec sleep 100000
  fi
  sleep 0.2
done`;

/** A container that writes to its volume without pause. */
export interface Writer {
  /** Number of the last record that was acknowledged. */
  acknowledged(): Promise<number>;
  /** Waits until so many more are. @throws with its error when it had one */
  more(records: number, timeoutMs?: number): Promise<void>;
  errors(): Promise<string[]>;
}

export async function startWriter(container: string, volume: string): Promise<Writer> {
  await docker.run(container, volume, SCRIPT);
  const lines = async (): Promise<string[]> => (await docker.logs(container)).trim().split('\n');
  const errors = async (): Promise<string[]> => (await lines()).filter((line) => line.startsWith('error'));
  const acknowledged = async (): Promise<number> => Number((await lines()).findLast((line) => /^\d+$/.test(line)) ?? 0);
  return {
    acknowledged,
    errors,
    async more(records, timeoutMs = 120_000) {
      const goal = (await acknowledged()) + records;
      const end = performance.now() + timeoutMs;
      while ((await acknowledged()) < goal) {
        const [error] = await errors();
        expect(error === undefined, `the container had an ${error}`);
        expect(performance.now() < end, `record ${goal} is not written after ${timeoutMs / 1000} s`);
        await pause(500);
      }
    },
  };
}

/** Everything that was acknowledged is there; then nothing of the volume. The container has been stopped. */
export async function readAndRemove(
  { step }: Pick<Site, 'step'>,
  { container, volume, written }: { container: string; volume: string; written: number },
): Promise<void> {
  await step(`all ${written} records are there`, async () => {
    await docker.run('reader', volume);
    const [last, lines] = (await docker.exec('reader', 'tail -n 1 /data/records; wc -l < /data/records')).split('\n');
    expect(Number(last) >= written, `the last record is ${last}, acknowledged were ${written}`);
    expectEqual(Number(lines), Number(last), 'records in the file');
  });
  await step('docker rm, docker volume rm', async () => {
    await docker.removeContainer('reader');
    await docker.removeContainer(container);
    await docker.removeVolume(volume);
  });
}
