import { z } from 'zod';
import type { StoredRecord } from '../contracts/archive.js';
import type { RecordKind, Records, Write } from '../contracts/store.js';
import type { Attachment, BlockDevice } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { haltKey, type GroupRun, type Halt } from '../domain/group-run.js';
import type { Override } from '../domain/override.js';
import type { Group } from '../domain/replication.js';
import type { ScheduledSnapshots } from '../domain/schedule.js';
import { FILESYSTEM_TYPES, type FilesystemRecord, type Origin, type Volume } from '../domain/volume.js';
import type { Operation } from '../saga/operation.js';

/** Most writes of one transaction; etcd takes 128 operations, with each may go three keys of the index (volume-index.ts), and one is the lock's. */
export const MAX_WRITES = 30;

const side = z.enum(['primary', 'secondary']);
const perSide = z.partialRecord(side, z.string());

export const blockDevice: z.ZodType<BlockDevice> = z.strictObject({
  path: z.string(),
  wwn: z.string(),
  sizeBytes: z.number(),
});

const filesystemType = z.enum(FILESYSTEM_TYPES);

const filesystem: z.ZodType<FilesystemRecord> = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('never') }),
  z.strictObject({
    state: z.literal('formatting'),
    type: filesystemType,
    uuid: z.string(),
    side,
    epoch: z.number(),
    wwn: z.string(),
  }),
  z.strictObject({ state: z.literal('formatted'), type: filesystemType, uuid: z.string() }),
  z.strictObject({
    state: z.literal('inherited'),
    type: filesystemType.exactOptional(),
    uuid: z.string().exactOptional(),
  }),
  z.strictObject({ state: z.literal('renewing'), type: filesystemType, from: z.string(), to: z.string() }),
]);

const schedule: z.ZodType<ScheduledSnapshots> = z.strictObject({
  of: z.string(),
  name: z.string(),
  frequency: z.string(),
  prefix: z.string(),
  expirationHours: z.number().exactOptional(),
  retentionHours: z.number().exactOptional(),
});

const origin: z.ZodType<Origin> = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('snapshot'),
    of: z.string(),
    ofId: z.string(),
    side,
    expirationHours: z.number().exactOptional(),
    retentionHours: z.number().exactOptional(),
    expiresAt: z.string().exactOptional(),
    retainedUntil: z.string().exactOptional(),
    schedule: schedule.exactOptional(),
  }),
  z.strictObject({ kind: z.literal('clone'), of: z.string(), ofId: z.string(), side }),
  z.strictObject({
    kind: z.literal('import'),
    formerName: z.string(),
    formerComment: z.string().exactOptional(),
    formerCommentLost: z.literal(true).exactOptional(),
  }),
]);

const volume: z.ZodType<Volume> = z.strictObject({
  name: z.string(),
  id: z.string(),
  spec: z.strictObject({
    sizeGiB: z.number(),
    provisioning: z.enum(['thin', 'dedup', 'full']),
    compression: z.boolean(),
    // Releases before xfs wrote none.
    fsType: filesystemType.default('ext4'),
    backend: z.string(),
    mountConflictDelay: z.number(),
    replicationGroup: z.string().exactOptional(),
    cpg: z.string().exactOptional(),
    snapCpg: z.string().exactOptional(),
    qosName: z.string().exactOptional(),
    flashCache: z.boolean().exactOptional(),
    fsOwner: z.string().exactOptional(),
    fsMode: z.string().exactOptional(),
    mountOptions: z.string().exactOptional(),
  }),
  arrayName: z.string(),
  cpg: perSide,
  snapCpg: perSide,
  wwn: perSide,
  state: z.enum(['creating', 'ready', 'deleting']),
  filesystem,
  origin: origin.exactOptional(),
  growth: z
    .strictObject({
      toGiB: z.number(),
      isRefused: z.literal(true).exactOptional(),
      refusal: z.string().exactOptional(),
    })
    .exactOptional(),
  createdGiB: z.number().exactOptional(),
  everMounted: z.boolean(),
  generation: z.number().exactOptional(),
  createdAt: z.string(),
});

const group: z.ZodType<Group> = z.strictObject({
  backend: z.string(),
  name: z.string(),
  remoteName: z.string(),
  isMade: z.literal(true).exactOptional(),
  createdByUs: z.boolean(),
  lastActive: side.exactOptional(),
  epoch: z.number(),
  passedOver: side.exactOptional(),
  // `true` is what the first release wrote.
  owesStart: z
    .union([z.enum(['stopping', 'stopped']), z.literal(true).transform(() => 'stopped' as const)])
    .exactOptional(),
});

export const apart = z.strictObject({ side, moved: z.literal(true).exactOptional() });

const attachment: z.ZodType<Attachment> = z.strictObject({
  volume: z.string(),
  group: z.string().exactOptional(),
  node: z.string(),
  nodeName: z.string(),
  generation: z.number(),
  side,
  host: z.string(),
  peer: z.strictObject({ host: z.string() }).exactOptional(),
  apart: apart.exactOptional(),
  state: z.enum(['attaching', 'attached', 'detaching']),
  mountpoint: z.string(),
  device: blockDevice.exactOptional(),
});

const operation: z.ZodType<Operation> = z.strictObject({
  id: z.string(),
  kind: z.string(),
  schema: z.literal(1),
  node: z.string(),
  volume: z.string(),
  keys: z.array(z.string()),
  plan: z.json(),
  facts: z.record(z.string(), z.json()),
  next: z.number(),
  unanswered: z.number().exactOptional(),
  phase: z.enum(['do', 'undo']),
  error: z.string().exactOptional(),
  startedAt: z.string(),
});

const override: z.ZodType<Override> = z.strictObject({
  volume: z.string(),
  volumeId: z.string(),
  side,
  reason: z.string(),
  madeBy: z.string(),
  madeAt: z.string(),
  until: z.string(),
});

const groupRun: z.ZodType<GroupRun> = z.strictObject({
  backend: z.string(),
  group: z.string(),
  id: z.string(),
  goal: z.enum(['failover', 'failback']),
  by: z.string(),
  node: z.string(),
  nodeName: z.string(),
  startedAt: z.string(),
  order: z
    .strictObject({
      id: z.string(),
      verb: z.enum(['stop', 'start']),
      nodes: z.array(z.string()),
      volumes: z.array(z.string()),
    })
    .exactOptional(),
});

const halt: z.ZodType<Halt> = z.strictObject({
  backend: z.string(),
  group: z.string(),
  node: z.string(),
  nodeName: z.string(),
  containers: z.array(z.strictObject({ id: z.string(), name: z.string(), volumes: z.array(z.string()) })),
  answer: z.strictObject({ order: z.string(), problems: z.array(z.string()) }).exactOptional(),
});

const pin = z.strictObject({ peer: z.string(), fingerprint: z.string() });

/** How one kind of record is kept. `schema` is raised when its shape changes; nothing else may be in the record than the shape says. */
interface Format<T> {
  schema: number;
  shape: z.ZodType<T>;
  /** The key that a record has to be found under. */
  keyOf(record: T): string;
}

const FORMATS: { [K in RecordKind]: Format<Records[K]> } = {
  volume: { schema: 1, shape: volume, keyOf: (record) => record.name },
  group: { schema: 1, shape: group, keyOf: (record) => `${record.backend}/${record.name}` },
  attachment: { schema: 1, shape: attachment, keyOf: (record) => record.volume },
  operation: { schema: 1, shape: operation, keyOf: (record) => record.volume },
  pin: { schema: 1, shape: pin, keyOf: (record) => record.peer },
  override: { schema: 1, shape: override, keyOf: (record) => record.volume },
  late: { schema: 1, shape: operation, keyOf: (record) => record.id },
  run: { schema: 1, shape: groupRun, keyOf: (record) => `${record.backend}/${record.group}` },
  halt: { schema: 1, shape: halt, keyOf: haltKey },
};

const envelope = z.strictObject({ schema: z.number(), record: z.unknown() });

/** A record as the text that is stored. @throws `internal` when it could not be read again */
export function encodeRecord<K extends RecordKind>(kind: K, key: string, record: Records[K]): string {
  const text = JSON.stringify({ schema: FORMATS[kind].schema, record });
  try {
    decodeRecord(kind, key, text);
  } catch (error) {
    throw new DriverError('internal', `refused to store a ${kind} record that could not be read again`, {
      cause: error,
    });
  }
  return text;
}

/**
 * The record that the text holds. A record is never skipped: who acts on half of the metadata deletes what the other half
 * protects. @throws `unavailable` for another schema, `internal` for a broken record, both naming kind and key
 */
export function decodeRecord<K extends RecordKind>(kind: K, key: string, text: string): Records[K] {
  const format = FORMATS[kind];
  const { schema, record } = parseEnvelope(kind, key, text);
  if (schema !== format.schema) {
    throw new DriverError(
      'unavailable',
      `the ${kind} record ${key} has schema ${schema}, this release reads schema ${format.schema}`,
      { next: 'run the release that wrote it on all nodes' },
    );
  }
  const parsed = format.shape.safeParse(record);
  if (!parsed.success) throw broken(kind, key, z.prettifyError(parsed.error));
  const ownKey = format.keyOf(parsed.data);
  if (ownKey !== key) throw broken(kind, key, `it is the record of ${ownKey}`);
  return parsed.data;
}

/** A kind that this release knows. */
export const isRecordKind = (kind: string): kind is RecordKind => Object.hasOwn(FORMATS, kind);

/** The schema that this release writes. */
export const schemaOf = (kind: RecordKind): number => FORMATS[kind].schema;

/** The record that stands under that kind and key. @throws as `decodeRecord` */
export function storedRecord(kind: RecordKind, key: string, text: string): StoredRecord {
  // The compiler does not see that kind and value belong together.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { put: kind, key, value: decodeRecord(kind, key, text) } as StoredRecord;
}

/** @throws `internal`: who plans more than a transaction holds has to plan otherwise, not to write it in halves. */
export function checkWriteCount(writes: readonly Write[]): void {
  if (writes.length <= MAX_WRITES) return;
  throw new DriverError('internal', `${writes.length} changes in one transaction; at most ${MAX_WRITES} are possible`);
}

function parseEnvelope(kind: RecordKind, key: string, text: string): z.infer<typeof envelope> {
  try {
    return envelope.parse(JSON.parse(text));
  } catch (error) {
    throw broken(kind, key, error instanceof z.ZodError ? z.prettifyError(error) : 'it is not JSON');
  }
}

function broken(kind: RecordKind, key: string, what: string): DriverError {
  const next = 'restore the metadata from a backup, or have this one record repaired; nothing was changed';
  return new DriverError('internal', `the ${kind} record ${key} is broken: ${what.replaceAll(/\s*\n\s*/g, ', ')}`, {
    next,
  });
}
