import { mkdir, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { DriverError } from '../domain/errors.js';
import { readIfThere, removeDurably, writeDurably } from '../store/durable-file.js';

const shape = z.strictObject({
  goal: z.enum(['failover', 'failback']),
  /** ISO 8601. */
  startedAt: z.string(),
  synced: z.record(z.string(), z.number()).exactOptional(),
  /** Stopped, or about to be, and not started again yet. */
  stopped: z.array(z.object({ id: z.string(), name: z.string(), volumes: z.array(z.string()) })),
});
/** What an interrupted run has to know when it goes on; all else is read from the arrays again. */
export type RunState = z.infer<typeof shape>;

/** The memory of the runs for one group on this node, in `<state-dir>/runs`. */
export interface RunJournal {
  /** Of a run that did not end; undefined: there is none. */
  load(): Promise<RunState | undefined>;
  /** On disk when it returns. */
  save(state: RunState): Promise<void>;
  remove(): Promise<void>;
  /** Another run may begin. */
  release(): Promise<void>;
}

/** @throws `busy` while another run for the group is under way on this node */
export async function openRunJournal(stateDir: string, of: { backend: string; group: string }): Promise<RunJournal> {
  const folder = path.join(stateDir, 'runs');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const name = encodeURIComponent(`${of.backend}.${of.group}`);
  const file = path.join(folder, `${name}.json`);
  const lock = path.join(folder, `${name}.pid`);
  await takeLock(lock, of.group);
  return {
    async load() {
      const text = await readIfThere(file);
      return text === undefined ? undefined : shape.parse(JSON.parse(text));
    },
    save: async (state) => writeDurably(file, JSON.stringify(state)),
    remove: async () => removeDurably(file),
    release: async () => rm(lock, { force: true }),
  };
}

async function takeLock(lock: string, group: string): Promise<void> {
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    try {
      const handle = await open(lock, 'wx', 0o600);
      await handle.writeFile(String(process.pid));
      await handle.close();
      return;
    } catch {
      const pid = Number(await readFile(lock, 'utf8').catch(() => ''));
      if (attempt === 2 || isAlive(pid)) {
        throw new DriverError('busy', `another run for group ${group} is under way on this node (process ${pid})`, {
          next: 'wait for it, or end it',
        });
      }
      await rm(lock, { force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
