import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ConfigError, loadConfig, type ParsedConfig } from '../../../src/config/config.js';
import { seal } from '../../../src/config/sealed.js';
import { readSecretFile } from '../../../src/config/secret-file.js';

const good = readFileSync(new URL('../../fixtures/hpe-conf/good.conf', import.meta.url), 'utf8');
const dir = mkdtempSync(path.join(tmpdir(), 'hpe-secret-'));
const KEY = 'Zm9yIHRlc3RzIG9ubHksIG5vYm9keXMga2V5';
afterEach(() => {
  delete process.env['CREDENTIALS_DIRECTORY'];
});
afterAll(() => rmSync(dir, { recursive: true }));

function put(name: string, contents: string | Buffer, mode = 0o400): string {
  const file = path.join(dir, name);
  rmSync(file, { force: true });
  writeFileSync(file, contents);
  chmodSync(file, mode);
  return file;
}

/** good.conf with other lines for its four passwords. */
function load(lines: {
  primary?: string;
  primarySsh?: string;
  secondary?: string;
  secondarySsh?: string;
}): ParsedConfig {
  const { primary, primarySsh, secondary, secondarySsh } = lines;
  const text = good
    .replace('hpe3par_password = hush;1#=,:', (line) => primary ?? line)
    .replace('san_password = hush-2', (line) => primarySsh ?? line)
    .replace('hpe3par_password:hush;3#=:,', (line) => secondary ?? line)
    .replace('san_password:hush-4,', (line) => secondarySsh ?? line);
  return loadConfig(put('hpe.conf', text, 0o600));
}

function problems(run: () => ParsedConfig): string[] {
  try {
    return run().warnings.map(({ key, what, fix }) => `warning: ${key}: ${what}; ${fix}`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.message).not.toMatch(/hush|s3cret/);
    return error.problems.map(({ key, what }) => `${key}: ${what}`);
  }
}

function passwordsOf({ config }: ParsedConfig): unknown[] {
  const { primary, secondary } = config.backends.get('DEFAULT') ?? {};
  return [primary, secondary].map((array) => [
    [array?.password.reveal(), array?.passwordFrom],
    [array?.sanPassword.reveal(), array?.sanPasswordFrom],
  ]);
}

describe('a password in a file of its own', () => {
  it('is the line that the file holds, on each array', () => {
    const parsed = load({
      primary: `hpe3par_password_file = ${put('a', 's3cret-a\n')}`,
      primarySsh: `san_password_file = ${put('b', 's3cret b#;,=\r\n')}`,
      secondary: `hpe3par_password_file:${put('c', 's3cret-c')},`,
      secondarySsh: `san_password_file:${put('d', ' s3cret-d ')},`,
    });
    expect(parsed.warnings).toEqual([]);
    expect(passwordsOf(parsed)).toEqual([
      [
        ['s3cret-a', 'file'],
        ['s3cret b#;,=', 'file'],
      ],
      [
        ['s3cret-c', 'file'],
        [' s3cret-d ', 'file'],
      ],
    ]);
  });

  it('may be a credential of systemd', () => {
    const lines = { primary: 'hpe3par_password_file = $CREDENTIALS_DIRECTORY/array1' };
    expect(problems(() => load(lines))[0]).toContain('CREDENTIALS_DIRECTORY is not set');
    mkdirSync(path.join(dir, 'creds'), { recursive: true });
    put('creds/array1', 's3cret-a');
    process.env['CREDENTIALS_DIRECTORY'] = path.join(dir, 'creds');
    expect(passwordsOf(load(lines))[0]).toContainEqual(['s3cret-a', 'file']);
    expect(passwordsOf(load({ primary: 'hpe3par_password_file = ${CREDENTIALS_DIRECTORY}/array1' }))[0]).toContainEqual(
      ['s3cret-a', 'file'],
    );
  });

  it('of the primary array serves for the secondary with a warning, as a plain one does', () => {
    const file = put('a', 's3cret-a\n');
    const parsed = load({ primary: `hpe3par_password_file = ${file}`, secondary: '' });
    expect(passwordsOf(parsed)[1]).toContainEqual(['s3cret-a', 'file']);
    expect(parsed.warnings.map(({ key }) => key)).toEqual(['replication_device.hpe3par_password']);
    const own = load({ secondary: `hpe3par_password_file:${file},` });
    expect(own.warnings).toEqual([]);
    expect(passwordsOf(own)).toMatchObject([
      [['hush;1#=,:', 'text'], {}],
      [['s3cret-a', 'file'], {}],
    ]);
  });

  it('does not go with a password in hpe.conf at the same place', () => {
    const file = put('a', 's3cret-a\n');
    expect(problems(() => load({ primary: `hpe3par_password = hush;1#=,:\nhpe3par_password_file = ${file}` }))).toEqual(
      ['hpe3par_password_file: stands beside hpe3par_password, and only one of them can count'],
    );
    expect(problems(() => load({ secondarySsh: `san_password:hush-4,\n san_password_file:${file},` }))).toEqual([
      'replication_device.san_password_file: stands beside san_password, and only one of them can count',
    ]);
  });

  it('in a section counts before one in [backend_defaults]', () => {
    const file = put('a', 's3cret-a\n');
    const shared = `[backend_defaults]\nhpe3par_password = hush-9\n\n[DEFAULT]`;
    const text = good
      .replace('[DEFAULT]', '[one]')
      .replace('hpe3par_password = hush;1#=,:', `hpe3par_password_file = ${file}`);
    const parsed = loadConfig(put('hpe.conf', `${shared}\nlogging = INFO\n${text}`, 0o600));
    expect(parsed.config.backends.get('one')?.primary).toMatchObject({ passwordFrom: 'file' });
    expect(parsed.config.backends.get('one')?.primary.password.reveal()).toBe('s3cret-a');
  });

  it('gets a warning when others may read it, with what to do', () => {
    for (const mode of [0o444, 0o640, 0o604, 0o622]) {
      const file = put('a', 's3cret-a', mode);
      expect(problems(() => load({ primary: `hpe3par_password_file = ${file}` }))).toEqual([
        `warning: hpe3par_password_file: others may read the file that it names: its mode is 0${mode.toString(8)}; chown root and chmod 400 the file; with Docker secrets: mode=0400`,
      ]);
    }
  });

  it.each([
    ['/nonexistent/s3cret', 'ENOENT: no such file or directory'],
    [() => dir, 'it is not a file'],
    [() => put('a', ''), 'it is empty'],
    [() => put('a', '\n'), 'it is empty'],
    [() => put('a', 's3cret\nsecond'), 'it holds more than one line'],
    [() => put('a', 's3cret\tx'), 'it holds control characters'],
    [() => put('a', Buffer.from([0x73, 0xff])), 'it holds characters that are no UTF-8'],
    [() => put('a', 's3cret'.repeat(20_000)), 'it is too long for a secret'],
  ])('that is none is explained without its path or contents: %s', (file, why) => {
    const named = typeof file === 'string' ? file : file();
    expect(problems(() => load({ primary: `hpe3par_password_file = ${named}` }))).toEqual([
      `hpe3par_password_file: there is no secret in the file that it names: ${why}`,
    ]);
  });

  it('is not printed when it was written in the place of the path', () => {
    expect(problems(() => load({ primary: 'hpe3par_password_file = s3cret' }))).toEqual([
      'hpe3par_password_file: the value is not an absolute path',
    ]);
  });

  it('is not waited for when it is a pipe', () => {
    const pipe = path.join(dir, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(readSecretFile(pipe)).toEqual({ problem: 'it is not a file' });
  });

  it('of any bytes is a secret or a problem', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const found = readSecretFile(put('a', Buffer.from(bytes)));
        if ('text' in found) expect(Buffer.from(bytes).toString()).toContain(found.text);
        else expect(found.problem).toMatch(/^it /);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a password that was encrypted with a key file', () => {
  const sealed = seal('s3cret-a', KEY);

  it('is opened, also on the secondary array, with the key file of the section', () => {
    const parsed = load({
      primary: `password_key_file = ${put('key', `${KEY}\n`)}\nhpe3par_password = ${sealed}`,
      secondary: `hpe3par_password:${sealed},`,
    });
    expect(parsed.warnings).toEqual([]);
    expect(passwordsOf(parsed)).toMatchObject([
      [['s3cret-a', 'sealed'], {}],
      [['s3cret-a', 'sealed'], {}],
    ]);
  });

  it('is opened in every section with the key file of [DEFAULT]', () => {
    const text = good.replace('[DEFAULT]', '[one]').replace('hush;1#=,:', sealed);
    const main = `[DEFAULT]\npassword_key_file = ${put('key', KEY)}\n`;
    const { config } = loadConfig(put('hpe.conf', `${main}${text}`, 0o600));
    expect(config.backends.get('one')?.primary.password.reveal()).toBe('s3cret-a');
  });

  it('may stand in a file of its own, too', () => {
    const file = put('a', `${sealed}\n`);
    const key = `password_key_file = ${put('key', KEY)}`;
    expect(passwordsOf(load({ primary: `${key}\nhpe3par_password_file = ${file}` }))).toMatchObject([
      [['s3cret-a', 'sealed'], {}],
      {},
    ]);
  });

  it.each([0o440, 0o404, 0o660, 0o620])('is refused when others may read the key: %o', (mode) => {
    const key = put('key', KEY, mode);
    expect(problems(() => load({ primary: `password_key_file = ${key}\nhpe3par_password = ${sealed}` }))).toEqual([
      `password_key_file: the file that it names is no good key: others may read it: its mode is 0${mode.toString(8)}`,
    ]);
  });

  it.each([
    ['no key file', '', 'hpe3par_password: is encrypted, and password_key_file is missing'],
    [
      'another key',
      () => `password_key_file = ${put('key', 'another key, another key')}`,
      'hpe3par_password: was encrypted with another key file, or was changed',
    ],
    [
      'a short key',
      () => `password_key_file = ${put('key', 'short')}`,
      'password_key_file: the file that it names is no good key: it holds fewer than 16 characters',
    ],
    [
      'a key file that is gone',
      'password_key_file = /nonexistent',
      'password_key_file: there is no secret in the file that it names: ENOENT: no such file or directory',
    ],
  ])('with %s is explained', (_name, line, message) => {
    const key = typeof line === 'string' ? line : line();
    expect(problems(() => load({ primary: `${key}\nhpe3par_password = ${sealed}` }))).toEqual([message]);
  });

  it('of any damage is a ConfigError', () => {
    const key = put('key', KEY);
    fc.assert(
      fc.property(fc.stringMatching(/^[!-~]{0,30}$/), (rest) => {
        const found = problems(() =>
          load({ primary: `password_key_file = ${key}\nhpe3par_password = hpe-aes256gcm-v1.${rest}` }),
        );
        expect(found).toHaveLength(1);
      }),
      { numRuns: 50 },
    );
  });
});
