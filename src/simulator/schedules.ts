import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import { nextRun } from './cron.js';
import type { CronTimes } from './cron.js';
import type { Schedule } from './model.js';
import { createSnapshot } from './snapshots.js';
import { recordTask } from './tasks.js';

/** `createsched`: reference 7.3. Neither the volume nor the names that come out are looked at before it runs. */
export function createSchedule(
  array: SimulatedArray,
  wanted: Pick<Schedule, 'name' | 'command' | 'job' | 'times'>,
): void {
  checkNameFree(array, wanted.name);
  const schedule = { ...wanted, suspended: false, nextRun: nextRun(wanted.times, array.now()) };
  array.schedules.set(wanted.name, schedule);
}

function checkNameFree(array: SimulatedArray, name: string): void {
  if (array.schedules.has(name)) throw new Refusal('EXISTENT_SCHEDULE', `schedule ${name} exists already`);
}

export function getSchedule(array: SimulatedArray, name: string): Schedule {
  const schedule = array.schedules.get(name);
  if (schedule === undefined) throw new Refusal('NON_EXISTENT_SCHEDULE', `schedule ${name} does not exist`);
  return schedule;
}

export interface ModifySchedule {
  newName?: string | undefined;
  suspended?: boolean | undefined;
  times?: CronTimes | undefined;
}

/** `setsched` */
export function modifySchedule(array: SimulatedArray, name: string, change: ModifySchedule): void {
  const schedule = getSchedule(array, name);
  const { newName = name, suspended = schedule.suspended, times = schedule.times } = change;
  if (newName !== name) checkNameFree(array, newName);
  array.schedules.delete(name);
  Object.assign(schedule, { name: newName, suspended, times, nextRun: nextRun(times, array.now()) });
  array.schedules.set(newName, schedule);
}

/** Its snapshots stay. */
export function removeSchedule(array: SimulatedArray, name: string): void {
  array.schedules.delete(getSchedule(array, name).name);
}

/** Its time has come; what goes wrong is the failure of a task, and it runs again. */
export async function runSchedule(pair: ArrayPair, array: SimulatedArray, schedule: Schedule): Promise<void> {
  const { name, job, times } = schedule;
  const now = array.now();
  schedule.nextRun = nextRun(times, now);
  try {
    const made = expandName(job.name, now);
    if (made.length > 31) throw new Refusal('EXCEEDS_LENGTH', `${made} is longer than 31 characters`);
    await createSnapshot(pair, array, { ...job, name: made });
    recordTask(array, { type: 'scheduled_task', name, status: 'done', detail: schedule.command });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    recordTask(array, { type: 'scheduled_task', name, status: 'failed', detail: error.message });
  }
}

/** Runs that an array without power misses are not made up for. */
export function skipMissedRuns(array: SimulatedArray): void {
  const now = array.now();
  for (const schedule of array.schedules.values()) {
    if (schedule.nextRun !== undefined && schedule.nextRun <= now) schedule.nextRun = nextRun(schedule.times, now);
  }
}

/** `@y@@m@@d@@H@@M@@S@`: two digits each, in UTC. */
export function expandName(pattern: string, time: Date): string {
  const [, y = '', m = '', d = '', H = '', M = '', S = ''] =
    /^\d\d(\d\d)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)/.exec(time.toISOString()) ?? [];
  const parts = new Map(Object.entries({ y, m, d, H, M, S }));
  return pattern.replace(/@(\w)@/g, (whole, letter: string) => parts.get(letter) ?? whole);
}
