import type { Found, MetadataStore } from '../contracts/store.js';
import type { Attachment } from '../domain/attachment.js';
import type { Group } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import type { Operation } from '../saga/operation.js';
import { groupKeyOf } from './keys.js';

/** What the metadata say of one volume. */
export interface Known {
  volume: Volume | undefined;
  attachment: Attachment | undefined;
  operation: Operation | undefined;
  /** Of the volume, and of one that is not there the likely one; undefined also when it was not asked for. */
  group: Group | undefined;
}

/** The record key of the group that the volume is in, as far as that is known before it is read. */
export interface LikelyGroup {
  likely: string | undefined;
}

/** The key of no record. */
const NO_GROUP = '';

interface Wanted {
  name: string;
  /** Its group is wanted, too. */
  group?: LikelyGroup;
}

/** What it takes to know a volume, by one question. */
export const namesOf = ({ name, group }: Wanted) =>
  [
    ['volume', name],
    ['attachment', name],
    ['operation', name],
    ['group', group?.likely ?? NO_GROUP],
  ] as const;

/** What was found under those names, and a group that is not the likely one by a question of its own. */
export async function knownOf(
  store: MetadataStore,
  { of: { group: wanted }, found }: { of: Wanted; found: Found<ReturnType<typeof namesOf>> },
  signal: AbortSignal,
): Promise<Known> {
  const [volume, attachment, operation, ofLikely] = found;
  if (wanted === undefined) return { volume, attachment, operation, group: undefined };
  const isLikely = volume === undefined || groupKeyOf(volume) === (wanted.likely ?? NO_GROUP);
  return { volume, attachment, operation, group: isLikely ? ofLikely : await findGroup(store, volume, signal) };
}

/** Both, for what is locked already. */
export async function readKnown(store: MetadataStore, of: Wanted, signal: AbortSignal): Promise<Known> {
  return knownOf(store, { of, found: await store.findAll(namesOf(of), signal) }, signal);
}

/** The volume's group, where the volume may be gone by now, and its group with it. */
export async function findGroup(store: MetadataStore, volume: Volume, signal: AbortSignal): Promise<Group | undefined> {
  const key = groupKeyOf(volume);
  return key === undefined ? undefined : store.find('group', key, signal);
}
