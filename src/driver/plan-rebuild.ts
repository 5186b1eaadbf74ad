import type { StoredRecord } from '../contracts/archive.js';
import type { Attachment } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import type { Group, Side } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import { cautiousLastActive } from './cautious-side.js';
import { groupKeyOf } from './keys.js';
import { proveTagged } from './prove-tagged.js';
import { attachmentOf, type ThisNode } from './rebuilt-attachment.js';
import { rebuiltVolume, type Proven } from './rebuilt-volume.js';
import type { Survey } from './survey.js';

/** A volume that is written, with what goes with it. */
export interface Rebuilt {
  proven: Proven;
  /** Absent: the metadata have it. */
  volume: Volume;
  isKnown: boolean;
  attachment?: Attachment;
}

export interface RebuildPlan {
  rebuilt: Rebuilt[];
  groups: Group[];
  ambiguous: string[];
  kept: number;
}

/** What the metadata hold already. */
export interface Known {
  volumes: Map<string, Volume>;
  groups: Map<string, Group>;
  attachments: Map<string, Attachment>;
  /** Ids of volumes that an unfinished or late change may still take away. */
  inFlight: Set<string>;
}

/** Reads nothing but what was seen. */
export function planRebuild(
  parts: ThisNode,
  { survey, known, cluster }: { survey: Survey; known: Known; cluster: string | undefined },
): RebuildPlan {
  const { proven, ambiguous } = proveTagged(survey, cluster);
  const plan: RebuildPlan = { rebuilt: [], groups: [], ambiguous: [...ambiguous], kept: 0 };
  for (const each of proven) {
    const result = planOne(parts, { proven: each, survey, known });
    if (typeof result === 'string') plan.ambiguous.push(`volume ${each.tag.name}: ${result}`);
    else if (result.isKnown && result.attachment === undefined) plan.kept += 1;
    else plan.rebuilt.push(result);
  }
  plan.groups = groupsOf(plan.rebuilt, survey, known);
  return plan;
}

/** Why not, if it cannot be written. */
function planOne(
  parts: ThisNode,
  { proven, survey, known }: { proven: Proven; survey: Survey; known: Known },
): Rebuilt | string {
  const { tag, copies } = proven;
  const live = copies.primary ?? copies.secondary;
  if (live === undefined) throw new DriverError('internal', `no array has volume ${tag.name}`);
  const before = known.volumes.get(tag.name);
  if (before !== undefined && before.id !== tag.id)
    return `the metadata have another volume of that name (${before.arrayName})`;
  const namesake = [...known.volumes.values()].find((each) => each.id === tag.id && each.name !== tag.name);
  if (namesake !== undefined) return `the metadata have it under another name, ${namesake.name}`;
  const volume = before ?? rebuiltVolume(proven, live);
  const base = { proven, volume, isKnown: before !== undefined };
  if (before !== undefined && (before.state !== 'ready' || known.attachments.has(tag.name))) return base;
  if (before === undefined && known.inFlight.has(tag.id))
    return 'an unfinished change may take it away; see docker volume inspect';
  const attachment = attachmentOf(parts, { volume, proven, survey });
  if (attachment === undefined) return base;
  if (typeof attachment !== 'string') return { ...base, attachment, volume: attachedVolume(volume, attachment) };
  return before === undefined ? attachment : base;
}

/** A later attachment gets another generation than this one. */
const attachedVolume = (volume: Volume, { generation }: Attachment): Volume => ({
  ...volume,
  generation: Math.max(volume.generation ?? 0, generation),
});

/** Groups that the metadata lack. Who made one, and which side was used last, is not known unless a member is attached. */
function groupsOf(rebuilt: Rebuilt[], survey: Survey, known: Known): Group[] {
  const groups = new Map<string, Group>();
  for (const { proven, volume } of rebuilt) {
    const { backend, group: name } = proven;
    const key = groupKeyOf(volume);
    if (name === undefined || key === undefined || known.groups.has(key) || groups.has(key)) continue;
    const arrays = survey.get(backend);
    const primary = arrays?.primary?.groups.find((each) => each.name === name);
    if (primary === undefined) continue;
    const secondary = arrays?.secondary?.groups.find((each) => each.name === primary.remoteName);
    const seen = { groups: { primary, ...(secondary === undefined ? {} : { secondary }) }, failures: {} };
    const used = usedSide(rebuilt, key) ?? cautiousLastActive(backend, seen);
    const { remoteName } = primary;
    groups.set(key, { backend: backend.name, name, remoteName, createdByUs: false, lastActive: used, epoch: 1 });
  }
  return [...groups.values()];
}

/**
 * The side that all attached members of the group are attached to; the more cautious one when they do not agree. What is
 * attached to both arrays follows the role, and does not tell.
 */
function usedSide(rebuilt: Rebuilt[], key: string): Side | undefined {
  const attachments = rebuilt.flatMap(({ attachment }) => (attachment?.group === key ? [attachment] : []));
  const sides = new Set(attachments.flatMap(({ side, peer }) => (peer === undefined ? [side] : [])));
  const [side] = sides;
  return sides.size > 1 ? 'secondary' : side;
}

/** @param records all that there are */
export function knownIn(records: readonly StoredRecord[]): Known {
  const known: Known = { volumes: new Map(), groups: new Map(), attachments: new Map(), inFlight: new Set() };
  for (const record of records) {
    if (record.put === 'volume') known.volumes.set(record.key, record.value);
    if (record.put === 'group') known.groups.set(record.key, record.value);
    if (record.put === 'attachment') known.attachments.set(record.key, record.value);
    if (record.put === 'operation' || record.put === 'late') {
      const { plan } = record.value;
      const volume = typeof plan === 'object' && plan !== null && !Array.isArray(plan) ? plan['volume'] : undefined;
      const isVolume = typeof volume === 'object' && volume !== null && !Array.isArray(volume);
      if (isVolume && typeof volume['id'] === 'string') known.inFlight.add(volume['id']);
    }
  }
  return known;
}
