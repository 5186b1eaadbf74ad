import { z } from 'zod';
import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import type { Secret } from '../domain/secret.js';
import { within } from '../domain/signals.js';
import { CHECK_ADDRESS } from './codes.js';
import { exchangePatiently } from './retry.js';
import { NoReply, type Transport, type WsapiReply, type WsapiRequest } from './transport.js';

const LOGIN_DEADLINE_MS = 25_000;
const LOGOUT_DEADLINE_MS = 3_000;
/** A refused password is not tried again for this long: three tries a minute, so that the array does not lock the user. */
const REFUSAL_MEMORY_MS = 20_000;

/** WSAPI's number for a wrong user or password (reference 1.2). */
const INV_USER_PASS = 5;

/** What can stand in a header and in a path; anything else would fail each call that follows. */
const loginAnswer = z.object({ key: z.string().regex(/^[!-~]+$/) });
const errorAnswer = z.object({ code: z.number() });

/** Who logs in, and where. */
export interface Login {
  /** As in ArraySettings. */
  apiUrl: string;
  username: string;
  password: Secret;
}

/** The pooled session of one array: all calls use it, one login at a time makes it. Its errors do not name the array. */
export class Session {
  readonly #settings: Login;
  readonly #transport: Transport;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  #key: string | undefined;
  #login: Promise<string> | undefined;
  #refused: { error: DriverError; at: number } | undefined;

  constructor(settings: Login, transport: Transport, logger: Logger) {
    this.#settings = settings;
    this.#transport = transport;
    this.#logger = logger;
  }

  /** A caller that gives up does not end the login, which others may wait for. @throws `unavailable` */
  async key(signal: AbortSignal): Promise<string> {
    if (this.#key !== undefined) return this.#key;
    if (this.#login === undefined) {
      this.#login = this.#logIn().finally(() => {
        this.#login = undefined;
      });
      // A caller that has given up already listens no more, and nobody else may be there.
      this.#login.catch(() => undefined);
    }
    return unlessAborted(this.#login, signal);
  }

  /** The array no longer knows that key. A newer one stays. */
  forget(key: string): void {
    if (this.#key === key) this.#key = undefined;
  }

  /** The array's own words, in case that they repeat what we sent. */
  withoutSecrets(text: string): string {
    const secrets = [this.#settings.password.reveal(), this.#key ?? ''].filter((each) => each !== '');
    return secrets.reduce((clean, secret) => clean.replaceAll(secret, '***'), text);
  }

  /** Deletes the session on the array, whose number of sessions is limited. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#login?.catch(() => undefined);
    const key = this.#key;
    this.#key = undefined;
    if (key === undefined) return;
    const request: WsapiRequest = { method: 'DELETE', path: `credentials/${encodeURIComponent(key)}`, sessionKey: key };
    try {
      await this.#transport.exchange(request, AbortSignal.timeout(LOGOUT_DEADLINE_MS));
    } catch {
      this.#logger.debug('the session was left to expire', { array: this.#settings.apiUrl });
    }
  }

  async #logIn(): Promise<string> {
    const { apiUrl, username, password } = this.#settings;
    if (this.#closing.signal.aborted) throw new DriverError('unavailable', 'the connection was closed');
    if (this.#refused !== undefined && performance.now() - this.#refused.at < REFUSAL_MEMORY_MS)
      throw this.#refused.error;
    const request: WsapiRequest = {
      method: 'POST',
      path: 'credentials',
      body: { user: username, password: password.reveal() },
    };
    const signal = within(LOGIN_DEADLINE_MS, this.#closing.signal);
    const login = exchangePatiently(this.#transport, { request, repeatable: true }, signal);
    const reply = await login.catch((thrown: unknown) => {
      throw withoutSession(thrown);
    });
    this.#key = this.#keyOf(reply);
    this.#refused = undefined;
    this.#logger.debug('logged in', { array: apiUrl, user: username });
    return this.#key;
  }

  /** Never shows the body: it may hold the key. */
  #keyOf({ status, text }: WsapiReply): string {
    const { username } = this.#settings;
    const parsed = parseJson(text);
    if (status === 200 || status === 201) {
      const answer = loginAnswer.safeParse(parsed);
      if (answer.success) return answer.data.key;
      throw new DriverError('unavailable', 'the answer to POST /credentials cannot be understood', {
        next: CHECK_ADDRESS,
      });
    }
    const number = errorAnswer.safeParse(parsed).data?.code;
    if (status === 401 || (status === 403 && number === INV_USER_PASS)) {
      const error = new DriverError('unavailable', `user or password refused (user ${username})`, {
        next: 'correct hpe3par_username and hpe3par_password of this array in hpe.conf',
      });
      this.#refused = { error, at: performance.now() };
      throw error;
    }
    const [what, next] =
      status === 503
        ? ['all its sessions are in use', 'see the sessions with: showwsapisession']
        : ['no login is possible', CHECK_ADDRESS];
    const code = number === undefined ? '' : `, code ${number}`;
    throw new DriverError('unavailable', `${what} (POST /credentials → HTTP ${status}${code})`, { next });
  }
}

/** The text as JSON, or undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Without a login the call itself was certainly not sent. */
function withoutSession(thrown: unknown): unknown {
  if (!(thrown instanceof NoReply)) return thrown;
  return new NoReply(`no login: ${thrown.message}`, { sent: false, untrusted: thrown.untrusted, final: thrown.final });
}

const gaveUp = (): NoReply => new NoReply('the time ran out during the login', { sent: false });

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw gaveUp();
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => {
      reject(gaveUp());
    };
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', onAbort);
    });
  });
}
