import type { Provisioning } from '../domain/volume.js';
import type { ArrayVolume } from './array.js';

export interface CreateClone {
  name: string;
  /** Array name of the volume whose data it gets. */
  of: string;
  cpg: string;
  snapCpg: string;
  provisioning: Provisioning;
  compression: boolean;
  /** Written to the comment as soon as the volume is there; the array makes it without one. */
  tag: string;
}

/** A volume that an online physical copy has made, as its array shows it. */
export interface CloneState {
  volume: ArrayVolume;
  /** `broken`: the array has given up, and the volume holds a part of the data only. */
  copy: 'done' | 'running' | 'broken';
  /** For people, while it runs: `task 12, since 10:20`. */
  task?: string;
  /** Snapshots of the source that the array made for the copy; it deletes them when that is done, but not when it is broken off. */
  helpers: string[];
}

/** Physical copies within one array; the promises of `ArrayClient` hold here, too. */
export interface Clones {
  look(name: string, signal: AbortSignal): Promise<CloneState | undefined>;
  /**
   * Begins the copy of the source's data of this moment, consistent as after a crash, which goes on in the array. Neither the
   * source nor its exports are touched. @throws `exists` when a volume of that name has another tag or shape
   */
  ensure(wanted: CreateClone, signal: AbortSignal): Promise<ArrayVolume>;
  /** Breaks the copy to that volume off, and waits until the array has let go. None is running is success. */
  stop(name: string, signal: AbortSignal): Promise<void>;
  /** Deletes what is left of `helpers`: each is looked at before, and one that is no snapshot, or has a comment, is left alone. */
  removeHelpers(helpers: readonly string[], signal: AbortSignal): Promise<void>;
}
