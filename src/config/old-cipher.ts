import { createCipheriv, createDecipheriv } from 'node:crypto';

/**
 * The encrypted passwords of the Python plugin's hpe3parencryptor (reference 8): AES in CFB mode with segments of 8 bits, one IV
 * for all, no proof against changes, and a key that is the passphrase itself. Kept so that old files go on working.
 */

const IV = Buffer.from('1234567812345678');
const KEY_SIZES = [16, 24, 32] as const;
/** What a passphrase is lengthened with; more than any needs. */
const PADDING = Buffer.from('abcdefghijklmnop');

/** Control characters belong to no password; after a wrong passphrase there usually are some. */
const CONTROL = /\p{Cc}/u;

/** The value for hpe.conf, as hpe3parencryptor makes it. */
export function encryptOld(password: string, passphrase: string): string {
  const { name, key } = cipherOf(passphrase);
  const cipher = createCipheriv(name, key, IV);
  return Buffer.concat([cipher.update(password, 'utf8'), cipher.final()]).toString('base64');
}

/** The password; undefined when the value is none that was encrypted with that passphrase. Never throws. */
export function decryptOld(value: string, passphrase: string): string | undefined {
  if (!mayBeEncryptedOld(value)) return undefined;
  const { name, key } = cipherOf(passphrase);
  const decipher = createDecipheriv(name, key, IV);
  const bytes = Buffer.concat([decipher.update(value, 'base64'), decipher.final()]);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return CONTROL.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Whether the value has the form of an encrypted one, which a plain password may have by chance. */
export const mayBeEncryptedOld = (value: string): boolean =>
  value !== '' && Buffer.from(value, 'base64').toString('base64') === value;

function cipherOf(passphrase: string): { name: `aes-${128 | 192 | 256}-cfb8`; key: Buffer } {
  const bytes = Buffer.from(passphrase);
  const size = KEY_SIZES.find((each) => bytes.length <= each) ?? 32;
  const key = Buffer.concat([bytes, PADDING]).subarray(0, size);
  const names = { 16: 'aes-128-cfb8', 24: 'aes-192-cfb8', 32: 'aes-256-cfb8' } as const;
  return { name: names[size], key };
}
