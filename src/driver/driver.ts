import type { Json } from '../saga/operation.js';

/** What `docker volume inspect` and `ls` show. */
export interface VolumeView {
  name: string;
  /** Empty when it is not mounted on this node. */
  mountpoint: string;
  /** ISO 8601. */
  createdAt: string;
  status: Record<string, Json>;
}

/**
 * The Docker verbs. They throw DriverError only. `get` and `list` throw `not-found` only when that is certain and
 * `unavailable` when nothing is known, in which case dockerd must not get an answer.
 */
export interface VolumeDriver {
  create(name: string, options: Record<string, string>, signal: AbortSignal): Promise<void>;
  remove(name: string, signal: AbortSignal): Promise<void>;
  /** Returns the directory that containers bind. */
  mount(name: string, id: string, signal: AbortSignal): Promise<string>;
  unmount(name: string, id: string, signal: AbortSignal): Promise<void>;
  path(name: string, signal: AbortSignal): Promise<string>;
  get(name: string, signal: AbortSignal): Promise<VolumeView>;
  list(signal: AbortSignal): Promise<VolumeView[]>;
  /** dockerd asked who we are: a new life of it began. */
  activated(): void;
}
