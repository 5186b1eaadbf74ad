import fc from 'fast-check';

/** Names that a user, a script or an attacker might come up with. */
export const oddName: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '.',
    '..',
    '../x',
    '/',
    '/etc/passwd',
    'a/b',
    'a\nb',
    'a\0b',
    '🦊',
    'naïve',
    '\ud800',
    '\u202Egnp.exe',
    '__proto__',
    'constructor',
    'toString',
    '-rf',
    '--force',
    '$(reboot)',
    "'; drop table volumes; --",
    '%2e%2e%2f',
    '%s%n',
    'volume/x',
    'null',
    'undefined',
  ),
  fc.constantFrom(300, 5_000, 70_000, 900_000, 2_000_000).map((length) => 'x'.repeat(length)),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

const anything: fc.Arbitrary<unknown> = fc.oneof(
  oddName,
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(null, -1, 1e308, true, [], {}, [[]]),
);

/** The members of a request, each of them right, odd or missing. */
export const requestValue: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record(
      {
        Name: fc.oneof(oddName, anything),
        ID: fc.oneof(fc.constant('a'.repeat(64)), oddName, anything),
        Opts: fc.oneof(
          fc.dictionary(
            fc.oneof(oddName, fc.constantFrom('size', 'replicationGroup', 'backend', 'mountConflictDelay')),
            anything,
            {
              maxKeys: 4,
            },
          ),
          anything,
        ),
      },
      { requiredKeys: [] },
    ),
  },
  { weight: 1, arbitrary: anything },
);

/** A body: mostly JSON, also cut off, doubled, in another coding, or no text at all. */
export const requestBody: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 6, arbitrary: requestValue.map((value) => Buffer.from(JSON.stringify(value) ?? '')) },
  fc.tuple(requestValue, fc.nat(200)).map(([value, cut]) => Buffer.from(JSON.stringify(value) ?? '').subarray(0, cut)),
  fc
    .constantFrom('', ' ', '{', '[', 'null', '{}{}', '"', '{"Name":"a","Name":"b"}', '['.repeat(100_000))
    .map((text) => Buffer.from(text)),
  requestValue.map((value) => Buffer.from(`\uFEFF${JSON.stringify(value)}`)),
  requestValue.map((value) => Buffer.from(JSON.stringify(value) ?? '', 'utf16le')),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);
