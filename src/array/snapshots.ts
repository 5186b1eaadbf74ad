import { z } from 'zod';
import type { ArraySnapshot, CreateSnapshot, Retention, SnapshotLook, Snapshots } from '../contracts/snapshots.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { isTaggedAs } from '../domain/tag.js';
import { ArrayRefusal } from './codes.js';
import { makeSo } from './make-so.js';
import { query, safeName, segment } from './paths.js';
import { listOf, volumeAnswer } from './schemas.js';
import type { Volumes } from './volumes.js';
import type { Wsapi } from './wsapi.js';

/** NON_EXISTENT_VOL (reference 2.2) */
const NON_EXISTENT_VOL = 23;
/** `copyType` of a virtual copy (reference 4.3). */
const VIRTUAL_COPY = 3;

/** A snapshot that is not known as one would not keep its volume from being removed. */
const copyAnswer = z
  .object({
    name: z.string().min(1),
    copyType: z.int(),
    copyOf: z.string().min(1).optional(),
    comment: z.string().optional(),
  })
  .refine(({ copyType, copyOf }) => copyType !== VIRTUAL_COPY || copyOf !== undefined, {
    error: 'it does not say of what',
  });
/** As far as a date goes. */
const epochSeconds = z.int().positive().max(8_640_000_000_000);
const snapshotAnswer = volumeAnswer.extend({
  copyType: z.int(),
  copyOf: z.string().min(1).optional(),
  expirationTimeSec: epochSeconds.optional(),
  retentionTimeSec: epochSeconds.optional(),
});

/** Virtual copies of one array, by WSAPI. */
export class WsapiSnapshots implements Snapshots {
  readonly #wsapi: Wsapi;
  readonly #volumes: Volumes;

  constructor(wsapi: Wsapi, volumes: Volumes) {
    this.#wsapi = wsapi;
    this.#volumes = volumes;
  }

  async look(name: string, signal: AbortSignal): Promise<SnapshotLook> {
    const schema = snapshotAnswer.extend({ name: z.literal(name) });
    try {
      return { snapshot: toSnapshot(await this.#wsapi.get({ path: `volumes/${segment(name)}`, schema }, signal)) };
    } catch (thrown) {
      if (!(thrown instanceof ArrayRefusal) || thrown.number !== NON_EXISTENT_VOL) throw thrown;
      return { snapshot: undefined, ...(thrown.at === undefined ? {} : { arrayTime: thrown.at }) };
    }
  }

  async list(of: string, signal: AbortSignal): Promise<{ name: string; comment: string }[]> {
    const path = query('volumes', `copyOf EQ ${safeName(of)}`);
    const found = await this.#wsapi.get({ path, schema: listOf(copyAnswer) }, signal);
    return found
      .filter((each) => each.copyType === VIRTUAL_COPY && each.copyOf === of)
      .map(({ name, comment = '' }) => ({ name, comment }));
  }

  async ensure(wanted: CreateSnapshot, signal: AbortSignal): Promise<ArraySnapshot> {
    const { name, of, tag, expirationHours } = wanted;
    const life = expirationHours === undefined ? {} : { expirationHours };
    const comment = await this.#volumes.stamped(tag);
    const body = { action: 'createSnapshot', parameters: { name: safeName(name), comment, ...life } };
    const snapshot = await makeSo(
      {
        act: async () => this.#wsapi.change({ method: 'POST', path: `volumes/${segment(of)}`, body }, signal),
        read: async () => (await this.look(name, signal)).snapshot,
        isDone: (found) => found !== undefined,
        notDone: () => this.#notDone(`the creation of snapshot ${name}`, 'there is no such snapshot'),
      },
      signal,
    );
    if (snapshot === undefined) throw new DriverError('internal', `snapshot ${name} was made, and is not there`);
    if (snapshot.of === of && isTaggedAs(snapshot.comment, tag)) {
      if (expirationHours === undefined || snapshot.expiresAt !== undefined) return snapshot;
      throw this.#notDone(`the creation of snapshot ${name}`, 'it has no expiry');
    }
    const is = `it is ${snapshot.of === undefined ? 'no snapshot' : `a snapshot of ${snapshot.of}`} with the comment ${JSON.stringify(snapshot.comment)}`;
    throw new DriverError('exists', `${this.#wsapi.label} has another volume ${name}: ${is}`, {
      next: `see whose it is with: showvv -d ${name}`,
    });
  }

  async retain(of: { name: string; tag: string }, wanted: Retention, signal: AbortSignal): Promise<ArraySnapshot> {
    const found = await this.#getOurs(of, signal);
    if (found.retainedUntil !== undefined) return found;
    const { retentionHours, expirationHours } = wanted;
    const body = { retentionHours, ...(expirationHours === undefined ? {} : { expirationHours }) };
    return makeSo(
      {
        act: async () => this.#wsapi.change({ method: 'PUT', path: `volumes/${segment(of.name)}`, body }, signal),
        read: async () => this.#getOurs(of, signal).catch(unread),
        isDone: (state) =>
          state.retainedUntil !== undefined && (expirationHours === undefined || state.expiresAt !== undefined),
        notDone: () => this.#notDone(`the retention of snapshot ${of.name}`, 'it has none'),
      },
      signal,
    );
  }

  async remove(name: string, tag: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#volumes.remove(name, tag, signal);
    } catch (thrown) {
      // What arrays call a retention in numbers stands in no source.
      if (!(thrown instanceof ArrayRefusal) || thrown.status !== 403) throw thrown;
      const { snapshot } = await this.look(name, signal);
      if (snapshot?.retainedUntil === undefined || snapshot.retainedUntil < (thrown.at ?? '')) throw thrown;
      throw new DriverError(
        'refused',
        `${this.#wsapi.label} keeps snapshot ${name} until ${snapshot.retainedUntil}, since it was made with retentionHours: ${thrown.message}`,
        { next: `remove it after ${snapshot.retainedUntil}; nobody can shorten a retention`, cause: thrown },
      );
    }
  }

  async #getOurs({ name, tag }: { name: string; tag: string }, signal: AbortSignal): Promise<ArraySnapshot> {
    const { snapshot } = await this.look(name, signal);
    if (snapshot === undefined) throw new DriverError('not-found', `${this.#wsapi.label} has no snapshot ${name}`);
    if (isTaggedAs(snapshot.comment, tag)) return snapshot;
    throw new DriverError('refused', `snapshot ${name} on ${this.#wsapi.label} is not ours; it is not changed`, {
      next: `see whose it is with: showvv -d ${name}`,
    });
  }

  #notDone(what: string, seen: string): DriverError {
    return new DriverError('unavailable', `${this.#wsapi.label} acknowledged ${what}, but ${seen}`, {
      next: 'see the events of the array with: showeventlog -min 10',
    });
  }
}

/** The change was sent, and who cannot see what became of it has to take it for made. */
function unread(thrown: unknown): never {
  const cause = asDriverError(thrown);
  if (cause.code !== 'unavailable') throw cause;
  const next = cause.next === undefined ? {} : { next: cause.next };
  throw new DriverError('unknown-outcome', cause.message, { cause, ...next });
}

function toSnapshot(answer: z.infer<typeof snapshotAnswer>): ArraySnapshot {
  const { name, wwn, sizeMiB, copyType, copyOf, comment = '', expirationTimeSec, retentionTimeSec } = answer;
  return {
    name,
    wwn: wwn.toLowerCase(),
    sizeMiB,
    of: copyType === VIRTUAL_COPY ? copyOf : undefined,
    comment,
    ...(expirationTimeSec === undefined ? {} : { expiresAt: isoOf(expirationTimeSec) }),
    ...(retentionTimeSec === undefined ? {} : { retainedUntil: isoOf(retentionTimeSec) }),
  };
}

const isoOf = (seconds: number): string => new Date(seconds * 1000).toISOString();
