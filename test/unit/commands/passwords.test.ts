import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Passwords } from '../../../src/commands/passwords.js';
import { parseConfig, type Config } from '../../../src/config/config.js';
import { encryptOld } from '../../../src/config/old-cipher.js';
import type { Passphrases } from '../../../src/contracts/store.js';
import { DriverError } from '../../../src/domain/errors.js';
import { openPassword, Secret } from '../../../src/domain/secret.js';
import { failureOf, recordingLogger, soon } from '../array/array-settings.js';

const good = readFileSync(new URL('../../fixtures/hpe-conf/good.conf', import.meta.url), 'utf8');
const PASSPHRASE = '@123#';
const WORDS = ['s3cret-1', 's3cret-2', 's3cret-3', 's3cret-4'] as const;
const encrypted = WORDS.map((word) => encryptOld(word, PASSPHRASE));

/** hpe.conf with these passwords: of the array and of SSH, primary and secondary. */
function configWith(values: readonly string[]): Config {
  const [a = '', b = '', c = '', d = ''] = values;
  const text = good
    .replace('hush;1#=,:', () => a)
    .replace('hush-2', () => b)
    .replace('hush;3#=:', () => c)
    .replace('hush-4', () => d);
  return parseConfig(text, 'hpe.conf').config;
}

/** An etcd that can be away. */
function etcdWith(passphrase: string | undefined) {
  const state = { passphrase, away: false, looks: [] as string[] };
  const passphrases: Passphrases = {
    find: async (backend) => {
      state.looks.push(backend);
      if (state.away) throw new DriverError('unavailable', 'etcd at 10.0.0.9:2379 does not answer', { next: 'look' });
      return Promise.resolve(state.passphrase === undefined ? undefined : new Secret(state.passphrase));
    },
    save: async () => Promise.resolve(),
  };
  return { state, store: { passphrases } };
}

/** All passwords of the backend as its arrays get them. */
async function opened(config: Config, passwords: Passwords): Promise<string[]> {
  const { primary, secondary } = config.backends.get('DEFAULT') ?? {};
  const all = [primary?.password, primary?.sanPassword, secondary?.password, secondary?.sanPassword];
  return Promise.all(
    all.map(async (value) => (await openPassword(passwords.of('DEFAULT', value ?? new Secret('')), soon())).reveal()),
  );
}

function build(values: readonly string[], etcd = etcdWith(PASSPHRASE)) {
  const config = configWith(values);
  const { logger, text } = recordingLogger();
  const passwords = new Passwords(config, { store: etcd.store, logger });
  return { config, passwords, log: text, ...etcd };
}

describe('passwords that hpe3parencryptor has encrypted', () => {
  it('are decrypted on both arrays, for WSAPI and SSH, with the passphrase of their backend in etcd', async () => {
    const { config, passwords, state, log } = build(encrypted);
    expect(await opened(config, passwords)).toEqual(WORDS);
    expect(new Set(state.looks)).toEqual(new Set(['DEFAULT']));
    await passwords.announce();
    expect(log()).toMatch(/passwords of backend DEFAULT: hpe3par_password, san_password, replication_device/);
    expect(log()).toMatch(/as by hpe3parencryptor \(weak: .*better: docs\/secrets\.md/);
    expect(log()).not.toMatch(/s3cret|@123#/);
  });

  it('are plain text when etcd has no passphrase, and the log says so where they look encrypted', async () => {
    const { config, passwords, log } = build(encrypted, etcdWith(undefined));
    expect(await opened(config, passwords)).toEqual(encrypted);
    await passwords.announce();
    expect(log()).toContain('plain text in hpe.conf');
    expect(log()).toContain('etcd has no passphrase in /backend/DEFAULT');
    for (const value of encrypted) expect(log()).not.toContain(value);
  });

  it('wait for etcd, and nothing is handed out until it answers; then the log has their line', async () => {
    const { config, passwords, state, log } = build(encrypted);
    state.away = true;
    await passwords.announce();
    expect(log()).toContain('wait for etcd');
    expect(passwords.protection()).toMatchObject([{ line: expect.stringContaining('known when etcd answers') }]);
    const failure = await failureOf(opened(config, passwords));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toMatch(
      /^the passwords of backend DEFAULT wait for etcd, .* \(\/backend\/DEFAULT\).*: etcd at 10.0.0.9:2379 does not answer$/,
    );
    expect(failure.next).toBe('look');
    expect(log()).not.toContain('hpe3parencryptor');
    state.away = false;
    expect(await opened(config, passwords)).toEqual(WORDS);
    expect(log().match(/hpe3parencryptor/g)).toHaveLength(1);
  });

  it('are not looked for again once they are known', async () => {
    const { config, passwords, state } = build(encrypted);
    await opened(config, passwords);
    state.away = true;
    expect(await opened(config, passwords)).toEqual(WORDS);
  });

  it.each([
    [1, 'san_password', 'hpe3par_password, replication_device.hpe3par_password, replication_device.san_password are'],
    [2, 'replication_device.hpe3par_password', 'hpe3par_password, san_password, replication_device.san_password are'],
  ])('beside a plain one are an error that says which: password %i', async (at, plain, others) => {
    const { config, passwords, log } = build(encrypted.with(at, 'plain-s3cret'));
    const failure = await failureOf(opened(config, passwords));
    expect(failure.code).toBe('invalid');
    expect(failure.message).toBe(
      `etcd has a passphrase in /backend/DEFAULT, but in hpe.conf ${plain} of backend DEFAULT is not encrypted with it, while ${others}; no password was sent`,
    );
    expect(failure.next).toBe(
      'encrypt it: hpe-volume-plugin encrypt --backend DEFAULT; or, if all passwords of the backend are meant as plain text: etcdctl del /backend/DEFAULT',
    );
    await passwords.announce();
    expect(log()).not.toMatch(/s3cret|@123#/);
  });

  it('of another passphrase are an error, and not sent as they are', async () => {
    const { config, passwords } = build(encrypted, etcdWith('another one'));
    expect(await failureOf(opened(config, passwords))).toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/ are not encrypted with it; no password was sent$/),
    });
  });

  it('are opened after all when the error is put right in etcd', async () => {
    const { config, passwords, state } = build(encrypted, etcdWith('another one'));
    await failureOf(opened(config, passwords));
    state.passphrase = PASSPHRASE;
    expect(await opened(config, passwords)).toEqual(WORDS);
  });

  it('are all there are: passwords that cannot be encrypted ones do not wait for etcd', async () => {
    const plain = ['no base64!', 'hush-2', 'x', 'yy'];
    const { config, passwords, state } = build(plain);
    state.away = true;
    expect(await opened(config, passwords)).toEqual(plain);
    expect(state.looks).toEqual([]);
  });

  it('do not wait where the metadata are on this host alone: the old plugin had no passphrase without etcd', async () => {
    const config = configWith(encrypted);
    const { logger } = recordingLogger();
    const passwords = new Passwords(config, { store: {}, logger });
    expect(await opened(config, passwords)).toEqual(encrypted);
  });

  it('may stand beside a password in a file of its own, which then waits for etcd as well', async () => {
    const config = parseConfig(
      good
        .replace('hpe3par_password = hush;1#=,:', 'hpe3par_password_file = /run/secrets/one')
        .replace('hush-2', () => encrypted[1] ?? '')
        .replace('hush;3#=:', () => encrypted[2] ?? '')
        .replace('hush-4', () => encrypted[3] ?? ''),
      'hpe.conf',
      { readSecret: () => ({ text: encrypted[0] ?? '' }) },
    ).config;
    const { store, state } = etcdWith(PASSPHRASE);
    const passwords = new Passwords(config, { store, logger: recordingLogger().logger });
    state.away = true;
    const own = config.backends.get('DEFAULT')?.primary.password ?? new Secret('');
    expect(await failureOf(openPassword(passwords.of('DEFAULT', own), soon()))).toMatchObject({ code: 'unavailable' });
    state.away = false;
    expect(await opened(config, passwords)).toEqual([encrypted[0], ...WORDS.slice(1)]);
  });

  it('of any text are handed out or refused with a DriverError', async () => {
    const word = fc.oneof(fc.stringMatching(/^[!-~]{1,20}$/), fc.constantFrom(...encrypted), fc.base64String());
    // What hpe.conf itself would read otherwise is not the matter here.
    const words = fc.array(
      word.filter((text) => /^[\w+/=-]+$/.test(text)),
      { minLength: 4, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(words, fc.string(), async (values, passphrase) => {
        const { config, passwords, log } = build(values, etcdWith(passphrase));
        const result = await opened(config, passwords).catch((thrown: unknown) => thrown);
        if (!Array.isArray(result)) expect(result).toBeInstanceOf(DriverError);
        await passwords.announce();
        for (const value of values) if (value.length > 16) expect(log()).not.toContain(value);
      }),
      { numRuns: 100 },
    );
  });
});
