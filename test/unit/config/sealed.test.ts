import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isSealed, seal, unseal } from '../../../src/config/sealed.js';

const KEY = 'Zm9yIHRlc3RzIG9ubHksIG5vYm9keXMga2V5';
/** Each costs a tenth of a second. */
const FEW = { numRuns: 10 };

describe('a sealed password', () => {
  it('comes back with the same key only', () => {
    const value = seal('3pardata', KEY);
    expect(value).toMatch(/^hpe-aes256gcm-v1\.[\w-]{22}\.[\w-]{16}\.[\w-]{32}$/);
    expect(isSealed(value)).toBe(true);
    expect(unseal(value, KEY)).toEqual({ password: '3pardata' });
    expect(unseal(value, `${KEY}.`)).toEqual({ problem: 'was encrypted with another key file, or was changed' });
    expect(seal('3pardata', KEY)).not.toBe(value);
  });

  it('that another program has made by that description is read (Python, cryptography)', () => {
    const value = 'hpe-aes256gcm-v1.AAECAwQFBgcICQoLDA0ODw.AAECAwQFBgcICQoL.d1BuVUdkkK7uEep0WZPwSjMNul4Rv8Kj6smmLAhY';
    expect(unseal(value, KEY)).toEqual({ password: 'pässwörd-✓' });
  });

  it('is any password', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ minLength: 16 }), (password, key) => {
        expect(unseal(seal(password, key), key)).toEqual({ password });
      }),
      FEW,
    );
  });

  it('that was changed in any place is refused', () => {
    const value = seal('3pardata', KEY);
    fc.assert(
      fc.property(fc.nat({ max: value.length - 1 }), fc.constantFrom('A', 'z', '.', '', '-', '9'), (at, letter) => {
        const changed = value.slice(0, at) + letter + value.slice(at + 1);
        if (changed === value) return;
        expect(unseal(changed, KEY)).toHaveProperty('problem');
      }),
      { numRuns: 60 },
    );
  });

  it('of garbage is a problem, never an exception', () => {
    const start = fc.constantFrom('', 'hpe-aes256gcm-v1', 'hpe-aes256gcm-v1.', 'hpe-aes256gcm-v2.');
    fc.assert(
      fc.property(start, fc.string({ unit: 'binary' }), (head, rest) => {
        expect(unseal(head + rest, KEY)).toHaveProperty('problem');
      }),
      { numRuns: 300 },
    );
  });

  it('of a later version says so', () => {
    const value = seal('x', KEY).replace('-v1.', '-v2.');
    expect(isSealed(value)).toBe(true);
    expect(unseal(value, KEY)).toEqual({ problem: 'was encrypted by a later version of the plugin' });
  });

  it('has no character that hpe.conf or replication_device gives a meaning to', () => {
    for (let i = 0; i < 5; i += 1) expect(seal('secret', KEY)).toMatch(/^[\w.-]+$/);
  });
});
