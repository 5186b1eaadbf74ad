import type { BlockDevice } from '../domain/attachment.js';
import type { MountId } from '../domain/mount-ids.js';
import type { Side } from '../domain/replication.js';

/** What is mounted on this node, and for whom. */
export interface NodeMount {
  volume: string;
  backend: string;
  device: BlockDevice;
  mountpoint: string;
  side: Side;
  /** Host entry on that array. */
  host: string;
  ids: MountId[];
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
}
