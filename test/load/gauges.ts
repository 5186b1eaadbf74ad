import { readdir, readFile } from 'node:fs/promises';
import type { LoadSite } from './site.js';

/** One moment of the run. */
export interface Sample {
  /** Since the start. */
  seconds: number;
  /** Resident memory of each daemon in MiB. */
  memory: number[];
  /** Open file descriptors of each daemon. */
  files: number[];
  /** WSAPI sessions of both arrays together. */
  sessions: number;
  /** Volumes on both arrays together: what is in use, so it goes up and down. */
  volumes: number;
  /** Verbs answered since the start, and errors among them. */
  verbs: number;
  errors: number;
}

/** What the processes and the arrays hold now. */
export async function readGauges({
  daemons,
  simulator,
}: LoadSite): Promise<Omit<Sample, 'seconds' | 'verbs' | 'errors'>> {
  const pids = daemons.map(({ pid = 0 }) => pid);
  return {
    memory: await Promise.all(pids.map(memoryOf)),
    files: await Promise.all(pids.map(async (pid) => (await readdir(`/proc/${pid}/fd`)).length)),
    sessions: simulator.arrays.reduce((sum, { sessions }) => sum + sessions.size, 0),
    volumes: simulator.arrays.reduce((sum, { volumes }) => sum + volumes.size, 0),
  };
}

/** Resident memory in MiB. */
export async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 102.4) / 10;
}
