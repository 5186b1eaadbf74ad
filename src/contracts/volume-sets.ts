/** A set of volumes on an array; rules about quality of service and flash cache hang on such sets. */
export interface VolumeSet {
  name: string;
  /** Names of volumes. */
  members: string[];
  comment: string;
  /** Absent: none. */
  domain?: string;
  flashCache: boolean;
}

/** A set of our own with one volume, which may use the flash cache. */
export interface CachedSet {
  name: string;
  volume: string;
  /** Written to the comment; an existing set of that name is ours only if its comment is exactly this. */
  tag: string;
  /** Of the volume. */
  domain?: string;
}

/** The volume sets of one array. As everywhere on it: `ensureX` and `removeX` may be repeated at will, and read back. */
export interface VolumeSets {
  findSet(name: string, signal: AbortSignal): Promise<VolumeSet | undefined>;
  /** Whether a QoS rule hangs on that set, switched on or not. */
  hasQosRule(set: string, signal: AbortSignal): Promise<boolean>;
  /** The set may be anybody's. Being a member already is success. @throws `not-found` when there is no such set */
  ensureMember(set: string, volume: string, signal: AbortSignal): Promise<void>;
  /** The set stays. Not a member is success, and so is no such set. */
  removeMember(set: string, volume: string, signal: AbortSignal): Promise<void>;
  /** @throws `exists` when a set of that name has another tag or another member. */
  ensureCachedSet(wanted: CachedSet, signal: AbortSignal): Promise<void>;
  /** Its volumes stay. Gone already is success. @throws `refused` when the comment is not exactly `tag`. */
  removeSet(name: string, tag: string, signal: AbortSignal): Promise<void>;
}
