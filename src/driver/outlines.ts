import type { MetadataStore, Records } from '../contracts/store.js';
import type { AttachmentOutline } from '../domain/attachment.js';
import type { Group } from '../domain/replication.js';
import type { VolumeOutline } from '../domain/volume.js';
import { groupRecordKey } from './keys.js';

export type OutlinedKind = 'volume' | 'attachment' | 'group';

/** What is told of all volumes at once. */
export interface Outline {
  groups: readonly Group[];
  volumes: readonly VolumeOutline[];
  /** By the volume's name. */
  attachments: ReadonlyMap<string, AttachmentOutline>;
}

/** So many are shared at most; with more they begin anew, since some are of volumes that are gone. */
const MOST_SHARED = 10_000;

/** The outlines of all volumes, held in memory: some 200 bytes for each. */
export class Outlines {
  readonly #volumes = new Map<string, VolumeOutline>();
  readonly #attachments = new Map<string, AttachmentOutline>();
  readonly #groups = new Map<string, Group>();
  /** Names of volumes of which nothing else is known yet. */
  readonly #unread = new Set<string>();
  /** Few specs and words are those of very many. */
  readonly #specs = new Map<string, VolumeOutline['spec']>();
  readonly #words = new Map<string, string>();

  /** Undefined: there is none. */
  take<K extends OutlinedKind>(kind: K, key: string, record: Records[K] | undefined): void {
    if (kind === 'volume') this.#unread.delete(key);
    if (record === undefined) this.#mapOf(kind).delete(key);
    else if ('arrayName' in record) this.#volumes.set(key, this.#volumeOf(record));
    else if ('mountpoint' in record) this.#attachments.set(key, this.#attachmentOf(record));
    else this.#groups.set(key, record);
  }

  has(kind: OutlinedKind, key: string): boolean {
    return this.#mapOf(kind).has(key);
  }

  findVolume(name: string): VolumeOutline | undefined {
    return this.#volumes.get(name);
  }

  keys(kind: OutlinedKind): Iterable<string> {
    return this.#mapOf(kind).keys();
  }

  /** Of volumes that are there for certain; returns those that were not known. */
  addNames(names: readonly string[]): string[] {
    const fresh = names.filter((name) => !this.#volumes.has(name) && !this.#unread.has(name));
    for (const name of fresh) this.#unread.add(name);
    return fresh;
  }

  /** Of the volumes that were acknowledged, sorted. */
  names(): string[] {
    const names = new Set(this.#unread);
    for (const { name, state } of this.#volumes.values()) if (state !== 'creating') names.add(name);
    return [...names].toSorted();
  }

  all(): Outline {
    return {
      groups: [...this.#groups.values()],
      volumes: [...this.#volumes.values()],
      attachments: this.#attachments,
    };
  }

  clear(): void {
    for (const each of [this.#volumes, this.#attachments, this.#groups, this.#unread, this.#specs, this.#words])
      each.clear();
  }

  #mapOf(kind: OutlinedKind): Map<string, unknown> {
    return { volume: this.#volumes, attachment: this.#attachments, group: this.#groups }[kind];
  }

  #volumeOf({ name, arrayName, state, everMounted, generation, spec }: Records['volume']): VolumeOutline {
    const { sizeGiB, backend, replicationGroup } = spec;
    const known = `${backend}/${replicationGroup ?? ''}/${sizeGiB}`;
    const shared = this.#specs.get(known) ?? {
      sizeGiB,
      backend,
      ...(replicationGroup === undefined ? {} : { replicationGroup }),
    };
    share(this.#specs, known, shared);
    const used = generation === undefined ? {} : { generation };
    return { name, arrayName, state, everMounted, spec: shared, ...used };
  }

  #attachmentOf({ volume, node, nodeName, side, peer, apart }: Records['attachment']): AttachmentOutline {
    return {
      volume,
      node: this.#shared(node),
      nodeName: this.#shared(nodeName),
      side,
      ...(peer === undefined ? {} : { peer }),
      ...(apart === undefined ? {} : { apart }),
    };
  }

  #shared(word: string): string {
    const known = this.#words.get(word);
    if (known !== undefined) return known;
    share(this.#words, word, word);
    return word;
  }
}

function share<T>(all: Map<string, T>, key: string, value: T): void {
  if (all.size >= MOST_SHARED && !all.has(key)) all.clear();
  all.set(key, value);
}

const KEYS: { [K in OutlinedKind]: (record: Records[K]) => string } = {
  volume: ({ name }) => name,
  attachment: ({ volume }) => volume,
  group: ({ backend, name }) => groupRecordKey(backend, name),
};

/** The key that a record stands under. */
export const keyOf = <K extends OutlinedKind>(kind: K, record: Records[K]): string => KEYS[kind](record);

/** The outline of all that there is now, read page by page. */
export async function readOutline(store: MetadataStore, signal: AbortSignal): Promise<Outline> {
  const read = new Outlines();
  const readKind = async (kind: OutlinedKind): Promise<void> => {
    for await (const page of store.pages(kind, signal))
      for (const record of page) read.take(kind, keyOf(kind, record), record);
  };
  await Promise.all([readKind('group'), readKind('volume'), readKind('attachment')]);
  return read.all();
}
