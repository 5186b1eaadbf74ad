import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DriverError } from '../../src/domain/errors.js';
import { checkVolumeName } from '../../src/domain/names.js';
import type { VolumeDriver } from '../../src/driver/driver.js';
import { startPluginServer, type PluginServer } from '../../src/plugin/server.js';
import { verbs } from '../../src/plugin/verbs.js';
import { recordingLogger } from '../unit/array/array-settings.js';
import { exchangeRaw, type RawReply } from './raw-http.js';
import { oddName, requestBody } from './requests.js';
import { FUZZ } from './runs.js';

/** A server that does not answer within that time hangs. */
const HANG_MS = 10_000;
const LONGEST_ERROR = 2_000;

let dir: string;
let socketPath: string;
let server: PluginServer;
let calls: { verb: string; args: unknown[] }[];
const crashes: unknown[] = [];
const crash = (reason: unknown): void => void crashes.push(reason);

async function note<T>(verb: string, args: unknown[], answer: T): Promise<T> {
  calls.push({ verb, args });
  for (const arg of args) if (typeof arg !== 'string' && !isOptions(arg)) throw new Error(`${verb} got ${typeof arg}`);
  return Promise.resolve(answer);
}

const isOptions = (arg: unknown): boolean =>
  typeof arg === 'object' && arg !== null && Object.values(arg).every((value) => typeof value === 'string');

/** Knows no volume, and makes every volume whose name is one. */
const driver: VolumeDriver = {
  create: async (name, options) => note('create', [checkVolumeName(name), options], undefined),
  remove: async (name) => note('remove', [name], undefined),
  mount: async (name, id) => note('mount', [name, id], `/m/${Buffer.from(name).toString('hex')}`),
  unmount: async (name, id) => note('unmount', [name, id], undefined),
  path: async (name) => note('path', [name], ''),
  get: async (name) => {
    await note('get', [name], undefined);
    throw new DriverError('not-found', `there is no volume ${name}`);
  },
  list: async () => note('list', [], []),
  activated: () => undefined,
};

beforeAll(async () => {
  process.on('unhandledRejection', crash);
  process.on('uncaughtException', crash);
  dir = await mkdtemp(path.join(tmpdir(), 'hpe-fuzz-'));
  socketPath = path.join(dir, 'hpe.sock');
  const { logger } = recordingLogger();
  const timeouts = { longMs: 60_000, shortMs: 30_000, wayBackMs: 1_000 };
  const within = async <T>(_fields: object, work: () => Promise<T>): Promise<T> => work();
  server = await startPluginServer({ socketPath, driver, logger, timeouts, within });
});
beforeEach(() => {
  calls = [];
});
afterAll(async () => {
  await server.close();
  process.off('unhandledRejection', crash);
  process.off('uncaughtException', crash);
  await rm(dir, { recursive: true, force: true });
});

const verbName = fc.constantFrom(...Object.keys(verbs));

/** A request in good HTTP, or nearly. */
function requestOf(line: string, headers: string[], body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${[line, 'Host: plugin', ...headers].join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}
const posted = (verb: string, body: Buffer): Buffer =>
  requestOf(`POST /${verb} HTTP/1.1`, [`Content-Length: ${body.length}`], body);

/** One line that a person can read, in a JSON object. */
function expectClear({ status, body }: RawReply['answers'][number]): string {
  const answer = JSON.parse(body) as { Err?: unknown };
  expect(typeof answer.Err).toBe('string');
  const text = String(answer.Err);
  expect(text).not.toMatch(/\p{Cc}/u);
  expect(text.length).toBeLessThan(LONGEST_ERROR);
  expect([200, 404]).toContain(status);
  return text;
}

async function expectAlive(): Promise<void> {
  const activate = posted('Plugin.Activate', Buffer.from(''));
  const reply = await exchangeRaw(socketPath, { pieces: [activate], abort: false }, { answers: 1, ms: HANG_MS });
  expect(reply.answers.map(({ status, body }) => [status, body])).toEqual([
    [200, '{"Implements":["VolumeDriver"],"Err":""}\n'],
  ]);
  expect(crashes).toEqual([]);
}

describe('whatever is sent to the socket', () => {
  it('a request with any body gets one clear line, or for Get and List a closed connection', async () => {
    await fc.assert(
      fc.asyncProperty(verbName, requestBody, async (verb, body) => {
        const sending = { pieces: [posted(verb, body)], abort: false };
        const reply = await exchangeRaw(socketPath, sending, { answers: 1, ms: HANG_MS });
        const [answer] = reply.answers;
        if (answer === undefined) {
          expect(verbs[verb]?.silentWhenUncertain).toBe(true);
          expect(reply.closed).toBe(true);
          return;
        }
        expectClear(answer);
      }),
      { ...FUZZ.options, numRuns: 5 * FUZZ.runs },
    );
    await expectAlive();
  });

  it('nothing is done for a body without the members that the verb needs', async () => {
    await fc.assert(
      fc.asyncProperty(verbName, requestBody, async (verb, body) => {
        calls = [];
        const sending = { pieces: [posted(verb, body)], abort: false };
        const reply = await exchangeRaw(socketPath, sending, { answers: 1, ms: HANG_MS });
        const failed = reply.answers[0] === undefined || expectClear(reply.answers[0]) !== '';
        const changes = calls.filter(({ verb: called }) => ['create', 'remove', 'mount', 'unmount'].includes(called));
        if (failed) expect(changes).toEqual([]);
        else expect(changes.length).toBe(verbs[verb]?.changes === true ? 1 : 0);
      }),
      { ...FUZZ.options, numRuns: 5 * FUZZ.runs },
    );
  });

  it('any other method, path or header is refused, and the server goes on', async () => {
    const word = fc.oneof(
      oddName.map((name) => name.slice(0, 500)),
      fc.constantFrom('POST', 'GET', '/VolumeDriver.Get', '*'),
    );
    const header = fc.oneof(
      fc.constantFrom(
        'Content-Length: -1',
        'Content-Length: 99999999999999999999',
        'Content-Length: 5',
        'Transfer-Encoding: chunked',
        'Transfer-Encoding: gzip',
        'Content-Encoding: gzip',
        'Content-Encoding: nonsense',
        'Content-Type: application/json; charset=utf-7',
        'Expect: 100-continue',
        'Expect: the unexpected',
        'Connection: upgrade',
        'Upgrade: h2c',
        `X: ${'x'.repeat(20_000)}`,
      ),
      fc.tuple(word, word).map(([name, value]) => `${name}: ${value}`),
    );
    const line = fc.oneof(
      fc.tuple(word, word).map(([method, target]) => `${method} ${target} HTTP/1.1`),
      fc.constantFrom(
        '',
        'GET / HTTP/0.9',
        'PRI * HTTP/2.0',
        'POST /VolumeDriver.Create HTTP/1.1',
        '\u0016\u0003\u0001',
      ),
    );
    await fc.assert(
      fc.asyncProperty(line, fc.array(header, { maxLength: 4 }), requestBody, async (first, headers, body) => {
        const sending = { pieces: [requestOf(first, headers, body)], abort: false };
        const reply = await exchangeRaw(socketPath, sending, { answers: 1, ms: 200 });
        for (const { status, body: text } of reply.answers) {
          // An answer that our own patience cut off has no body yet.
          if (status === 200 && text !== '') expectClear({ status, body: text });
          else expect([100, 200, 400, 404, 411, 413, 417, 431, 501]).toContain(status);
        }
      }),
      { ...FUZZ.options, numRuns: FUZZ.runs },
    );
    await expectAlive();
  });

  it('pieces, broken chunks and clients that hang up leave nothing hanging', async () => {
    const pieces = fc.tuple(verbName, requestBody, fc.array(fc.nat(), { maxLength: 5 })).map(([verb, body, cuts]) => {
      const whole = posted(verb, body);
      const at = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].toSorted((a, b) => a - b);
      return [0, ...at].map((from, index) => whole.subarray(from, at[index] ?? whole.length));
    });
    const chunked = fc
      .tuple(verbName, fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 5 }))
      .map(([verb, chunks]) => [
        requestOf(`POST /${verb} HTTP/1.1`, ['Transfer-Encoding: chunked'], Buffer.alloc(0)),
        ...chunks.map((chunk) => Buffer.from(`${chunk.length.toString(16)}\r\n${chunk}\r\n`)),
        Buffer.from('0\r\n\r\n'),
      ]);
    await fc.assert(
      fc.asyncProperty(fc.oneof(pieces, chunked), fc.nat(), fc.boolean(), async (all, kept, abort) => {
        const sending = { pieces: abort ? all.slice(0, kept % (all.length + 1)) : all, abort };
        const reply = await exchangeRaw(socketPath, sending, { answers: 1, ms: abort ? 50 : HANG_MS });
        for (const answer of reply.answers) if (answer.status !== 400) expectClear(answer);
        if (!abort) expect(reply.answers.length + Number(reply.closed)).toBeGreaterThan(0);
      }),
      { ...FUZZ.options, numRuns: 2 * FUZZ.runs },
    );
    await expectAlive();
  });

  it('requests one after another on one connection are answered in order', async () => {
    const named = fc.constantFrom('VolumeDriver.Remove', 'VolumeDriver.Path', 'VolumeDriver.Create', 'Plugin.Activate');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(named, requestBody), { minLength: 2, maxLength: 6 }), async (requests) => {
        const one = Buffer.concat(requests.map(([verb, body]) => posted(verb, body)));
        const count = requests.length;
        const reply = await exchangeRaw(socketPath, { pieces: [one], abort: false }, { answers: count, ms: HANG_MS });
        // Too large a body may end the connection, since the rest of it is not read.
        if (!reply.closed) expect(reply.answers.length).toBe(count);
        const single = await Promise.all(
          requests.map(async ([verb, body]) =>
            exchangeRaw(socketPath, { pieces: [posted(verb, body)], abort: false }, { answers: 1, ms: HANG_MS }),
          ),
        );
        const apart = single.map((each) => each.answers[0]?.body);
        expect(reply.answers.map(({ body }) => body)).toEqual(apart.slice(0, reply.answers.length));
      }),
      { ...FUZZ.options, numRuns: FUZZ.runs },
    );
    await expectAlive();
  });
});
