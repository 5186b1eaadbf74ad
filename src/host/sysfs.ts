import { readdir, readFile, realpath } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Run } from './run.js';

/** The unit of `size` in sysfs, whatever the device's own sectors are. */
export const SECTOR_BYTES = 512;

const WRITE_TIMEOUT_MS = 10_000;
const POLL_MS = 100;

/** How the connectors look at the host and change it. */
export interface HostAccess {
  run: Run;
  /** `/sys`; elsewhere in tests. */
  sysRoot: string;
  /** `/dev`; elsewhere in tests. */
  devRoot: string;
}

/** The text of an attribute; undefined when the device has gone, or has no such attribute. */
export async function readAttribute(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text?.trim();
}

/** Names in a folder of sysfs, sorted; none when there is no such folder. */
export async function listEntries(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.toSorted((a, b) => (a < b ? -1 : 1));
}

/** Where the links lead; undefined when the device has gone. */
export async function resolveLink(file: string): Promise<string | undefined> {
  return realpath(file).catch(() => undefined);
}

/** Writes to an attribute from a child, because such a write may wait for a device as long as it likes. @throws CommandError */
export async function writeAttribute(
  run: Run,
  { file, value, timeoutMs = WRITE_TIMEOUT_MS }: { file: string; value: string; timeoutMs?: number },
  signal: AbortSignal,
): Promise<void> {
  await run('tee', [file], { timeoutMs, signal, input: value });
}

/** Whether it came true within that time (ms); looks every 100 ms. */
export async function cameTrue(
  check: () => Promise<boolean>,
  patienceMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    if (await check()) return true;
    if (performance.now() > deadline) return false;
    await pause(POLL_MS, undefined, { signal });
  }
}
