import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Logger } from '../contracts/log.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { isOwnHost } from './asked-host.js';
import { CSS, SCRIPT } from './assets.js';
import type { Metrics } from './metrics.js';
import { fragment, page, titleOf } from './page.js';
import type { Snapshot } from './snapshot.js';

export interface StatusServerOptions {
  /** `status_listen` of hpe.conf; port 0 for tests. */
  at: { host: string; port: number };
  snapshot: Snapshot;
  metrics: Metrics;
  /** Reads a little of the metadata. @throws when they cannot be read */
  probe: () => Promise<unknown>;
  logger: Logger;
}

interface Answer {
  status?: number;
  type: string;
  text: string;
  headers?: Record<string, string>;
}

/** Nothing from elsewhere, nothing inline, no frame around it. */
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const HTML = 'text/html; charset=utf-8';
const OTHER_HOST =
  "this listener is asked by an IP address, localhost, this host's name as hostname prints it, or the name in status_listen; by another name it answers nothing\n";
const MOST_CONNECTIONS = 50;
/** Longer than a report may take. */
const IDLE_MS = 30_000;

/** Serves status, metrics and the page; everything is read-only. @throws `unavailable` when the address cannot be listened on */
export async function startStatusServer(
  options: StatusServerOptions,
): Promise<{ port: number; close(): Promise<void> }> {
  const { at, logger } = options;
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (req, res) => {
    answer(options, req, res).catch((error: unknown) => {
      logger.warn('a status request failed', { path: req.url, error });
      res.destroy();
    });
  });
  server.maxConnections = MOST_CONNECTIONS;
  // Who takes no answer must not keep the place of one who does.
  server.setTimeout(IDLE_MS);
  try {
    server.listen(at);
    await once(server, 'listening');
  } catch (error) {
    throw new DriverError('unavailable', `cannot listen on status_listen = ${at.host}:${at.port}: ${String(error)}`, {
      cause: error,
      next: 'choose another address in hpe.conf, or remove the key',
    });
  }
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : at.port;
  logger.info('the status can be seen', { at: `http://${at.host}:${port}/` });
  return {
    port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(options: StatusServerOptions, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const path = (req.url ?? '').split('?')[0] ?? '';
  const find = PATHS[path];
  const isRead = req.method === 'GET' || req.method === 'HEAD';
  const made: Answer = !isOwnHost(req.headers.host, options.at.host)
    ? { status: 421, type: 'text/plain', text: OTHER_HOST }
    : !isRead
      ? { status: 405, type: 'text/plain', text: 'read-only\n' }
      : find === undefined
        ? { status: 404, type: 'text/plain', text: 'not found\n' }
        : await find(options);
  res.writeHead(made.status ?? 200, {
    'content-type': made.type,
    'content-length': Buffer.byteLength(made.text),
    'cache-control': 'no-store',
    'content-security-policy': POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    ...made.headers,
  });
  res.end(req.method === 'HEAD' ? undefined : made.text);
}

const PATHS: Record<string, ((options: StatusServerOptions) => Promise<Answer>) | undefined> = {
  '/': async ({ snapshot }) => ({ type: HTML, text: page(await snapshot.look()) }),
  '/fragment': async ({ snapshot }) => {
    const seen = await snapshot.look();
    return { type: HTML, text: fragment(seen), headers: { 'x-title': encodeURIComponent(titleOf(seen)) } };
  },
  '/page.css': async () => Promise.resolve({ type: 'text/css', text: CSS }),
  '/page.js': async () => Promise.resolve({ type: 'text/javascript', text: SCRIPT }),
  '/status.json': async ({ snapshot }) => {
    const { report, ageSeconds, problem } = await snapshot.look();
    const text = `${JSON.stringify({ ...report, ageSeconds, ...(problem === undefined ? {} : { problem }) })}\n`;
    return { status: report === undefined ? 503 : 200, type: 'application/json', text };
  },
  '/metrics': async ({ snapshot, metrics }) => ({
    type: metrics.contentType,
    text: await metrics.text(await snapshot.look()),
  }),
  /** The process works. */
  '/healthz': async () => Promise.resolve({ type: 'text/plain', text: 'ok\n' }),
  /** It can serve volumes: the metadata can be read. Neither a silent array nor how many volumes there are keeps it from that. */
  '/readyz': async ({ probe }) => {
    try {
      await probe();
      return { type: 'text/plain', text: 'ok\n' };
    } catch (thrown) {
      return { status: 503, type: 'text/plain', text: `${asDriverError(thrown).toUserText()}\n` };
    }
  },
};
