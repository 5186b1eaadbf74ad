import { isDeepStrictEqual } from 'node:util';
import { observeGroup } from '../backend/observe.js';
import type { StoredRecord } from '../contracts/archive.js';
import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import type { Halt } from '../domain/group-run.js';
import type { Group } from '../domain/replication.js';
import { clusterOf } from '../domain/tag.js';
import { isNeverFormatted, type Volume } from '../domain/volume.js';
import { cautiousLastActive } from './cautious-side.js';
import { commitUnder } from './commit-under.js';
import type { DriverContext } from './context.js';
import { groupKey, volumeKey } from './keys.js';

type Parts = Pick<DriverContext, 'store' | 'backends' | 'logger'>;

/** What comes back. The rest says what was being done, or was allowed for a time: it is not true any more. */
type Lasting = StoredRecord<'volume' | 'group' | 'attachment' | 'pin'>;
const isLasting = (record: StoredRecord): record is Lasting =>
  ['volume', 'group', 'attachment', 'pin'].includes(record.put);

interface RestorePlan {
  records: Lasting[];
  lines: string[];
}

/**
 * Puts the records of a backup into metadata that are empty, or were restored in part; the lines for the operator. What may
 * have changed since the backup is restored as not known (rules 5 and 18).
 * @throws `refused` when the metadata hold anything else, with nothing changed
 */
export async function restoreMetadata(
  parts: Parts,
  { backup, root, dryRun }: { backup: readonly StoredRecord[]; root: string | undefined; dryRun: boolean },
  signal: AbortSignal,
): Promise<string[]> {
  const { store } = parts;
  const plan = await planRestore(parts, backup, signal);
  const isGone = await store.archive.isGone(signal);
  refuseForeign(root, await store.archive.cluster());
  const there = isGone ? [] : (await store.archive.dump(signal)).records;
  const missing = missingOf(plan.records, { backup, there });
  const lines = [...plan.lines, ...countLines(missing, dryRun), ...keptLines(plan.records.length - missing.length)];
  if (dryRun) return [...lines, 'nothing was changed (--dry-run)'];
  if (isGone) await store.archive.renew({ records: missing, copyOf: root }, signal);
  else await commitEach(parts, missing, signal);
  parts.logger.warn('the metadata were restored from a backup', { records: missing.length });
  return lines;
}

function refuseForeign(root: string | undefined, cluster: string | undefined): void {
  if (root === undefined || cluster === undefined || clusterOf(root) === cluster) return;
  throw new DriverError(
    'refused',
    `the backup is of another cluster (${clusterOf(root)}) than the one that this node belongs to (${cluster}); nothing was restored`,
    {
      next: 'name a backup of this cluster; if this node is to join the other one, remove metadata-identity.json in its state directory',
    },
  );
}

async function planRestore(parts: Parts, backup: readonly StoredRecord[], signal: AbortSignal): Promise<RestorePlan> {
  const lines: string[] = [];
  const records: Lasting[] = [];
  const left = new Set<string>();
  for (const record of backup) {
    if (record.put === 'volume' && record.value.state !== 'ready') {
      left.add(record.key);
      lines.push(
        `not restored: volume ${record.key} was ${record.value.state}; if its copies are still there, hpe-volume-plugin rebuild lists or finds it`,
      );
    }
  }
  for (const record of backup) {
    if (!isLasting(record)) lines.push(leftOut(record));
    else if (record.put === 'volume') {
      if (!left.has(record.key)) records.push({ ...record, value: asUnknown(record.value) });
    } else if (record.put === 'group') {
      records.push({ ...record, value: await asSeen(parts, record.value, signal) });
      if (record.value.owesStart !== undefined) lines.push(owedStart(record.value));
    } else if (record.put !== 'attachment' || !left.has(record.key)) records.push(record);
  }
  const unused = backup.filter((each) => each.put === 'volume' && isNeverFormatted(each.value.filesystem));
  if (unused.length > 0) {
    const names = unused.map(({ key }) => key).join(', ');
    lines.push(
      `never mounted when the backup was made: ${names}; whether they were since is not known, so they are not formatted any more: one that is blank is removed and made again`,
    );
  }
  return { records, lines };
}

/** Since the backup it may have been formatted, used and filled (rule 18). */
function asUnknown(volume: Volume): Volume {
  if (!isNeverFormatted(volume.filesystem)) return volume;
  return { ...volume, filesystem: { state: 'inherited' }, everMounted: true };
}

/** Since the backup it may have been failed over, and used there (rule 5). */
async function asSeen({ backends }: Parts, group: Group, signal: AbortSignal): Promise<Group> {
  const { owesStart: _stale, ...rest } = group;
  const backend = backends.find(group.backend);
  const known = backend?.settings.replication === undefined ? undefined : backend;
  const lastActive =
    known === undefined ? 'secondary' : cautiousLastActive(known, await observeGroup(known, group, signal));
  return { ...rest, lastActive, epoch: group.epoch + 1 };
}

const owedStart = ({ name }: Group): string =>
  `group ${name} was about to be started by the plugin: see showrcopy groups ${name}, and type startrcopygroup ${name} if nobody stopped it on purpose`;

function leftOut(record: Exclude<StoredRecord, Lasting>): string {
  if (record.put === 'override')
    return `not restored: the override of volume ${record.key}; make it again if it is still needed`;
  if (record.put === 'run') return `not restored: the ${record.value.goal} of group ${record.value.group}`;
  if (record.put === 'halt') return `not restored: ${oweStart(record.value)}`;
  const { kind, volume } = record.value;
  return `not restored: the unfinished ${kind} of volume ${volume}; what it left on the arrays is shown by hpe-volume-plugin rebuild --dry-run`;
}

/** They may run again since, or be others. */
function oweStart({ group, nodeName, containers }: Halt): string {
  const names = containers.map((each) => each.name).join(' ');
  if (names === '') return `what node ${nodeName} answered when group ${group} was moved`;
  return `what was stopped on node ${nodeName} to move group ${group}: docker start ${names} there, if it does not run`;
}

const idOf = ({ put, key }: StoredRecord): string => `${put} ${key}`;

/** @throws `refused` when the metadata hold what the backup has not, or has otherwise */
function missingOf(
  wanted: Lasting[],
  { backup, there }: { backup: readonly StoredRecord[]; there: readonly StoredRecord[] },
): Lasting[] {
  const saved = new Map(backup.map((each) => [idOf(each), each]));
  const planned = new Map(wanted.map((each) => [idOf(each), each]));
  const strange = there.filter((each) => {
    const [before, now] = [saved.get(idOf(each)), planned.get(idOf(each))];
    if (each.put === 'pin' && before === undefined) return false;
    return !isSame(each, before) && !isSame(each, now);
  });
  const [first] = strange;
  if (first !== undefined) {
    const names = strange.slice(0, 5).map(idOf).join(', ');
    throw new DriverError(
      'refused',
      `the metadata hold ${strange.length} record(s) that the backup has not, or has otherwise: ${names}${strange.length > 5 ? ', …' : ''}; nothing was restored`,
      {
        next: 'a backup goes into empty metadata only; volumes that these lack are found on the arrays with: hpe-volume-plugin rebuild --dry-run',
      },
    );
  }
  const present = new Set(there.map(idOf));
  return wanted.filter((each) => !present.has(idOf(each)));
}

/** What a restore finds out anew about a group says nothing of whether it is the same. */
function isSame(is: StoredRecord, should: StoredRecord | undefined): boolean {
  if (is.put !== 'group' || should?.put !== 'group') return isDeepStrictEqual(is, should);
  const { lastActive: _a, epoch: _b, owesStart: _c, ...one } = is.value;
  const { lastActive: _d, epoch: _e, owesStart: _f, ...other } = should.value;
  return isDeepStrictEqual(one, other);
}

/** Groups come before their members, and a volume with its attachment, so that nobody sees one without the other. */
async function commitEach({ store }: Parts, records: Lasting[], signal: AbortSignal): Promise<void> {
  const order = ['pin', 'group', 'volume', 'attachment'];
  const bundles = new Map<string, Lasting[]>();
  for (const record of records.toSorted((a, b) => order.indexOf(a.put) - order.indexOf(b.put))) {
    const lock = lockOf(record);
    bundles.set(lock, [...(bundles.get(lock) ?? []), record]);
  }
  for (const [lock, bundle] of bundles) {
    const decide = async (): Promise<Write[]> => {
      for (const { put, key } of bundle) {
        if ((await store.find(put, key, signal)) !== undefined) throw cameMeanwhile(put, key);
      }
      return bundle;
    };
    await commitUnder({ store, lock }, decide, signal);
  }
}

function cameMeanwhile(kind: string, key: string): DriverError {
  return new DriverError('busy', `somebody else has just made the ${kind} ${key}; the rest was not restored`, {
    next: 'stop what creates volumes, then repeat the command: what is there already stays as it is',
  });
}

function lockOf(record: Lasting): string {
  if (record.put === 'group') return groupKey(record.value.backend, record.value.name);
  return record.put === 'pin' ? `pin/${record.key}` : volumeKey(record.key);
}

function countLines(records: Lasting[], dryRun: boolean): string[] {
  const count = (kind: Lasting['put']): number => records.filter((each) => each.put === kind).length;
  return [
    `${dryRun ? 'would restore' : 'restored'}: ${count('volume')} volumes, ${count('group')} groups, ${count('attachment')} attachments, ${count('pin')} pinned certificates`,
  ];
}

const keptLines = (kept: number): string[] => (kept === 0 ? [] : [`there already, as in the backup: ${kept} records`]);
