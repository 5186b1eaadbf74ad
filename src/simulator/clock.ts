import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import type { Volume } from './model.js';
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
export async function moveClock(array: SimulatedArray, ms: number): Promise<void> {
  const end = array.now().getTime() + ms;
  const set = (time: number) => {
    array.clockAheadMs = Math.max(array.clockAheadMs, time - Date.now());
  };
  while (array.powered) {
    const next = findNextExpiry(array);
    if (next === undefined || next.at.getTime() > end) break;
    set(next.at.getTime());
    await next.run();
  }
  set(end);
}

/** What has fallen due by itself; called about once a second. */
export async function runDueWork(pair: ArrayPair): Promise<void> {
  for (const array of pair.arrays) await moveClock(array, 0);
}

/** The volume that is deleted next because its time is over, of those that nothing else keeps. */
function findNextExpiry(array: SimulatedArray): DueWork | undefined {
  const [first] = [...array.volumes.values()]
    .flatMap((volume) => (volume.expiresAt === undefined ? [] : [{ volume, at: volume.expiresAt }]))
    .filter(({ volume }) => isRemovable(array, volume))
    .toSorted((one, other) => one.at.getTime() - other.at.getTime());
  return first && { at: first.at, run: () => deleteVolume(array, first.volume.name) };
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
