import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from './checks.js';
import { eventually } from './command.js';

/** The types of Node 20 do not have it. */
declare const WebAssembly: { Memory: new (pages: { initial: number }) => { buffer: ArrayBuffer } };

const RECORD_BYTES = 4096;
const PAUSE_MS = 5;

/** Writes numbered records, each with its checksum, straight to the device below a file system. */
export interface DirectWriter {
  /** Waits until so many more are acknowledged. @throws with the error of the writer when it had one */
  more(records: number, timeoutMs?: number): Promise<void>;
  /** How many are acknowledged, and the longest that one took. @throws with the error of the writer when it had one */
  stop(): Promise<{ records: number; slowestMs: number }>;
}

/** One record after the other, O_DIRECT and synchronous, until it is stopped; an error ends it. */
export function startDirectWriter(file: string): DirectWriter {
  let [records, slowestMs] = [0, 0];
  let failure: Error | undefined;
  const stopping = new AbortController();
  const loop = async (): Promise<void> => {
    const handle = await open(file, constants.O_CREAT | constants.O_RDWR | constants.O_DIRECT | constants.O_DSYNC);
    const buffer = alignedBuffer();
    while (!stopping.signal.aborted) {
      buffer.set(record(records));
      const start = performance.now();
      const { bytesWritten } = await handle.write(buffer, 0, RECORD_BYTES, records * RECORD_BYTES);
      slowestMs = Math.max(slowestMs, performance.now() - start);
      expect(bytesWritten === RECORD_BYTES, `record ${records}: ${bytesWritten} bytes written`);
      records += 1;
      await pause(PAUSE_MS);
    }
    await handle.close();
  };
  const over = loop().catch((error: Error) => (failure = error));
  const check = (): void => {
    if (failure !== undefined) throw new Error(`after ${records} records: ${failure.message}`, { cause: failure });
  };
  return {
    async more(number, timeoutMs) {
      const goal = records + number;
      await eventually(() => {
        expect(failure !== undefined || records >= goal, `${records} records, ${goal} are awaited`);
      }, timeoutMs);
      check();
    },
    async stop() {
      stopping.abort();
      await over;
      check();
      return { records, slowestMs };
    },
  };
}

/** Reads them from the device. @throws with the first that is missing or not as it was written */
export async function expectRecords(file: string, count: number): Promise<void> {
  const handle = await open(file, constants.O_RDONLY | constants.O_DIRECT);
  const buffer = alignedBuffer();
  for (let number = 0; number < count; number += 1) {
    await handle.read(buffer, 0, RECORD_BYTES, number * RECORD_BYTES);
    expect(record(number).equals(buffer), `record ${number} of ${count} is not as it was written`);
  }
  await handle.close();
}

/** The number, and its checksum for the rest of the record. */
function record(number: number): Buffer {
  const head = String(number).padEnd(32);
  const sum = createHash('sha256').update(head).digest();
  return Buffer.concat([Buffer.from(head), Buffer.alloc(RECORD_BYTES - head.length, sum)]);
}

/** O_DIRECT takes memory at a page boundary only, where WebAssembly's begins. */
function alignedBuffer(): Uint8Array {
  return new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer, 0, RECORD_BYTES);
}
