import type { StoredRecord } from '../contracts/archive.js';
import type { Write } from '../contracts/store.js';
import { isNotable, type Volume } from '../domain/volume.js';
import { decodeRecord } from './records.js';

/*
 * Keys without a value that lead to volumes whose names are not known: `notable/<volume>` for those that `isNotable`,
 * `copy/<id of its origin>/<volume>` and `member/<backend>/<group>/<volume>`. They are written in one transaction with the record, and say only where to look: the
 * record decides. So a key too many is harmless, and one too few is never there.
 */

/** Its key has this version as its value once all keys are there. */
export const INDEX_MARKER = 'volume-index';
/** Raised when volumes get other keys than before. */
export const INDEX_VERSION = '1';

/** Volumes to be found: those that keys with that beginning lead to, if their records say so. */
export interface Selection {
  /** Before the volume's name; ends in `/`. */
  beginning: string;
  /** Name of one that is not asked for, and not read. */
  except?: string | undefined;
  isMeant: (volume: Volume) => boolean;
}

export const NOTABLE: Selection = { beginning: 'notable/', isMeant: isNotable };

/** @param group key of its record */
export const membersOf = (group: string, except?: string): Selection => ({
  beginning: `member/${group}/`,
  except,
  isMeant: (volume) => groupOf(volume) === group && volume.name !== except,
});

/** @param id of the volume that they were made of */
export const copiesOf = (id: string): Selection => ({
  beginning: `copy/${id}/`,
  isMeant: (volume) => originOf(volume) === id,
});

const groupOf = ({ spec: { backend, replicationGroup } }: Volume): string | undefined =>
  replicationGroup === undefined ? undefined : `${backend}/${replicationGroup}`;

const originOf = ({ origin }: Volume): string | undefined =>
  origin?.kind === 'snapshot' || origin?.kind === 'clone' ? origin.ofId : undefined;

/** The keys that lead to the volume. */
export function indexKeys(volume: Volume): string[] {
  const [group, origin] = [groupOf(volume), originOf(volume)];
  const selections = [
    ...(isNotable(volume) ? [NOTABLE] : []),
    ...(origin === undefined ? [] : [copiesOf(origin)]),
    ...(group === undefined ? [] : [membersOf(group)]),
  ];
  return selections.map(({ beginning }) => `${beginning}${volume.name}`);
}

/** What has to be written with the write. @param former the volume that it removes; without it a key may stay */
export function indexChanges(write: Write | StoredRecord, former?: Volume): { put: string[]; remove: string[] } {
  const notable = `${NOTABLE.beginning}${write.key}`;
  if ('remove' in write) {
    if (write.remove !== 'volume') return { put: [], remove: [] };
    return { put: [], remove: [...new Set([notable, ...(former === undefined ? [] : indexKeys(former))])] };
  }
  if (write.put !== 'volume') return { put: [], remove: [] };
  const put = indexKeys(write.value);
  return { put, remove: put.includes(notable) ? [] : [notable] };
}

/** The volume in that text; undefined for one that cannot be read: it keeps a key, which is harmless, and to remove it must not fail. */
export function findReadable(name: string, text: string | undefined): Volume | undefined {
  try {
    return text === undefined ? undefined : decodeRecord('volume', name, text);
  } catch {
    return undefined;
  }
}

/** Names of the volumes that the writes remove. */
export const removedVolumes = (writes: readonly Write[]): string[] =>
  writes.flatMap((write) => ('remove' in write && write.remove === 'volume' ? [write.key] : []));
