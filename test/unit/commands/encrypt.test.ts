import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { encrypt } from '../../../src/commands/encrypt.js';
import type { Terminal } from '../../../src/commands/ask-secret.js';
import { UsageError } from '../../../src/commands/usage.js';
import { unseal } from '../../../src/config/sealed.js';
import { failureOf } from '../array/array-settings.js';

const dir = mkdtempSync(path.join(tmpdir(), 'hpe-encrypt-'));
const at = (name: string): string => path.join(dir, name);
afterAll(() => rmSync(dir, { recursive: true }));

function put(name: string, text: string, mode = 0o600): string {
  writeFileSync(at(name), text);
  chmodSync(at(name), mode);
  return at(name);
}

/** A pipe that brings that text. */
function piped(text: string): Terminal {
  const input = new PassThrough();
  input.end(text);
  return { input, output: new Writable({ write: (_chunk, _coding, done) => done() }) };
}

/** A terminal on which each text is typed when it is asked for. */
function terminal(...typed: string[]): Terminal & { shown: () => string; raw: boolean[] } {
  let shown = '';
  const raw: boolean[] = [];
  const input = Object.assign(new PassThrough(), {
    isTTY: true as const,
    setRawMode(on: boolean) {
      raw.push(on);
      return input as never;
    },
  });
  const output = new Writable({
    write(chunk: Buffer, _coding, done) {
      shown += chunk.toString();
      if (chunk.toString().endsWith(': ')) input.write(typed.shift() ?? '\r');
      done();
    },
  });
  return { input, output, shown: () => shown, raw };
}

const usage = async (args: string[]): Promise<string> => {
  const thrown = await encrypt(args, piped('')).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(UsageError);
  return (thrown as Error).message;
};

describe('encrypt --key-file', () => {
  beforeEach(() => rmSync(at('key'), { force: true }));

  it('makes the key on demand, for its owner only, and a value that it opens', async () => {
    const [value = ''] = await encrypt(['--key-file', at('key'), '--new-key'], piped('3pardata\n'));
    expect(statSync(at('key')).mode & 0o777).toBe(0o600);
    const key = readFileSync(at('key'), 'utf8').trim();
    expect(Buffer.from(key, 'base64url')).toHaveLength(32);
    expect(unseal(value, key)).toEqual({ password: '3pardata' });
  });

  it('takes the key that is there, and the password from a file', async () => {
    const [value = ''] = await encrypt(
      ['--key-file', put('key', 'a key of some length\n'), '--password-file', put('password', '3par data\n')],
      piped(''),
    );
    expect(unseal(value, 'a key of some length')).toEqual({ password: '3par data' });
  });

  it('replaces no key', async () => {
    const key = put('key', 'a key of some length\n');
    expect(await failureOf(encrypt(['--key-file', key, '--new-key'], piped('x')))).toMatchObject({
      code: 'refused',
      message: expect.stringContaining('EEXIST'),
    });
    expect(readFileSync(key, 'utf8')).toBe('a key of some length\n');
  });

  it('leaves no empty key file behind when the disk is full', async () => {
    const full = at('full');
    mkdirSync(full);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'none', full]);
    try {
      writeFileSync(path.join(full, 'filler'), Buffer.alloc(4096));
      const failure = await failureOf(encrypt(['--key-file', path.join(full, 'key'), '--new-key'], piped('x')));
      expect(failure).toMatchObject({ code: 'refused', message: expect.stringContaining('ENOSPC') });
      expect(readdirSync(full)).toEqual(['filler']);
    } finally {
      execFileSync('umount', [full]);
    }
  });

  it('refuses a key that others can read, one that is too short, and none', async () => {
    const run = async (): Promise<string> => (await failureOf(encrypt(['--key-file', at('key')], piped('x')))).message;
    put('key', 'a key of some length\n', 0o640);
    expect(await run()).toBe('the file of --key-file is no good key: others may read it: its mode is 0640');
    put('key', 'short\n');
    expect(await run()).toContain('fewer than 16 characters');
    rmSync(at('key'));
    expect(await run()).toContain('ENOENT');
  });
});

describe('encrypt --passphrase-file', () => {
  it('makes the value that hpe3parencryptor makes', async () => {
    const args = ['--passphrase-file', put('passphrase', '@123#\n')];
    expect(await encrypt(args, piped('password\n'))).toEqual(['+CB1E8Je1j8=']);
    expect(await encrypt(args, piped('pässwörd-✓'))).toEqual(['+IJI6mpzq2/8sltz3wc=']);
  });
});

describe('the password', () => {
  const args = ['--passphrase-file', at('passphrase')];
  beforeEach(() => {
    put('passphrase', '@123#\n');
  });

  it('is typed twice on a terminal, and not shown', async () => {
    const tty = terminal('pasx\u007Fsword\r', 'password\n');
    expect(await encrypt(args, tty)).toEqual(['+CB1E8Je1j8=']);
    expect(tty.shown()).toBe('password: \npassword once more: \n');
    expect(tty.raw).toEqual([true, false, true, false]);
  });

  it('has to be the same both times, and may be given up', async () => {
    expect((await failureOf(encrypt(args, terminal('one\r', 'two\r')))).message).toBe(
      'the two differ; nothing was encrypted',
    );
    const tty = terminal('one\u0003');
    expect((await failureOf(encrypt(args, tty))).message).toBe('given up; nothing was encrypted');
    expect(tty.raw).toEqual([true, false]);
  });

  it.each(['', '\n', 'two\nlines', 'a\u0000b'])('is refused when it is none: %j', async (text) => {
    expect((await failureOf(encrypt(args, piped(text)))).message).toMatch(/^there is no secret in the standard input/);
  });

  it('has no place on the command line, and is not repeated when it stands there', async () => {
    for (const wrong of [['s3cret'], ['--password', 's3cret'], ['--s3cret'], ['--key-file', 'x', 's3cret']]) {
      expect(await usage(wrong)).not.toContain('s3cret');
    }
  });

  it('is encrypted in one way, which has to be said', async () => {
    expect(await usage([])).toContain('needs --key-file, or');
    expect(await usage(['--new-key'])).toContain('--new-key needs --key-file');
    expect(await usage(['--key-file', 'x', '--backend', 'DEFAULT'])).toContain('goes with neither');
  });
});
