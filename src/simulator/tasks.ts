import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import type { Task, TaskStatus, Volume } from './model.js';

/** Starts what takes `copySeconds` of the pair; without them it is done before this returns. */
export async function startTask(
  pair: ArrayPair,
  array: SimulatedArray,
  shape: Pick<Task, 'type' | 'name' | 'priority' | 'volumes' | 'end'>,
): Promise<Task> {
  const startedAt = array.now();
  const task: Task = { ...shape, id: array.nextId(), status: 'active', startedAt, finishedAt: undefined, detail: '' };
  array.tasks.set(task.id, task);
  if (pair.copyHold) return task;
  if (pair.copySeconds === 0) await endTask(array, task, 'done');
  else pair.later(pair.copySeconds * 1000, () => finishTask(pair, array, task));
  return task;
}

/** Something that is over already. */
export function recordTask(array: SimulatedArray, shape: Pick<Task, 'type' | 'name' | 'status' | 'detail'>): void {
  const times = { startedAt: array.now(), finishedAt: array.now() };
  const id = array.nextId();
  array.tasks.set(id, { ...shape, ...times, id, priority: 2, volumes: [], end: async () => Promise.resolve() });
}

async function finishTask(pair: ArrayPair, array: SimulatedArray, task: Task): Promise<void> {
  if (!pair.copyHold) await endTask(array, task, 'done');
}

async function endTask(array: SimulatedArray, task: Task, status: Exclude<TaskStatus, 'active'>): Promise<void> {
  if (task.status !== 'active') return;
  task.status = status;
  task.finishedAt = array.now();
  await task.end(status);
}

/** While held no copy ends; afterwards all do at once. */
export async function setCopyHold(pair: ArrayPair, hold: boolean): Promise<void> {
  pair.copyHold = hold;
  if (hold) return;
  for (const array of pair.arrays) for (const task of array.tasks.values()) await endTask(array, task, 'done');
}

/** `PUT /tasks/<id>`, `canceltask`: reference 4.4. @throws Refusal */
export async function cancelTask(array: SimulatedArray, id: number): Promise<void> {
  const task = getTask(array, id);
  if (task.status !== 'active') throw new Refusal('TASK_NOT_ACTIVE', `task ${id} is not active`);
  await endTask(array, task, 'cancelled');
}

/** The array loses power. */
export async function failTasks(array: SimulatedArray): Promise<void> {
  for (const task of array.tasks.values()) {
    if (task.status === 'active') task.detail = 'the system was restarted';
    await endTask(array, task, 'failed');
  }
}

export function getTask(array: SimulatedArray, id: number): Task {
  const task = array.tasks.get(id);
  if (task === undefined) throw new Refusal('NON_EXISTENT_TASK', `task ${id} does not exist`);
  return task;
}

/** What the volume is busy with. */
export const findActiveTask = (array: SimulatedArray, volume: Volume): Task | undefined =>
  [...array.tasks.values()].find((task) => task.status === 'active' && task.volumes.includes(volume));

/** @throws Refusal 409/151 */
export function checkNotBusy(array: SimulatedArray, volume: Volume): void {
  const task = findActiveTask(array, volume);
  if (task === undefined) return;
  throw new Refusal('VV_IS_BUSY', `volume ${volume.name} is busy: task ${task.id} (${task.type}) is active`);
}
