import type { Logger } from '../contracts/log.js';
import type { Group } from '../domain/replication.js';
import type { GroupId, SeenGroup } from './seen-group.js';

/** A group whose lock is held. */
export interface LockedGroup {
  id: GroupId;
  /** Fires when the lock is about to be lost; asked for anew before each change, since a process that was stopped hears of it late. */
  readonly lost: AbortSignal;
  /** A stop that was on record as `stopping` when the group was looked at, and had not come by then, may still come. */
  readonly stopMayComeLate: boolean;
  /** Begins the time for which a stop is expected anew. */
  expectLateStop(): void;
  look(signal: AbortSignal): Promise<SeenGroup>;
  /** Puts the group's record on file, or removes it. */
  record(group: Group | undefined): Promise<void>;
  /** A volume on record that is not on its way in or out belongs to it. */
  isReferenced(): Promise<boolean>;
  logger: Logger;
}
