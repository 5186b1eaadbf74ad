import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decryptOld, encryptOld, mayBeEncryptedOld } from '../../../src/config/old-cipher.js';

/** Reference 8, all rows. */
const VECTORS = [
  ['@123#', 'password', '+CB1E8Je1j8='],
  ['a', '3pardata', 'JwjpPSUoZDs='],
  ['0123456789abcdef', '3pardata', '/UCltysaWqk='],
  ['0123456789abcdefg', '3pardata', 'jlyzCY/3xck='],
  ['twentythree-characters!', 'secret!', 'cqdqAM6m9w=='],
  ['012345678901234567890123', '3pardata', '4IwJ4KErmBs='],
  ['0123456789012345678901234', '3pardata', '98IL6AZ4Ke8='],
  ['01234567890123456789012345678901', '3pardata', 'ylNNdzxryiU='],
  ['0123456789'.repeat(4), '3pardata', 'ylNNdzxryiU='],
  ['@123#', 'pässwörd-✓', '+IJI6mpzq2/8sltz3wc='],
  ['@123#', 'a'.repeat(33), '6SkQalbJD/+nvuNkujU+wa2YpV19eBF4RswVUIwV7Dom'],
] as const;

const printable = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }).filter((text) => !/\p{Cc}/u.test(text));
const anything = fc.string({ unit: 'binary', maxLength: 80 });

describe('the encryption of hpe3parencryptor', () => {
  it.each(VECTORS)('with the passphrase %s makes of %s: %s', (passphrase, password, value) => {
    expect(encryptOld(password, passphrase)).toBe(value);
    expect(decryptOld(value, passphrase)).toBe(password);
    expect(mayBeEncryptedOld(value)).toBe(true);
  });

  it('gives every password back', () => {
    fc.assert(
      fc.property(printable, anything, (password, passphrase) => {
        expect(decryptOld(encryptOld(password, passphrase), passphrase)).toBe(password);
      }),
    );
  });

  it('answers garbage with undefined or some text, and never throws', () => {
    fc.assert(
      fc.property(fc.oneof(anything, fc.base64String()), anything, (value, passphrase) => {
        const opened = decryptOld(value, passphrase);
        if (!mayBeEncryptedOld(value)) expect(opened).toBeUndefined();
        if (opened !== undefined) expect(encryptOld(opened, passphrase)).toBe(value);
      }),
      { numRuns: 500 },
    );
  });

  it('tells plain passwords by their form: they are not base64', () => {
    for (const plain of [
      '',
      'password1',
      'pass word',
      'p@ssword',
      'hush',
      'abd=',
      'abcd====',
      '+CB1E8Je1j8',
      '+CB1E8Je1j9=',
    ]) {
      expect([plain, mayBeEncryptedOld(plain)]).toEqual([plain, plain === 'hush']);
    }
  });

  it('does not take what another passphrase has encrypted for a password', () => {
    expect(decryptOld('+CB1E8Je1j8=', 'another')).toBeUndefined();
    // Valid UTF-8 by chance, as it is for short passwords, but with what no password has in it.
    expect(decryptOld(encryptOld('a\u0001b', 'one'), 'one')).toBeUndefined();
    const text = encryptOld('a longer password', 'one');
    for (let i = 0; i < 200; i += 1) expect(decryptOld(text, `two ${i}`)).toBeUndefined();
  });
});
