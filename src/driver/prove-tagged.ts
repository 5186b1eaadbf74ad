import type { Backend } from '../backend/backend.js';
import { findPartner } from '../backend/observe.js';
import type { ListedDetails } from '../contracts/inventory.js';
import type { Side } from '../domain/replication.js';
import type { Tag } from '../domain/tag.js';
import type { Origin } from '../domain/volume.js';
import { isOurName, type Proven } from './rebuilt-volume.js';
import type { SeenArray, Survey } from './survey.js';

/** A volume with our tag, on one array. */
interface Sighting {
  array: SeenArray;
  name: string;
  details: ListedDetails | undefined;
  tag: Tag;
}

/** What the arrays prove, and what they leave open, one sentence each. */
export interface Judged {
  proven: Proven[];
  ambiguous: string[];
}

/** By our id. */
type Sightings = Map<string, Sighting[]>;
type Arrays = Partial<Record<Side, SeenArray>>;

/** Which volumes there are, from nothing but our tags and the groups; nothing is guessed. */
export function proveTagged(survey: Survey, cluster: string | undefined): Judged {
  const { own: sightings, others } = sightingsById(survey, cluster);
  const judged: Judged = { proven: [], ambiguous: [...others].map(describeOthers) };
  for (const seen of sightings.values()) {
    const result = proveOne(survey, seen, sightings);
    if (typeof result === 'string') judged.ambiguous.push(`${describe(seen)}: ${result}`);
    else judged.proven.push(result);
  }
  return withoutNamesakes(judged);
}

/** What `--cluster` calls the volumes whose tag names none. */
export const UNMARKED = 'unmarked';

/** Volumes of another cluster on the same arrays are not ours to take, whatever they are called. */
function sightingsById(
  survey: Survey,
  cluster: string | undefined,
): { own: Sightings; others: Map<string, Set<string>> } {
  const arrays = new Set([...survey.values()].flatMap((sides) => Object.values(sides)));
  const own: Sightings = new Map();
  const others = new Map<string, Set<string>>();
  for (const array of arrays) {
    for (const { listed, tag } of array.tagged) {
      const whose = tag.cluster ?? UNMARKED;
      const sighting = { array, name: listed.name, details: listed.details, tag };
      if (whose === cluster) own.set(tag.id, [...(own.get(tag.id) ?? []), sighting]);
      else others.set(whose, (others.get(whose) ?? new Set()).add(tag.name));
    }
  }
  return { own, others };
}

function describeOthers([cluster, names]: [string, Set<string>]): string {
  const some = [...names].slice(0, 5).join(', ');
  const which = `${names.size} volumes (${some}${names.size > 5 ? ', …' : ''})`;
  if (cluster === UNMARKED) {
    return `${which} whose tags name no cluster: an older release made them, or the old plugin, whose volumes import-metadata takes over; if all of them belong to this cluster, type: rebuild --cluster ${UNMARKED}`;
  }
  return `${which} of cluster ${cluster}; if that is this one, type: rebuild --cluster ${cluster}`;
}

function describe(seen: Sighting[]): string {
  const where = seen.map(({ array, name }) => `${name} on ${array.label}`).join(' and ');
  return `volume ${seen[0]?.tag.name ?? ''} (${where})`;
}

/** Why not, if it is not proven. */
function proveOne(survey: Survey, seen: Sighting[], all: Sightings): Proven | string {
  const { tag } = seen.find((each) => each.tag.isWhole) ?? seen[0] ?? {};
  if (tag === undefined) return 'nobody has seen it';
  const fault = faultOf(seen, tag);
  if (fault !== undefined) return fault;
  const named = tag.spec?.backend;
  const candidates = [...survey].filter(([backend]) => named === undefined || backend.name === named);
  if (candidates.length === 0) return `hpe.conf has no backend ${named}, which its tag names`;
  const results = candidates.map(([backend, arrays]) => fit({ backend, arrays, tag, all }, seen));
  const proven = results.filter((each) => typeof each !== 'string');
  const [only, another] = proven;
  if (only === undefined) return [...new Set(results.filter((each) => typeof each === 'string'))].join('; ');
  if (another === undefined) return only;
  return `its tag does not say which of the backends ${proven.map((each) => each.backend.name).join(', ')} it belongs to`;
}

function faultOf(seen: Sighting[], tag: Tag): string | undefined {
  if (seen.some((each) => each.tag.name !== tag.name)) return 'its copies carry different Docker names';
  const misnamed = seen.find((each) => !isOurName(each.name, tag.id));
  if (misnamed !== undefined)
    return `${misnamed.name} is not our name for the volume with id ${tag.id}: a copy of the tag`;
  if (seen.some((each) => each.details === undefined)) return 'what the array says of it cannot be understood';
  if (new Set(seen.map((each) => each.array)).size < seen.length) return 'one array has it twice';
  return undefined;
}

interface Fit {
  backend: Backend;
  arrays: Arrays;
  tag: Tag;
  all: Sightings;
}

function fit(of: Fit, seen: Sighting[]): Proven | string {
  const { backend, arrays, tag, all } = of;
  const copies: Partial<Record<Side, ListedDetails>> = {};
  for (const { array, details } of seen) {
    const side = backend.sides.find((each) => arrays[each] === array);
    if (side === undefined || details === undefined) return `${array.label} is none of backend ${backend.name}`;
    copies[side] = details;
  }
  const origin = originOf(tag, copies, all);
  if (typeof origin === 'string') return origin;
  const group = groupOf(of, copies);
  if (group !== undefined && 'why' in group) return group.why;
  if (group === undefined && seen.length > 1) return 'it is in no remote copy group, and on both arrays';
  const parent = origin?.kind === 'snapshot' ? all.get(origin.ofId)?.[0]?.details : undefined;
  return {
    backend,
    tag,
    copies,
    ...(origin === undefined ? {} : { origin }),
    ...(group === undefined ? {} : { group: group.name }),
    ...(parent === undefined ? {} : { shape: parent }),
  };
}

function originOf(
  { origin, isWhole }: Tag,
  copies: Partial<Record<Side, ListedDetails>>,
  all: Sightings,
): Origin | string | undefined {
  const side = copies.primary === undefined ? 'secondary' : 'primary';
  const details = copies[side];
  const isOther = details?.provisioning === 'other';
  if (isOther && (origin === undefined || origin.kind === 'clone')) {
    return 'it is a snapshot, or of another kind, which its tag does not say';
  }
  if (origin === undefined) return undefined;
  if (origin.kind === 'import') {
    if (side !== 'primary') return 'it was imported, and is not on the primary array';
    // It is what is left out first.
    return isWhole || origin.formerComment !== undefined ? origin : { ...origin, formerCommentLost: true };
  }
  const of = all.get(origin.ofId)?.[0]?.tag.name ?? origin.ofId;
  if (origin.kind === 'clone') return { kind: 'clone', ofId: origin.ofId, of, side };
  if (details?.snapshotOf === undefined)
    return 'its tag says that it is a snapshot, and the array says that it is none';
  const { expiresAt, retainedUntil, snapshotOf } = details;
  const { schedule, ...asked } = origin;
  return {
    ...asked,
    of,
    side,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(retainedUntil === undefined ? {} : { retainedUntil }),
    ...(schedule === undefined ? {} : { schedule: { ...schedule, of: snapshotOf } }),
  };
}

/** Its remote copy group, which both arrays have to show with both copies; undefined for a backend without replication. */
function groupOf(
  { backend, arrays, tag }: Fit,
  copies: Partial<Record<Side, ListedDetails>>,
): { name: string } | { why: string } | undefined {
  const { primary, secondary } = arrays;
  const name = (copies.primary ?? copies.secondary)?.name ?? '';
  const found = primary?.groups.find((each) => each.members.some((member) => member.volume === name));
  if (backend.settings.replication === undefined) {
    if (found === undefined) return undefined;
    return { why: `it is a member of group ${found.name}, but backend ${backend.name} has no replication_device` };
  }
  // Snapshots and clones are in no group, nor is what was imported.
  if (found === undefined && tag.origin !== undefined) return undefined;
  if (copies.primary === undefined) return { why: 'the primary array has no such volume' };
  if (found === undefined) {
    return { why: 'it is in no remote copy group: its creation or its removal was not finished' };
  }
  if (copies.secondary === undefined) {
    return {
      why: `its copy is missing on the secondary array, or has no tag of ours: its creation in group ${found.name} was not finished`,
    };
  }
  const isOurs = findPartner(backend, 'primary', found) !== undefined;
  const peer = secondary?.groups.find((each) => each.name === found.remoteName && each.remoteName === found.name);
  const pairs = [found, peer].map((each) => each?.members.find((member) => member.volume === name)?.remoteVolume);
  if (isOurs && pairs.every((remote) => remote === name)) return { name: found.name };
  return { why: `the two arrays do not agree on group ${found.name}, or it leads to another array` };
}

/** Docker knows one volume of each name. */
function withoutNamesakes({ proven, ambiguous }: Judged): Judged {
  const count = new Map<string, number>();
  for (const { tag } of proven) count.set(tag.name, (count.get(tag.name) ?? 0) + 1);
  const isAlone = ({ tag }: Proven): boolean => count.get(tag.name) === 1;
  const namesakes = proven.filter((each) => !isAlone(each));
  const told = namesakes.map(
    ({ tag, copies }) =>
      `volume ${tag.name} (${(copies.primary ?? copies.secondary)?.name ?? ''}): several array volumes carry this Docker name`,
  );
  return { proven: proven.filter(isAlone), ambiguous: [...ambiguous, ...told] };
}
