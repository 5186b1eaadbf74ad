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

/** A schedule and the volume, by its array name, that it makes snapshots of. */
export interface ScheduledSnapshots extends Schedule {
  of: string;
}
