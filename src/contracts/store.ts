import type { Attachment } from '../domain/attachment.js';
import type { GroupRun, Halt } from '../domain/group-run.js';
import type { Override } from '../domain/override.js';
import type { Group } from '../domain/replication.js';
import type { Secret } from '../domain/secret.js';
import type { Volume } from '../domain/volume.js';
import type { Operation } from '../saga/operation.js';
import type { MetadataArchive } from './archive.js';

/** A fingerprint seen at first contact with `peer` (`wsapi:host:port` or `ssh:host:port`). */
export interface Pin {
  peer: string;
  fingerprint: string;
}

/** Everything that is shared between nodes: record kind → record. Keys: volume name; `backend/group`; volume name; the blocked volume's name; peer; volume name; operation id; `backend/group`; `backend/group/node`. */
export interface Records {
  volume: Volume;
  group: Group;
  attachment: Attachment;
  operation: Operation;
  pin: Pin;
  override: Override;
  /** Undone operations, by their ids, whose unanswered call an array may carry out still. */
  late: Operation;
  /** The failover or failback of a group that is under way. */
  run: GroupRun;
  /** What a node has stopped for such runs. */
  halt: Halt;
}
export type RecordKind = keyof Records;

/** An override or a run is gone after that many seconds, by a clock that nobody can set; no other record ends by itself. */
type Lifetime<K> = K extends 'override' | 'run' ? { ttlSeconds: number } : { ttlSeconds?: never };

/** One change; a list of them is applied as a whole or not at all. */
export type Write = {
  [K in RecordKind]: ({ put: K; key: string; value: Records[K] } & Lifetime<K>) | { remove: K; key: string };
}[RecordKind];

/** A record by its kind and key. */
export type Named = readonly [RecordKind, string];
/** What stands under each of these names. */
export type Found<W extends readonly Named[]> = { -readonly [I in keyof W]: Records[W[I][0]] | undefined };

/** Proof that the keys are held, and until when. */
export interface Fence {
  readonly keys: readonly string[];
  /** Fires before another node can hold one of the keys. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

/** Passphrases of passwords that the Python plugin's hpe3parencryptor has encrypted, by backend. Throws DriverError only. */
export interface Passphrases {
  /** Undefined when there certainly is none. @throws `unavailable` */
  find(backend: string, signal: AbortSignal): Promise<Secret | undefined>;
  /** Saves the first one; the same one again is no change. @throws `refused` when there is another one */
  save(backend: string, passphrase: Secret, signal: AbortSignal): Promise<void>;
}

/** The metadata, in etcd or in the state directory. Throws DriverError only: `unavailable` when it cannot be read or written for certain. */
export interface MetadataStore {
  readonly kind: 'etcd' | 'embedded';
  /** In etcd only: the Python plugin always had one. */
  readonly passphrases?: Passphrases;
  find<K extends RecordKind>(kind: K, key: string, signal: AbortSignal): Promise<Records[K] | undefined>;
  /** Several, in the order in which they are named; up to 100 in one round trip, and of one moment. */
  findAll<const W extends readonly Named[]>(wanted: W, signal: AbortSignal): Promise<Found<W>>;
  /** All records of one kind, sorted by key. */
  list<K extends RecordKind>(kind: K, signal: AbortSignal): Promise<Records[K][]>;
  /** The same in pages of one moment, for who looks at each record and keeps few of many. */
  pages<K extends RecordKind>(kind: K, signal: AbortSignal): AsyncIterable<Records[K][]>;
  /** Keys of all records of one kind, sorted: far less than the records. */
  keys(kind: RecordKind, signal: AbortSignal): Promise<string[]>;
  /** The volumes that `isNotable` (domain/volume.ts), sorted by name: as a rule few of many, and read without the others. */
  listNotable(signal: AbortSignal): Promise<Volume[]>;
  /** Snapshots and clones of the volume with that id, in any state, sorted by name; read without the others. */
  listCopies(id: string, signal: AbortSignal): Promise<Volume[]>;
  /** The volumes of a group, in any state, sorted by name; read without the others. @param group key of its record @param except name of one that is known already */
  listMembers(group: string, signal: AbortSignal, except?: string): Promise<Volume[]>;
  /**
   * Waits for all keys (taken in sorted order; each once) until the signal fires.
   * @throws `busy` with the holder's node name, holding nothing.
   */
  lock(keys: readonly string[], signal: AbortSignal): Promise<Fence>;
  /** The same, and what stands under those names as long as the keys are held: in etcd as a rule by the same question. */
  lockAndFind<const W extends readonly Named[]>(
    keys: readonly string[],
    wanted: W,
    signal: AbortSignal,
  ): Promise<{ fence: Fence; found: Found<W> }>;
  /** All writes in one transaction that fails with `fenced` unless every key of the fence is still held. At most 30 writes. */
  commit(fence: Fence, writes: readonly Write[]): Promise<void>;
  /**
   * Calls the listener, which must not throw, after a record of that kind may have changed: with its key, or with undefined
   * when changes may have been missed (in etcd also once soon after this call). Not any more after the returned function
   * was called. Never throws.
   */
  watch(kind: RecordKind, listener: (key: string | undefined) => void): () => void;
  /**
   * Ids of the nodes whose daemon is here: this one (once announced) and, in etcd, every other whose presence lives or is
   * missed for a short time only; also after it was closed.
   */
  livingNodes(signal: AbortSignal): Promise<Set<string>>;
  /** This node's daemon is here, until close(): its presence is a key on a lease, taken again when it was lost. Returns at once. */
  announce(): void;
  readonly archive: MetadataArchive;
  close(): Promise<void>;
}
