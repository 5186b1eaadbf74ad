import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import type { Fault } from './faults.js';
import { countingFileWork } from './file-work.js';
import { setPower } from './outage.js';
import { answer, pretendedReply } from './wsapi-answer.js';
import type { ReceivedRequest } from './wsapi-answer.js';
import type { Reply } from './wsapi-route.js';

export interface WsapiOptions {
  pair: ArrayPair;
  array: SimulatedArray;
  address: string;
  /** 0 = any free port. */
  port: number;
  /** PEM */
  certificate: string;
  privateKey: string;
  user: string;
  password: string;
}

export interface WsapiServer {
  port: number;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 1024 * 1024;

/** The array's REST interface over HTTPS. */
export async function startWsapiServer(options: WsapiOptions): Promise<WsapiServer> {
  const sockets = new Set<Socket>();
  const { certificate, privateKey } = options;
  const server = createServer({ cert: certificate, key: privateKey, noDelay: true }, (request, response) => {
    void serve(options, request, response);
  });
  // Longer than clients keep an idle connection, so that none of their requests meets a closing one.
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => undefined);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    if (!options.array.powered) socket.destroy();
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error(`WSAPI server of ${options.address} has no port`);
  const dropConnections = () => {
    for (const socket of sockets) socket.destroy();
  };
  options.array.onPowerOff(dropConnections);
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    dropConnections();
    await closed;
  };
  return { port: bound.port, close };
}

/** Log, latency and faults around the answer. */
async function serve(options: WsapiOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pair, array } = options;
  const startMs = performance.now();
  const received = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, text: '' };
  let status = 0;
  const fileWork = { ms: 0 };
  try {
    received.text = await readBody(request);
    if (pair.latencyMs > 0) await sleep(pair.latencyMs);
    const fault = pair.faults.take(array.name, received);
    const reply = await countingFileWork(fileWork, async () => answerUnderFault(options, received, fault));
    if (reply === 'reset') request.socket.destroy();
    else if (reply !== 'silence' && array.powered) status = send(response, reply, array.now());
  } catch (error) {
    if (!request.socket.destroyed) status = send(response, failure(error), array.now());
  } finally {
    pair.log.add({
      array: array.name,
      startMs,
      fileMs: fileWork.ms,
      protocol: 'wsapi',
      method: received.method,
      path: received.path,
      status,
    });
  }
}

async function answerUnderFault(
  options: WsapiOptions,
  request: ReceivedRequest,
  fault: Fault | undefined,
): Promise<Reply | 'reset' | 'silence'> {
  const effect = fault?.effect;
  if (effect === 'reset') return 'reset';
  if (effect === 'hang') return 'silence';
  if (effect === 'power-off') {
    await options.pair.exclusive(() => setPower(options.pair, options.array, false));
    return 'reset';
  }
  if (fault !== undefined && effect === 'late') {
    // What it answers then, nobody hears.
    setTimeout(() => void answer(options, request).catch(() => undefined), fault.ms).unref();
    return 'reset';
  }
  if (effect === 'ok-not-done') return pretendedReply(request);
  if (fault !== undefined && effect === 'error') return injected(fault);
  if (fault !== undefined && effect === 'delay') await sleep(fault.ms);
  const reply = await answer(options, request).catch(failure);
  if (effect === 'lost-reply') return 'reset';
  return fault !== undefined && effect === 'done-but-error' ? injected(fault) : reply;
}

const injected = ({ status, code }: Fault): Reply => ({ status, body: { code, desc: 'injected fault' } });

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Refusal('INPUT_TOO_LONG', 'the request body is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** reference 2.1 */
function failure(error: unknown): Reply {
  if (error instanceof Refusal) {
    const { code, message, ref, status } = error;
    return { status, body: { code, desc: message, ...(ref !== undefined && { ref }) } };
  }
  console.error('WSAPI request failed:', error);
  return { status: 500, body: { code: 1, desc: 'internal server error' } };
}

function send(response: ServerResponse, reply: Reply, now: Date): number {
  const text = reply.body === undefined ? '' : JSON.stringify(reply.body);
  response.writeHead(reply.status, {
    Server: 'hp3par-wsapi',
    Date: now.toUTCString(),
    'Cache-Control': 'no-cache',
    Pragma: 'no-cache',
    ...(text !== '' && { 'Content-Type': 'application/json' }),
    ...(reply.location !== undefined && { Location: `/api/v1${reply.location}` }),
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
  return reply.status;
}
