import { expect, expectEqual } from './checks.js';
import type { Daemon } from './daemon.js';

/** Rule 29; dockerd itself would wait 60 s. */
const UNMOUNT_MS = 30_000;

/** How long the last Unmount took (ms). @throws unless it succeeded, in time */
export function lastUnmountMs(daemon: Daemon): number {
  const lines = daemon
    .log()
    .split('\n')
    .filter((line) => line.includes('"verb":"Unmount"') && line.includes('"ms":'));
  const last = JSON.parse(lines.at(-1) ?? '{}') as { ms?: number; outcome?: string };
  expectEqual(last.outcome, 'ok', 'outcome of Unmount');
  expect((last.ms ?? 0) < UNMOUNT_MS, `Unmount took ${last.ms} ms`);
  return last.ms ?? 0;
}
