import { parseMountOptions } from './mount-options.js';
import {
  parseBackendName,
  parseCpgName,
  parseCron,
  parseFilesystemType,
  parseMode,
  parseOwner,
  parseScheduleName,
  parseSetName,
  parseSnapshotPrefix,
} from './option-values.js';
import type { Schedule, SnapshotLife } from './schedule.js';
import type { Origin, Volume, VolumeSpec } from './volume.js';

/** Longest comment of an array's volume (reference 4.2). */
const COMMENT_LIMIT = 511;
/** What the mark of the cluster takes of it. */
const MARK_LENGTH = ',"cluster":"12345678"'.length;

/** What only the metadata know of a volume; the rest of its record can be read from the arrays. */
type TaggedSpec = Pick<
  VolumeSpec,
  | 'backend'
  | 'fsType'
  | 'mountConflictDelay'
  | 'cpg'
  | 'snapCpg'
  | 'qosName'
  | 'flashCache'
  | 'fsOwner'
  | 'fsMode'
  | 'mountOptions'
>;

/** Where the data came from; the name of the volume that it was is found by its id. */
type TaggedOrigin =
  | ({ kind: 'snapshot'; ofId: string; schedule?: Schedule } & SnapshotLife)
  | { kind: 'clone'; ofId: string }
  | { kind: 'import'; formerName: string; formerComment?: string };

/** The comment of an array's volume, as far as it is ours. */
export interface Tag {
  id: string;
  /** Docker's. */
  name: string;
  /** Absent: of a release that wrote none, or of the old plugin. */
  spec?: Partial<TaggedSpec>;
  origin?: TaggedOrigin;
  createdAt?: string;
  /** The metadata that it is on record in (`clusterOf`); absent: unmarked. */
  cluster?: string;
  /** Nothing had to be left out. */
  isWhole: boolean;
}

/** What a tag is made of; `spec`, `origin` and `createdAt` are for a rebuild of lost metadata. */
export type Tagged = Pick<Volume, 'id' | 'name'> & Partial<Pick<Volume, 'spec' | 'origin' | 'createdAt'>>;

/** In the order in which they are left out, last first, when the comment has no room. */
const SPEC_MEMBERS = [
  'backend',
  'fsType',
  'mountConflictDelay',
  'qosName',
  'cpg',
  'snapCpg',
  'flashCache',
  'fsOwner',
  'fsMode',
  'mountOptions',
] as const satisfies (keyof TaggedSpec)[];

/**
 * What stands in the comment of our array volumes. The old plugin's members come first, so that its tools still read it;
 * they say whose it is (`isTaggedAs`). What follows lets a volume be found again when the metadata are lost.
 */
export function ownershipTag(volume: Tagged): string {
  const identity = { volume_id: volume.id, name: volume.id, type: 'Docker', display_name: volume.name };
  const { spec } = volume;
  if (spec === undefined) return JSON.stringify(identity);
  const made = volume.createdAt === undefined ? {} : { createdAt: volume.createdAt };
  const members = SPEC_MEMBERS.filter((member) => spec[member] !== undefined);
  const text = (count: number, hasAll: boolean): string => {
    const some = Object.fromEntries(members.slice(0, count).map((member) => [member, spec[member]]));
    const origin = volume.origin === undefined ? {} : { origin: taggedOrigin(volume.origin, hasAll) };
    const cut = hasAll && count === members.length ? {} : { cut: true };
    return JSON.stringify({ ...identity, ...origin, spec: some, ...made, ...cut });
  };
  const texts = [text(members.length, true), ...members.map((_, i) => text(members.length - i, false)), text(0, false)];
  return texts.find((each) => fits(each, COMMENT_LIMIT - MARK_LENGTH)) ?? JSON.stringify(identity);
}

/** What tells the volumes of one cluster from those of others on the same array: the part of the id of its metadata that stays when they are made anew. */
export const clusterOf = (metadataId: string): string => metadataId.slice(0, 8);

/** The tag with the mark of the cluster, where there is room for it. */
export function stampTag(tag: string, cluster: string | undefined): string {
  if (cluster === undefined || parseTag(tag) === undefined) return tag;
  const stamped = `${tag.slice(0, -1)},"cluster":${JSON.stringify(cluster)}}`;
  return fits(stamped) ? stamped : tag;
}

/** An array's comment takes printable ASCII. */
const fits = (text: string, limit = COMMENT_LIMIT): boolean => text.length <= limit && /^[\x20-\x7e]*$/.test(text);

function taggedOrigin(origin: Origin, hasAll: boolean): TaggedOrigin {
  if (origin.kind === 'import') {
    const { formerName, formerComment } = origin;
    return { kind: 'import', formerName, ...(hasAll && formerComment !== undefined ? { formerComment } : {}) };
  }
  if (origin.kind === 'clone') return { kind: 'clone', ofId: origin.ofId };
  const snapshot = { kind: 'snapshot' as const, ofId: origin.ofId };
  if (!hasAll) return snapshot;
  if (origin.schedule === undefined) return { ...snapshot, ...lifeIn(origin) };
  const { of: _volume, ...schedule } = origin.schedule;
  return { ...snapshot, ...lifeIn(origin), schedule };
}

/**
 * Whether a comment says that the volume is the one of that tag: by our id and name, each compared as a whole (rule 36).
 * What else stands there differs between releases, and the old plugin writes the same with blanks.
 */
export function isTaggedAs(comment: string, tag: string): boolean {
  if (comment === tag) return true;
  const [is, should] = [parseTag(comment), parseTag(tag)];
  return is !== undefined && should !== undefined && is.id === should.id && is.name === should.name;
}

/** Undefined when the comment is not one of our tags. What cannot be read behind the identity counts as left out. */
export function parseTag(comment: string): Tag | undefined {
  const found = objectIn(comment);
  if (found === undefined) return undefined;
  const { volume_id: id, name: sameId, type, display_name: name } = found;
  if (typeof id !== 'string' || id === '' || sameId !== id || type !== 'Docker') return undefined;
  if (typeof name !== 'string' || name === '') return undefined;
  const spec = isObject(found['spec']) ? parseSpec(found['spec']) : undefined;
  const origin = parseOrigin(found['origin']);
  const { createdAt, cluster } = found;
  return {
    id,
    name,
    ...(spec === undefined ? {} : { spec: spec.known }),
    ...(origin === undefined ? {} : { origin }),
    ...(typeof createdAt === 'string' ? { createdAt } : {}),
    ...(typeof cluster === 'string' ? { cluster } : {}),
    isWhole:
      spec?.isWhole === true &&
      found['cut'] === undefined &&
      (found['origin'] === undefined) === (origin === undefined),
  };
}

/** The text is the very one that an option would have made: a comment can be written by anybody on the array. */
const as =
  (parse: (text: string) => string) =>
  (value: unknown): boolean => {
    try {
      return typeof value === 'string' && parse(value) === value;
    } catch {
      return false;
    }
  };

/** Which value a member may have. */
const CHECKS: Record<keyof TaggedSpec, (value: unknown) => boolean> = {
  backend: as(parseBackendName),
  fsType: as(parseFilesystemType),
  mountConflictDelay: (value) => Number.isInteger(value) && Number(value) >= 0,
  qosName: as(parseSetName),
  cpg: as(parseCpgName),
  snapCpg: as(parseCpgName),
  flashCache: (value) => typeof value === 'boolean',
  fsOwner: as(parseOwner),
  fsMode: as(parseMode),
  mountOptions: as(parseMountOptions),
};

function parseSpec(found: Record<string, unknown>): { known: Partial<TaggedSpec>; isWhole: boolean } {
  const valid = SPEC_MEMBERS.filter((member) => found[member] !== undefined && CHECKS[member](found[member]));
  const known: Partial<TaggedSpec> = Object.fromEntries(valid.map((member) => [member, found[member]]));
  return { known, isWhole: Object.keys(found).length === valid.length };
}

function parseOrigin(found: unknown): TaggedOrigin | undefined {
  if (!isObject(found)) return undefined;
  const { kind, ofId, formerName, formerComment, schedule } = found;
  if (kind === 'import' && typeof formerName === 'string') {
    return { kind, formerName, ...(typeof formerComment === 'string' ? { formerComment } : {}) };
  }
  if (kind === 'clone' && typeof ofId === 'string') return { kind, ofId };
  if (kind !== 'snapshot' || typeof ofId !== 'string') return undefined;
  const life = lifeIn(found);
  if (schedule === undefined) return { kind, ofId, ...life };
  return isSchedule(schedule) ? { kind, ofId, ...life, schedule } : undefined;
}

/** Hours that are none count as not there. */
function lifeIn(found: Record<string, unknown> | SnapshotLife): SnapshotLife {
  const { expirationHours, retentionHours } = found;
  return {
    ...(isHours(expirationHours) ? { expirationHours } : {}),
    ...(isHours(retentionHours) ? { retentionHours } : {}),
  };
}

const isHours = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

function isSchedule(found: unknown): found is Schedule {
  if (!isObject(found)) return false;
  const { name, frequency, prefix, expirationHours = 1, retentionHours = 1 } = found;
  const texts = as(parseScheduleName)(name) && as(parseCron)(frequency) && as(parseSnapshotPrefix)(prefix);
  return texts && [expirationHours, retentionHours].every(Number.isInteger);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return isObject(found) ? found : undefined;
  } catch {
    return undefined;
  }
}
