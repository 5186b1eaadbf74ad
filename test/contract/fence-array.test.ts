import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttps, type Server } from 'node:https';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { generate } from 'selfsigned';
import { startEtcd, type Etcd } from '../etcd.js';
import { startChild, type Child } from './child.js';

/** A busy machine may keep a child from its renewals for a second or two. */
const LEASE_MS = 5_000;

/** As many as there may be to one array. */
const CONNECTIONS = 12;

/** Something that the array keeps waiting, until it is let go. */
class Gate {
  #arrive: () => void = () => undefined;
  #open: () => void = () => undefined;
  readonly arrived = new Promise<void>((resolve) => (this.#arrive = resolve));
  readonly opened = new Promise<void>((resolve) => (this.#open = resolve));

  async pass(): Promise<void> {
    this.#arrive();
    await this.opened;
  }

  open(): void {
    this.#open();
  }
}

/** An array that answers everything with an empty object, and holds back what it is told to. */
class FakeArray {
  readonly changes: string[] = [];
  /** Number of the connection whose TLS handshake is held back in the middle, and of the read whose answer is. */
  heldConnection = 0;
  heldRead = 0;
  readonly gate = new Gate();
  /** After the login, the connection is closed. */
  closesAfterLogin = false;
  #connections = 0;
  #reads = 0;
  readonly #https: Server;
  readonly #tcp = createServer((socket) => void this.#connect(socket));

  constructor(pem: { key: string; cert: string }) {
    this.#https = createHttps(pem, (request, response) => {
      request.resume();
      void (async () => {
        if (request.url?.endsWith('/credentials') === true) {
          if (this.closesAfterLogin) response.setHeader('Connection', 'close');
          response.writeHead(201).end('{"key":"1-key"}');
        } else if (request.method === 'GET') {
          this.#reads += 1;
          if (this.#reads === this.heldRead) await this.gate.pass();
          else if (this.#reads > 1) return;
          response.end('{}');
        } else {
          this.changes.push(`${request.method} ${request.url}`);
          response.end('{}');
        }
      })();
    });
  }

  async listen(): Promise<string> {
    this.#tcp.listen(0, '127.0.0.1');
    await once(this.#tcp, 'listening');
    return `https://127.0.0.1:${(this.#tcp.address() as AddressInfo).port}/api/v1`;
  }

  close(): void {
    this.#https.closeAllConnections();
    this.#tcp.close();
  }

  async #connect(socket: Socket): Promise<void> {
    this.#connections += 1;
    socket.on('error', () => undefined);
    if (this.#connections === this.heldConnection) {
      const [hello] = (await once(socket, 'data')) as [Buffer];
      socket.pause();
      socket.unshift(hello);
      await this.gate.pass();
    }
    this.#https.emit('connection', socket);
  }
}

describe('rule 24: a process that was stopped past its lease sends no change to an array when it goes on', () => {
  let etcd: Etcd;
  let pem: { key: string; cert: string };
  let dir: string;
  let array: FakeArray;
  let child: Child;

  beforeAll(async () => {
    etcd = await startEtcd();
    const made = await generate([{ name: 'commonName', value: '127.0.0.1' }]);
    pem = { key: made.private, cert: made.cert };
  });
  afterAll(() => etcd.stop());
  beforeEach(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'fence-'));
    await etcd.ctl('del', '--prefix', '/');
    array = new FakeArray(pem);
  });
  afterEach(async () => {
    await child.kill();
    array.close();
    await rm(dir, { recursive: true });
  });

  const start = async (reads: number): Promise<void> => {
    const lease = String(LEASE_MS / 1_000);
    child = startChild('change-array.ts', [etcd.host, dir, await array.listen(), String(reads), lease]);
    let hasArrived = false;
    const ended = async (): Promise<void> => {
      await child.end();
      if (!hasArrived) throw new Error(`the child ended before the array held it up: ${await child.line()}`);
    };
    await Promise.race([array.gate.arrived, ended()]);
    hasArrived = true;
  };

  /** Stops it in the middle of its own work; what it waited for comes while it is stopped. */
  const stopPastLease = async (): Promise<void> => {
    child.tell('be busy');
    expect(await child.line()).toBe('busy');
    child.signal('SIGSTOP');
    array.gate.open();
    await pause(LEASE_MS + 1_000);
    child.signal('SIGCONT');
  };

  it('it does send it when it was not stopped', async () => {
    array.heldRead = 2;
    await start(1);
    array.gate.open();
    expect(await child.line()).toBe('outcome: changed');
    expect(array.changes).toEqual(['PUT /api/v1/volumes/x']);
  });

  it('after the answer to a read', async () => {
    array.heldRead = 2;
    await start(1);
    await stopPastLease();
    expect(await child.line()).toBe('outcome: fenced');
    expect(array.changes).toEqual([]);
  });

  it('over a connection that was being made', async () => {
    array.closesAfterLogin = true;
    array.heldConnection = 2;
    await start(0);
    await stopPastLease();
    // Whether it was sent cannot be known of a request that has been handed to the HTTP client.
    expect(await child.line()).toBe('outcome: unknown-outcome');
    await pause(500);
    expect(array.changes).toEqual([]);
  });

  it('when it waited for one of the connections to be free', async () => {
    array.heldRead = CONNECTIONS + 1;
    await start(CONNECTIONS);
    await pause(800);
    await stopPastLease();
    // Whether it was sent cannot be known of a request that has been handed to the HTTP client.
    expect(await child.line()).toBe('outcome: unknown-outcome');
    await pause(500);
    expect(array.changes).toEqual([]);
  });
});
