import type { ScheduledSnapshots } from '../domain/schedule.js';

/** A virtual copy as its array knows it. Times are ISO 8601, by the array's clock. */
export interface ArraySnapshot {
  name: string;
  /** 32 hex digits, lower case. */
  wwn: string;
  sizeMiB: number;
  /** The volume that it shows a moment of; undefined for what is no virtual copy. */
  of: string | undefined;
  comment: string;
  /** The array deletes it then. */
  expiresAt?: string;
  /** The array lets nobody delete it until then. */
  retainedUntil?: string;
}

export interface CreateSnapshot {
  name: string;
  /** Array name of the volume. */
  of: string;
  /** Written to the comment; an existing snapshot of that name is ours only if its comment is exactly this. */
  tag: string;
  /** From now on. */
  expirationHours?: number;
}

export interface Retention {
  retentionHours: number;
  /** Not less; counted from the same moment. */
  expirationHours?: number;
}

/** What an array says of a snapshot that may be gone. */
export interface SnapshotLook {
  snapshot: ArraySnapshot | undefined;
  /** The array's time of an answer that there is no such snapshot, if it gave one. */
  arrayTime?: string;
}

/** Virtual copies of one array; the promises of `ArrayClient` hold here, too. */
export interface Snapshots {
  look(name: string, signal: AbortSignal): Promise<SnapshotLook>;
  /** Every virtual copy that was made directly of that volume, whoever made it. */
  list(of: string, signal: AbortSignal): Promise<{ name: string; comment: string }[]>;
  /** Writable, and consistent as after a crash. @throws `exists` when there is another volume of that name */
  ensure(wanted: CreateSnapshot, signal: AbortSignal): Promise<ArraySnapshot>;
  /** There is no way back from this: nobody can delete the snapshot before. One that is retained already stays as it is. @throws `refused` when it is not ours */
  retain(of: { name: string; tag: string }, wanted: Retention, signal: AbortSignal): Promise<ArraySnapshot>;
  /** Gone already is success. @throws `refused` when the comment is not exactly `tag`, or it is under retention, exported, or has snapshots itself */
  remove(name: string, tag: string, signal: AbortSignal): Promise<void>;
}

/** Scheduled snapshots of one array, by its command line. An array has no owner of a schedule: ours is what runs exactly our command. */
export interface Schedules {
  /** What stands on the array under that name, in its own words. */
  find(name: string, signal: AbortSignal): Promise<{ command: string; frequency: string } | undefined>;
  /** @throws `exists` when another schedule has that name */
  ensure(wanted: ScheduledSnapshots, signal: AbortSignal): Promise<void>;
  /** Its snapshots stay. Gone already is success, and so is another schedule under that name, which is not touched. */
  remove(ours: ScheduledSnapshots, signal: AbortSignal): Promise<void>;
}
