import type { Passphrases, RecordKind, Records } from './store.js';

/** A record and the key that it stands under. */
export type StoredRecord<Kinds extends RecordKind = RecordKind> = {
  [K in Kinds]: { put: K; key: string; value: Records[K] };
}[Kinds];

export interface Renewal {
  records: readonly StoredRecord[];
  /** Id of the metadata that these are a copy of, for a node that knows of none. */
  copyOf?: string | undefined;
}

/** The metadata as a whole: for backup, restore and rebuild. */
export interface MetadataArchive {
  /** All records, of one moment, and the id of these metadata; embedded ones have none. @throws `unavailable` when they cannot be read */
  dump(signal: AbortSignal): Promise<{ root: string | undefined; records: StoredRecord[] }>;
  /**
   * Nothing is there, so that reading proves nothing: a new or wiped etcd, or one in which `renew` was begun and not finished.
   * @throws `refused` when what is there is not ours, or only a part of ours; `unavailable` when it is not known
   */
  isGone(signal: AbortSignal): Promise<boolean>;
  /**
   * Makes metadata that are gone anew. Whoever looks sees all of it or, until it is complete, none: then its root marker is
   * written. Nodes that knew the former metadata go over to these. @throws `busy` when another renewal took its place
   */
  renew(renewal: Renewal, signal: AbortSignal): Promise<void>;
  /** The same as the store's, also from an etcd without our root marker: for arrays that have to be asked while the metadata are gone. */
  readonly passphrases?: Passphrases;
  /** Id of the metadata that this node knew last, another one when they are made anew; undefined if it never knew any, or they are embedded. @throws `unavailable` */
  identity(): Promise<string | undefined>;
  /** What marks the volumes of these metadata on arrays (`clusterOf`): of the last that this node knew; undefined if it never knew any. */
  cluster(): Promise<string | undefined>;
}
