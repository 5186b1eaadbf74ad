import type { StoredRecord } from '../contracts/archive.js';
import type { MetadataStore } from '../contracts/store.js';
import type { DriverContext } from './context.js';
import { commitUnder } from './commit-under.js';
import { groupKey, groupRecordKey, volumeKey } from './keys.js';
import { knownIn, planRebuild, type RebuildPlan, type Rebuilt } from './plan-rebuild.js';
import type { ThisNode } from './rebuilt-attachment.js';
import { surveyArrays } from './survey.js';

export type RebuildParts = Pick<DriverContext, 'store' | 'backends' | 'logger'> & ThisNode;

type Written = StoredRecord<'volume' | 'group' | 'attachment'>;

/**
 * Makes the records of volumes and groups that only the arrays remember; the lines for the operator. What is there stays as
 * it is, and what the arrays do not prove is listed and not written. `pins` go along into metadata that are made anew; `cluster`
 * is whose volumes are ours, if that is not what this node remembers.
 */
export async function rebuildMetadata(
  parts: RebuildParts,
  { dryRun, pins, cluster }: { dryRun: boolean; pins: () => StoredRecord[]; cluster?: string | undefined },
  signal: AbortSignal,
): Promise<string[]> {
  const { store, backends, logger } = parts;
  const isGone = await store.archive.isGone(signal);
  const known = knownIn(isGone ? [] : (await store.archive.dump(signal)).records);
  const survey = await surveyArrays(backends.all(), signal);
  const own = cluster ?? (await store.archive.cluster());
  const plan = planRebuild(parts, { survey, known, cluster: own });
  if (dryRun) return [...linesOf(plan, dryRun), 'nothing was changed (--dry-run)'];
  let done = plan;
  if (isGone) await store.archive.renew({ records: [...pins(), ...recordsOf(plan)] }, signal);
  else done = await commitEach(parts, plan, signal);
  logger.warn('the metadata were rebuilt from the arrays', { volumes: done.rebuilt.length, left: done.ambiguous });
  return linesOf(done, dryRun);
}

function recordsOf({ rebuilt, groups }: RebuildPlan): Written[] {
  return [
    ...groups.map((value): Written => ({ put: 'group', key: groupRecordKey(value.backend, value.name), value })),
    ...rebuilt.flatMap(volumeRecords),
  ];
}

function volumeRecords({ volume, attachment }: Rebuilt): Written[] {
  const key = volume.name;
  const own: Written = { put: 'volume', key, value: volume };
  return attachment === undefined ? [own] : [own, { put: 'attachment', key, value: attachment }];
}

/** Each under its lock, and only what is still as it was planned. Returns what became of the plan. */
async function commitEach({ store }: RebuildParts, plan: RebuildPlan, signal: AbortSignal): Promise<RebuildPlan> {
  const done: RebuildPlan = { ...plan, rebuilt: [], ambiguous: [...plan.ambiguous] };
  for (const value of plan.groups) {
    const key = groupRecordKey(value.backend, value.name);
    const decide = async (): Promise<Written[]> =>
      (await store.find('group', key, signal)) === undefined ? [{ put: 'group', key, value }] : [];
    await commitUnder({ store, lock: groupKey(value.backend, value.name) }, decide, signal);
  }
  for (const each of plan.rebuilt) {
    const { name } = each.volume;
    let isStill = false;
    const decide = async (): Promise<Written[]> => {
      isStill = await isUnchanged(store, each, signal);
      return isStill ? volumeRecords(each) : [];
    };
    await commitUnder({ store, lock: volumeKey(name) }, decide, signal);
    if (isStill) done.rebuilt.push(each);
    else done.ambiguous.push(`volume ${name}: somebody has just changed it; repeat this`);
  }
  return done;
}

async function isUnchanged(
  store: MetadataStore,
  { volume, isKnown, proven }: Rebuilt,
  signal: AbortSignal,
): Promise<boolean> {
  const { name, arrayName } = volume;
  const [record, operation, attachment] = await Promise.all([
    store.find('volume', name, signal),
    store.find('operation', name, signal),
    store.find('attachment', name, signal),
  ]);
  if (operation !== undefined || attachment !== undefined || (record !== undefined) !== isKnown) return false;
  const { backend, copies } = proven;
  const sides = backend.sides.filter((side) => copies[side] !== undefined);
  const found = await Promise.all(sides.map(async (side) => backend.array(side).findVolume(arrayName, signal)));
  return found.every((copy) => copy !== undefined);
}

function linesOf({ rebuilt, groups, ambiguous, kept }: RebuildPlan, dryRun: boolean): string[] {
  const fresh = rebuilt.filter((each) => !each.isKnown);
  const verb = dryRun ? 'would write' : 'written';
  return [
    ...rebuilt.map((each) => `${verb}: ${describe(each)}`),
    ...groups.map(
      (each) =>
        `${verb}: group ${each.name} of backend ${each.backend}, used last from the ${each.lastActive ?? ''} array as far as is known`,
    ),
    ...ambiguous.map((each) => `ambiguous, left out: ${each}`),
    `${verb}: ${fresh.length} volumes, ${groups.length} groups, ${rebuilt.length - fresh.length} attachments of known volumes; ${kept} volumes are known already; ${ambiguous.length} left out`,
  ];
}

function describe({ proven, volume, attachment, isKnown }: Rebuilt): string {
  const { name, arrayName, spec, origin } = volume;
  const place = spec.replicationGroup === undefined ? '' : `, group ${spec.replicationGroup}`;
  const held = attachment === undefined ? '' : `, attached to this node from the ${attachment.side} array`;
  const lacks =
    isKnown || proven.tag.isWhole
      ? ''
      : '; its tag does not hold all options: fsType, mountConflictDelay and what else the volume was made with are defaults';
  const isForgotten = !isKnown && origin?.kind === 'import' && origin.formerCommentLost === true;
  const forgotten = isForgotten ? '; what stood in its comment before its import, if anything, is lost' : '';
  return `volume ${name} (${arrayName}), ${spec.sizeGiB} GiB, backend ${spec.backend}${place}${held}${lacks}${forgotten}`;
}
