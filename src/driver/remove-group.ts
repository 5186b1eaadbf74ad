import type { RemoteCopy } from '../contracts/array.js';

/** Rule 34: only when the array itself shows no member. False when it shows one. */
export async function removeIfEmpty(remoteCopy: RemoteCopy, name: string, signal: AbortSignal): Promise<boolean> {
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
