import { z } from 'zod';
import type { Contact } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import { withTimeLimit } from '../domain/signals.js';
import { ArrayRefusal, CHECK_ADDRESS, refusalOf } from './codes.js';
import { exchangePatiently } from './retry.js';
import type { Access, Connection } from './connections.js';
import { parseJson } from './session.js';
import type { ArraySettings } from './settings.js';
import { NoReply, type WsapiReply, type WsapiRequest } from './transport.js';

/** For one call with its retries and its login, unless the caller has less time. */
const CALL_DEADLINE_MS = 30_000;

/** Without an answer for this long, an array is called silent, whoever gave up. */
const SILENCE_MS = 3_000;

const OTHER_WSAPI = 'try again; if it stays so, report it with what the array prints for: showversion, showwsapi';

/** WSAPI's number for a key that it does not know, or no longer (reference 1.2). */
const INV_SESS_KEY = 6;

/** Newer versions write `message` where older ones write `desc` (reference 2.1). */
const errorAnswer = z.object({
  code: z.number().optional().catch(undefined),
  desc: z.string().optional().catch(undefined),
  message: z.string().optional().catch(undefined),
  ref: z.string().optional().catch(undefined),
});

export interface Change {
  method: 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: Record<string, unknown>;
}

/** What a read is to look like, and which error number means that the object is not there. */
export interface Read<T> {
  path: string;
  schema: z.ZodType<T>;
}

/**
 * WSAPI of one array: sessions, deadlines, retries, errors. Connects on first use. Throws DriverError only:
 * `unavailable` when nothing was learnt, `unknown-outcome` when a change may or may not have been made, ArrayRefusal
 * for what the array said.
 */
export class Wsapi {
  /** `primary array of backend DEFAULT (https://10.0.0.1:8080)` */
  readonly label: string;
  readonly #connection: Connection;
  readonly #logger: Logger;
  readonly #observe: ArraySettings['observe'];

  constructor(settings: ArraySettings, connection: Connection, logger: Logger) {
    this.label = `${settings.label} (${new URL(settings.apiUrl).origin})`;
    this.#logger = logger;
    this.#connection = connection;
    this.#observe = settings.observe;
  }

  get lastContact(): Contact | undefined {
    const { contact } = this.access;
    if (contact === undefined) return undefined;
    const { label, failure, ...answer } = contact;
    return { ...answer, ...(failure === undefined ? {} : { failure: failure.replaceAll(label, this.label) }) };
  }

  /** What is known of the array to all who share the session. */
  get access(): Access {
    return this.#connection.access();
  }

  async get<T>(read: Read<T>, signal: AbortSignal): Promise<T> {
    return (await this.getDated(read, signal)).answer;
  }

  /** With the time by the array's clock, where it says one. */
  async getDated<T>({ path, schema }: Read<T>, signal: AbortSignal): Promise<{ answer: T; at: Date | undefined }> {
    const reply = await this.#call({ method: 'GET', path }, signal);
    const answer = reply.status === 200 ? schema.safeParse(parseJson(reply.text)) : undefined;
    if (answer?.success === true) {
      const at = new Date(reply.date ?? '');
      return { answer: answer.data, at: Number.isNaN(at.getTime()) ? undefined : at };
    }
    const issue = answer?.error?.issues[0];
    const what = issue === undefined ? '' : `: ${issue.path.map(String).join('.') || 'the body'}: ${issue.message}`;
    throw new DriverError(
      'unavailable',
      `${this.label}: the answer to ${callOf({ method: 'GET', path })} cannot be understood${what}`,
      // It is WSAPI, but not as we know it.
      { next: issue?.code === 'custom' ? OTHER_WSAPI : CHECK_ADDRESS },
    );
  }

  /** Undefined when the array answers with one of those error numbers: only they make the absence certain. */
  async find<T>(read: Read<T> & { absent: readonly number[] }, signal: AbortSignal): Promise<T | undefined> {
    try {
      return await this.get(read, signal);
    } catch (thrown) {
      const isAbsent =
        thrown instanceof ArrayRefusal && thrown.number !== undefined && read.absent.includes(thrown.number);
      if (isAbsent) return undefined;
      throw thrown;
    }
  }

  /** Sends a change once. What it did is for the caller to read back. Returns the `Location`, where there is one. */
  async change(change: Change, signal: AbortSignal): Promise<string | undefined> {
    const reply = await this.#call(change, signal);
    return reply.location;
  }

  async close(): Promise<void> {
    await this.#connection.release();
  }

  async #call(request: WsapiRequest, signal: AbortSignal): Promise<WsapiReply> {
    const started = performance.now();
    try {
      const reply = await withTimeLimit(CALL_DEADLINE_MS, signal, async (bounded) =>
        this.#callInSession(request, bounded),
      );
      this.#note(contactOf(reply));
      this.#tell(request, { status: reply.status, started });
      if (reply.status >= 200 && reply.status < 300) return reply;
      throw this.#refusal(request, reply);
    } catch (thrown) {
      const failure = thrown instanceof NoReply ? this.#silence(request, thrown) : thrown;
      if (!(failure instanceof ArrayRefusal)) this.#tell(request, { status: undefined, started });
      const isSilence = failure instanceof DriverError && !(failure instanceof ArrayRefusal);
      // A caller that gave up at once says nothing about the array.
      const wasWaited = !signal.aborted || performance.now() - started > SILENCE_MS;
      if (isSilence && wasWaited) this.#note({ at: performance.now(), failure: failure.toUserText() });
      throw failure;
    }
  }

  #note(contact: Contact): void {
    this.access.contact = { ...contact, label: this.label };
  }

  #tell(request: WsapiRequest, { status, started }: { status: number | undefined; started: number }): void {
    const ms = Math.round(performance.now() - started);
    this.#observe?.({ status, ms });
    this.#logger.debug('WSAPI call', { array: this.label, call: callOf(request), status: status ?? 'no answer', ms });
  }

  /** A session that the array has forgotten is renewed once; a fresh one that it does not know either is its failure. */
  async #callInSession(request: WsapiRequest, signal: AbortSignal): Promise<WsapiReply> {
    const repeatable = request.method === 'GET';
    const { transport, session } = await this.#named(this.#connection.open(signal));
    const sessionKey = await this.#named(session.key(signal));
    const reply = await exchangePatiently(transport, { request: { ...request, sessionKey }, repeatable }, signal);
    if (!isSessionGone(reply)) return reply;
    session.forget(sessionKey);
    const renewed = { ...request, sessionKey: await this.#named(session.key(signal)) };
    const second = await exchangePatiently(transport, { request: renewed, repeatable }, signal);
    if (!isSessionGone(second)) return second;
    session.forget(renewed.sessionKey);
    throw new DriverError(
      'unavailable',
      `${this.label} does not accept the session that it has just given (${callOf(request)})`,
      {
        next: 'see the sessions with: showwsapisession',
      },
    );
  }

  /** Its failure, with the array's name in front. */
  async #named<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (thrown) {
      throw thrown instanceof DriverError ? thrown.reworded(`${this.label}: ${thrown.message}`) : thrown;
    }
  }

  #refusal(request: WsapiRequest, reply: WsapiReply): ArrayRefusal {
    const { code, desc, message, ref } = errorAnswer.safeParse(parseJson(reply.text)).data ?? {};
    const said = [desc ?? message, ref].filter((text) => text !== undefined && text !== '').join(', ');
    return refusalOf({
      label: this.label,
      call: callOf(request),
      change: request.method !== 'GET',
      status: reply.status,
      number: code,
      date: reply.date,
      said: this.#connection.withoutSecrets(said).replaceAll(/\s+/g, ' ').slice(0, 200),
    });
  }

  #silence(request: WsapiRequest, failure: NoReply): DriverError {
    if (failure.untrusted !== undefined) return failure.untrusted;
    const call = callOf(request);
    const next = 'check the network and that WSAPI runs on the array: showwsapi';
    if (!failure.sent) {
      return new DriverError('unavailable', `${this.label} cannot be reached: ${failure.message} (${call})`, { next });
    }
    if (request.method === 'GET') {
      return new DriverError('unavailable', `${this.label} did not answer ${call}: ${failure.message}`, { next });
    }
    return new DriverError(
      'unknown-outcome',
      `${this.label} got ${call}, but its answer was lost: ${failure.message}; it may or may not be done`,
      { next },
    );
  }
}

function isSessionGone({ status, text }: WsapiReply): boolean {
  if (status === 401) return true;
  return status === 403 && errorAnswer.safeParse(parseJson(text)).data?.code === INV_SESS_KEY;
}

function contactOf({ date }: WsapiReply): Contact {
  const arrayTime = Date.parse(date ?? '');
  const clock = Number.isNaN(arrayTime) ? {} : { clockAheadMs: arrayTime - Date.now() };
  return { at: performance.now(), ...clock };
}

/** `GET /volumes/dcv-…`, for messages: decoded, so that a query can be read. */
const callOf = ({ method, path }: Pick<WsapiRequest, 'method' | 'path'>): string =>
  `${method} /${decodeURIComponent(path)}`;
