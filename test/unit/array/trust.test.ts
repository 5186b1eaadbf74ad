import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import https from 'node:https';
import net, { type AddressInfo, type Server } from 'node:net';
import { inspect } from 'node:util';
import selfsigned from 'selfsigned';
import type { ArrayClient } from '../../../src/contracts/array.js';
import type { ArraySettings } from '../../../src/array/settings.js';
import { connectArray } from '../../../src/array/three-par.js';
import { DriverError } from '../../../src/domain/errors.js';
import { failureOf, memoryPins, PASSWORD, recordingLogger, settingsFor, soon, SYSTEM } from './array-settings.js';

interface Pems {
  cert: string;
  private: string;
}

/** A real HTTPS server with an array's login and `GET /system`. */
interface TinyArray {
  apiUrl: string;
  peer: string;
  requests: string[];
  connections: () => number;
  /** Breaks the next answer off in its middle, once for each. */
  cut: (answers: number) => void;
  close: () => Promise<void>;
}

const selfSigned = async (...altNames: { type: 2 | 7; value?: string; ip?: string }[]): Promise<Pems> =>
  selfsigned.generate([{ name: 'commonName', value: '3par-array' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames }],
  });

const fingerprintOf = (pems: Pems): string => new X509Certificate(pems.cert).fingerprint256;

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

async function startTinyArray(pems: Pems): Promise<TinyArray> {
  const requests: string[] = [];
  let connections = 0;
  let cuts = 0;
  const server = https.createServer({ key: pems.private, cert: pems.cert }, (request, response) => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    const answer = (): void => {
      const isLogin = request.url?.endsWith('/credentials') === true;
      const body = JSON.stringify(isLogin ? { key: '0-key' } : SYSTEM);
      response.writeHead(isLogin ? 201 : 200, { 'Content-Length': body.length });
      if (isLogin || cuts === 0) {
        response.end(body);
        return;
      }
      cuts -= 1;
      response.write(body.slice(0, 9), () => {
        response.destroy();
      });
    };
    // No array answers before its client knows that the request is sent, as can happen within one process.
    request.resume().on('end', () => setTimeout(answer, 5));
  });
  server.on('secureConnection', () => {
    connections += 1;
  });
  const port = await listen(server);
  return {
    apiUrl: `https://127.0.0.1:${port}/api/v1`,
    peer: `wsapi:127.0.0.1:${port}`,
    requests,
    connections: () => connections,
    cut: (answers) => {
      cuts = answers;
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

let ours: Pems;
let other: Pems;
let named: Pems;
let tiny: TinyArray | undefined;
const clients: ArrayClient[] = [];

beforeAll(async () => {
  [ours, other, named] = await Promise.all([
    selfSigned({ type: 2, value: 'a-name-that-nobody-uses' }),
    selfSigned({ type: 2, value: 'a-name-that-nobody-uses' }),
    selfSigned({ type: 7, ip: '127.0.0.1' }),
  ]);
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map(async (client) => client.close()));
  await tiny?.close();
  tiny = undefined;
});

function connect(
  apiUrl: string,
  changes: Partial<ArraySettings>,
  deps: { pins?: ReturnType<typeof memoryPins>; log?: ReturnType<typeof recordingLogger> } = {},
): ArrayClient {
  const { logger } = deps.log ?? recordingLogger();
  const client = connectArray(settingsFor(apiUrl, changes), { pins: deps.pins ?? memoryPins(), logger });
  clients.push(client);
  return client;
}

/** The message of the refusal, after a look that not a byte of HTTP left: the password stays here. */
async function refusalFrom(client: ArrayClient): Promise<string> {
  const failure = await failureOf(client.identity(soon()));
  expect(failure.code).toBe('unavailable');
  expect(tiny?.requests).toEqual([]);
  expect(inspect(failure, { depth: 20 })).not.toContain(PASSWORD);
  expect(failure.next).toMatch(/^(verify|if the array got a new certificate, verify|bring the metadata back)/);
  return failure.message;
}

describe('the certificate of the array', () => {
  it('is proven by the PEM of itself, although it names neither address nor host', async () => {
    tiny = await startTinyArray(ours);
    expect((await connect(tiny.apiUrl, { ca: ours.cert }).identity(soon())).name).toBe('3par-a');
  });

  it('is refused when another is in the CA file', async () => {
    tiny = await startTinyArray(other);
    expect(await refusalFrom(connect(tiny.apiUrl, { ca: ours.cert }))).toMatch(
      /not proven by hpe3par_ca_file: .*SELF_SIGNED/,
    );
  });

  it('is proven by a CA file with several certificates, one of them right', async () => {
    tiny = await startTinyArray(named);
    const ca = `${ours.cert}\n${named.cert}`;
    expect((await connect(tiny.apiUrl, { ca }).identity(soon())).systemId).toBe(1234);
  });

  it('is proven by a fingerprint, with colons or without, in any case', async () => {
    tiny = await startTinyArray(ours);
    const fingerprint = fingerprintOf(ours);
    for (const spelling of [fingerprint, fingerprint.replaceAll(':', '').toLowerCase()]) {
      expect((await connect(tiny.apiUrl, { fingerprint: spelling }).identity(soon())).name).toBe('3par-a');
    }
  });

  it('is refused with another fingerprint, and the message shows both', async () => {
    tiny = await startTinyArray(other);
    const seen = fingerprintOf(other).replaceAll(':', '').toLowerCase();
    expect(await refusalFrom(connect(tiny.apiUrl, { fingerprint: fingerprintOf(ours) }))).toMatch(seen);
  });

  it('has to pass both checks when both are configured', async () => {
    tiny = await startTinyArray(ours);
    const wrong = { ca: ours.cert, fingerprint: fingerprintOf(other) };
    expect(await refusalFrom(connect(tiny.apiUrl, wrong))).toMatch(/another certificate/);
  });

  it('is not looked at with tlsVerify off', async () => {
    tiny = await startTinyArray(ours);
    const client = connect(tiny.apiUrl, { tlsVerify: false, fingerprint: fingerprintOf(other) });
    expect((await client.identity(soon())).name).toBe('3par-a');
  });
});

describe('without CA and fingerprint', () => {
  it('is pinned at first contact, with the line to add', async () => {
    tiny = await startTinyArray(ours);
    const pins = memoryPins();
    const log = recordingLogger();
    const client = connect(tiny.apiUrl, {}, { pins, log });
    await Promise.all([client.identity(soon()), client.identity(soon()), client.identity(soon())]);
    const plain = fingerprintOf(ours).replaceAll(':', '').toLowerCase();
    expect([...pins.saved]).toEqual([[tiny.peer, plain]]);
    expect(log.text().split('first contact').length).toBe(2);
    expect(log.text()).toContain(`hpe3par_fingerprint = ${plain}`);
  });

  it('is refused later when it has changed', async () => {
    tiny = await startTinyArray(other);
    const pins = memoryPins();
    pins.saved.set(tiny.peer, fingerprintOf(ours));
    expect(await refusalFrom(connect(tiny.apiUrl, {}, { pins }))).toMatch(/another certificate/);
    expect(pins.saved.get(tiny.peer)).toBe(fingerprintOf(ours));
  });

  it('is not trusted while the pins cannot be read, and again as soon as they can', async () => {
    tiny = await startTinyArray(ours);
    const pins = memoryPins();
    const { find } = pins;
    pins.find = async () =>
      Promise.reject(new DriverError('unavailable', 'etcd does not answer', { next: 'bring the metadata back' }));
    const client = connect(tiny.apiUrl, {}, { pins });
    expect(await refusalFrom(client)).toMatch('etcd does not answer');
    pins.find = find;
    expect((await client.identity(soon())).name).toBe('3par-a');
  });
});

describe('the connection', () => {
  it('is kept for the calls that follow', async () => {
    tiny = await startTinyArray(ours);
    const client = connect(tiny.apiUrl, { ca: ours.cert });
    for (let call = 0; call < 10; call += 1) await client.findVolume('x', soon()).catch(() => undefined);
    expect(tiny.requests.length).toBe(11);
    expect(tiny.connections()).toBe(1);
  });

  it('may break in the middle of an answer: a read is repeated, and then given up', async () => {
    tiny = await startTinyArray(ours);
    const client = connect(tiny.apiUrl, { ca: ours.cert });
    tiny.cut(1);
    await client.identity(soon());
    const second = connect(tiny.apiUrl, { ca: ours.cert });
    tiny.cut(99);
    const failure = await failureOf(second.identity(soon()));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain('did not answer GET /system');
  });

  it('to somebody who never speaks TLS is given up after a few seconds', async () => {
    const mute = net.createServer();
    const sockets = new Set<net.Socket>();
    mute.on('connection', (socket) => sockets.add(socket.on('error', () => undefined)));
    const port = await listen(mute);
    const started = performance.now();
    const failure = await failureOf(connect(`https://127.0.0.1:${port}/api/v1`, {}).identity(soon()));
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => mute.close(resolve));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain('no connection within 5 s');
    expect(performance.now() - started).toBeLessThan(8_000);
  });
});
