import { AsyncLocalStorage } from 'node:async_hooks';

/** Milliseconds of the request that is being carried out. */
const current = new AsyncLocalStorage<{ ms: number }>();

/** Does what a request asks for; `spent` grows by the time in which that copies data of volumes. */
export const countingFileWork = async <T>(spent: { ms: number }, work: () => Promise<T>): Promise<T> =>
  current.run(spent, work);

/** What a real array has no need to do when it is asked, and who measures a client takes no account of. */
export async function asFileWork<T>(work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  try {
    return await work();
  } finally {
    const spent = current.getStore();
    if (spent !== undefined) spent.ms += performance.now() - began;
  }
}
