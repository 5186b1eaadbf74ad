import type { BlockDevice } from '../domain/attachment.js';
import type { RootDirectory } from '../domain/root-directory.js';
import type { FilesystemType } from '../domain/volume.js';
import type { Initiators, Target } from './array.js';

/** Where a LUN is to be found, and how to recognise it. */
export interface Connection {
  /** The array's ports that show it. A path to any other port is not used. */
  targets: Target[];
  lun: number;
  /** 32 hex digits, lower case. */
  wwn: string;
  sizeBytes: number;
  /** Of a pair: the copy that may have no path here (rules 10 and 21). */
  passive?: PassiveCopy;
  /** With peer persistence: where the other array shows the same LUN, so that one device has the paths of both. Never beside `passive`. */
  peer?: PeerPaths;
}

/** The other array's half of a device that both arrays show with one WWN. */
export interface PeerPaths {
  /** Its ports that show it. */
  targets: Target[];
  /** The number there, which may be another one. */
  lun: number;
}

/** The copy of a pair that is not the active one. */
export interface PassiveCopy {
  /** May be the same as that of the active copy. */
  wwn: string;
  /** Names of that array's ports, as far as they are known. */
  targetNames: string[];
  /** The group is failed over, or an override went past this array: what it has is another state, and it may come back with it at any time. */
  isStale: boolean;
}

/** Attaches LUNs to this host. Throws DriverError only. */
export interface HostConnector {
  initiators(signal: AbortSignal): Promise<Initiators>;
  /** What of this host's settings is wrong or unwise for its volumes, each with the way to mend it; changes nothing. */
  findProblems(signal: AbortSignal): Promise<string[]>;
  /** Waits for the device and proves its WWN, size, vendor, product and target ports. Attached already is success. @throws `refused` when something else is there. */
  attach(connection: Connection, signal: AbortSignal): Promise<BlockDevice>;
  /**
   * Has the device that is attached, and may be in use, find those paths of the connection that it lacks; no path is taken away. What does not
   * come is a warning in the log. All there already is success. @throws `unavailable` when nothing is attached, `refused` when a path is
   * anything else
   */
  addPaths(connection: Connection, signal: AbortSignal): Promise<BlockDevice>;
  /** LUN numbers at which this host has a disk of any such array, alive or not. */
  lunsInUse(signal: AbortSignal): Promise<number[]>;
  /** The device with that WWN, if it is attached here. */
  find(wwn: string, signal: AbortSignal): Promise<BlockDevice | undefined>;
  /**
   * Whether the attached device still leads to the array's data. One that was cut off in between does not, even if the volume is
   * exported to this host again: what is written to it is lost, and what is read from it may be old.
   */
  isCurrent(wwn: string, signal: AbortSignal): Promise<boolean>;
  /** Has this host see the size that the attached device has on the array by now, without taking it away. That size already is success. @throws `unavailable` when it does not come */
  resize(to: { wwn: string; sizeBytes: number }, signal: AbortSignal): Promise<BlockDevice>;
  /** Flushes and takes the device away, waits until it is gone. Gone already is success. @throws `busy` when something uses it. */
  detach(wwn: string, signal: AbortSignal): Promise<void>;
  /** Ends what an attach or a detach that was cut short has left and nothing uses; called now and then. */
  tidy(signal: AbortSignal): Promise<void>;
}

/** One line of mountinfo. */
export interface MountEntry {
  /** `major:minor` of the device. */
  device: string;
  /** The part of the file system that is mounted; `/` for all of it. */
  root: string;
  target: string;
  fsType: string;
  /** As given to mount, e.g. `/dev/loop3`. */
  source: string;
}

/** What raw reads and blkid say of a device. A device that cannot be read wholly is an error, never `blank` (rule 17). */
export type Probe =
  | { content: 'blank' }
  | { content: 'filesystem'; type: string; uuid: string | undefined }
  | { content: 'other'; what: string };

export interface MakeOptions {
  type: FilesystemType;
  uuid: string;
  /** An mkfs with this very UUID was interrupted. */
  repeat: boolean;
  /** Called when the device has been proven to hold nothing else, just before mkfs, which does not run if this fails. */
  proven?: () => Promise<void>;
}

/** Of a file system that is a copy of another one. */
export interface NewUuid {
  type: FilesystemType;
  from: string;
  to: string;
  /** Where it is mounted for a moment, since only the kernel replays its journal. */
  target: string;
}

export interface MountAt {
  target: string;
  type: FilesystemType;
  /** As `mount -o` takes them. */
  options?: string;
}

/** File systems and mounts of this host. Throws DriverError only. */
export interface Filesystems {
  probe(device: BlockDevice, signal: AbortSignal): Promise<Probe>;
  /**
   * mkfs with that UUID; the new file system is empty, without `lost+found`. With `repeat` (an earlier mkfs with this very UUID
   * was interrupted) the device may also hold that type with that UUID, or data without any known signature.
   * @throws `refused` when the device is not blank, mounted, or used by anything
   */
  make(device: BlockDevice, options: MakeOptions, signal: AbortSignal): Promise<void>;
  /**
   * Gives an unmounted file system another uuid and reads it back; its data stay as they are. The new one already is success,
   * also when only a part of it was written. @throws `refused` when the device holds anything but `from` or `to`
   */
  renewUuid(device: BlockDevice, change: NewUuid, signal: AbortSignal): Promise<void>;
  /**
   * The kernel replays a journal; nothing repairs a damaged file system, which cannot be mounted then. Mounted there already
   * from the same device is success, whatever its options. @throws `refused` when something else is mounted there
   */
  mount(device: BlockDevice, at: MountAt, signal: AbortSignal): Promise<void>;
  /**
   * Of a managed plugin: dockerd sees the mount, too. @throws `refused` when it does not: it would give containers the empty
   * directory below it, on the host's own disk, and what they write there is on no array
   */
  proveShown(device: BlockDevice, target: string): Promise<void>;
  /** Gives the root of the file system that is mounted there its owner and mode; on disk when it returns. */
  setRoot(target: string, root: RootDirectory, signal: AbortSignal): Promise<void>;
  /** Makes the mounted file system fill its device, while it is used; it fills it already is success. */
  grow(device: BlockDevice, at: Omit<MountAt, 'options'>, signal: AbortSignal): Promise<void>;
  /**
   * Unmounts what is mounted there from that device, never lazily, and removes the empty directory. Not mounted is success.
   * What somebody else mounted at the target is left alone; over ours it is `refused`. A directory that is not empty stays,
   * with its files (rule 28), and that is success. @throws `busy` naming the users' pids
   */
  unmount(device: BlockDevice, target: string, signal: AbortSignal): Promise<void>;
  /** Mounts in the daemon's own namespace. */
  mounts(): Promise<MountEntry[]>;
  /**
   * Where the device is mounted, in any mount namespace, except at `ownTarget` in ours and except the copies that the kernel
   * takes away with that one (shared and slave mounts).
   */
  usersElsewhere(device: BlockDevice, ownTarget: string): Promise<DeviceUse[]>;
}

export interface DeviceUse {
  pid: number;
  target: string;
}
