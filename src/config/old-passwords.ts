import { DriverError } from '../domain/errors.js';
import { Secret } from '../domain/secret.js';
import type { BackendConfig } from './config.js';
import { decryptOld, mayBeEncryptedOld } from './old-cipher.js';

/** One password that stands in hpe.conf as text. */
interface Given {
  /** `replication_device.san_password` on the secondary array. */
  key: string;
  value: Secret;
}

/** The passwords of one backend, by the texts in hpe.conf; and whether they are encrypted there. */
export interface OpenedPasswords {
  encrypted: boolean;
  open(value: Secret): Secret;
}

/** The passwords of a backend that stand in hpe.conf as text, on both arrays. */
export function passwordsInText({ primary, secondary }: BackendConfig): Given[] {
  const arrays = secondary === undefined ? [primary] : [primary, secondary];
  return arrays.flatMap((array, index) => {
    const place = index === 0 ? '' : 'replication_device.';
    return [
      ...(array.passwordFrom === 'text' ? [{ key: `${place}hpe3par_password`, value: array.password }] : []),
      ...(array.sanPasswordFrom === 'text' ? [{ key: `${place}san_password`, value: array.sanPassword }] : []),
    ];
  });
}

/** Whether only the passphrase can tell what these passwords are; when none has the form of an encrypted one, all are plain. */
export const dependOnPassphrase = (given: readonly Given[]): boolean =>
  given.some(({ value }) => mayBeEncryptedOld(value.reveal()));

/** Base64 that ends as few passwords do. */
export const looksEncrypted = (given: readonly Given[]): boolean =>
  given.some(({ value }) => value.reveal().endsWith('=') && mayBeEncryptedOld(value.reveal()));

/**
 * The passwords of a backend that has this passphrase in etcd, or none. Those in hpe.conf are all encrypted with it, or none is:
 * what cannot be decrypted may be encrypted with another passphrase, and would be sent to the array as a wrong password.
 * @throws `invalid`, which names the keys
 */
export function openOldPasswords(
  backend: string,
  given: readonly Given[],
  passphrase: Secret | undefined,
): OpenedPasswords {
  if (passphrase === undefined || !dependOnPassphrase(given)) return { encrypted: false, open: (value) => value };
  const opened = new Map<string, Secret>();
  const foreign: string[] = [];
  for (const { key, value } of given) {
    const text = decryptOld(value.reveal(), passphrase.reveal());
    if (text === undefined) foreign.push(key);
    else opened.set(value.reveal(), new Secret(text));
  }
  if (foreign.length > 0) throw mixed(backend, given, foreign);
  return { encrypted: true, open: (value) => opened.get(value.reveal()) ?? value };
}

function mixed(backend: string, given: readonly Given[], foreign: string[]): DriverError {
  const encrypted = given.map(({ key }) => key).filter((key) => !foreign.includes(key));
  const place = `etcd has a passphrase in /backend/${backend}`;
  const are = foreign.length === 1 ? 'is' : 'are';
  const rest = encrypted.length === 0 ? '' : `, while ${encrypted.join(', ')} ${encrypted.length === 1 ? 'is' : 'are'}`;
  return new DriverError(
    'invalid',
    `${place}, but in hpe.conf ${foreign.join(', ')} of backend ${backend} ${are} not encrypted with it${rest}; no password was sent`,
    {
      next:
        `encrypt ${foreign.length === 1 ? 'it' : 'them'}: hpe-volume-plugin encrypt --backend ${backend}; ` +
        `or, if all passwords of the backend are meant as plain text: etcdctl del /backend/${backend}`,
    },
  );
}
