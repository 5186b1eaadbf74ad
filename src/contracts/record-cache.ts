import type { RecordKind, Records } from './store.js';

/**
 * Records as they were read last, on this node's disk: for people, and for dockerd's questions while the metadata cannot be read.
 * Nothing is decided by it. Never throws: a cache that cannot be used is thrown away, and knows nothing until it is opened again.
 */
export interface RecordCache {
  /** Another number than before: nothing of what was kept before is there any more. */
  readonly life: number;
  /** What it keeps is of the metadata with that id; of any other it is thrown away. False: nothing can be kept. Also when it is open. */
  open(identity: string): Promise<boolean>;
  find<K extends RecordKind>(kind: K, key: string): Promise<Records[K] | undefined>;
  keys(kind: RecordKind): Promise<string[]>;
  /** Writes what is other than before; undefined: there is none. */
  keep<K extends RecordKind>(kind: K, entries: readonly (readonly [string, Records[K] | undefined])[]): Promise<void>;
  /** From now on it has all of them that there are. */
  setWhole(): Promise<void>;
  isWhole(): Promise<boolean>;
  close(): Promise<void>;
}
