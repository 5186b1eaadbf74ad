import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ConfigError, parseConfig } from '../../../src/config/config.js';
import { KEY_NAMES } from '../../../src/config/keys.js';

const fixture = (name: string): string =>
  readFileSync(new URL(`../../fixtures/hpe-conf/${name}`, import.meta.url), 'utf8');
const files = ['good.conf', 'printed-iscsi.conf', 'printed-fc.conf', 'several-backends.conf'].map(fixture);
const sample = readFileSync(new URL('../../../hpe.conf.sample', import.meta.url), 'utf8');
const everyKey = sample
  .replaceAll(/^#(?=\w+ = )/gm, '')
  .replaceAll(/^#(?= {10})/gm, ' ')
  .replaceAll(/^ *(hpe3par|san)_password *[:=].*\n/gm, '');
files.push(sample, everyKey);

/** All that was said about the text; throws what parseConfig must not throw. */
function outcome(text: string): string {
  try {
    const { config, warnings } = parseConfig(text, 'hpe.conf', {
      canRead: () => 'it is gone',
      readSecret: () => ({ problem: 'it is gone' }),
    });
    expect(config.backends.size).toBeGreaterThan(0);
    return JSON.stringify(warnings);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.problems.length).toBeGreaterThan(0);
    expect(error.message.split('\n')).toHaveLength(error.problems.length);
    return error.message;
  }
}

const marks = ['\n', '\n', '\n  ', ' ', ',', ':', '=', ';', '#', '"', '[', ']', '\r', '\u0000', '\u2028', '\uFEFF'];
const words = ['[DEFAULT]\n', '__proto__', 'constructor', 'a:b', 'https://h/api/v1', '10.0.0.1', '900', 'synchronous'];
const pieces = fc.constantFrom(...KEY_NAMES, ...marks, ...words);

type Slip =
  | { kind: 'remove'; at: number; length: number }
  | { kind: 'insert'; at: number; text: string }
  | { kind: 'swap lines' | 'copy line'; at: number; other: number };

/** One slip of an editor's hand, that loses a few letters, gains some, or mixes up lines. */
const slip: fc.Arbitrary<Slip> = fc.oneof(
  fc.record({ kind: fc.constant('remove' as const), at: fc.nat(), length: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), text: fc.oneof(pieces, fc.string()) }),
  fc.record({ kind: fc.constant('swap lines' as const), at: fc.nat(), other: fc.nat() }),
  fc.record({ kind: fc.constant('copy line' as const), at: fc.nat(), other: fc.nat() }),
);

function slipped(text: string, change: Slip): string {
  const at = change.at % (text.length + 1);
  if (change.kind === 'remove') return text.slice(0, at) + text.slice(at + change.length);
  if (change.kind === 'insert') return text.slice(0, at) + change.text + text.slice(at);
  const lines = text.split('\n');
  const [from, to] = [change.at % lines.length, change.other % lines.length];
  const [a = '', b = ''] = [lines[from], lines[to]];
  if (change.kind === 'copy line') lines.splice(to, 0, a);
  else [lines[from], lines[to]] = [b, a];
  return lines.join('\n');
}

describe('parseConfig', () => {
  it('answers any text with a configuration or a ConfigError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.array(pieces, { maxLength: 60 })), (text) => {
        outcome(Array.isArray(text) ? text.join('') : text);
      }),
      { numRuns: 200 },
    );
  });

  it('answers any edit of a good file with a configuration or a ConfigError', () => {
    fc.assert(
      fc.property(fc.constantFrom(...files), fc.array(slip, { minLength: 1, maxLength: 4 }), (text, slips) => {
        outcome(slips.reduce(slipped, text));
      }),
      { numRuns: 200 },
    );
  });

  it('prints no password, whichever line is broken', () => {
    const secrets = fc.stringMatching(/^zq[!-~]{0,20}zq$/);
    fc.assert(
      fc.property(fc.constantFrom(...files), secrets, slip, (text, secret, change) => {
        const filled = text.replaceAll(
          /^(\s*#?\s*\w+password\s*[:=]\s*).*?(,?)$/gm,
          (_, key: string, end: string) => `${key}${secret}${end}`,
        );
        expect(filled).toContain(secret);
        expect(outcome(slipped(filled, change))).not.toContain('zq');
      }),
      { numRuns: 400 },
    );
  });

  it('keeps every password of printable characters as it is', () => {
    const secrets = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/).filter((text) => !/^(["']).*\1$/.test(text));
    fc.assert(
      fc.property(secrets, (secret) => {
        const text = (files[0] ?? '').replace('= hush-2', () => `= ${secret}`);
        const { config } = parseConfig(text, 'hpe.conf');
        expect(config.backends.get('DEFAULT')?.primary.sanPassword.reveal()).toBe(secret);
      }),
      { numRuns: 200 },
    );
  });
});
