import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { asDriverError, DriverError } from '../domain/errors.js';
import { errorCode } from './error-code.js';
import { portalKey, type Portal } from './iscsi-sessions.js';
import { removeRecord, saveRecord } from './record-file.js';

/**
 * Which session and which node record of open-iscsi are ours. Written before either is made, because a crash between the two
 * must not leave a session that nobody knows.
 */
const recordSchema = z.object({
  schema: z.literal(1),
  target: z.string(),
  host: z.string(),
  port: z.number(),
  bootId: z.string(),
  /** The node record is ours, too; otherwise it was there before. */
  ownsNode: z.boolean(),
  /** E.g. `session3`; missing between the intention and the read back. */
  session: z.string().optional(),
  /** When it was written, in ms of the kernel's monotonic clock; missing in records of earlier versions. */
  madeAtMs: z.number().optional(),
});

export type SessionRecord = z.infer<typeof recordSchema>;

/** open-iscsi finishes a login that we have given up. */
const LOGIN_MAY_COME_MS = 30_000;

/** Whether the session that the record speaks of may still be on its way. */
export const mayStillCome = ({ session, bootId, madeAtMs }: SessionRecord, currentBootId: string): boolean =>
  session === undefined &&
  bootId === currentBootId &&
  madeAtMs !== undefined &&
  monotonicMs() - madeAtMs < LOGIN_MAY_COME_MS;

/** The same for all processes since the boot. */
export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);

/** One file for each portal that we log in to. */
export class SessionRecords {
  readonly #folder: string;
  /** What a daemon that was killed was writing; looked for before this one writes anything. */
  #cleaned: Promise<void> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** One that cannot be read is told, and hides no other. @throws `unavailable` when the folder cannot be read */
  async list(tell: (unreadable: DriverError) => void): Promise<SessionRecord[]> {
    await this.#clean();
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return [];
      throw unreadable(this.#folder, error);
    });
    const files = names.filter((name) => name.endsWith('.json'));
    const records = await Promise.all(
      files.map(async (name) =>
        readRecord(path.join(this.#folder, name)).catch((thrown: unknown) => {
          tell(asDriverError(thrown));
          return undefined;
        }),
      ),
    );
    return records.filter((each) => each !== undefined);
  }

  /** @throws `unavailable` when there is a record, but not a readable one */
  async find(portal: Portal): Promise<SessionRecord | undefined> {
    return readRecord(this.#file(portal));
  }

  async save(record: SessionRecord): Promise<void> {
    await this.#clean();
    await saveRecord(this.#file(record), record);
  }

  async remove(portal: Portal): Promise<void> {
    await removeRecord(this.#file(portal));
  }

  async #clean(): Promise<void> {
    this.#cleaned ??= removeUnfinished(this.#folder);
    await this.#cleaned;
  }

  #file(portal: Portal): string {
    return path.join(this.#folder, `${createHash('sha256').update(portalKey(portal)).digest('hex').slice(0, 24)}.json`);
  }
}

/** They say nothing that counts: what cannot be removed stays. */
async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const unfinished = names.filter((name) => name.endsWith('.new'));
  await Promise.all(
    unfinished.map(async (name) => rm(path.join(folder, name), { force: true }).catch(() => undefined)),
  );
}

async function readRecord(file: string): Promise<SessionRecord | undefined> {
  try {
    return recordSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw unreadable(file, error);
  }
}

function unreadable(file: string, cause: unknown): DriverError {
  return new DriverError('unavailable', `the record ${file} of an iSCSI session cannot be read`, {
    cause,
    next: `look for sessions that nobody needs with: iscsiadm -m session -P 3; then remove ${file}`,
  });
}
