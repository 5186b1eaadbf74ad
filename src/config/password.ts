import { Secret } from '../domain/secret.js';
import type { PasswordOrigin } from './model.js';
import { isSealed, unseal } from './sealed.js';
import type { SecretFile } from './secret-file.js';
import type { Settings } from './settings.js';
import { secret } from './values.js';

/** A file that root has made with a long enough key in it is longer. */
const SHORTEST_KEY = 16;

interface ConfiguredPassword {
  value: Secret;
  from: PasswordOrigin;
}

/** The keys that may give the same password. */
export const waysToGive = (key: string): string[] => [key, `${key}_file`];

/** The password of `key`, from the file, a file of its own, or opened with the key file. Undefined when it is wrong or missing, which is reported. */
export function readPassword(
  settings: Settings,
  key: 'hpe3par_password' | 'san_password',
): ConfiguredPassword | undefined {
  const fileKey = `${key}_file`;
  const [given, other] = settings.nearest(waysToGive(key));
  if (other !== undefined) {
    const what = `stands beside ${key}, and only one of them can count`;
    settings.complain('error', fileKey, { what, fix: `remove ${key}, or this one` });
    return undefined;
  }
  const from = given?.key === fileKey ? 'file' : 'text';
  const value = from === 'file' ? readFile(settings, fileKey) : settings.require(key, secret);
  if (value === undefined) return undefined;
  return isSealed(value.reveal()) ? open(settings, from === 'file' ? fileKey : key, value) : { value, from };
}

function readFile(settings: Settings, key: string): Secret | undefined {
  const found = settings.readSecret(key);
  if (found?.exposure !== undefined) {
    const what = `others may read the file that it names: ${found.exposure}`;
    settings.complain('warn', key, { what, fix: 'chown root and chmod 400 the file; with Docker secrets: mode=0400' });
  }
  return found === undefined ? undefined : new Secret(found.text);
}

function open(settings: Settings, key: string, sealed: Secret): ConfiguredPassword | undefined {
  if (settings.find(KEY_FILE) === undefined) {
    const fix = `add the line "${KEY_FILE} = …" with the key file that it was encrypted with`;
    settings.complain('error', key, { what: `is encrypted, and ${KEY_FILE} is missing`, fix });
    return undefined;
  }
  const found = settings.readSecret(KEY_FILE);
  if (found === undefined || isBadKey(settings, found)) return undefined;
  const opened = unseal(sealed.reveal(), found.text);
  if ('password' in opened) return { value: new Secret(opened.password), from: 'sealed' };
  const fix = `encrypt the password again with the file of ${KEY_FILE}: hpe-volume-plugin encrypt --key-file FILE`;
  settings.complain('error', key, { what: opened.problem, fix });
  return undefined;
}

const KEY_FILE = 'password_key_file';

/** A key that others may have read protects nothing, so it is not used. */
function isBadKey(settings: Settings, found: SecretFile): boolean {
  const problem = keyProblem(found);
  if (problem === undefined) return false;
  const fix = 'make a new key and encrypt the passwords again: hpe-volume-plugin encrypt --new-key --key-file FILE';
  settings.complain('error', KEY_FILE, {
    what: `the file that it names is no good key: ${problem}`,
    fix: found.exposure === undefined ? fix : `chown root and chmod 400 it; if others were on this host, ${fix}`,
  });
  return true;
}

/** Why that is no good key; undefined if it is one. */
export function keyProblem({ text, exposure }: SecretFile): string | undefined {
  if (exposure !== undefined) return `others may read it: ${exposure}`;
  return text.length < SHORTEST_KEY ? `it holds fewer than ${SHORTEST_KEY} characters` : undefined;
}
