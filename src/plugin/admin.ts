import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { Logger } from '../contracts/log.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { within } from '../domain/signals.js';
import type { Overrides } from '../driver/overrides.js';
import type { Releases } from '../driver/releases.js';
import type { Resizes } from '../driver/resizes.js';
import { listen, removeStaleSocket } from './server.js';

/** A lock that a Mount holds is waited for within this. */
const TIMEOUT_MS = 60_000;
const BODY_LIMIT = 64 * 1024;
/** The same for what works on all metadata. */
const LARGE = { timeoutMs: 600_000, bodyLimit: 64 * 1024 * 1024 };

interface AdminOptions {
  /** `<state-dir>/admin.sock`; mode 0600. */
  socketPath: string;
  overrides: Pick<Overrides, 'make' | 'end'>;
  releases: Pick<Releases, 'release'>;
  /** Requests that work on all metadata, by their path: they may take ten minutes, and megabytes. */
  large?: Record<string, AdminRequest>;
  resizes: Pick<Resizes, 'resize'>;
  /** Requests that only read, by their path. */
  reads?: Record<string, AdminRequest>;
  /** Makes a snapshot of that name of the volume's passive copy. */
  drill?: (order: { volume: string; name: string }, signal: AbortSignal) => Promise<void>;
  logger: Logger;
}

/** Answers with anything that survives JSON. @throws DriverError */
export type AdminRequest = (body: unknown, signal: AbortSignal) => Promise<unknown>;

const makeBody = z.strictObject({
  volume: z.string(),
  side: z.enum(['primary', 'secondary']),
  seconds: z.number(),
  reason: z.string(),
});
const resizeBody = z.strictObject({ volume: z.string(), gib: z.number() });
const releaseBody = z.strictObject({ volume: z.string(), withoutComment: z.boolean().exactOptional() });
const drillBody = z.strictObject({ volume: z.string(), name: z.string() });
const volumeBody = z.strictObject({ volume: z.string() });

/** What the commands of `hpe-volume-plugin` may ask of the daemon that runs: path → request. */
const requestsOf = ({ overrides, releases, resizes, drill }: AdminOptions): Record<string, AdminRequest> => ({
  '/override': async (body, signal) => overrides.make(parse(makeBody, body), signal),
  '/drill': async (body, signal) => {
    await drill?.(parse(drillBody, body), signal);
    return [];
  },
  '/resize': async (body, signal) => {
    const { volume, gib } = parse(resizeBody, body);
    return resizes.resize(volume, gib, signal);
  },
  '/override/end': async (body, signal) => overrides.end(parse(volumeBody, body).volume, signal),
  '/release': async (body, signal) => releases.release(parse(releaseBody, body), signal),
});

/** Serves the commands: `POST` JSON, answered with `{ result }` or `{ error }`. @throws `refused` when another daemon serves that socket */
export async function startAdminServer(options: AdminOptions): Promise<{ close(): Promise<void> }> {
  const { socketPath, logger } = options;
  const requests = requestsOf(options);
  const stopped = new AbortController();
  const server = createServer((req, res) => void answer(req, res));
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const path = req.url ?? '';
    try {
      const large = options.large?.[path];
      const request = large ?? requests[path] ?? options.reads?.[path];
      if (request === undefined) throw new DriverError('invalid', `this daemon knows no request ${path}`);
      const { timeoutMs, bodyLimit } = large === undefined ? { timeoutMs: TIMEOUT_MS, bodyLimit: BODY_LIMIT } : LARGE;
      const body = await readBody(req, bodyLimit);
      send(res, 200, { result: await request(body, within(timeoutMs, stopped.signal)) });
      if (options.reads?.[path] === undefined) logger.info('a command was served', { path });
      else logger.debug('a question was answered', { path });
    } catch (thrown) {
      const { code, message, next } = asDriverError(thrown);
      logger.warn('a command was refused', { path, code, reason: message });
      send(res, 422, { error: { code, message, next } });
    }
  };
  await removeStaleSocket(socketPath, '--state-dir');
  await listen(server, socketPath, '--state-dir');
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    stopped.abort(new DriverError('unavailable', 'the volume plugin is being stopped'));
    setTimeout(() => server.closeAllConnections(), 50);
    await closed;
  };
  return { close: async () => (closing ??= close()) };
}

async function readBody(req: IncomingMessage, limit: number): Promise<unknown> {
  if (Number(req.headers['content-length'] ?? Infinity) > limit) {
    req.destroy();
    throw new DriverError('invalid', 'the request is too large, or does not say how large it is');
  }
  try {
    return JSON.parse(await text(req));
  } catch (error) {
    throw new DriverError('invalid', 'the request is not JSON', { cause: error });
  }
}

function parse<T>(shape: z.ZodType<T>, body: unknown): T {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new DriverError('invalid', `the request is not understood: ${z.prettifyError(parsed.error)}`, {
    next: 'use the command of the same release as the daemon',
  });
}

function send(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}
