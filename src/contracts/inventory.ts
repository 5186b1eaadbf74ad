import type { ArrayVolume, Vlun } from './array.js';

/** A volume as a list of all shows it. */
export interface ListedVolume {
  name: string;
  comment: string;
  /** Absent: it is none that we could have made; what the list says of it cannot be understood. */
  details?: ListedDetails;
}

export interface ListedDetails extends ArrayVolume {
  /** ISO 8601, by the array's clock. */
  createdAt?: string;
  /** Snapshots: the volume that they show. */
  snapshotOf?: string;
  /** ISO 8601; snapshots only. */
  expiresAt?: string;
  retainedUntil?: string;
}

/** Everything that an array has, for the commands that compare it with the metadata; reads only. */
export interface ArrayInventory {
  /** @throws `unavailable` also when the array sends a part of the list only */
  listVolumes(signal: AbortSignal): Promise<ListedVolume[]>;
  listVluns(signal: AbortSignal): Promise<Vlun[]>;
}
