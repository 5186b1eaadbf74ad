import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';

/** Most writes of one transaction; etcd takes 128 operations, and the rest is ours (reference: etcd's --max-txn-ops). */
const MAX_WRITES = 60;

/** @throws `internal`: who plans more than a transaction holds has to plan otherwise, not to write it in halves. */
export function checkWriteCount(writes: readonly Write[]): void {
  if (writes.length <= MAX_WRITES) return;
  throw new DriverError('internal', `${writes.length} changes in one transaction; at most ${MAX_WRITES} are possible`);
}
