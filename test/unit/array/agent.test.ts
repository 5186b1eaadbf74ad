import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once, setMaxListeners } from 'node:events';
import { createServer as createHttps } from 'node:https';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { generate } from 'selfsigned';
import { ArrayAgent } from '../../../src/array/agent.js';
import { NoReply, Transport } from '../../../src/array/transport.js';

const LIMIT = 12;
const READ = { method: 'GET', path: 'system' } as const;

/** A listener that counts its connections. */
class Listener {
  open = 0;
  most = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      this.open += 1;
      this.most = Math.max(this.most, this.open);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.open -= 1;
        this.#sockets.delete(socket);
      });
    });
  }

  /** The array's URL there. */
  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.hangUp();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

let transport: Transport | undefined;
let listener: Listener;
let pem: { private: string; cert: string };

beforeAll(async () => {
  pem = await generate([{ name: 'commonName', value: 'array' }]);
});
afterEach(async () => {
  transport?.close();
  transport = undefined;
  await listener.stop();
});

async function connect(server: Server, judge: () => Promise<void> = async () => Promise.resolve()): Promise<Transport> {
  listener = new Listener(server);
  transport = new Transport(await listener.start(), new ArrayAgent({ ca: undefined, judge }));
  return transport;
}

/** Answers after a while. */
const slowArray = (): Server =>
  createHttps({ key: pem.private, cert: pem.cert }, (_request, response) => {
    setTimeout(() => response.end('{}'), 20);
  });

function patience(ms: number): AbortSignal {
  const signal = AbortSignal.timeout(ms);
  setMaxListeners(0, signal);
  return signal;
}

async function ask(count: number, over: Transport, signal = patience(20_000)): Promise<unknown[]> {
  const answer = async (): Promise<unknown> =>
    over.exchange(READ, signal).then(
      ({ status }) => status,
      (reason: unknown) => reason,
    );
  return Promise.all(Array.from({ length: count }, answer));
}

describe('connections to one array', () => {
  it('are twelve at most, however many requests come at once, and all are answered', async () => {
    const array = await connect(slowArray());
    expect(new Set(await ask(40, array))).toEqual(new Set([200]));
    expect(listener.most).toBe(LIMIT);
    expect(new Set(await ask(40, array))).toEqual(new Set([200]));
    expect(listener.most).toBe(LIMIT);
  });

  it('are twelve at most, also when requests are given up while theirs are being made', async () => {
    let judge: () => void = () => undefined;
    const judged = new Promise<void>((resolve) => (judge = resolve));
    const array = await connect(slowArray(), async () => judged);
    const given = await ask(20, array, patience(200));
    expect(given.every((each) => each instanceof NoReply)).toBe(true);
    const later = ask(20, array);
    await pause(100);
    judge();
    expect(new Set(await later)).toEqual(new Set([200]));
    expect(listener.most).toBe(LIMIT);
  });

  it('none of them can be made: who waits for one is told so, too', async () => {
    const array = await connect(slowArray(), async () => Promise.reject(new Error('another certificate')));
    const refused = await ask(20, array);
    expect(refused.map((each) => each instanceof NoReply && each.message)).toEqual(
      Array.from({ length: 20 }, () => 'another certificate'),
    );
    // Nothing of that is left over.
    expect(await ask(1, array)).toMatchObject([{ sent: false }]);
  });

  it('those who were refused for want of one do not end the daemon when a later one is closed', async () => {
    let isKnown = false;
    const array = await connect(slowArray(), async () => {
      if (!isKnown) throw new Error('another certificate');
      return Promise.resolve();
    });
    await ask(20, array);
    isKnown = true;
    expect(await ask(1, array)).toEqual([200]);
    listener.hangUp();
    await pause(50);
    expect(await ask(1, array)).toEqual([200]);
  });

  it('an array that is silent in the handshake keeps nobody longer than two attempts', async () => {
    const array = await connect(createServer());
    const began = performance.now();
    expect(await ask(20, array)).toEqual(Array.from({ length: 20 }, () => expect.any(NoReply)));
    expect(listener.most).toBeLessThanOrEqual(LIMIT);
    expect(performance.now() - began).toBeLessThan(15_000);
  });
});

describe('an answer in chunks, as arrays send long lists', () => {
  const members = Array.from({ length: 2_000 }, (_, id) => ({ id, name: `volume-${id}`, comment: 'c'.repeat(100) }));
  const text = JSON.stringify({ total: members.length, members });
  const pieces = text.match(/.{1,1000}/g) ?? [];

  /** Sends so many of the pieces, and then ends the list, or gives up in its middle. */
  const chunking = (count: number, giveUp?: string): Server =>
    createHttps({ key: pem.private, cert: pem.cert }, (_request, response) => {
      for (const piece of pieces.slice(0, count)) response.write(piece);
      if (giveUp === undefined) response.end();
      else response.write(giveUp, () => response.destroy());
    });

  it('is read as a whole', async () => {
    const array = await connect(chunking(pieces.length));
    expect(pieces.length).toBeGreaterThan(100);
    expect((await array.exchange(READ, patience(20_000))).text).toBe(text);
  });

  it('is no answer when the array gives up in the middle of it', async () => {
    const error = '"success":false,"message":{"code":101,"desc":"Invalid cursor id for chunking"}';
    const array = await connect(chunking(50, error));
    await expect(array.exchange(READ, patience(20_000))).rejects.toBeInstanceOf(NoReply);
  });
});
