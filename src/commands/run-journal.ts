import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
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

/** @param of its `arrays`: as they have the group (`groupOnArrays`). @throws `busy` while another run for the group is under way on this node */
export async function openRunJournal(
  stateDir: string,
  of: { backend: string; group: string; arrays: readonly string[] },
): Promise<RunJournal> {
  const folder = path.join(stateDir, 'runs');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const name = encodeURIComponent(`${of.backend}.${of.group}`);
  const file = path.join(folder, `${name}.json`);
  const locks: Server[] = [];
  const release = async (): Promise<void> => {
    for (const lock of locks.splice(0)) {
      lock.close();
      await once(lock, 'close');
    }
  };
  try {
    const names = [file, ...of.arrays.map((each) => path.join(folder, encodeURIComponent(each)))];
    for (const each of names) locks.push(await takeLock(each, of.group));
  } catch (thrown) {
    await release();
    throw thrown;
  }
  return {
    async load() {
      const text = await readIfThere(file);
      return text === undefined ? undefined : shape.parse(JSON.parse(text));
    },
    save: async (state) => writeDurably(file, JSON.stringify(state)),
    remove: async () => removeDurably(file),
    release,
  };
}

/**
 * An abstract socket, which ends with its process however that ends: a number of a process in a file may be another one's by then.
 * @throws `busy`
 */
async function takeLock(file: string, group: string): Promise<Server> {
  const lock = createServer();
  lock.listen(`\0hpe-volume-plugin-run-${createHash('sha256').update(path.resolve(file)).digest('hex')}`);
  try {
    await once(lock, 'listening');
    lock.unref();
    return lock;
  } catch (error) {
    throw new DriverError('busy', `another run for group ${group} is under way on this node`, {
      cause: error,
      next: `wait for it, or end it (pgrep -af 'fail(over|back) run ${group}')`,
    });
  }
}
