import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { moveClock } from './clock.js';
import { Refusal } from './codes.js';
import { faultSpec } from './faults.js';
import { setCable, setLink, setPower } from './outage.js';
import { setSyncHold, synchronise } from './replication.js';
import { setCopyHold } from './tasks.js';
import { viewState } from './state-view.js';

export interface ControlServer {
  url: string;
  close(): Promise<void>;
}

/** Wrong use of the control interface: 400 with the text. */
class ControlError extends Error {}

interface ControlRequest {
  pair: ArrayPair;
  query: URLSearchParams;
  body: unknown;
}

const actions: Record<string, (request: ControlRequest) => unknown> = {
  'GET /state': ({ pair }) => viewState(pair),
  'GET /log': ({ pair, query }) => {
    const array = query.get('array');
    return pair.log.list(array === null ? undefined : getArray(pair, array).name);
  },
  'DELETE /log': ({ pair }) => pair.log.clear(),
  'POST /latency': ({ pair, body }) => {
    pair.latencyMs = z.strictObject({ ms: z.number().min(0).max(600_000) }).parse(body).ms;
  },
  'POST /power': ({ pair, body }) => {
    const { array, on } = z.strictObject({ array: z.string(), on: z.boolean() }).parse(body);
    return pair.exclusive(() => setPower(pair, getArray(pair, array), on));
  },
  'POST /port': ({ pair, body }) => {
    const { array, port, up } = z.strictObject({ array: z.string(), port: z.string(), up: z.boolean() }).parse(body);
    return pair.exclusive(() => setCable(getArray(pair, array), port, up));
  },
  'POST /link': ({ pair, body }) => {
    const { up } = z.strictObject({ up: z.boolean() }).parse(body);
    return pair.exclusive(() => setLink(pair, up));
  },
  'POST /witness': ({ pair, body }) => {
    pair.witnessUp = z.strictObject({ up: z.boolean() }).parse(body).up;
  },
  'POST /copy-time': ({ pair, body }) => {
    pair.copySeconds = z.strictObject({ seconds: z.number().min(0).max(600) }).parse(body).seconds;
  },
  'POST /copy-hold': ({ pair, body }) => {
    const { hold } = z.strictObject({ hold: z.boolean() }).parse(body);
    return pair.exclusive(() => setCopyHold(pair, hold));
  },
  'POST /clock': ({ pair, body }) => {
    const hours = z
      .number()
      .positive()
      .max(10 * 366 * 24);
    const request = z.strictObject({ array: z.string(), hours }).parse(body);
    const array = getArray(pair, request.array);
    return pair.exclusive(async () => {
      await moveClock(pair, array, request.hours * 3_600_000);
      return { now: array.now().toISOString() };
    });
  },
  'GET /faults': ({ pair }) => pair.faults.list(),
  'POST /faults': ({ pair, body }) => {
    const fault = faultSpec.parse(body);
    getArray(pair, fault.array);
    pair.faults.add(fault);
  },
  'DELETE /faults': ({ pair }) => pair.faults.clear(),
  'POST /sync': ({ pair, body }) => {
    const { group } = z.strictObject({ group: z.string() }).parse(body);
    return pair.exclusive(() => synchronise(pair, getPrimary(pair, group), group));
  },
  'POST /sync-hold': ({ pair, body }) => {
    const { hold } = z.strictObject({ hold: z.boolean() }).parse(body);
    return pair.exclusive(() => setSyncHold(pair, hold));
  },
};

/** The switches of the pair, on loopback only: HTTP with JSON bodies. Answers 200 with a result or `{}`, else `{"error":…}`. */
export async function startControlServer(pair: ArrayPair): Promise<ControlServer> {
  const server = createServer((request, response) => void serve(pair, request, response));
  // A connection that we close while a client sends its next request would break that request.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('control server has no port');
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  return { url: `http://127.0.0.1:${bound.port}`, close };
}

async function serve(pair: ArrayPair, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = (status: number, body: unknown) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body ?? {}));
  };
  try {
    const url = new URL(request.url ?? '/', 'http://control');
    const action = actions[`${request.method ?? ''} ${url.pathname}`];
    if (action === undefined) return answer(404, { error: `unknown: ${request.method ?? ''} ${url.pathname}` });
    const body = await readJson(request);
    return answer(200, await action({ pair, query: url.searchParams, body }));
  } catch (error) {
    return answer(error instanceof Refusal ? 409 : 400, { error: describe(error) });
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? {} : (JSON.parse(text) as unknown);
}

function describe(error: unknown): string {
  if (error instanceof z.ZodError) return z.prettifyError(error);
  return error instanceof Error ? error.message : String(error);
}

function getArray(pair: ArrayPair, name: string): SimulatedArray {
  const array = pair.findArray(name);
  if (array === undefined) {
    throw new ControlError(
      `there is no array ${name}; there are ${pair.arrays.map((each) => each.name).join(' and ')}`,
    );
  }
  return array;
}

function getPrimary(pair: ArrayPair, group: string): SimulatedArray {
  const array = pair.arrays.find((each) => each.groups.get(group)?.role === 'primary');
  if (array === undefined) throw new ControlError(`no array is primary for a group ${group}`);
  return array;
}
