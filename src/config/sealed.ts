import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';

/**
 * Passwords encrypted so that only who has the key file can read them, and nobody can change them unnoticed: AES-256-GCM with a
 * key that scrypt makes of the key file and a salt of each value's own. The text has no character that hpe.conf or
 * replication_device gives a meaning to: `hpe-aes256gcm-v1.SALT.NONCE.CIPHERTEXT_AND_TAG`, base64url.
 */
const VERSION = 'hpe-aes256gcm-v1';
/** So that a value of a later version is not taken for a plain password. */
const ANY_VERSION = /^hpe-aes256gcm-v\d/;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** 32 MiB and about a tenth of a second for each guess at a key file that somebody has thought up. */
const SCRYPT = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };

export const isSealed = (value: string): boolean => ANY_VERSION.test(value);

/** The value for hpe.conf. @param key the text of the key file */
export function seal(password: string, key: string): string {
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const head = [VERSION, salt.toString('base64url'), nonce.toString('base64url')].join('.');
  const cipher = createCipheriv('aes-256-gcm', derive(key, salt), nonce).setAAD(Buffer.from(head));
  const sealed = Buffer.concat([cipher.update(password, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${head}.${sealed.toString('base64url')}`;
}

/** The password, or why there is none. Never throws. */
export function unseal(value: string, key: string): { password: string } | { problem: string } {
  const parts = value.split('.');
  const [version, salt = '', nonce = '', sealed = ''] = parts;
  if (version !== VERSION) return { problem: 'was encrypted by a later version of the plugin' };
  const bytes = { salt: decode(salt), nonce: decode(nonce), sealed: decode(sealed) };
  const isWhole =
    parts.length === 4 &&
    bytes.salt?.length === SALT_BYTES &&
    bytes.nonce?.length === NONCE_BYTES &&
    (bytes.sealed?.length ?? 0) >= TAG_BYTES;
  if (!isWhole || bytes.salt === undefined || bytes.nonce === undefined || bytes.sealed === undefined) {
    return { problem: 'is not a whole encrypted value: some of it was lost or added' };
  }
  const text = bytes.sealed.subarray(0, -TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', derive(key, bytes.salt), bytes.nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from([version, salt, nonce].join('.')))
    .setAuthTag(bytes.sealed.subarray(-TAG_BYTES));
  try {
    return { password: Buffer.concat([decipher.update(text), decipher.final()]).toString() };
  } catch {
    return { problem: 'was encrypted with another key file, or was changed' };
  }
}

const derive = (key: string, salt: Buffer): Buffer => scryptSync(key, salt, 32, SCRYPT);

/** Undefined for what base64url would not have written. */
function decode(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}
