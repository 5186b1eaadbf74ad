import { z } from 'zod';
import { DriverError } from '../domain/errors.js';
import type { OldTree, OldVolume } from '../domain/old-volume.js';

/** Of volumes that the old plugin made without the option. */
const DEFAULT_CONFLICT_DELAY_SECONDS = 30;

interface TreeNode {
  key?: string | undefined;
  value?: string | undefined;
  nodes?: TreeNode[] | undefined;
}

const treeNode: z.ZodType<TreeNode> = z.lazy(() =>
  z.looseObject({ key: z.string().optional(), value: z.string().optional(), nodes: z.array(treeNode).optional() }),
);
/** What `GET /v2/keys/…?recursive=true` answers. */
const treeAnswer = z.looseObject({ node: treeNode });

/** Absent, null and empty are the same to the old plugin. */
const text = z
  .string()
  .nullish()
  .transform((value) => (value === null || value === '' ? undefined : value));
/** Options came from the command line as words; some releases kept them so. */
const flag = z
  .union([z.boolean(), z.string()])
  .nullish()
  .transform((value) => String(value ?? false).toLowerCase() === 'true');
const whole = z.coerce.number().int().nonnegative();
/** CPGs are lists in hpe.conf. */
const firstText = z.union([text, z.array(z.string()).transform(([first]) => first)]);

const snapshotEntry = z.looseObject({ id: z.string(), name: z.string() });

const oldRecord = z.looseObject({
  id: z.string().min(1),
  display_name: z.string().min(1),
  '3par_vol_name': z.string().min(1),
  size: whole,
  provisioning: z
    .enum(['thin', 'full', 'dedup'])
    .nullish()
    .transform((value) => value ?? 'thin'),
  compression: flag,
  flash_cache: flag,
  qos_name: text,
  mount_conflict_delay: whole.nullish(),
  is_snap: flag,
  snap_metadata: z.looseObject({ parent_name: text, parent_id: text }).nullish(),
  backend: text,
  cpg: firstText,
  snap_cpg: firstText,
  has_schedule: flag,
  rcg_info: z.looseObject({ local_rcg_name: text, remote_rcg_name: text }).nullish(),
  fsOwner: text,
  fsMode: z
    .union([z.string(), z.number()])
    .nullish()
    .transform((value) => (value === null || value === undefined || value === '' ? undefined : String(value))),
  Options: z.record(z.string(), z.unknown()).nullish(),
  path_info: z.unknown(),
  node_mount_info: z.record(z.string(), z.array(z.unknown())).nullish(),
  snapshots: z.array(snapshotEntry).nullish(),
});

/**
 * The volumes in a dump of the old plugin's etcd: the answer of the v2 API to `GET /v2/keys/volumes?recursive=true`, or the
 * values alone, one in a line. @throws `invalid` when it is neither
 */
export function parseV2Tree(dump: string): OldTree {
  const tree: OldTree = { volumes: [], unreadable: [] };
  for (const { key, value } of entriesOf(dump)) {
    const parsed = oldRecord.safeParse(value);
    if (parsed.success) tree.volumes.push(toVolume(parsed.data));
    else tree.unreadable.push(`record ${key}: ${value === undefined ? 'it is not JSON' : problemsIn(parsed.error)}`);
  }
  return tree;
}

const problemsIn = (error: z.ZodError): string =>
  error.issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`).join(', ');

interface Entry {
  key: string;
  value: unknown;
}

function entriesOf(dump: string): Entry[] {
  const content = json(dump);
  const tree = treeAnswer.safeParse(content);
  if (tree.success) return leavesOf(tree.data.node);
  const list = z.array(z.unknown()).safeParse(content);
  if (list.success) return list.data.map((value, i) => ({ key: `number ${i + 1}`, value }));
  const lines = dump.split('\n').filter((line) => line.trim() !== '');
  const values = lines.map((line, i) => ({ key: `in line ${i + 1}`, value: json(line) }));
  if (values.some(({ value }) => typeof value === 'object' && value !== null)) return values;
  throw new DriverError('invalid', 'the dump is neither the answer of the v2 API of etcd nor one record in each line', {
    next: 'make it with: curl http://ETCD:2379/v2/keys/volumes?recursive=true > FILE',
  });
}

function leavesOf(node: TreeNode): Entry[] {
  const own = /^\/volumes\/([^/]+)$/.exec(node.key ?? '');
  const here = own === null || node.value === undefined ? [] : [{ key: node.key ?? '', value: json(node.value) }];
  return [...here, ...(node.nodes ?? []).flatMap(leavesOf)];
}

/** Undefined when it is none. */
function json(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

function toVolume(record: z.infer<typeof oldRecord>): OldVolume {
  const { cpg, snap_cpg: snapCpg, qos_name: qosName, fsOwner, fsMode, rcg_info: group } = record;
  const formerName = record.Options?.['importVol'];
  const isSnapshot = record.is_snap;
  return {
    id: record.id,
    name: record.display_name,
    arrayName: record['3par_vol_name'],
    sizeGiB: record.size,
    provisioning: record.provisioning,
    compression: record.compression,
    flashCache: record.flash_cache,
    mountConflictDelay: record.mount_conflict_delay ?? DEFAULT_CONFLICT_DELAY_SECONDS,
    backend: record.backend ?? 'DEFAULT',
    ...(cpg === undefined ? {} : { cpg }),
    ...(snapCpg === undefined ? {} : { snapCpg }),
    ...(qosName === undefined ? {} : { qosName }),
    ...(fsOwner === undefined ? {} : { fsOwner }),
    ...(fsMode === undefined ? {} : { fsMode }),
    ...(group?.local_rcg_name === undefined
      ? {}
      : { group: { name: group.local_rcg_name, remoteName: group.remote_rcg_name ?? '' } }),
    ...(isSnapshot
      ? { snapshotOf: { id: record.snap_metadata?.parent_id ?? '', name: record.snap_metadata?.parent_name ?? '' } }
      : {}),
    ...(typeof formerName === 'string' && formerName !== '' ? { formerName } : {}),
    mountedOn: mountedOn(record),
    snapshots: (record.snapshots ?? []).map(({ id, name }) => ({ id, name })),
    hasSchedule: record.has_schedule,
  };
}

function mountedOn({ node_mount_info: nodes, path_info: path }: z.infer<typeof oldRecord>): string[] {
  const named = Object.entries(nodes ?? {}).flatMap(([node, ids]) => (ids.length > 0 ? [node] : []));
  if (named.length > 0) return named;
  const isNone = path === null || path === undefined || path === '' || path === '{}' || path === 'null';
  return isNone ? [] : ['?'];
}
