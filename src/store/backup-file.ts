import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { StoredRecord } from '../contracts/archive.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { isRecordKind, schemaOf, storedRecord } from './records.js';

/** The metadata of one moment. */
export interface Backup {
  /** ISO 8601. */
  madeAt: string;
  /** Name of the node. */
  madeBy: string;
  store: 'etcd' | 'embedded';
  /** Which metadata they are of; embedded ones have no id. */
  root?: string | undefined;
  records: StoredRecord[];
}

const FORMAT = 'hpe-volume-plugin metadata';

const content = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(1),
  madeAt: z.string(),
  madeBy: z.string(),
  store: z.enum(['etcd', 'embedded']),
  root: z.string().optional(),
  records: z.array(z.strictObject({ kind: z.string(), key: z.string(), schema: z.number(), record: z.unknown() })),
});
const file = z.strictObject({ sha256: z.string(), content: z.unknown() });

/** Of what stands in the file, however it is laid out. */
const checksum = (what: unknown): string => createHash('sha256').update(JSON.stringify(what)).digest('hex');

/** One JSON document: the records with their schema numbers, and a SHA-256 of all of it. */
export function formatBackup(backup: Backup): string {
  const records = backup.records.map(({ put: kind, key, value: record }) => ({
    kind,
    key,
    schema: schemaOf(kind),
    record,
  }));
  const what = { format: FORMAT, version: 1, ...backup, records };
  return `${JSON.stringify({ sha256: checksum(what), content: what }, undefined, 1)}\n`;
}

/** @throws `invalid` when the file is damaged, or is no backup; `unavailable` when another release wrote it */
export function parseBackup(text: string): Backup {
  const { sha256, content: what } = parse(file, json(text));
  const is = checksum(what);
  if (is !== sha256) throw damaged(`its SHA-256 is ${is}, and should be ${sha256}`);
  const { madeAt, madeBy, store, root, records } = parse(content, what);
  return { madeAt, madeBy, store, root, records: records.map(toStored) };
}

function toStored({ kind, key, schema, record }: z.infer<typeof content>['records'][number]): StoredRecord {
  if (!isRecordKind(kind)) throw damaged(`it has a record of the unknown kind ${kind}`);
  try {
    return storedRecord(kind, key, JSON.stringify({ schema, record }));
  } catch (thrown) {
    const { code, message, next } = asDriverError(thrown);
    if (code === 'unavailable') throw new DriverError(code, message, next === undefined ? {} : { next });
    throw damaged(message);
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(`it is not JSON, or only a part of it (${error instanceof Error ? error.message : String(error)})`);
  }
}

function parse<T>(shape: z.ZodType<T>, what: unknown): T {
  const parsed = shape.safeParse(what);
  if (parsed.success) return parsed.data;
  throw damaged(z.prettifyError(parsed.error).replaceAll(/\s*\n\s*/g, ', '));
}

const damaged = (why: string): DriverError =>
  new DriverError('invalid', `the backup is damaged: ${why}; nothing was restored`, {
    next: 'take another backup file',
  });
