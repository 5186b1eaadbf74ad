import type { StoredRecord } from '../contracts/archive.js';
import type { MetadataStore } from '../contracts/store.js';
import { asDriverError } from '../domain/errors.js';
import type { OldTree, OldVolume } from '../domain/old-volume.js';
import type { Volume } from '../domain/volume.js';
import { ownershipTag } from '../domain/tag.js';
import { commitUnder } from './commit-under.js';
import type { DriverContext } from './context.js';
import { groupKey, groupRecordKey, volumeKey } from './keys.js';
import { planAdoption, type Adopted } from './plan-adoption.js';
import { surveyArrays } from './survey.js';

type Parts = Pick<DriverContext, 'store' | 'backends' | 'logger'>;

interface Plan {
  adopted: Adopted[];
  /** Why not, one line each. */
  left: string[];
  known: number;
}

/**
 * Takes over the volumes of the old plugin: each that its arrays show as its record says is tagged as ours and gets our
 * record; the lines for the operator. Repeating it goes on where it was interrupted. Nothing is formatted, ever.
 * @throws `unavailable` when an array that the volumes name does not answer, with nothing changed
 */
export async function adoptVolumes(
  parts: Parts,
  { tree, dryRun }: { tree: OldTree; dryRun: boolean },
  signal: AbortSignal,
): Promise<string[]> {
  const plan = await planAll(parts, tree, signal);
  const notes = tree.volumes.flatMap((old) => notesOf(old, tree));
  if (dryRun) return linesOf(plan, notes, { verb: 'would import', last: ['nothing was changed (--dry-run)'] });
  const done: Adopted[] = [];
  for (const each of plan.adopted) {
    try {
      if (await adoptOne(parts, each, signal)) done.push(each);
      else plan.left.push(`volume ${each.old.name}: somebody else has just made it, or changes it now; repeat this`);
    } catch (thrown) {
      plan.left.push(
        `volume ${each.old.name}: ${asDriverError(thrown).toUserText()}; repeat this, it goes on from there`,
      );
    }
  }
  parts.logger.warn('volumes of the old plugin were taken over', { volumes: done.length, left: plan.left });
  return linesOf({ ...plan, adopted: done }, notes, { verb: 'imported', last: [] });
}

async function planAll({ store, backends }: Parts, tree: OldTree, signal: AbortSignal): Promise<Plan> {
  const plan: Plan = { adopted: [], left: [...tree.unreadable], known: 0 };
  const known = await namesAndIds(store, signal);
  const named = new Set(tree.volumes.map((each) => each.backend));
  const survey = await surveyArrays(
    backends.all().filter((each) => named.has(each.name)),
    signal,
  );
  for (const old of tree.volumes) {
    const before = known.get(`name ${old.name}`) ?? known.get(`id ${old.id}`);
    if (before?.name === old.name && before.id === old.id) {
      plan.known += 1;
      continue;
    }
    const result =
      before !== undefined
        ? `the metadata have volume ${before.name} with id ${before.id} already`
        : (namesakeOf(old, tree) ?? planAdoption(old, backends, survey));
    if (typeof result === 'string') plan.left.push(`volume ${old.name} (${old.arrayName}): ${result}`);
    else plan.adopted.push(result);
  }
  return plan;
}

/** Of all volumes, by either. */
async function namesAndIds(
  store: MetadataStore,
  signal: AbortSignal,
): Promise<Map<string, Pick<Volume, 'name' | 'id'>>> {
  const known = new Map<string, Pick<Volume, 'name' | 'id'>>();
  for await (const page of store.pages('volume', signal)) {
    for (const { name, id } of page) known.set(`name ${name}`, { name, id }).set(`id ${id}`, { name, id });
  }
  return known;
}

function namesakeOf(old: OldVolume, { volumes }: OldTree): string | undefined {
  const other = volumes.find((each) => each !== old && (each.name === old.name || each.id === old.id));
  return other === undefined ? undefined : `the dump has another record of that name or id (${other.arrayName})`;
}

/** The tags come first: a volume that is on record can be removed, and is then known by its tag. False when it was changed meanwhile. */
async function adoptOne({ store }: Parts, { backend, volume, group }: Adopted, signal: AbortSignal): Promise<boolean> {
  if (group !== undefined) {
    const key = groupRecordKey(group.backend, group.name);
    const decide = async (): Promise<StoredRecord<'group'>[]> =>
      (await store.find('group', key, signal)) === undefined ? [{ put: 'group', key, value: group }] : [];
    await commitUnder({ store, lock: groupKey(group.backend, group.name) }, decide, signal);
  }
  let isDone = false;
  const decide = async (): Promise<StoredRecord<'volume'>[]> => {
    if (!(await isFree(store, volume.name, signal))) return [];
    const sides = backend.sides.filter((side) => volume.wwn[side] !== undefined);
    for (const side of sides) await backend.array(side).tagVolume(volume.arrayName, ownershipTag(volume), signal);
    isDone = true;
    return [{ put: 'volume', key: volume.name, value: volume }];
  };
  await commitUnder({ store, lock: volumeKey(volume.name) }, decide, signal);
  return isDone;
}

async function isFree(store: MetadataStore, name: string, signal: AbortSignal): Promise<boolean> {
  const [record, operation] = await Promise.all([
    store.find('volume', name, signal),
    store.find('operation', name, signal),
  ]);
  return record === undefined && operation === undefined;
}

/** What the operator has to know of a volume besides. */
function notesOf(old: OldVolume, { volumes }: OldTree): string[] {
  const ids = new Set(volumes.map((each) => each.id));
  const entries = old.snapshots.filter((each) => !ids.has(each.id));
  return [
    ...entries.map(
      (each) =>
        `note: snapshot ${each.name} (id ${each.id}) of volume ${old.name} was no volume of its own; it stays on the array, and -o importVol makes one of it`,
    ),
    ...(old.hasSchedule
      ? [
          `note: volume ${old.name} has a schedule on its array, which goes on (showsched); it is not ours to end (removesched)`,
        ]
      : []),
  ];
}

function linesOf({ adopted, left, known }: Plan, notes: string[], say: { verb: string; last: string[] }): string[] {
  return [
    ...adopted.map((each) => `${say.verb}: ${describe(each)}`),
    ...left.map((each) => `not imported: ${each}`),
    ...notes,
    `${say.verb}: ${adopted.length} volumes; ${known} are known already; ${left.length} not imported`,
    ...say.last,
  ];
}

function describe({ volume }: Adopted): string {
  const { name, arrayName, spec, wwn, cpg } = volume;
  const place = spec.replicationGroup === undefined ? '' : `, group ${spec.replicationGroup}`;
  return `volume ${name} (${arrayName}, WWN ${wwn.primary ?? ''}), ${spec.sizeGiB} GiB, CPG ${cpg.primary ?? 'none'}, backend ${spec.backend}${place}`;
}
