import type { Apart, BlockDevice } from '../domain/attachment.js';
import type { MountId } from '../domain/mount-ids.js';
import type { Side } from '../domain/replication.js';

/** What is mounted on this node, and for whom. Written before the device is attached, so that a crash leaves no device that nobody knows. */
export interface NodeMount {
  volume: string;
  backend: string;
  /** Of the copy that is attached, or about to be. */
  wwn: string;
  /** Absent between the intention and the mount. */
  device?: BlockDevice;
  mountpoint: string;
  side: Side;
  /** Host entry on that array. */
  host: string;
  /** The other array exports it as well: the host entry there. */
  peer?: { host: string };
  /** As the attachment has it, for metadata that are rebuilt. */
  apart?: Apart;
  /** Of the attachment that it belongs to: with another one on record this node was robbed. Absent in records of the first release. */
  generation?: number;
  /** Empty: nobody uses it, and it is to go. */
  ids: MountId[];
}

/** A volume that another node holds and that a Mount here waits for; kept, so that a retry continues the wait (`mountConflictDelay`). */
export interface Conflict {
  volume: string;
  /** The holder's attachment: another one begins another wait. */
  node: string;
  generation: number;
  /** When the wait began and was last seen, in ns of the monotonic clock of this boot. */
  sinceNs: bigint;
  lastNs: bigint;
}

/** Array work of this node that could not be done because the array did not answer. */
export interface DeferredRemoval {
  id: string;
  volume: string;
  backend: string;
  side: Side;
  arrayName: string;
  host: string;
}

/** This node's own memory in its state directory: readable without etcd, every change on disk (fsync) before it is acknowledged. */
export interface NodeJournal {
  /** A uuid made at the first start. */
  readonly nodeId: string;
  mounts(): NodeMount[];
  findMount(volume: string): NodeMount | undefined;
  saveMount(mount: NodeMount): Promise<void>;
  removeMount(volume: string): Promise<void>;
  deferredRemovals(): DeferredRemoval[];
  saveDeferredRemoval(work: DeferredRemoval): Promise<void>;
  removeDeferredRemoval(id: string): Promise<void>;
  conflicts(): Conflict[];
  /** Undefined also for a wait of before the last boot. */
  findConflict(volume: string): Conflict | undefined;
  saveConflict(conflict: Conflict): Promise<void>;
  removeConflict(volume: string): Promise<void>;
}
