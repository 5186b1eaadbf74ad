/** The two arrays of a backend as hpe.conf names them; which of them is *active* is decided in active-side.ts. */
export type Side = 'primary' | 'secondary';

export const otherSide = (side: Side): Side => (side === 'primary' ? 'secondary' : 'primary');

/** `replication_mode` of hpe.conf; asynchronous is the array's periodic mode. */
export type ReplicationMode = 'synchronous' | 'asynchronous' | 'streaming';

export type GroupRunState =
  'new' | 'starting' | 'started' | 'restart' | 'stopped' | 'backup' | 'failsafe' | 'logging' | 'unknown';

export type SyncStatus = 'new' | 'syncing' | 'synced' | 'not-synced' | 'stale' | 'other';

export interface GroupMember {
  volume: string;
  remoteVolume: string;
  syncStatus: SyncStatus;
  /** ISO 8601; periodic groups only. */
  lastSync?: string;
}

/** One partner of a group, as the array that was asked calls it. */
export interface GroupTarget {
  name: string;
  /** The role was switched by a failover (the array's `roleReversed`). */
  roleReversed: boolean;
  state: GroupRunState;
  mode: ReplicationMode;
  /** Seconds. */
  syncPeriod?: number;
  /** Starts again by itself when links that were lost are back. */
  autoRecover: boolean;
  /** The other array takes over by itself when this one is lost, with the consent of the quorum witness (peer persistence). */
  autoFailover: boolean;
  /** Both arrays show the members to hosts, the secondary's paths as standby (peer persistence). */
  pathManagement: boolean;
  remoteCpg?: string;
  remoteSnapCpg?: string;
}

/** A remote copy group as one array reports it. */
export interface RemoteCopyGroup {
  name: string;
  /** The peer's name for it, read from the array, never composed. */
  remoteName: string;
  role: 'primary' | 'secondary';
  targets: GroupTarget[];
  localCpg?: string;
  localSnapCpg?: string;
  members: GroupMember[];
}

/** What the metadata remember of a group. */
export interface Group {
  backend: string;
  /** On the primary array. */
  name: string;
  /** On the secondary array, as read from there; empty while we make the group. */
  remoteName: string;
  /** The array has acknowledged it, and it was not seen yet to be as wanted. */
  isMade?: true;
  /** Made by us; `remove_empty_group = created` keeps the others. */
  createdByUs: boolean;
  /** The side that we last mounted a member from; absent before the first mount. */
  lastActive?: Side;
  /** Grows with every change of `lastActive`, never falls. */
  epoch: number;
  /**
   * The silent side that an operator's override went past: it may hold newer data than `lastActive`. Stays until a mount is
   * proven without an override.
   */
  passedOver?: Side;
  /**
   * Whoever holds the group's lock next starts it, unless it is started. `stopping`: our stop was about to be sent, or got no
   * answer, so that it may come late. `stopped`: the array has acknowledged the stop, or we want a new one started, and its start was not read
   * back yet. Never set for a group that an administrator stopped.
   */
  owesStart?: 'stopping' | 'stopped';
}

export type RoleWord = 'Primary' | 'Secondary' | 'Primary-Rev' | 'Secondary-Rev';

/** The role as `showrcopy` prints it. */
export function roleWord(role: 'primary' | 'secondary', reversed: boolean): RoleWord {
  if (role === 'primary') return reversed ? 'Primary-Rev' : 'Primary';
  return reversed ? 'Secondary-Rev' : 'Secondary';
}

/**
 * The target that is our partner. On the side that made the group it is found by name; the peer may call us anything
 * (reference 6.1), so there it is found only if it is the single one.
 */
export function partnerTarget(group: RemoteCopyGroup, name: string | undefined): GroupTarget | undefined {
  if (name !== undefined) return group.targets.find((target) => target.name === name);
  return group.targets.length === 1 ? group.targets[0] : undefined;
}
