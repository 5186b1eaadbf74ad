import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import type { Volume } from './model.js';
import { runSchedule, skipMissedRuns } from './schedules.js';
import { checkRemovable, deleteVolume } from './volumes.js';

/** Something that an array does by itself at a time. */
interface DueWork {
  at: Date;
  run(): Promise<void>;
}

/**
 * Moves the array's clock forward. What falls due on the way is done at its time, in order; an array without power does
 * nothing meanwhile.
 */
export async function moveClock(pair: ArrayPair, array: SimulatedArray, ms: number): Promise<void> {
  const end = array.now().getTime() + ms;
  const set = (time: number) => {
    array.clockAheadMs = Math.max(array.clockAheadMs, time - Date.now());
  };
  while (array.powered) {
    const next = findNextWork(pair, array);
    if (next === undefined || next.at.getTime() > end) break;
    set(next.at.getTime());
    await next.run();
  }
  set(end);
  if (!array.powered) skipMissedRuns(array);
}

/** What has fallen due by itself; called about once a second. */
export async function runDueWork(pair: ArrayPair): Promise<void> {
  for (const array of pair.arrays) await moveClock(pair, array, 0);
}

function findNextWork(pair: ArrayPair, array: SimulatedArray): DueWork | undefined {
  const [first] = [findNextExpiry(array), findNextSchedule(pair, array)]
    .filter((work) => work !== undefined)
    .toSorted(byTime);
  return first;
}

const byTime = (one: DueWork, other: DueWork): number => one.at.getTime() - other.at.getTime();

function findNextSchedule(pair: ArrayPair, array: SimulatedArray): DueWork | undefined {
  const [first] = [...array.schedules.values()]
    .filter((schedule) => !schedule.suspended)
    .flatMap((schedule) =>
      schedule.nextRun === undefined ? [] : [{ at: schedule.nextRun, run: () => runSchedule(pair, array, schedule) }],
    )
    .toSorted(byTime);
  return first;
}

/** The volume that is deleted next because its time is over, of those that nothing else keeps. */
function findNextExpiry(array: SimulatedArray): DueWork | undefined {
  const [first] = [...array.volumes.values()]
    .filter((volume) => volume.expiresAt !== undefined && isRemovable(array, volume))
    .flatMap(({ name, expiresAt }) =>
      expiresAt === undefined ? [] : [{ at: expiresAt, run: () => deleteVolume(array, name) }],
    )
    .toSorted(byTime);
  return first;
}

function isRemovable(array: SimulatedArray, volume: Volume): boolean {
  try {
    checkRemovable(array, volume);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}
