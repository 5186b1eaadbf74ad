import type { MetadataStore } from '../contracts/store.js';
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

/** By one question, and no record that is not asked for; a group that is not the likely one by a question of its own. */
export async function readKnown(
  store: MetadataStore,
  { name, group: wanted }: { name: string; group?: LikelyGroup },
  signal: AbortSignal,
): Promise<Known> {
  const own = [
    ['volume', name],
    ['attachment', name],
    ['operation', name],
  ] as const;
  if (wanted === undefined) {
    const [volume, attachment, operation] = await store.findAll(own, signal);
    return { volume, attachment, operation, group: undefined };
  }
  const { likely = NO_GROUP } = wanted;
  const [volume, attachment, operation, ofLikely] = await store.findAll([...own, ['group', likely]], signal);
  const isLikely = volume === undefined || groupKeyOf(volume) === likely;
  return { volume, attachment, operation, group: isLikely ? ofLikely : await findGroup(store, volume, signal) };
}

/** The volume's group, where the volume may be gone by now, and its group with it. */
export async function findGroup(store: MetadataStore, volume: Volume, signal: AbortSignal): Promise<Group | undefined> {
  const key = groupKeyOf(volume);
  return key === undefined ? undefined : store.find('group', key, signal);
}
