import type { Schedule, SnapshotLife } from './schedule.js';
import type { VolumeSpec } from './volume.js';

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
      /** For a drill: of the copy that does not serve the group. No option asks for it. */
      isOfPassive?: true;
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
