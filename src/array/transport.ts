import type { AxiosError, AxiosInstance } from 'axios';
import type { Agent } from 'node:https';
import { DriverError } from '../domain/errors.js';
import { ConnectTimeout, NotConnected } from './agent.js';

export interface WsapiRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below `/api/v1`, without the slash in front, with the query. */
  path: string;
  body?: Record<string, unknown>;
  /** Absent for the login. */
  sessionKey?: string;
}

export interface WsapiReply {
  status: number;
  /** As it came. */
  text: string;
  location: string | undefined;
  /** The array's time, as HTTP writes it. */
  date: string | undefined;
}

/** No answer. Built from plain words: the library's own errors hold the password and the session key. */
export class NoReply extends Error {
  /** False only when the request certainly never reached the array. */
  readonly sent: boolean;
  /** Who answered was not the array. */
  readonly untrusted: DriverError | undefined;
  /** Another try at once would end the same way. */
  readonly final: boolean;

  constructor(reason: string, options: { sent: boolean; untrusted?: DriverError | undefined; final?: boolean }) {
    super(reason);
    this.name = 'NoReply';
    this.sent = options.sent;
    this.untrusted = options.untrusted;
    this.final = options.final ?? false;
  }
}

const LARGEST_ANSWER_BYTES = 64 * 1024 * 1024;

const NEVER_SENT = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']);

/** One HTTP exchange with one array. AxiosErrors end in this file. */
export class Transport {
  readonly #apiUrl: string;
  readonly #agent: Agent;
  #http: Promise<AxiosInstance> | undefined;

  constructor(apiUrl: string, agent: Agent) {
    this.#apiUrl = apiUrl;
    this.#agent = agent;
  }

  /** Any status is an answer. @throws NoReply, or what kept the library from being loaded */
  async exchange(request: WsapiRequest, signal: AbortSignal): Promise<WsapiReply> {
    const { method, path, body, sessionKey } = request;
    const http = await this.#library();
    try {
      const { status, data, headers } = await http.request<unknown>({
        method,
        url: `/${path}`,
        ...(body === undefined ? {} : { data: body }),
        headers: {
          Accept: 'application/json',
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...(sessionKey === undefined ? {} : { 'X-HP3PAR-WSAPI-SessionKey': sessionKey }),
        },
        signal,
      });
      return {
        status,
        text: typeof data === 'string' ? data : '',
        location: headerOf(headers['location']),
        date: headerOf(headers['date']),
      };
    } catch (thrown) {
      throw noReply(thrown, signal);
    }
  }

  /** A library that cannot be loaded is our defect: no silence of the array, and tried again by the next call. */
  async #library(): Promise<AxiosInstance> {
    this.#http ??= connect(this.#apiUrl, this.#agent);
    try {
      return await this.#http;
    } catch (thrown) {
      this.#http = undefined;
      throw thrown;
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The library is loaded by the first call: a daemon that starts answers Docker before. */
async function connect(apiUrl: string, agent: Agent): Promise<AxiosInstance> {
  const { create } = await import('axios');
  return create({
    baseURL: apiUrl.replace(/\/+$/, ''),
    adapter: 'http',
    httpsAgent: agent,
    proxy: false,
    maxRedirects: 0,
    maxContentLength: LARGEST_ANSWER_BYTES,
    responseType: 'text',
    transformResponse: [(data: unknown) => data],
    validateStatus: () => true,
  });
}

const isAxiosError = (thrown: unknown): thrown is AxiosError =>
  thrown instanceof Error && 'isAxiosError' in thrown && thrown.isAxiosError === true;

const headerOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function noReply(thrown: unknown, signal: AbortSignal): NoReply {
  if (signal.aborted) return new NoReply('no answer in time', { sent: true });
  const cause: unknown = isAxiosError(thrown) ? thrown.cause : thrown;
  if (cause instanceof NotConnected) {
    const untrusted = cause.cause instanceof DriverError ? cause.cause : undefined;
    const final = untrusted !== undefined || cause.cause instanceof ConnectTimeout;
    return new NoReply(cause.message, { sent: false, untrusted, final });
  }
  const code = isAxiosError(thrown) ? thrown.code : undefined;
  const words = cause instanceof Error ? cause.message : 'the connection broke';
  return new NoReply(code === undefined || words.includes(code) ? words : `${words} (${code})`, {
    sent: code === undefined || !NEVER_SENT.has(code),
  });
}
