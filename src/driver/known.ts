import type { MetadataStore } from '../contracts/store.js';
import type { Attachment } from '../domain/attachment.js';
import type { Override } from '../domain/override.js';
import type { Group } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import type { Operation } from '../saga/operation.js';
import { groupKeyOf } from './keys.js';

/** What the metadata say of one volume. */
export interface Known {
  volume: Volume | undefined;
  attachment: Attachment | undefined;
  operation: Operation | undefined;
  /** In force for this very volume: one for a volume of the same name that is gone says nothing of this one. */
  override: Override | undefined;
  /** Of the volume; without a volume the likely one. */
  group: Group | undefined;
}

/** The key of no record. */
const NO_GROUP = '';

/** All of it at once; the group by a question of its own when it is not the likely one. @param likely record key of a group */
export async function readKnown(
  store: MetadataStore,
  { name, likely = NO_GROUP }: { name: string; likely: string | undefined },
  signal: AbortSignal,
): Promise<Known> {
  const wanted = [
    ['volume', name],
    ['attachment', name],
    ['operation', name],
    ['override', name],
    ['group', likely],
  ] as const;
  const [volume, attachment, operation, override, ofLikely] = await store.findAll(wanted, signal);
  return {
    volume,
    attachment,
    operation,
    override: override?.volumeId === volume?.id ? override : undefined,
    group: volume === undefined || groupKeyOf(volume) === likely ? ofLikely : await findGroup(store, volume, signal),
  };
}

/** The volume's group, where the volume may be gone by now, and its group with it. */
export async function findGroup(store: MetadataStore, volume: Volume, signal: AbortSignal): Promise<Group | undefined> {
  const key = groupKeyOf(volume);
  return key === undefined ? undefined : store.find('group', key, signal);
}
