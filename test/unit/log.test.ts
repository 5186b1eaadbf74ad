import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { DriverError } from '../../src/domain/errors.js';
import { Secret } from '../../src/domain/secret.js';
import { createLogger, withLogContext, type LogLevel } from '../../src/log.js';
import type { Logger } from '../../src/contracts/log.js';

/** A logger, and what it wrote: as text, and line by line. */
function capture(level: LogLevel = 'debug'): { logger: Logger; text(): string; lines(): Record<string, unknown>[] } {
  const output = new PassThrough();
  const text = (): string => written;
  let written = '';
  output.on('data', (data: Buffer) => (written += data.toString()));
  return {
    logger: createLogger(level, output),
    text,
    lines: () =>
      text()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

/** The fields of one line. */
async function logged(fields: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { logger, lines } = capture();
  logger.info('test', fields);
  await setImmediate();
  expect(lines()).toHaveLength(1);
  return lines()[0] ?? {};
}

describe('a secret', () => {
  const secret = new Secret('hush');

  it('prints as *** wherever it is printed, and is given by reveal only', () => {
    expect([
      secret.toString(),
      String(secret),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ a: [secret] }),
    ]).toEqual(['***', '***', '{"secret":"***"}', '***', '{ a: [ *** ] }']);
    expect(secret.reveal()).toBe('hush');
    expect(Object.getOwnPropertyNames(secret)).toEqual([]);
  });
});

describe('the log', () => {
  it('is one JSON object a line, with time, level and message', async () => {
    const { logger, text, lines } = capture();
    logger.debug('a');
    logger.info('two\nlines\u2028', { volume: 'v', list: [1, true, null], gone: undefined });
    logger.warn('c');
    logger.error('d');
    await setImmediate();
    expect(text().split('\n')).toHaveLength(5);
    expect(lines().map(({ level }) => level)).toEqual(['debug', 'info', 'warning', 'error']);
    expect(lines()[1]).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      level: 'info',
      message: 'two\nlines\u2028',
      volume: 'v',
      list: [1, true, null],
    });
  });

  it('leaves out what is below its level', async () => {
    const { logger, lines } = capture('warning');
    logger.info('no');
    logger.warn('yes');
    await setImmediate();
    expect(lines().map(({ message }) => message)).toEqual(['yes']);
  });

  it('says which verb, volume and operation a line belongs to, also after an await and in nested calls', async () => {
    const { logger, lines } = capture();
    const work = (volume: string): Promise<void> =>
      withLogContext({ verb: 'Mount', volume }, async () => {
        await setImmediate();
        await withLogContext({ operation: `of ${volume}` }, async () => {
          await setImmediate();
          logger.info('inside');
        });
        logger.info('outside');
      });
    await Promise.all([work('a'), work('b')]);
    logger.info('apart');
    await setImmediate();
    const summary = lines().map(({ message, verb, volume, operation }) => [message, verb, volume, operation].join('|'));
    expect(summary.toSorted()).toEqual([
      'apart|||',
      'inside|Mount|a|of a',
      'inside|Mount|b|of b',
      'outside|Mount|a|',
      'outside|Mount|b|',
    ]);
  });

  it('does not let a field take the place of time, level or message', async () => {
    expect(await logged({ message: 'mine', level: 'none' })).toMatchObject({
      message: 'test',
      level: 'info',
      message_: 'mine',
      level_: 'none',
    });
  });

  it('prints no secret', async () => {
    const line = await logged({
      config: { password: new Secret('hush'), inner: [{ san: new Secret('hush') }] },
      hpe3par_password: 'hush',
      map: new Map([['sessionKey', 'hush']]),
      url: 'https://user:hush@10.0.0.1/api',
      error: new Error('cannot reach https://user:hush@10.0.0.1/api'),
    });
    expect(JSON.stringify(line)).not.toContain('hush');
    expect(line).toMatchObject({ config: { password: '***' }, url: 'https://user:***@10.0.0.1/api' });
  });

  it('prints message, code and stack of an error, its causes, and nothing that it carries', async () => {
    const cause = Object.assign(new Error('socket hang up'), {
      code: 'ECONNRESET',
      config: { data: '{"password":"hush"}' },
      request: { headers: 'hush' },
      toJSON: () => ({ data: 'hush' }),
    });
    const line = await logged({ error: new DriverError('unavailable', 'no answer', { cause, next: 'wait' }) });
    expect(line['error']).toEqual({
      name: 'DriverError',
      message: 'no answer',
      code: 'unavailable',
      next: 'wait',
      stack: expect.stringContaining('log.test'),
      cause: { name: 'Error', message: 'socket hang up', code: 'ECONNRESET', stack: expect.any(String) },
    });
  });

  it('prints anything, however odd', async () => {
    const loop: Record<string, unknown> = { big: 10n, fn: () => 1, when: new Date(NaN), bytes: Buffer.alloc(9) };
    loop['self'] = loop;
    expect(await logged({ loop })).toMatchObject({
      loop: { big: '10', fn: '[function]', when: 'invalid date', bytes: '[9 bytes]', self: '[circular]' },
    });
    const nest = (depth: number): unknown => (depth === 0 ? 'deep' : { nest: nest(depth - 1) });
    expect(JSON.stringify(await logged({ deep: nest(500) }))).not.toContain('"deep"}');
    const getter = {
      get bad(): string {
        throw new Error('no');
      },
    };
    expect(await logged({ getter })).toMatchObject({ message: 'test', getter: '[cannot be printed]' });
  });

  it.each([
    ['a long message', 'x'.repeat(1_000_000), {}],
    ['a long field', 'm', { text: '\u0001'.repeat(1_000_000) }],
    ['many fields', 'm', Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key${i}`, 'v'.repeat(100)]))],
    [
      'wide and deep fields',
      'm',
      { rows: Array.from({ length: 1000 }, () => Array.from({ length: 1000 }, () => 'é'.repeat(50))) },
    ],
    ['a long message of control characters', '\u0001'.repeat(1_000_000), { more: 'y'.repeat(9_000) }],
  ])('keeps a line below 60 KiB with %s', async (_what, message, fields) => {
    const { logger, text, lines } = capture();
    logger.info(message, fields);
    await setImmediate();
    expect(Buffer.byteLength(text())).toBeLessThanOrEqual(60 * 1024);
    expect(lines()).toHaveLength(1);
    expect(lines()[0]?.['message']).toEqual(expect.stringContaining(message.slice(0, 1)));
  });

  it('goes on when nobody reads it any more', async () => {
    const output = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      },
    });
    const logger = createLogger('info', output);
    logger.info('one');
    await setImmediate();
    logger.info('two');
    await setImmediate();
    expect(output.destroyed).toBe(true);
  });

  it('does not end the process with its standard output', async () => {
    const script = `
      import { createLogger } from ${JSON.stringify(new URL('../../src/log.ts', import.meta.url).href)};
      const logger = createLogger('info');
      logger.info('first');
      setTimeout(() => {
        for (let i = 0; i < 100; i++) logger.info('into the void');
        setTimeout(() => process.stderr.write('alive'), 100);
      }, 100);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    await once(child.stdout, 'data');
    child.stdout.destroy();
    await once(child, 'close');
    expect({ code: child.exitCode, errors }).toEqual({ code: 0, errors: 'alive' });
  });
});
