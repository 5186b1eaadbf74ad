import type { MetadataStore, Write } from '../contracts/store.js';

/** Commits what is decided under the lock; nothing to write is fine. @throws `busy` */
export async function commitUnder(
  at: { store: MetadataStore; lock: string },
  decide: () => Promise<Write[]>,
  signal: AbortSignal,
): Promise<void> {
  const fence = await at.store.lock([at.lock], signal);
  try {
    const writes = await decide();
    if (writes.length > 0) await at.store.commit(fence, writes);
  } finally {
    await fence.release();
  }
}
