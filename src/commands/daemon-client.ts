import { request } from 'node:http';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { DriverError } from '../domain/errors.js';

/** A little more than the daemon itself takes. */
const TIMEOUT_MS = 70_000;
/** For what works on all metadata. */
export const LARGE_TIMEOUT_MS = 610_000;

interface Question {
  /** Path of the request. */
  at: string;
  body: unknown;
  timeoutMs?: number;
}

const CODES = [
  'invalid',
  'not-found',
  'exists',
  'busy',
  'unavailable',
  'refused',
  'unknown-outcome',
  'fenced',
  'internal',
] as const;
const answerShape = z.union([
  z.object({ result: z.unknown() }),
  z.object({ error: z.object({ code: z.enum(CODES), message: z.string(), next: z.string().optional() }) }),
]);

/** Where a daemon with that state directory listens for commands. */
export const adminSocketOf = (stateDir: string): string => path.join(stateDir, 'admin.sock');

/**
 * Asks the daemon that runs with this state directory. `undefined` when certainly none does.
 * @throws the daemon's own refusal, or `unknown-outcome` when it gave no answer
 */
export async function askDaemon(stateDir: string, at: string, body: unknown): Promise<{ result: unknown } | undefined> {
  return ask(stateDir, { at, body });
}

/** What only a daemon that runs can do: it knows what is mounted here. The lines to print. @throws `refused` when none runs, or its own refusal */
export async function orderDaemon(stateDir: string, at: string, body: unknown): Promise<string[]> {
  const answer = await askDaemon(stateDir, at, body);
  if (answer !== undefined) return z.array(z.string()).parse(answer.result);
  throw new DriverError('refused', `no daemon runs with the state directory ${stateDir}; nothing was changed`, {
    next: 'start the plugin, or type the command on a node where it runs',
  });
}

/** The same as askDaemon, for what may take longer. */
export async function ask(stateDir: string, question: Question): Promise<{ result: unknown } | undefined> {
  const socketPath = adminSocketOf(stateDir);
  let answer: z.infer<typeof answerShape>;
  try {
    answer = answerShape.parse(JSON.parse(await post(socketPath, question)));
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
    throw new DriverError('unknown-outcome', `the daemon at ${socketPath} gave no answer: ${String(error)}`, {
      cause: error,
      next: 'see the log of the daemon, then repeat the command',
    });
  }
  if ('result' in answer) return { result: answer.result };
  const { code, message, next } = answer.error;
  throw new DriverError(code, message, next === undefined ? {} : { next });
}

async function post(socketPath: string, { at, body: what, timeoutMs = TIMEOUT_MS }: Question): Promise<string> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify(what);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const signal = AbortSignal.timeout(timeoutMs);
    const call = request({ socketPath, method: 'POST', path: at, agent: false, headers, signal }, (answer) => {
      text(answer).then(resolve, reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}
