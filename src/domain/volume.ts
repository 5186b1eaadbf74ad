import type { Side } from './replication.js';
import type { ScheduledSnapshots } from './schedule.js';

export type Provisioning = 'thin' | 'dedup' | 'full';

/** File systems that we make. */
export const FILESYSTEM_TYPES = ['ext4', 'xfs'] as const;
export type FilesystemType = (typeof FILESYSTEM_TYPES)[number];

/** What the user asked for, with every default filled in. */
export interface VolumeSpec {
  sizeGiB: number;
  provisioning: Provisioning;
  compression: boolean;
  /** What a first mount makes. */
  fsType: FilesystemType;
  /** Section of hpe.conf. */
  backend: string;
  /** Seconds that another node waits for this volume to be released. */
  mountConflictDelay: number;
  /** Remote copy group; present exactly when the backend replicates. */
  replicationGroup?: string;
  /** Where the volume is made, instead of the first CPG of hpe.conf; on the primary array. */
  cpg?: string;
  snapCpg?: string;
  /** Volume set that was there before, with a QoS rule; the volume joins it. */
  qosName?: string;
  flashCache?: boolean;
  /** `uid:gid` of the root of a file system that we made (rule 22). */
  fsOwner?: string;
  /** Its mode: octal digits. */
  fsMode?: string;
  /** Of each mount, as `mount -o` takes them. */
  mountOptions?: string;
}

/** Where the data of a volume came from that was not made empty. */
export type Origin =
  | {
      kind: 'snapshot';
      /** Docker name and our id of the volume that it shows a moment of. */
      of: string;
      ofId: string;
      /** The array that has it; it is no member of a group, so there is no other. */
      side: Side;
      /** As it was asked for; absent in records that an earlier release made, or a rebuild. */
      expirationHours?: number;
      retentionHours?: number;
      /** ISO 8601, by the array's clock; the array deletes it then. */
      expiresAt?: string;
      /** ISO 8601; the array refuses to delete it until then. */
      retainedUntil?: string;
      /** Begun with it on the same array, and ended with it. */
      schedule?: ScheduledSnapshots;
    }
  | {
      kind: 'clone';
      of: string;
      ofId: string;
      /** The array that it was made on: the active one of a replicated volume. */
      side: Side;
    }
  | {
      kind: 'import';
      /** What the array called it, and will again after a release. */
      formerName: string;
      /** What stood in its comment, and will again; absent: nothing. */
      formerComment?: string;
      /** A rebuild could not find out what stood there: the tag had no room for it. */
      formerCommentLost?: true;
    };

/**
 * What is known of the file system (rule 16 to 19). `never` is the only state in which mkfs may start, and `formatting`
 * the only one in which it may be repeated: with the same uuid, side, epoch and WWN.
 */
export type FilesystemRecord =
  | { state: 'never' }
  | { state: 'formatting'; type: FilesystemType; uuid: string; side: Side; epoch: number; wwn: string }
  | { state: 'formatted'; type: FilesystemType; uuid: string }
  /** The data came from elsewhere (rule 18): never formatted; its first mount records what it finds, which has to be what is named here. */
  | { state: 'inherited'; type?: FilesystemType; uuid?: string }
  /** A copy is being given a uuid of its own, so that it can be mounted beside its source: it has one of the two. */
  | { state: 'renewing'; type: FilesystemType; from: string; to: string };

/** Whether mkfs may ever run on the volume: its data came from nowhere else, and no file system was finished on it. */
export function isNeverFormatted(
  filesystem: FilesystemRecord,
): filesystem is Extract<FilesystemRecord, { state: 'never' | 'formatting' }> {
  return filesystem.state === 'never' || filesystem.state === 'formatting';
}

/** A grow cannot be taken back, so what was begun stays on record until it is done. */
export interface Growth {
  /** The same as `spec.sizeGiB`: only the file system may still be smaller. */
  toGiB: number;
  /** An array has refused: only an operator tries it again. */
  isRefused?: true;
  /** What it said; absent in records of an earlier release. */
  refusal?: string;
}

/** A Docker volume as the metadata knows it. */
export interface Volume {
  name: string;
  /** Our own identity, in the comment of the array's volume; array objects without it are not ours. */
  id: string;
  spec: VolumeSpec;
  /** Name on both arrays. */
  arrayName: string;
  cpg: Partial<Record<Side, string>>;
  snapCpg: Partial<Record<Side, string>>;
  /** 32 hex digits, lower case, as read back from each array. */
  wwn: Partial<Record<Side, string>>;
  state: 'creating' | 'ready' | 'deleting';
  filesystem: FilesystemRecord;
  /** Absent: made empty. */
  origin?: Origin;
  /** It is being grown: each copy has `spec.sizeGiB` or up to this. Stays until its file system fills it, too. */
  growth?: Growth;
  /** GiB that its Create asked for, if it has grown since. */
  createdGiB?: number;
  /** A Mount of it was acknowledged to Docker at least once. */
  everMounted: boolean;
  /** Of its last attachment; only grows. Absent before the first. */
  generation?: number;
  /** ISO 8601. */
  createdAt: string;
}

/** Whether somebody has to find the volume without knowing its name: what was made of another one, or has to grow. */
export const isNotable = ({ origin, growth }: Pick<Volume, 'origin' | 'growth'>): boolean =>
  origin?.kind === 'snapshot' || origin?.kind === 'clone' || growth !== undefined;

/** What is told of all volumes at once. */
export type VolumeOutline = Pick<Volume, 'name' | 'arrayName' | 'state' | 'everMounted' | 'generation'> & {
  spec: Pick<VolumeSpec, 'sizeGiB' | 'backend' | 'replicationGroup'>;
};

/** The array of a volume that is in no group. */
export const homeSide = ({ origin }: Pick<Volume, 'origin'>): Side =>
  origin?.kind === 'snapshot' || origin?.kind === 'clone' ? origin.side : 'primary';

/** What the members are called as options. */
const SPEC_OPTIONS: Record<keyof Required<VolumeSpec>, string> = {
  sizeGiB: 'size',
  provisioning: 'provisioning',
  compression: 'compression',
  fsType: 'fsType',
  backend: 'backend',
  mountConflictDelay: 'mountConflictDelay',
  replicationGroup: 'replicationGroup',
  cpg: 'cpg',
  snapCpg: 'snapcpg',
  qosName: 'qos-name',
  flashCache: 'flash-cache',
  fsOwner: 'fsOwner',
  fsMode: 'fsMode',
  mountOptions: 'mountOptions',
};

const isSpecKey = (key: string): key is keyof VolumeSpec => Object.hasOwn(SPEC_OPTIONS, key);

/** The differences between two specs, as `option: wanted X, is Y`; empty when they are the same. */
export function specDifferences(wanted: VolumeSpec, existing: VolumeSpec): string[] {
  return Object.keys(SPEC_OPTIONS)
    .filter(isSpecKey)
    .filter((key) => wanted[key] !== existing[key])
    .map((key) => `${SPEC_OPTIONS[key]}: wanted ${wanted[key] ?? 'none'}, is ${existing[key] ?? 'none'}`);
}
