import type { RemoteCopyGroup, ReplicationMode } from '../domain/replication.js';
import type { Secret } from '../domain/secret.js';
import type { Provisioning } from '../domain/volume.js';
import type { ArrayInventory } from './inventory.js';
import type { Clones } from './clones.js';
import type { Imports } from './imports.js';
import type { Schedules, Snapshots } from './snapshots.js';
import type { VolumeSets } from './volume-sets.js';

/** `GET /system`: what cannot change while the array lives. */
export interface ArrayIdentity {
  /** As the array calls itself. */
  name: string;
  /** Decimal system id; the peer's group names end in `.r<systemId>`. */
  systemId: number;
  osVersion: string;
}

/** What an array can do; an upgrade or a new licence changes it. */
export interface ArrayFeatures {
  /** `3.3.1.215` */
  osVersion: string;
  /** Those that hold by the array's own clock. Absent: the array does not tell, as newer ones. */
  licences?: string[];
  expired?: ExpiredLicence[];
}

export interface ExpiredLicence {
  name: string;
  /** ISO 8601. */
  at: string;
}

export interface ArrayCpg {
  name: string;
  /** Of everything that is made in it; absent: none. */
  domain?: string;
}

export interface ArrayVolume {
  name: string;
  /** 32 hex digits, lower case. */
  wwn: string;
  sizeMiB: number;
  provisioning: Provisioning | 'other';
  compression: boolean;
  cpg: string | undefined;
  snapCpg: string | undefined;
  /** Free text; ours is `ownershipTag(volume id)` of domain/names. */
  comment: string;
}

export interface CreateVolume {
  name: string;
  cpg: string;
  snapCpg: string;
  sizeMiB: number;
  provisioning: Provisioning;
  compression: boolean;
  /** Written to the comment; an existing volume of that name is ours only if its comment is exactly this. */
  tag: string;
}

export interface GrowVolume {
  name: string;
  /** An existing volume of that name is ours only if its comment is exactly this. */
  tag: string;
  /** What it is to have in the end. */
  sizeMiB: number;
  /** It is the peer's copy of a group member, which some arrays leave to be grown by the next start of the group. */
  isCopy?: true;
}

/** One export. A template (`active: false`) makes one active VLUN per path that is logged in. */
export interface Vlun {
  volume: string;
  host: string;
  lun: number;
  active: boolean;
  /** `N:S:P`; absent on a template for all ports. */
  port: string | undefined;
}

/** A target port of an array. */
export interface Target {
  /** IQN, or WWPN as 16 hex digits; lower case. */
  name: string;
  /** Where an iSCSI port listens. */
  portal?: { host: string; port: number };
}

/** Who a volume is exported to. */
export interface ExportTo {
  host: string;
  /**
   * LUN numbers that a new export must not get: the host still has disks there. One that was cut off would take the new volume for
   * its own, and write into it what its file system still holds.
   */
  avoid?: readonly number[];
}

/** What the host needs to find the LUN. */
export interface Export {
  host: string;
  lun: number;
  /** The array's ports that show it. */
  targets: Target[];
}

/** How an initiator proves to an array that it is itself. */
export interface Chap {
  name: string;
  secret: Secret;
  /** A target port refused them lately: the host entry may have got another secret since, so it is given ours again. */
  wasRefused?: boolean;
}

export interface Initiators {
  protocol: 'iscsi' | 'fc';
  /** IQNs, or WWPNs as 16 hex digits. */
  names: string[];
  /** iSCSI only: what the array is to demand of them. */
  chap?: Chap;
  /** Where the volume is that they are to get: a new host entry gets the domain of this CPG. */
  cpg?: string | undefined;
}

export interface CreateGroup {
  name: string;
  /** Remote copy target as the array that gets the request calls it. */
  target: string;
  mode: ReplicationMode;
  /** Seconds; periodic groups only. */
  syncPeriod?: number;
  localCpg: string;
  localSnapCpg: string;
  remoteCpg: string;
  remoteSnapCpg: string;
  /** Of the local CPG; absent: none. */
  domain?: string;
  /** Peer persistence: it fails over by itself, and both arrays show its members. */
  failsOver?: true;
}

export interface Admission {
  group: string;
  volume: string;
  /** Remote copy target, by its name on the array that gets the request. */
  target: string;
  /** The peer's copy gets a WWN of its own (rule 9). */
  differentSecondaryWwn: boolean;
  /** Both copies are new and read as zeroes: the array need not copy them. */
  isBlank: boolean;
}

/**
 * Reads back what the array has acknowledged, whenever it suits; nothing is a success before (rule 31).
 * @throws `unavailable` when it was acknowledged and not done
 */
export type ReadBack<T> = () => Promise<T>;

/** A group that the array has acknowledged, empty and stopped. Not to be started before `set` has returned. */
export interface NewGroup {
  /** Gives it its policies and its period; members may be admitted meanwhile. */
  set(): Promise<void>;
  /** Judges it, and sets again what it lacks. @throws `unavailable` when it is not as wanted */
  confirm(found: RemoteCopyGroup | undefined): Promise<RemoteCopyGroup>;
}

/**
 * How the array answered a call. For people, and for the order in which things are asked; which copy is which is never decided
 * by it (rule 2).
 */
export interface Contact {
  /** On the monotonic clock, in ms. */
  at: number;
  /** Why there was no answer; a refusal is one. */
  failure?: string;
  /** By how much the array's clock was ahead of this host's; it tells whole seconds. */
  clockAheadMs?: number;
}

/**
 * One 3PAR array. Every call has a deadline of its own besides the caller's signal, throws only DriverError, and
 * reports success only after the result was read back. `ensureX` and `removeX` may be repeated at will, also after a lost answer.
 */
export interface ArrayClient {
  /** For messages: `primary array 3par-a (https://…)`. */
  readonly label: string;
  identity(signal: AbortSignal): Promise<ArrayIdentity>;
  /** Of the last call with this access; undefined before the first. Asks nobody. */
  lastContact(): Contact | undefined;
  /**
   * The way to the array as its user: one object for all clients that share it, so that what one was told holds for the others.
   * It may become another one with the first call.
   */
  access(): object;

  /** Asked anew each time. */
  features(signal: AbortSignal): Promise<ArrayFeatures>;
  findCpg(name: string, signal: AbortSignal): Promise<ArrayCpg | undefined>;
  /** WSAPI sessions of everybody; undefined when the array does not tell. */
  sessionsInUse(signal: AbortSignal): Promise<number | undefined>;

  findVolume(name: string, signal: AbortSignal): Promise<ArrayVolume | undefined>;
  /** @throws `exists` when a volume of that name has another tag or shape; `unavailable` only when the array was certainly not asked for it */
  makeVolume(wanted: CreateVolume, signal: AbortSignal): Promise<ReadBack<ArrayVolume>>;
  /** Writes the comment and returns the volume; the peer's copy arrives without one. @throws `refused` when the comment is somebody else's, `not-found` when there is no such volume. */
  tagVolume(name: string, tag: string, signal: AbortSignal): Promise<ArrayVolume>;
  /** The same for a copy that the arrays have just made under a name of ours, which was drawn from a fresh uuid: whose it is need not be asked. */
  tagCopy(name: string, tag: string, signal: AbortSignal): Promise<ArrayVolume>;
  /**
   * Grows the volume to that size, and returns it as read back; that size, or a larger one, already is success. A copy that the
   * array leaves to its group is returned as it is. @throws `refused` when the comment is not exactly `tag`, or as the array says
   */
  growVolume(wanted: GrowVolume, signal: AbortSignal): Promise<ArrayVolume>;
  /** Gone already is success. @throws `refused` when the comment is not exactly `tag`, or it is still exported or a group member. */
  removeVolume(name: string, tag: string, signal: AbortSignal): Promise<void>;
  /** Deletes a volume by what was seen of it a moment ago: its comment is not read again, all else is as with `removeVolume`. */
  deleteVolume(found: ArrayVolume, tag: string, signal: AbortSignal): Promise<ReadBack<void>>;

  /** Finds the host that owns the initiators, or creates one with that name (persona 2); returns its name on the array. */
  ensureHost(name: string, initiators: Initiators, signal: AbortSignal): Promise<string>;
  /** Name of the host entry that owns the initiators; an `ensureHost`, and an `ensureVlun` to it, within 5 s go by what was asked here. @throws `refused` when they belong to several */
  findHost(initiators: Initiators, signal: AbortSignal): Promise<string | undefined>;
  /** Exports the volume to the host on all its ports, on a LUN that is free there; an export that is there already is answered. */
  ensureVlun(volume: string, to: ExportTo, signal: AbortSignal): Promise<Export>;
  /** The export to that host as it is; undefined when there is none, or not on all its ports. */
  findExport(volume: string, host: string, signal: AbortSignal): Promise<Export | undefined>;
  /** Names of all its ready target ports of that protocol; read again only now and then. */
  targetNames(protocol: Initiators['protocol'], signal: AbortSignal): Promise<string[]>;
  /** All exports of one volume, templates and active ones. */
  findVluns(volume: string, signal: AbortSignal): Promise<Vlun[]>;
  /** Asks what the removal of that export goes by, for a `removeVluns` that begins within 5 s. Returns at once, and never fails: what is not known by then is asked again. */
  lookBeforeRemoval(volume: string, host: string, signal: AbortSignal): void;
  /** Removes all exports of the volume to that host, and reads back that they are gone. A host entry of ours goes with its last export, or when it never had one. */
  removeVluns(volume: string, host: string, signal: AbortSignal): Promise<void>;

  readonly volumeSets: VolumeSets;
  readonly remoteCopy: RemoteCopy;
  readonly inventory: ArrayInventory;
  readonly snapshots: Snapshots;
  readonly clones: Clones;
  readonly imports: Imports;
  readonly schedules: Schedules;
  /** Ends the session and the SSH connection. */
  close(): Promise<void>;
}

/** The remote copy half of an array; a backend without a partner has no use for it. */
export interface RemoteCopy {
  findGroup(name: string, signal: AbortSignal): Promise<RemoteCopyGroup | undefined>;
  listGroups(signal: AbortSignal): Promise<RemoteCopyGroup[]>;
  /** Whether the links to that target are up, as this array sees them; undefined if it has no such target. */
  linksUp(target: string, signal: AbortSignal): Promise<boolean | undefined>;
  /** Address of the quorum witness that the array has for that target; undefined if it has none, or no such target. */
  findWitness(target: string, signal: AbortSignal): Promise<string | undefined>;
  /** Unlike the others, not to be repeated after a success. @throws `exists` when a group of that name was there before: it is somebody else's, whatever its shape. */
  makeGroup(wanted: CreateGroup, signal: AbortSignal): Promise<NewGroup>;
  /** One that was made, and was perhaps not given its policies and its period. Sends nothing. */
  resumeGroup(wanted: CreateGroup, signal: AbortSignal): NewGroup;
  /** Only when it has no member: checked by a fresh read. Stops it first. @throws `refused` when it has members. */
  removeGroup(name: string, signal: AbortSignal): Promise<void>;
  /**
   * The array creates the peer's copy with the same name. The group has to be stopped. What is acknowledged is for the caller to read
   * back, for all members at once.
   */
  admit(admission: Admission, signal: AbortSignal): Promise<void>;
  /**
   * Both volumes stay. Not a member is success, and so is no such group. The group has to be stopped. What is acknowledged is for the
   * caller to read back, for all at once; the read-back of one waits for an array that is a moment late.
   */
  dismiss(group: string, volume: string, signal: AbortSignal): Promise<ReadBack<void>>;
  /** Started already is success. @throws `not-found` */
  startGroup(name: string, signal: AbortSignal): Promise<ReadBack<RemoteCopyGroup>>;
  /** Stopped (or new) already is success, and so is no such group. A change of its members waits for a stop that comes a moment late. */
  stopGroup(name: string, signal: AbortSignal): Promise<ReadBack<void>>;
}

/** Remembers the certificate and host key fingerprints that were seen at first contact. */
export interface PinStore {
  find(peer: string): Promise<string | undefined>;
  save(peer: string, fingerprint: string): Promise<void>;
}
