import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ArrayPair } from '../../src/simulator/array-pair.js';
import { SimulatedArray } from '../../src/simulator/array.js';
import { makeCertificate } from '../../src/simulator/certificate.js';
import { Refusal } from '../../src/simulator/codes.js';
import { LinkFabric } from '../../src/simulator/fabric.js';
import { parseSeed, type ArraySeed } from '../../src/simulator/seed.js';
import { Sessions } from '../../src/simulator/sessions.js';
import { answer, type ReceivedRequest } from '../../src/simulator/wsapi-answer.js';
import type { Reply } from '../../src/simulator/wsapi-route.js';
import { garbled, type Garble, type Raw } from './garble.js';

export const USER = '3paradm';
export const PASSWORD = 'S3cret-of-the-fuzzed-array';

/** A simulated array that does what it is asked, and whose answers arrive garbled. */
export interface GarblingArray {
  apiUrl: string;
  array: SimulatedArray;
  peer: SimulatedArray;
  /** What happens to the answers from the nth on (0 = the next); a gap is an answer as it should be. */
  script: (Garble | undefined)[];
  /** After the script: every answer is garbled like this. */
  always: Garble | undefined;
  /** Every session key that it gave. */
  keys: string[];
}

/** One HTTPS server for all arrays of a file; each is below a path of its own. */
export class GarblingServer {
  readonly #arrays = new Map<string, GarblingArray & { pair: ArrayPair }>();
  readonly #dir: string;
  readonly #server: ReturnType<typeof createServer>;

  private constructor(dir: string, pems: { certificate: string; privateKey: string }) {
    this.#dir = dir;
    this.#server = createServer({ cert: pems.certificate, key: pems.privateKey }, (request, response) => {
      void this.#serve(request, response);
    });
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(): Promise<GarblingServer> {
    const dir = await mkdtemp(path.join(tmpdir(), 'hpe-fuzz-'));
    const made = new GarblingServer(dir, await makeCertificate('fuzzed', '127.0.0.1', dir));
    await new Promise<void>((resolve) => {
      made.#server.listen(0, '127.0.0.1', resolve);
    });
    return made;
  }

  /** A fresh pair of arrays, of which the first is to be had. */
  async add(): Promise<GarblingArray> {
    const name = `r${this.#arrays.size}`;
    const seed = parseSeed({});
    const make = (of: ArraySeed) =>
      new SimulatedArray(of, {
        dir: path.join(this.#dir, name),
        os: '3.3.1',
        licenses: seed.licenses,
        sessions: new Sessions({ max: 64, idleSeconds: 900 }),
      });
    const [array, peer] = [make(seed.arrays[0]), make(seed.arrays[1])];
    for (const each of [array, peer]) await mkdir(each.volumesDir, { recursive: true });
    const pair = new ArrayPair([array, peer], { seed, fabric: new LinkFabric(undefined) });
    const { port } = this.#server.address() as AddressInfo;
    const apiUrl = `https://127.0.0.1:${port}/${name}/api/v1`;
    const made = { apiUrl, array, peer, pair, script: [], always: undefined, keys: [] };
    this.#arrays.set(name, made);
    return made;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, name = '', rest = ''] = /^\/(r\d+)(\/.*)$/s.exec(request.url ?? '') ?? [];
    const at = this.#arrays.get(name);
    if (at === undefined) {
      request.socket.destroy();
      return;
    }
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const received = { method: request.method ?? '', path: rest, headers: request.headers, text };
    const raw = await answerOf(at, received);
    const change = at.script.length > 0 ? at.script.shift() : at.always;
    send(response, change === undefined ? raw : garbled(raw, change, [PASSWORD, ...sessionKeyOf(received)]));
  }
}

function sessionKeyOf({ headers }: ReceivedRequest): string[] {
  const key = headers['x-hp3par-wsapi-sessionkey'];
  return typeof key === 'string' ? [key] : [];
}

async function answerOf(at: GarblingArray & { pair: ArrayPair }, received: ReceivedRequest): Promise<Raw> {
  const reply = await answer({ pair: at.pair, array: at.array, user: USER, password: PASSWORD }, received).catch(
    (thrown: unknown): Reply => {
      if (!(thrown instanceof Refusal)) throw thrown;
      return { status: thrown.status, body: { code: thrown.code, desc: thrown.message } };
    },
  );
  const key: unknown = typeof reply.body === 'object' && reply.body !== null && Reflect.get(reply.body, 'key');
  if (typeof key === 'string') at.keys.push(key);
  return {
    status: reply.status,
    headers: reply.location === undefined ? {} : { Location: `/api/v1${reply.location}` },
    body: Buffer.from(reply.body === undefined ? '' : JSON.stringify(reply.body)),
    end: 'whole',
  };
}

function send(response: ServerResponse, { status, headers, body, end }: Raw): void {
  if (end === 'reset') {
    response.socket?.destroy();
    return;
  }
  if (end === 'stall') return;
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length, ...headers });
  if (end === 'whole') {
    response.end(body);
    return;
  }
  response.write(body.subarray(0, Math.ceil(body.length / 2)), () => response.socket?.destroy());
  response.flushHeaders();
}
