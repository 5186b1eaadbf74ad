import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ConfigError, loadConfig } from '../../src/config/config.js';
import { KEY_NAMES } from '../../src/config/keys.js';
import { FUZZ } from './runs.js';

/** hpe.conf as bytes on disk: other codings, line ends and editors than ours, and files that are none at all. */

const SLOWEST_MS = 5_000;
/** A screen is about that wide in the terminals of people who put a megabyte into a line. */
const LONGEST_LINE = 2_000;
const SECRET = 'zq-secret-zq';

const fixture = (name: string): Buffer => readFileSync(new URL(`../fixtures/hpe-conf/${name}`, import.meta.url));
const files = [
  ...['good.conf', 'printed-iscsi.conf', 'printed-fc.conf', 'several-backends.conf'].map(fixture),
  readFileSync(new URL('../../hpe.conf.sample', import.meta.url)),
].map((bytes) =>
  Buffer.from(
    bytes
      .toString()
      .replaceAll(/^(\s*\w+password\s*[:=]\s*).*?(,?)$/gm, (_, key: string, end: string) => `${key}${SECRET}${end}`),
  ),
);

let dir: string;
let file: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hpe-fuzz-'));
  file = path.join(dir, 'hpe.conf');
});
afterAll(async () => rm(dir, { recursive: true, force: true }));

/** Everything that is said about the file; throws for whatever may never happen. */
function outcome(bytes: Buffer): string[] {
  writeFileSync(file, bytes);
  const started = performance.now();
  try {
    const { config, warnings } = loadConfig(file);
    expect(config.backends.size).toBeGreaterThan(0);
    return warnings.map((each) => JSON.stringify(each));
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    expect(thrown.problems.length).toBeGreaterThan(0);
    const lines = thrown.message.split('\n');
    expect(lines).toHaveLength(thrown.problems.length);
    for (const line of lines) {
      expect(line).toMatch(/hpe\.conf/);
      // oxlint-disable-next-line no-control-regex -- what a terminal would obey
      expect(line).not.toMatch(/[\u0000-\u0008\u000B-\u001F\u007F]/);
      expect(line.length).toBeLessThan(LONGEST_LINE);
    }
    return lines;
  } finally {
    expect(performance.now() - started).toBeLessThan(SLOWEST_MS);
  }
}

type Damage = (bytes: Buffer) => Buffer;
const place = (bytes: Buffer, at: number): number => at % (bytes.length + 1);
const insert = (bytes: Buffer, at: number, more: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, place(bytes, at)), more, bytes.subarray(place(bytes, at))]);

const UTF8_BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const odd = [
  Buffer.from([0]),
  Buffer.from([0xff]),
  Buffer.from([0xed, 0xa0, 0x80]),
  UTF8_BOM,
  Buffer.from('\r'),
  Buffer.from('\u001b[2J'),
  Buffer.from('\u2028'),
  Buffer.from('🦊'),
  Buffer.from('e\u0301'),
  Buffer.from('x'.repeat(300_000)),
  Buffer.from(' '.repeat(100_000)),
  Buffer.from('\n'.repeat(20_000)),
  Buffer.from('[a]\n'.repeat(2_000)),
  Buffer.from(`replication_device = ${'a:b,'.repeat(20_000)}\n`),
  ...KEY_NAMES.map((key) => Buffer.from(`\n${key} = `)),
];

const flippedBit: fc.Arbitrary<Damage> = fc.tuple(fc.nat(), fc.nat(7)).map(([at, bit]): Damage => (bytes) => {
  const flipped = Buffer.from(bytes);
  const index = at % Math.max(bytes.length, 1);
  flipped[index] = (flipped[index] ?? 0) ^ (1 << bit);
  return flipped;
});

/** Each is one accident of an editor, a copy or a disk. */
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.tuple(fc.nat(), fc.constantFrom(...odd)).map(
    ([at, more]): Damage =>
      (bytes) =>
        insert(bytes, at, more),
  ),
  fc.tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 })).map(
    ([at, more]): Damage =>
      (bytes) =>
        insert(bytes, at, Buffer.from(more)),
  ),
  fc.tuple(fc.nat(), fc.nat(400)).map(
    ([at, length]): Damage =>
      (bytes) =>
        Buffer.concat([bytes.subarray(0, place(bytes, at)), bytes.subarray(place(bytes, at) + length)]),
  ),
  flippedBit,
  fc.nat().map(
    (at): Damage =>
      (bytes) =>
        bytes.subarray(0, place(bytes, at)),
  ),
  fc.constantFrom<Damage>(
    (bytes) => Buffer.concat([UTF8_BOM, bytes]),
    (bytes) => Buffer.from(bytes.toString().replaceAll('\n', '\r\n')),
    (bytes) => Buffer.from(bytes.toString().replaceAll('\n', '\r')),
    (bytes) => Buffer.from(bytes.toString(), 'utf16le'),
    (bytes) => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(bytes.toString(), 'utf16le')]),
    (bytes) => Buffer.concat([bytes, bytes]),
    (bytes) => Buffer.concat([bytes, Buffer.alloc(4096)]),
    () => Buffer.alloc(0),
  ),
);

describe('hpe.conf on disk', () => {
  it('with any damage is a configuration or a list of problems with their lines', () => {
    fc.assert(
      fc.property(fc.constantFrom(...files), fc.array(damage, { minLength: 1, maxLength: 3 }), (whole, damages) => {
        outcome(damages.reduce<Buffer>((bytes, each) => each(bytes), whole));
      }),
      { ...FUZZ.options, numRuns: 3 * FUZZ.runs },
    );
  });

  it('with a flipped bit tells no password', () => {
    fc.assert(
      fc.property(fc.constantFrom(...files), flippedBit, (whole, flip) => {
        expect(outcome(flip(whole)).join('\n')).not.toContain(SECRET);
      }),
      { ...FUZZ.options, numRuns: 3 * FUZZ.runs },
    );
  });

  it('of any bytes is no configuration, and says so', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), (bytes) => {
        expect(outcome(Buffer.from(bytes)).length).toBeGreaterThan(0);
      }),
      { ...FUZZ.options, numRuns: FUZZ.runs },
    );
  });

  it('with a bracket before a password tells it neither as a section nor otherwise', () => {
    const text = (files[0]?.toString() ?? '').replace(/^hpe3par_password.*$/m, '[$&\nand a word');
    expect(outcome(Buffer.from(text)).join('\n')).not.toContain(SECRET);
  });

  it('in UTF-16 or Latin-1 says which coding it should have; comments may be in any', () => {
    const text = files[0]?.toString() ?? '';
    expect(outcome(Buffer.from(text, 'utf16le')).join()).toMatch(/no UTF-8 text.*save it as UTF-8/);
    const latin = (more: string): Buffer => Buffer.concat([Buffer.from(text), Buffer.from(more, 'latin1')]);
    expect(outcome(latin('\nsan_login = J\xfcrgen\n')).join()).toMatch(/no UTF-8; fix: save the file as UTF-8/);
    expect(outcome(latin('\n# gr\xfc\xdfe\n'))).toEqual(outcome(Buffer.from(text)));
  });

  it.each(files.map((bytes, index) => ({ index, bytes })))(
    'file $index means the same with a mark at its start and the line ends of other systems',
    ({ bytes }) => {
      const text = bytes.toString();
      const plain = outcome(bytes);
      for (const same of [Buffer.concat([UTF8_BOM, bytes]), Buffer.from(text.replaceAll('\n', '\r\n'))]) {
        expect(outcome(same)).toEqual(plain);
      }
    },
  );
});
