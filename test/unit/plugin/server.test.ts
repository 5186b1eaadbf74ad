import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { link, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '../../../src/contracts/log.js';
import { DriverError, Explanation } from '../../../src/domain/errors.js';
import type { VolumeDriver } from '../../../src/driver/driver.js';
import type { VolumeView } from '../../../src/driver/view.js';
import { startPluginServer, type PluginServer } from '../../../src/plugin/server.js';

const ID = 'a'.repeat(64);
const VIEW: VolumeView = {
  name: 'db',
  mountpoint: '/m/db',
  createdAt: '2026-01-02T03:04:05.000Z',
  status: { size: '10 GiB', copies: [null] },
};

let dir: string;
let socketPath: string;
let server: PluginServer;
let agent: Agent;
/** Every call that reached the driver, with its arguments. */
let calls: unknown[][];
let lines: { level: string; message: string; fields: Record<string, unknown> }[];
/** What the driver does instead of succeeding; called with the signal. */
let behaviour: Partial<Record<keyof VolumeDriver, (signal: AbortSignal) => Promise<unknown>>>;

async function called<T>(verb: keyof VolumeDriver, args: unknown[], signal: AbortSignal, otherwise: T): Promise<T> {
  calls.push([verb, ...args]);
  const answer = await behaviour[verb]?.(signal);
  return answer === undefined ? otherwise : (answer as T);
}

const driver: VolumeDriver = {
  create: async (name, options, signal) => called('create', [name, options], signal, undefined),
  remove: async (name, signal) => called('remove', [name], signal, undefined),
  mount: async (name, id, signal) => called('mount', [name, id], signal, `/m/${name}`),
  unmount: async (name, id, signal) => called('unmount', [name, id], signal, undefined),
  path: async (name, signal) => called('path', [name], signal, `/m/${name}`),
  get: async (name, signal) => called('get', [name], signal, VIEW),
  list: async (signal) => called('list', [], signal, [VIEW]),
  activated: () => void calls.push(['activated']),
};

const log =
  (level: string) =>
  (message: string, fields: Record<string, unknown> = {}): void =>
    void lines.push({ level, message, fields });
const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };

interface Reply {
  status: number | undefined;
  type: string | undefined;
  body: unknown;
}

/** As dockerd sends it: no content type, the body and a line end; `undefined` sends no body at all. */
async function post(verb: string, body?: unknown, options: { signal?: AbortSignal } = {}): Promise<Reply> {
  const text = body === undefined ? '' : typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  const headers = { Host: '', 'Content-Length': Buffer.byteLength(text) };
  const req = request({ socketPath, path: `/${verb}`, method: 'POST', agent, headers, ...options });
  req.end(text);
  const res = await new Promise<IncomingMessage>((resolve, reject) =>
    req.once('response', resolve).once('error', reject),
  );
  let answer = '';
  for await (const chunk of res) answer += String(chunk);
  return { status: res.statusCode, type: res.headers['content-type'], body: JSON.parse(answer) };
}

const fail = (code: ConstructorParameters<typeof DriverError>[0], message: string) => async (): Promise<never> =>
  Promise.reject(new DriverError(code, message, { next: 'look at the array' }));

/** Until the caller gives up. */
const hang = async (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      calls.push(['aborted']);
      reject(new DriverError('unavailable', String(signal.reason)));
    });
  });

/** A promise that waits for its release. */
function gate(): { passed: Promise<undefined>; release: () => void } {
  let release: (value: undefined) => void;
  const passed = new Promise<undefined>((resolve) => {
    release = resolve;
  });
  return { passed, release: () => release(undefined) };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !condition(); i += 1) await pause(10);
  expect(condition()).toBe(true);
}

async function start(shortMs = 5000, finishMs = 3000): Promise<PluginServer> {
  const timeouts = { longMs: 2 * shortMs, shortMs, wayBackMs: 100 };
  const within = async <T>(_fields: object, work: () => Promise<T>): Promise<T> => work();
  return startPluginServer({ socketPath, driver, logger, timeouts, finishMs, within });
}

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'plugin-'));
  socketPath = path.join(dir, 'plugins', 'hpe.sock');
  calls = [];
  lines = [];
  behaviour = {};
  agent = new Agent({ keepAlive: true });
  server = await start();
});

afterEach(async () => {
  agent.destroy();
  await server.close();
  await rm(dir, { recursive: true });
});

const loggedFields = (verb: string, outcome: string): unknown =>
  expect.objectContaining({ verb, volume: 'db', outcome, ms: expect.any(Number) });

describe('the verbs', () => {
  it.each([
    ['Plugin.Activate', undefined, ['activated'], { Implements: ['VolumeDriver'], Err: '' }],
    ['VolumeDriver.Capabilities', {}, undefined, { Capabilities: { Scope: 'global' }, Err: '' }],
    [
      'VolumeDriver.Create',
      { Name: 'db', Opts: { size: '1', x: 'a=b' } },
      ['create', 'db', { size: '1', x: 'a=b' }],
      { Err: '' },
    ],
    ['VolumeDriver.Create', { Name: 'db', Opts: null }, ['create', 'db', {}], { Err: '' }],
    ['VolumeDriver.Create', { Name: 'db' }, ['create', 'db', {}], { Err: '' }],
    ['VolumeDriver.Remove', { Name: 'db' }, ['remove', 'db'], { Err: '' }],
    ['VolumeDriver.Mount', { Name: 'db', ID }, ['mount', 'db', ID], { Mountpoint: '/m/db', Err: '' }],
    ['VolumeDriver.Unmount', { Name: 'db', ID }, ['unmount', 'db', ID], { Err: '' }],
    ['VolumeDriver.Path', { Name: 'db' }, ['path', 'db'], { Mountpoint: '/m/db', Err: '' }],
    ['VolumeDriver.List', {}, ['list'], { Volumes: [{ Name: 'db', Mountpoint: '/m/db' }], Err: '' }],
    ['VolumeDriver.List', undefined, ['list'], { Volumes: [{ Name: 'db', Mountpoint: '/m/db' }], Err: '' }],
  ])('%s %j', async (verb, body, call, answer) => {
    expect(await post(verb, body)).toEqual({
      status: 200,
      type: 'application/vnd.docker.plugins.v1.2+json',
      body: answer,
    });
    expect(calls).toEqual(call === undefined ? [] : [call]);
  });

  it('answers Get with the very name that was asked for, and a time only when it is one', async () => {
    const volume = { Name: 'DB', Mountpoint: '/m/db', CreatedAt: VIEW.createdAt, Status: VIEW.status };
    expect((await post('VolumeDriver.Get', { Name: 'DB' })).body).toEqual({ Volume: volume, Err: '' });
    behaviour.get = async () => Promise.resolve({ ...VIEW, createdAt: '' });
    const { CreatedAt: _omitted, ...rest } = volume;
    expect((await post('VolumeDriver.Get', { Name: 'DB' })).body).toEqual({ Volume: rest, Err: '' });
  });

  it('serves two clients at once on connections that stay open', async () => {
    const { passed, release } = gate();
    behaviour.mount = () => passed;
    const slow = post('VolumeDriver.Mount', { Name: 'db', ID });
    await until(() => calls.length === 1);
    expect((await post('VolumeDriver.Path', { Name: 'other' })).body).toMatchObject({ Mountpoint: '/m/other' });
    release();
    expect((await slow).body).toEqual({ Mountpoint: '/m/db', Err: '' });
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(2);
  });

  it('logs one line for each call', async () => {
    await post('VolumeDriver.Create', { Name: 'db', Opts: null });
    await post('VolumeDriver.Get', { Name: 'db' });
    behaviour.remove = fail('busy', 'in use');
    await post('VolumeDriver.Remove', { Name: 'db' });
    behaviour.unmount = async () => Promise.reject(new TypeError('oops'));
    await post('VolumeDriver.Unmount', { Name: 'db', ID });
    expect(lines).toEqual([
      { level: 'info', message: expect.any(String), fields: loggedFields('Create', 'ok') },
      { level: 'debug', message: expect.any(String), fields: loggedFields('Get', 'ok') },
      { level: 'warn', message: expect.any(String), fields: loggedFields('Remove', 'busy') },
      { level: 'error', message: expect.any(String), fields: loggedFields('Unmount', 'internal') },
    ]);
    expect(lines[3]?.fields['stack']).toContain('TypeError: oops');
  });
});

describe('bad requests', () => {
  const changing = ['Create', 'Remove', 'Mount', 'Unmount', 'Path'].map((verb) => `VolumeDriver.${verb}`);
  const bodies = [
    undefined,
    '',
    '\n',
    '{',
    'null',
    '[]',
    '"db"',
    '{}',
    '{"Name":1}',
    '{"Name":null}',
    '{"Name":["db"]}',
    '\u0000',
  ];
  it.each(changing)('%s never acts on a body that it cannot understand', async (verb) => {
    for (const body of bodies) {
      const reply = await post(verb, body);
      expect(reply).toMatchObject({ status: 200, body: { Err: expect.stringMatching(/nothing was done/) } });
    }
    expect(calls).toEqual([]);
  });

  it.each([
    ['Create', { Name: 'db', Opts: { size: 1 } }],
    ['Create', { Name: 'db', Opts: { size: null } }],
    ['Create', { Name: 'db', Opts: ['size'] }],
    ['Create', { Name: 'db', Opts: 'size=1' }],
    ['Mount', { Name: 'db' }],
    ['Mount', { Name: 'db', ID: '' }],
    ['Mount', { Name: 'db', ID: 7 }],
    ['Unmount', { Name: 'db' }],
  ])('%s refuses %j', async (verb, body) => {
    const { body: answer } = await post(`VolumeDriver.${verb}`, body);
    expect(answer).toEqual({ Err: expect.stringMatching(/Opts|ID/) });
    expect(calls).toEqual([]);
  });

  it('drops the connection of a Get that it cannot understand', async () => {
    for (const body of bodies) await expect(post('VolumeDriver.Get', body)).rejects.toThrow(/hang up|ECONNRESET/);
    await expect(post('VolumeDriver.Get', 'x'.repeat(2_000_000))).rejects.toThrow(/hang up|ECONNRESET|EPIPE/);
    expect(calls).toEqual([]);
  });

  it('answers too large a body and an unknown method with an error', async () => {
    expect((await post('VolumeDriver.Remove', 'x'.repeat(2_000_000))).body).toEqual({
      Err: expect.stringMatching(/^the request cannot be read .*large.*nothing was done/),
    });
    expect(await post('VolumeDriver.Explode', {})).toMatchObject({
      status: 404,
      body: { Err: expect.stringContaining('Explode') },
    });
    expect(await post('NetworkDriver.Create', {})).toMatchObject({ status: 404, body: { Err: expect.any(String) } });
    expect(await post('__proto__', {})).toMatchObject({ status: 404 });
    expect(calls).toEqual([]);
  });
});

describe('failures', () => {
  it('keeps an error with a huge name short, and its next step in it', async () => {
    behaviour.remove = fail('busy', `volume ${'x'.repeat(500_000)} is in use`);
    const { Err } = (await post('VolumeDriver.Remove', { Name: 'db' })).body as { Err: string };
    expect(Err.length).toBeLessThan(2_000);
    expect(Err).toMatch(/^volume x.* in use; next: look at the array$/);
  });

  it('answers one clean line with the next step', async () => {
    behaviour.create = fail('refused', 'the roles\nare \u001b[31mreversed');
    expect((await post('VolumeDriver.Create', { Name: 'db' })).body).toEqual({
      Err: 'the roles are  [31mreversed; next: look at the array',
    });
  });

  it('answers an explanation with its lines, and logs no failure', async () => {
    behaviour.create = async () => Promise.reject(new Explanation(['first', 'second\u001b[31m']));
    const { body } = await post('VolumeDriver.Create', { Name: 'db', Opts: { help: '' } });
    expect(body).toEqual({ Err: 'first\nsecond [31m' });
    expect(lines).toEqual([
      { level: 'info', message: expect.any(String), fields: loggedFields('Create', 'explained') },
    ]);
  });

  it('says "not found" to Get only when that is certain, and drops the connection otherwise', async () => {
    behaviour.get = fail('not-found', 'there is no volume db');
    expect((await post('VolumeDriver.Get', { Name: 'db' })).body).toEqual({
      Err: expect.stringContaining('no volume db'),
    });
    for (const code of [
      'unavailable',
      'internal',
      'busy',
      'refused',
      'invalid',
      'fenced',
      'unknown-outcome',
      'exists',
    ] as const) {
      behaviour.get = fail(code, 'etcd is silent');
      await expect(post('VolumeDriver.Get', { Name: 'db' })).rejects.toThrow(/hang up|ECONNRESET/);
    }
    calls = [];
    expect((await post('VolumeDriver.Get', { Name: '' })).body).toEqual({ Err: expect.any(String) });
    expect(calls).toEqual([]);
  });

  it('drops the connection of a List that fails or would hold null, which kills dockerd', async () => {
    behaviour.list = fail('unavailable', 'etcd is silent');
    await expect(post('VolumeDriver.List', {})).rejects.toThrow(/hang up|ECONNRESET/);
    behaviour.list = async () => Promise.resolve([VIEW, null]);
    await expect(post('VolumeDriver.List', {})).rejects.toThrow(/hang up|ECONNRESET/);
  });

  it.each(['', 'relative/path'])('never hands out the mount path %j', async (mountpoint) => {
    behaviour.mount = async () => Promise.resolve(mountpoint);
    expect((await post('VolumeDriver.Mount', { Name: 'db', ID })).body).toEqual({ Err: expect.stringContaining('db') });
  });
});

/** How long the answer took, and what it was. */
async function timed(verb: string): Promise<[number, unknown]> {
  const began = performance.now();
  const reply = await post(`VolumeDriver.${verb}`, { Name: 'db', ID });
  return [performance.now() - began, reply.body];
}

describe('time', () => {
  it('ends a call at its deadline, later for Create and Mount', async () => {
    await server.close();
    server = await start(100);
    for (const verb of ['create', 'mount', 'remove', 'unmount', 'path', 'get', 'list'] as const) behaviour[verb] = hang;
    for (const [verb, ms] of [
      ['Create', 200],
      ['Mount', 200],
      ['Remove', 100],
      ['Unmount', 100],
      ['Path', 100],
    ] as const) {
      const [took, body] = await timed(verb);
      expect(body).toEqual({ Err: expect.stringContaining(`not done within ${ms / 1000} s`) });
      expect(took).toBeGreaterThan(ms - 5);
    }
    await expect(timed('Get')).rejects.toThrow(/hang up|ECONNRESET/);
  });

  it('answers soon after the deadline although a rollback goes on, and takes back a Mount that still succeeds', async () => {
    await server.close();
    server = await start(100);
    const { passed, release } = gate();
    behaviour = { create: () => passed, mount: () => passed, remove: () => passed, get: () => passed };
    for (const verb of ['Create', 'Mount', 'Remove']) {
      const [, body] = await timed(verb);
      expect(body).toEqual({ Err: expect.stringMatching(/not done within 0.[12] s; .*by itself; next: /) });
    }
    await expect(timed('Get')).rejects.toThrow(/hang up|ECONNRESET/);
    release();
    await until(() => calls.length === 5);
    expect(calls[4]).toEqual(['unmount', 'db', ID]);
  });

  it('tells the driver when the client gives up', async () => {
    behaviour.create = hang;
    const client = new AbortController();
    const pending = post('VolumeDriver.Create', { Name: 'db' }, { signal: client.signal });
    await until(() => calls.length === 1);
    client.abort();
    await expect(pending).rejects.toThrow(/abort/);
    await until(() => calls.length === 2);
    expect(calls[1]).toEqual(['aborted']);
  });

  it('takes a Mount back that succeeds after the client has gone', async () => {
    const { passed, release } = gate();
    behaviour.mount = () => passed;
    const client = new AbortController();
    const pending = post('VolumeDriver.Mount', { Name: 'db', ID }, { signal: client.signal });
    await until(() => calls.length === 1);
    client.abort();
    await expect(pending).rejects.toThrow(/abort/);
    await pause(50);
    release();
    await until(() => calls.length === 2);
    expect(calls[1]).toEqual(['unmount', 'db', ID]);
  });
});

describe('the socket', () => {
  it('is for root only', async () => {
    const { mode } = await stat(socketPath);
    expect((mode & 0o777).toString(8)).toBe('600');
  });

  it('is never shared with a second daemon', async () => {
    await expect(start()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('another daemon'),
    });
    expect((await post('VolumeDriver.Path', { Name: 'db' })).status).toBe(200);
  });

  it('replaces a stale one, but nothing that is not a socket', async () => {
    await server.close();
    await leaveStaleSocket();
    server = await start();
    expect((await post('VolumeDriver.Path', { Name: 'db' })).status).toBe(200);
    await server.close();
    await writeFile(socketPath, 'precious');
    await expect(start()).rejects.toMatchObject({ code: 'refused' });
    await rm(socketPath);
    server = await start();
  });

  it('is gone after the stop, with every request answered and idle connections cut', async () => {
    behaviour.mount = async () => pause(200, '/m/db');
    await post('Plugin.Activate');
    const silent = connect(socketPath);
    await once(silent, 'connect');
    const running = post('VolumeDriver.Mount', { Name: 'db', ID });
    await until(() => calls.length === 2);
    const cut = once(silent, 'close');
    await server.close();
    expect((await running).body).toEqual({ Mountpoint: '/m/db', Err: '' });
    await cut;
    expect(await readdir(path.dirname(socketPath))).toEqual([]);
    await server.close();
    server = await start();
  });

  it('says why it cannot be made', async () => {
    await server.close();
    socketPath = path.join(dir, 'x'.repeat(120));
    await expect(start()).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining(socketPath) });
    await writeFile(path.join(dir, 'file'), '');
    socketPath = path.join(dir, 'file', 'hpe.sock');
    await expect(start()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining(socketPath) });
    expect(await readdir(dir)).toEqual(['file', 'plugins']);
  });

  it('makes calls that take too long roll back at the stop', async () => {
    await server.close();
    server = await start(5000, 100);
    behaviour.create = hang;
    const running = post('VolumeDriver.Create', { Name: 'db' });
    await until(() => calls.length === 1);
    await server.close();
    expect((await running).body).toEqual({ Err: expect.stringContaining('being stopped') });
    expect(calls).toContainEqual(['aborted']);
    server = await start();
  });
});

/** What a daemon leaves that was killed: the file, and nobody behind it. */
async function leaveStaleSocket(): Promise<void> {
  const other = createServer().listen(`${socketPath}.other`);
  await once(other, 'listening');
  await link(`${socketPath}.other`, socketPath);
  other.close();
  await once(other, 'close');
}
