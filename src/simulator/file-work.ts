import { AsyncLocalStorage } from 'node:async_hooks';

/** Milliseconds of the request that is being carried out. */
const current = new AsyncLocalStorage<{ ms: number; isCounting?: boolean }>();

/** Of all requests of this process: so long was at least one at work with files before, so many are now, and since when. */
const all = { ms: 0, underWay: 0, sinceMs: 0 };

/** Does what a request asks for; `spent` grows by the time in which that copies data of volumes or shows them to hosts. */
export const countingFileWork = async <T>(spent: { ms: number }, work: () => Promise<T>): Promise<T> =>
  current.run(spent, work);

/** What a real array has no need to do when it is asked, and who measures a client takes no account of; within such work it counts once. */
export async function asFileWork<T>(work: () => Promise<T>): Promise<T> {
  const spent = current.getStore();
  if (spent?.isCounting === true) return work();
  const began = performance.now();
  if (spent !== undefined) spent.isCounting = true;
  if (all.underWay === 0) all.sinceMs = began;
  all.underWay += 1;
  try {
    return await work();
  } finally {
    all.underWay -= 1;
    if (all.underWay === 0) all.ms += performance.now() - all.sinceMs;
    if (spent !== undefined) {
      spent.isCounting = false;
      spent.ms += performance.now() - began;
    }
  }
}

/** For who waits for other requests: when his turn has come, what these spent with files meanwhile is his, too. */
export function fileWorkBefore(): () => void {
  const spent = current.getStore();
  const before = allMs();
  return () => {
    if (spent !== undefined) spent.ms += allMs() - before;
  };
}

const allMs = (): number => all.ms + (all.underWay > 0 ? performance.now() - all.sinceMs : 0);
