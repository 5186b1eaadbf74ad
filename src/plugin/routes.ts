import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import { z } from 'zod';
import type { Logger } from '../contracts/log.js';
import { asDriverError, DriverError, Explanation } from '../domain/errors.js';
import { ownTurn } from '../domain/own-turn.js';
import { firstOf } from '../domain/signals.js';
import type { VolumeDriver } from '../driver/driver.js';
import type { Calls } from './calls.js';
import { verbs, type Answer, type Verb } from './verbs.js';

const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json';

const LONGEST_TEXT = 1_800;

/** Milliseconds that a call may take, a little less than dockerd waits. */
export interface Timeouts {
  /** Create and Mount. */
  longMs: number;
  /** All others. */
  shortMs: number;
  /** After that, the answer waits this long for what is being undone, and then no longer. */
  wayBackMs: number;
}

export interface RouteOptions {
  driver: VolumeDriver;
  logger: Logger;
  timeouts: Timeouts;
  calls: Calls;
  /** Told of every request that has ended; for metrics. */
  observe?(request: { verb: string; outcome: string; ms: number }): void;
  /** Runs a verb so that every log line that is written in it names the verb and the volume. */
  within<T>(fields: { verb: string; volume?: string }, work: () => Promise<T>): Promise<T>;
}

/** Docker's volume plugin API as an Express application. */
export function createRoutes(options: RouteOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use((_req, res, next) => {
    res.setHeader('Content-Type', CONTENT_TYPE);
    next();
  });
  // dockerd names no content type, and an empty body must be told from `{}` (docker plugin reference 1).
  app.use(express.text({ type: () => true, limit: '1mb' }));
  for (const [name, verb] of Object.entries(verbs)) {
    app.post(`/${name}`, async (req, res) => {
      const gone = new AbortController();
      await options.calls.run(gone, async () => handle({ ...options, name, verb, gone }, req, res));
    });
  }
  app.use((req, res) => {
    send(res, 404, { Err: `${req.method} ${req.path} is not a method of this volume plugin` });
  });
  app.use(answerUnreadable(options.logger));
  return app;
}

interface Handling extends RouteOptions {
  name: string;
  verb: Verb;
  /** Fires when the client closes its connection or the daemon stops. */
  gone: AbortController;
}

async function handle(handling: Handling, req: Request, res: Response): Promise<void> {
  const { name, verb, gone, driver, logger } = handling;
  const started = performance.now();
  const log: { verb: string; volume?: string } = { verb: name.replace(/^.*\./, '') };
  let isTold = false;
  const finish = (outcome: string): Record<string, unknown> => {
    const ended = { verb: log.verb, ms: Math.round(performance.now() - started), outcome };
    // Who was answered for at the deadline may still come to an end of his own.
    if (!isTold) handling.observe?.(ended);
    isTold = true;
    return { ...log, ...ended };
  };
  const fail = (thrown: unknown): void => {
    const error = asDriverError(thrown);
    if (error instanceof Explanation) {
      logger.info(`${name} explained what was asked`, finish('explained'));
      send(res, 200, { Err: error.lines.map(oneLine).join('\n') });
      return;
    }
    const text = oneLine(error.toUserText());
    const stack = error.code === 'internal' ? { stack: stackOf(error) } : {};
    const fields = { ...finish(error.code), error: text, ...stack };
    if (verb.silentWhenUncertain && error.code !== 'not-found') {
      logger.warn(`${name} is uncertain: the connection was dropped, so that dockerd forgets nothing`, fields);
      req.socket.destroy();
      return;
    }
    logger[error.code === 'internal' ? 'error' : 'warn'](`${name} failed`, fields);
    send(res, 200, { Err: text });
  };
  const deadline = startDeadline(handling, (late) => {
    gone.abort(late);
    fail(late);
  });
  res.once('close', () => {
    if (!res.writableFinished)
      gone.abort(new DriverError('unavailable', 'the client closed its connection and so gave up'));
  });
  try {
    const request = verb.parse(z.string().default('').parse(req.body));
    if (request.volume !== undefined) log.volume = request.volume;
    const signal = firstOf(gone.signal, deadline.signal);
    // Dozens that came together would keep a question waiting that came with them.
    if (verb.changes) await ownTurn();
    const answer = await handling.within(log, async () => request.run({ driver, signal, gone: gone.signal }));
    send(res, 200, { ...answer, Err: '' });
    logger[verb.changes ? 'info' : 'debug'](`${name} succeeded`, finish('ok'));
  } catch (thrown) {
    fail(thrown);
  } finally {
    deadline.end();
  }
}

/** The signal that ends the work; who does not heed it in time, or has much to undo, is answered for. */
function startDeadline(
  { name, verb, timeouts }: Handling,
  answerLate: (error: DriverError) => void,
): { signal: AbortSignal; end(): void } {
  const ms = verb.limit === 'long' ? timeouts.longMs : timeouts.shortMs;
  const text = `${name} was not done within ${ms / 1000} s`;
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new DriverError('unavailable', text));
  }, ms);
  const lateTimer = setTimeout(() => {
    const next = 'see that both arrays answer and how fast (showsys -d, showalert); then try again';
    answerLate(new DriverError('unavailable', `${text}; what was begun is undone or finished by itself`, { next }));
  }, ms + timeouts.wayBackMs);
  return {
    signal: controller.signal,
    end: () => {
      clearTimeout(timer);
      clearTimeout(lateTimer);
    },
  };
}

function send(res: Response, status: number, answer: Answer): void {
  // Whoever was answered for at the deadline may still come to an end of his own.
  if (res.destroyed || res.headersSent) return;
  res.status(status).end(`${JSON.stringify(answer)}\n`);
}

/** A body that could not be received: too large, or in an unknown coding. */
function answerUnreadable(logger: Logger): ErrorRequestHandler {
  return (thrown: unknown, req, res, _next) => {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const error = new DriverError('invalid', `the request cannot be read (${message}); nothing was done`, {
      cause: thrown,
    });
    const text = oneLine(error.toUserText());
    logger.warn('a request could not be read', { path: req.path, error: text });
    if (verbs[req.path.slice(1)]?.silentWhenUncertain === true) req.socket.destroy();
    else send(res, 200, { Err: text });
  };
}

/** The text goes to the user's terminal as it is: no control characters, and no name of a megabyte between start and end. */
function oneLine(text: string): string {
  const line = text.replaceAll(/\p{Cc}+/gu, ' ');
  if (line.length <= LONGEST_TEXT) return line;
  return `${line.slice(0, LONGEST_TEXT / 2)} […] ${line.slice(-LONGEST_TEXT / 4)}`;
}

function stackOf(error: DriverError): string | undefined {
  return error.cause instanceof Error ? error.cause.stack : error.stack;
}
