import type { Provisioning } from './volume.js';

/** A volume as HPE's Python plugin remembered it (reference 10.3). */
export interface OldVolume {
  id: string;
  /** Docker's. */
  name: string;
  arrayName: string;
  sizeGiB: number;
  provisioning: Provisioning;
  compression: boolean;
  flashCache: boolean;
  mountConflictDelay: number;
  backend: string;
  cpg?: string;
  snapCpg?: string;
  qosName?: string;
  fsOwner?: string;
  fsMode?: string;
  group?: { name: string; remoteName: string };
  /** A snapshot of that volume. */
  snapshotOf?: { id: string; name: string };
  /** What the array called it before it was imported. */
  formerName?: string;
  /** Nodes on which it is mounted, by the old plugin's ids; `?` when it only says that it is. */
  mountedOn: string[];
  /** Snapshots of it that are volumes of their own, or were only entries of it. */
  snapshots: { id: string; name: string }[];
  hasSchedule: boolean;
}

/** The old plugin's metadata. */
export interface OldTree {
  volumes: OldVolume[];
  /** Records that cannot be understood, one line each. */
  unreadable: string[];
}
