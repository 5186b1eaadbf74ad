import { z } from 'zod';
import type { ArrayVolume } from '../contracts/array.js';
import type { Clones, CloneState, CreateClone } from '../contracts/clones.js';
import { DriverError } from '../domain/errors.js';
import { parseTag } from '../domain/tag.js';
import { makeSo } from './make-so.js';
import { isSafeName, safeName, segment } from './paths.js';
import { listOf, volumeAnswer } from './schemas.js';
import { toVolume, type Volumes } from './volumes.js';
import type { Wsapi } from './wsapi.js';

/** NON_EXISTENT_VOL (reference 2.2) */
const NON_EXISTENT_VOL = 23;
/** `copyType` (reference 4.3): of a volume while an online copy to it runs, and of a snapshot. */
const PHYSICAL_COPY = 2;
const VIRTUAL_COPY = 3;
/** `status` of a task (reference 4.4). */
const ACTIVE = 2;
/** `action` of a task (reference 4.4). */
const CANCEL = 1;
/** A copy hangs on a snapshot of a snapshot of its source (reference 4.4). */
const MOST_HELPERS = 2;

const copyAnswer = volumeAnswer.extend({ copyType: z.int(), copyOf: z.string().optional() });
type CopyAnswer = z.infer<typeof copyAnswer>;
const taskAnswer = z.object({ id: z.int(), name: z.string(), status: z.int(), startTime: z.string().optional() });
type TaskAnswer = z.infer<typeof taskAnswer>;

/** Physical copies within one array, by WSAPI. */
export class WsapiClones implements Clones {
  readonly #wsapi: Wsapi;
  readonly #volumes: Volumes;

  constructor(wsapi: Wsapi, volumes: Volumes) {
    this.#wsapi = wsapi;
    this.#volumes = volumes;
  }

  async look(name: string, signal: AbortSignal): Promise<CloneState | undefined> {
    const found = await this.#find(name, signal);
    if (found === undefined) return undefined;
    if (found.copyType !== PHYSICAL_COPY) return { volume: toVolume(found), copy: 'done', helpers: [] };
    const task = await this.#findTask(name, signal);
    const helpers = await this.#helpersOf(found, signal);
    if (task !== undefined) {
      const since = task.startTime === undefined ? '' : `, since ${task.startTime}`;
      return { volume: toVolume(found), copy: 'running', task: `task ${task.id}${since}`, helpers };
    }
    // It may have been done between the two reads.
    const again = await this.#find(name, signal);
    if (again === undefined) return undefined;
    const copy = again.copyType === PHYSICAL_COPY ? 'broken' : 'done';
    return { volume: toVolume(again), copy, helpers: copy === 'done' ? [] : helpers };
  }

  async ensure(wanted: CreateClone, signal: AbortSignal): Promise<ArrayVolume> {
    const { name, of, tag } = wanted;
    const made = await makeSo(
      {
        act: async () =>
          this.#wsapi.change({ method: 'POST', path: `volumes/${segment(of)}`, body: copyBody(wanted) }, signal),
        read: async () => this.#find(name, signal),
        isDone: (found) => found !== undefined,
        notDone: () => this.#notDone(`the copy of volume ${of} to ${name}`, `there is no volume ${name}`),
      },
      signal,
    );
    const differences = made === undefined ? [] : differencesOf(wanted, toVolume(made));
    if (differences.length === 0) return this.#volumes.tag(name, tag, signal);
    throw new DriverError('exists', `${this.#wsapi.label} has another volume ${name}: ${differences.join(', ')}`, {
      next: `see whose it is with: showvv -d ${name}; it is not touched`,
    });
  }

  async stop(name: string, signal: AbortSignal): Promise<void> {
    const task = await this.#findTask(name, signal);
    if (task === undefined) return;
    let isUnderWay = false;
    await makeSo(
      {
        act: async () => {
          await this.#wsapi.change({ method: 'PUT', path: `tasks/${task.id}`, body: { action: CANCEL } }, signal);
          isUnderWay = true;
        },
        read: async () => this.#findTask(name, signal),
        isDone: (state) => state === undefined,
        isUnderWay: () => isUnderWay,
        notDone: () => this.#notDone(`the end of the copy to volume ${name}`, `task ${task.id} is still active`),
      },
      signal,
    );
  }

  async removeHelpers(helpers: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of helpers) {
      const found = await this.#find(name, signal);
      if (found !== undefined && isHelper(found)) await this.#volumes.remove(name, '', signal);
    }
  }

  async #find(name: string, signal: AbortSignal): Promise<CopyAnswer | undefined> {
    const schema = copyAnswer.extend({ name: z.literal(name) });
    return this.#wsapi.find({ path: `volumes/${segment(name)}`, schema, absent: [NON_EXISTENT_VOL] }, signal);
  }

  /** An online copy's task is called after the volume that it makes, any other one `source->volume` (reference 4.4). */
  async #findTask(name: string, signal: AbortSignal): Promise<TaskAnswer | undefined> {
    const tasks = await this.#wsapi.get({ path: 'tasks', schema: listOf(taskAnswer) }, signal);
    return tasks.find((task) => task.status === ACTIVE && (task.name === name || task.name.endsWith(`->${name}`)));
  }

  /** The chain from the copy to its source, the one that hangs on the others first; nothing unless it ends at a volume of ours. */
  async #helpersOf(copy: CopyAnswer, signal: AbortSignal): Promise<string[]> {
    const helpers: string[] = [];
    let next = copy.copyOf;
    while (next !== undefined && isSafeName(next)) {
      const found = await this.#find(next, signal);
      if (found === undefined) break;
      if (parseTag(found.comment ?? '') !== undefined) return helpers;
      if (!isHelper(found) || helpers.length === MOST_HELPERS) break;
      helpers.push(found.name);
      next = found.copyOf;
    }
    return [];
  }

  #notDone(what: string, seen: string): DriverError {
    return new DriverError('unavailable', `${this.#wsapi.label} acknowledged ${what}, but ${seen}`, {
      next: 'see the events of the array with: showeventlog -min 10',
    });
  }
}

/** Whatever is ours has a comment. */
const isHelper = ({ copyType, comment = '' }: CopyAnswer): boolean => copyType === VIRTUAL_COPY && comment === '';

function copyBody(wanted: CreateClone): Record<string, unknown> {
  return {
    action: 'createPhysicalCopy',
    parameters: {
      destVolume: safeName(wanted.name),
      destCPG: wanted.cpg,
      snapCPG: wanted.snapCpg,
      online: true,
      tpvv: wanted.provisioning === 'thin',
      ...(wanted.provisioning === 'dedup' ? { tdvv: true } : {}),
      ...(wanted.compression ? { compression: true } : {}),
    },
  };
}

function differencesOf(wanted: CreateClone, found: ArrayVolume): string[] {
  const pairs: [string, unknown, unknown][] = [
    ['provisioning', wanted.provisioning, found.provisioning],
    ['compression', wanted.compression, found.compression],
    ['CPG', wanted.cpg, found.cpg],
  ];
  return pairs
    .filter(([, want, is]) => want !== is)
    .map(([what, want, is]) => `${what} is ${JSON.stringify(is) ?? 'unset'} instead of ${JSON.stringify(want)}`);
}
