import type { VolumeSpec } from './volume.js';

/** Hours that the array keeps a snapshot: until it deletes it by itself, and until it lets anybody delete it. */
export interface SnapshotLife {
  expirationHours?: number;
  retentionHours?: number;
}

/** A schedule of the array that makes snapshots of a volume. */
export interface Schedule extends SnapshotLife {
  /** Its name on the array. */
  name: string;
  /** Five cron fields. */
  frequency: string;
  /** The snapshots' names begin with it. */
  prefix: string;
}

/** What a `docker volume create` asks for; every default is filled in. */
export type CreateRequest =
  | { kind: 'new'; spec: VolumeSpec }
  | {
      kind: 'snapshot';
      /** Docker name of the volume to show. */
      of: string;
      life: SnapshotLife;
      /** Also begin a schedule on that volume. */
      schedule?: Schedule;
      mountConflictDelay?: number;
      mountOptions?: string;
    }
  | {
      kind: 'clone';
      of: string;
      /** Larger than the volume that it copies; absent: the same. */
      sizeGiB?: number;
      /** Absent: as its source. */
      cpg?: string;
      snapCpg?: string;
      mountConflictDelay?: number;
      mountOptions?: string;
    }
  | {
      kind: 'import';
      /** Volume or snapshot as the array calls it. */
      arrayVolume: string;
      backend: string;
      mountConflictDelay: number;
      mountOptions?: string;
    }
  | { kind: 'help'; topic: 'options' | 'backends' };
