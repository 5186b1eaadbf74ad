import type { CronTimes } from './cron.js';

/** What an array remembers. Numbers are the ones that WSAPI shows; the sections are those of the array's reference. */

/** reference 3.2 */
export interface Cpg {
  id: number;
  name: string;
  domain: string | undefined;
}

export interface PortPos {
  node: number;
  slot: number;
  cardPort: number;
}

/** reference 3.3 */
export interface Port {
  kind: 'fc' | 'iscsi' | 'rcip';
  pos: PortPos;
  /** linkState 4, else 10 (offline). */
  ready: boolean;
  /** FC: 16 hex digits, upper case. */
  wwn: string | undefined;
  /** iSCSI and RCIP. */
  ip: string | undefined;
  /** iSCSI. */
  iqn: string | undefined;
  /** FC: WWPNs (upper case) of the initiators that may log in; undefined = all. */
  zone: string[] | undefined;
  /** Where the fabric `lio` finds the port: network namespace and interface. */
  netns: string | undefined;
  link: string | undefined;
}

/** reference 4.3 */
export interface Volume {
  id: number;
  name: string;
  uuid: string;
  /** 32 hex digits, upper case. */
  wwn: string;
  sizeMiB: number;
  /** `snp`: a snapshot. */
  provisioning: 'full' | 'tpvv' | 'tdvv' | 'snp';
  compression: boolean;
  /** A snapshot has that of its base volume, and does not show it. */
  cpg: string;
  snapCpg: string | undefined;
  domain: string | undefined;
  comment: string;
  createdAt: Date;
  /** What a snapshot is one of. */
  parent?: Volume | undefined;
  readOnly?: boolean | undefined;
  /** The array deletes it then, by its own clock. */
  expiresAt?: Date | undefined;
  /** Nobody can delete it before. */
  retainedUntil?: Date | undefined;
  /** It is the target of a physical copy that runs, or that did not end well. */
  copy?: { of: Volume; online: boolean } | undefined;
}

/** `type` of reference 4.4. */
export const TASK_TYPE = { vv_copy: 1, promote_sv: 4, scheduled_task: 14, online_copy: 18 } as const;

/** `status` of reference 4.4. */
export const TASK_STATUS = { done: 1, active: 2, cancelled: 3, failed: 4 } as const;
export type TaskStatus = keyof typeof TASK_STATUS;

/** reference 4.4 */
export interface Task {
  id: number;
  type: keyof typeof TASK_TYPE;
  name: string;
  status: TaskStatus;
  startedAt: Date;
  finishedAt: Date | undefined;
  /** 1 high, 2 medium, 3 low. */
  priority: 1 | 2 | 3;
  /** Volumes that are busy with it. */
  volumes: Volume[];
  detail: string;
  /** What its end changes on the array. */
  end(status: Exclude<TaskStatus, 'active'>): Promise<void>;
}

/** reference 4.6 */
export interface VolumeSet {
  id: number;
  uuid: string;
  name: string;
  domain: string | undefined;
  comment: string;
  members: Volume[];
  flashCache: boolean;
  /** Its one rule. */
  qos: QosRule | undefined;
}

/** What a rule limits; a limit that is absent does not exist. KB and operations a second, milliseconds. */
export interface QosLimits {
  bwMinGoalKB?: number | undefined;
  bwMaxLimitKB?: number | undefined;
  ioMinGoal?: number | undefined;
  ioMaxLimit?: number | undefined;
  latencyGoal?: number | undefined;
}

export interface QosRule {
  id: number;
  enabled: boolean;
  /** 1 low, 2 normal, 3 high. */
  priority: 1 | 2 | 3;
  limits: QosLimits;
}

export interface FlashCache {
  sizeGiB: number;
  /** 1 simulator, 2 real. */
  mode: 1 | 2;
}

/** Makes snapshots by itself: reference 7.3. */
export interface Schedule {
  name: string;
  /** As it was given. */
  command: string;
  job: SnapshotJob;
  times: CronTimes;
  suspended: boolean;
  /** undefined: it never runs, as on the 30th of February. */
  nextRun: Date | undefined;
}

export interface SnapshotJob {
  /** Name of the volume. */
  of: string;
  /** With patterns such as `@y@`. */
  name: string;
  comment: string;
  readOnly: boolean;
  expirationHours: number | undefined;
  retentionHours: number | undefined;
}

/** reference 5.1 */
export interface Host {
  id: number;
  name: string;
  domain: string | undefined;
  persona: number;
  descriptors: Record<string, string>;
  /** 16 hex digits each, upper case. */
  wwns: string[];
  iqns: string[];
  /** What its iSCSI initiators log in with. */
  chap?: Chap | undefined;
}

export interface Chap {
  name: string;
  secret: string;
}

/** A VLUN template (reference 5.2); the active ones are computed from it, see vluns.ts. */
export interface VlunTemplate {
  volume: Volume;
  lun: number;
  /** Absent on a PORT template. */
  host: Host | undefined;
  /** Absent on a HOST template. */
  pos: PortPos | undefined;
}

/** `role` of reference 6.3. */
export const ROLE = { primary: 1, secondary: 2 } as const;
export type Role = keyof typeof ROLE;

/** `targets[].state` of reference 6.3. */
export const STATE = { new: 1, starting: 2, started: 3, stopped: 5, failsafe: 7 } as const;
export type State = keyof typeof STATE;

/** `syncStatus` of reference 6.3 and 12.4. */
export const SYNC_STATUS = { new: 1, syncing: 2, synced: 3, notSynced: 4, stale: 5 } as const;
export type SyncStatus = keyof typeof SYNC_STATUS;

/** `mode` of reference 6.2: 1 sync, 2 and 3 periodic (echoed as sent, 12.5), 4 asynchronous streaming. */
export type Mode = 1 | 2 | 3 | 4;

export const isPeriodic = (mode: Mode): boolean => mode === 2 || mode === 3;

export interface Policies {
  autoRecover: boolean;
  overPeriodAlert: boolean;
  autoFailover: boolean;
  pathManagement: boolean;
}

/** A pair of volumes as one side sees it. */
export interface Member {
  local: Volume;
  remote: Volume;
  syncStatus: SyncStatus;
  /** 0 to 99 while syncing. */
  percent: number;
  lastSync: Date | undefined;
  /** Admitted with `skipInitialSync`: the next start copies nothing. */
  skipInitialSync: boolean;
  /** File with what the source held when its first copy was skipped: that never reaches the other side. */
  unsent?: string;
}

/** A remote copy group as one side has it (reference 6.3); the peer's twin is another object. */
export interface Group {
  id: number;
  name: string;
  /** The peer's name for it. */
  remoteGroupName: string;
  domain: string | undefined;
  role: Role;
  /** The current role differs from the natural one. */
  roleReversed: boolean;
  state: State;
  mode: Mode;
  /** Seconds; periodic and streaming groups. */
  syncPeriod: number | undefined;
  policies: Policies;
  localUserCpg: string | undefined;
  localSnapCpg: string | undefined;
  remoteUserCpg: string | undefined;
  remoteSnapCpg: string | undefined;
  members: Member[];
  lastSync: Date | undefined;
  /** The same moment on the monotonic clock, which says when the next periodic sync is due. */
  lastSyncMs: number | undefined;
  /** Stopped by a lost link or a lost array while it was started: `autoRecover` starts it again. */
  stoppedByOutage: boolean;
  /** Grows with every failover of this side; the side with the lower one holds the older data. */
  takeovers: number;
  /** The array lost power since it last saw its peer: its role may be out of date (reference 6.5, row 4c). */
  recheckRole: boolean;
  /** Peer Persistence: the primary has lost power, and this side becomes primary in a moment. */
  takeoverDue: boolean;
}
