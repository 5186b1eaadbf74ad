import type { RemoteCopy } from '../contracts/array.js';
import { DriverError } from '../domain/errors.js';
import type { Dismissals } from './dismissals.js';

/** Rule 34: only when the array itself shows no member. False when it shows one. */
export async function removeIfEmpty(
  remoteCopy: RemoteCopy,
  { name, dismissals }: { name: string; dismissals: Dismissals },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if (await removeOnce(remoteCopy, name, signal)) return true;
  } catch (thrown) {
    if (!(thrown instanceof DriverError) || thrown.code !== 'refused') throw thrown;
    if (!(await dismissals.readBack(signal))) throw thrown;
  }
  // What kept it may be one that has just left, and that the array showed for a moment more.
  return (await dismissals.readBack(signal)) && removeOnce(remoteCopy, name, signal);
}

async function removeOnce(remoteCopy: RemoteCopy, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await remoteCopy.removeGroup(name, signal);
    return true;
  } catch (thrown) {
    const left = await remoteCopy.findGroup(name, signal);
    if (left === undefined) return true;
    if (left.members.length > 0) return false;
    throw thrown;
  }
}
