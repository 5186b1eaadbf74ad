import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { loadConfig } from '../config/config.js';
import { encryptOld } from '../config/old-cipher.js';
import { keyProblem } from '../config/password.js';
import { seal } from '../config/sealed.js';
import { readSecretFile } from '../config/secret-file.js';
import type { Logger } from '../contracts/log.js';
import type { Passphrases } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { Secret } from '../domain/secret.js';
import { createDurably } from '../store/durable-file.js';
import { askSecret, type Terminal } from './ask-secret.js';
import { openStore } from './build.js';
import { CONFIG_FILE, STATE_DIR, UsageError } from './usage.js';

const ETCD_TIMEOUT_MS = 15_000;

/** Either the better way, with a key file, or the old plugin's, with a passphrase that is given, or in etcd, or both. */
interface Order {
  way:
    | { keyFile: string; isNew: boolean }
    | { backend: string; passphraseFile: string | undefined }
    | { passphraseFile: string };
  /** Undefined: it is asked for. */
  passwordFile: string | undefined;
  configFile: string;
  stateDir: string;
}

/**
 * `encrypt --key-file FILE [--new-key]` or `encrypt --passphrase-file FILE [--backend NAME]`: the value for hpe.conf. The password
 * comes from `--password-file` or the terminal's input; never from the command line, which every user of the host can read.
 * @throws UsageError, or DriverError
 */
export async function encrypt(args: string[], terminal: Terminal): Promise<string[]> {
  const order = parseEncrypt(args);
  const { way } = order;
  if ('keyFile' in way) {
    if (way.isNew) await createKey(way.keyFile);
    const key = keyIn(way.keyFile);
    return [seal((await passwordOf(order, terminal)).reveal(), key)];
  }
  if (!('backend' in way)) {
    const passphrase = secretIn('--passphrase-file', way.passphraseFile);
    return [encryptOld((await passwordOf(order, terminal)).reveal(), passphrase.reveal())];
  }
  const { backend, passphraseFile } = way;
  const given = passphraseFile === undefined ? undefined : secretIn('--passphrase-file', passphraseFile);
  return withPassphrases(order, backend, async (passphrases) => {
    const passphrase = given ?? (await knownPassphrase(passphrases, backend));
    const password = await passwordOf(order, terminal);
    await passphrases.save(backend, passphrase, AbortSignal.timeout(ETCD_TIMEOUT_MS));
    return [encryptOld(password.reveal(), passphrase.reveal())];
  });
}

/** @throws UsageError naming what is wrong */
export function parseEncrypt(args: string[]): Order {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        'key-file': { type: 'string' },
        'new-key': { type: 'boolean', default: false },
        'passphrase-file': { type: 'string' },
        backend: { type: 'string' },
        'password-file': { type: 'string' },
        ...CONFIG_FILE,
        ...STATE_DIR,
      },
    }));
  } catch {
    // The parser repeats the word that it does not know, which may be a password.
    throw new UsageError(
      'encrypt takes only the options that encrypt --help names; a password is read from a file, a pipe or the terminal',
    );
  }
  const { 'key-file': keyFile, 'new-key': isNew, 'passphrase-file': passphraseFile, backend } = values;
  const common = {
    passwordFile: values['password-file'],
    configFile: values.config,
    stateDir: values['state-dir'],
  };
  const isOld = passphraseFile !== undefined || backend !== undefined;
  if (keyFile !== undefined) {
    if (isOld) throw new UsageError('--key-file goes with neither --passphrase-file nor --backend');
    return { way: { keyFile, isNew }, ...common };
  }
  if (isNew) throw new UsageError('--new-key needs --key-file');
  if (backend !== undefined) return { way: { backend, passphraseFile }, ...common };
  if (passphraseFile !== undefined) return { way: { passphraseFile }, ...common };
  throw new UsageError('encrypt needs --key-file, or --passphrase-file or --backend for the old scheme');
}

async function passwordOf({ passwordFile }: Order, terminal: Terminal): Promise<Secret> {
  return passwordFile === undefined ? askSecret('password', terminal) : secretIn('--password-file', passwordFile);
}

/** @throws `invalid` */
function secretIn(option: string, file: string): Secret {
  const found = readSecretFile(file);
  if ('text' in found) return new Secret(found.text);
  throw new DriverError('invalid', `there is no secret in the file of ${option}: ${found.problem}`, {
    next: 'name a file that holds one line, the secret',
  });
}

/** @throws `invalid`, also for a key that others may read: hpe.conf would not be accepted with it */
function keyIn(file: string): string {
  const found = readSecretFile(file);
  if ('problem' in found) {
    throw new DriverError('invalid', `there is no key in the file of --key-file: ${found.problem}`, {
      next: 'make one: add --new-key',
    });
  }
  const problem = keyProblem(found);
  if (problem === undefined) return found.text;
  throw new DriverError('refused', `the file of --key-file is no good key: ${problem}`, {
    next: 'make a new one with --new-key, which only its owner can read',
  });
}

/** The command's own output says what happened. */
const ignore = (): void => undefined;
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** @throws `refused` when the file is there: the passwords that it has encrypted would be lost with it */
async function createKey(file: string): Promise<void> {
  try {
    await createDurably(file, `${randomBytes(32).toString('base64url')}\n`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const next = reason.startsWith('EEXIST') ? 'leave --new-key out to use the key that is there' : 'name another file';
    throw new DriverError('refused', `the key file was not made: ${reason}`, { cause: error, next });
  }
}

async function withPassphrases<T>(
  order: Order,
  backend: string,
  work: (passphrases: Passphrases) => Promise<T>,
): Promise<T> {
  const { config } = loadConfig(order.configFile);
  if (!config.backends.has(backend)) {
    const known = [...config.backends.keys()].join(', ');
    throw new DriverError('invalid', `hpe.conf has no backend ${JSON.stringify(backend)} (it has: ${known})`);
  }
  const node = { id: 'encrypt', name: hostname() };
  if (config.etcd === undefined) {
    throw new DriverError('invalid', 'hpe.conf names no etcd, and only there the daemon looks for passphrases', {
      next: 'use the better way: hpe-volume-plugin encrypt --key-file FILE',
    });
  }
  const store = await openStore(config.etcd, { stateDir: order.stateDir, node, logger: silent });
  try {
    if (store.passphrases === undefined) throw new DriverError('internal', 'the metadata keep no passphrases');
    return await work(store.passphrases);
  } finally {
    await store.close();
  }
}

async function knownPassphrase(passphrases: Passphrases, backend: string): Promise<Secret> {
  const known = await passphrases.find(backend, AbortSignal.timeout(ETCD_TIMEOUT_MS));
  if (known !== undefined) return known;
  throw new DriverError('not-found', `etcd has no passphrase in /backend/${backend}`, {
    next: 'give one with --passphrase-file FILE',
  });
}
