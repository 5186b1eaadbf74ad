import fc from 'fast-check';

/** What becomes of one answer of the array on its way; plain data, so that a run can be replayed. */
export type Garble =
  | { kind: 'reset' | 'stall' | 'cut' | 'too long' | 'bad gzip' | 'echo' | 'empty' }
  | { kind: 'status'; status: number }
  | { kind: 'body'; text: string }
  | { kind: 'bytes'; at: number; bytes: number[] }
  | { kind: 'truncate'; at: number }
  | { kind: 'field'; at: number; change: 'drop' | 'rename' | 'set'; value: unknown };

/** An answer as it goes onto the wire. */
export interface Raw {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
  /** How the connection ends: in good order, at once, never, or in the middle of the body. */
  end: 'whole' | 'reset' | 'stall' | 'cut';
}

const STATUSES = [200, 201, 202, 204, 301, 302, 304, 400, 401, 403, 404, 405, 409, 413, 418, 500, 501, 502, 503, 599];

const BODIES = [
  '',
  ' ',
  'null',
  '[]',
  '{}',
  '"ok"',
  'true',
  '0',
  '1e999',
  '<html><body><h1>502 Bad Gateway</h1></body></html>',
  '{"code":',
  '{"code":"23"}',
  '{"code":null,"desc":{}}',
  '{"code":6}',
  '{"code":5}',
  '{"total":0}',
  '{"total":7,"members":[]}',
  '{"total":-1,"members":null}',
  '{"members":{}}',
  '{"__proto__":{"members":[]}}',
  '{"key":""}',
  '{"key":"a\\r\\nb"}',
  '{"key":"\\u20ac"}',
  '{"key":7}',
  '['.repeat(5_000),
  `{"desc":"${'x'.repeat(200_000)}"}`,
];

const VALUES = [null, true, false, -1, 0, 1.5, 1e308, 2 ** 53 + 2, '', ' ', '3', 'x'.repeat(5_000), [], {}, [null]];

/** Texts that a terminal or a log would not like are in it, too. */
const oddText = fc.constantFrom('\u0000', '\u001b[31m', 'a\nb', '\u2028', '\ud800', '🦊', '../x', '__proto__');

export const garble: fc.Arbitrary<Garble> = fc.oneof(
  fc.constantFrom(
    ...(['reset', 'stall', 'cut', 'too long', 'bad gzip', 'echo', 'echo', 'empty'] as const).map((kind) => ({ kind })),
  ),
  fc.record({ kind: fc.constant('status' as const), status: fc.constantFrom(...STATUSES) }),
  fc.record({ kind: fc.constant('body' as const), text: fc.oneof(fc.constantFrom(...BODIES), fc.json()) }),
  fc.record({
    kind: fc.constant('bytes' as const),
    at: fc.nat(),
    bytes: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('truncate' as const), at: fc.nat() }),
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('field' as const),
      at: fc.nat(),
      change: fc.constantFrom('drop' as const, 'rename' as const, 'set' as const),
      value: fc.oneof(fc.constantFrom<unknown>(...VALUES), oddText),
    }),
  },
);

/** The answer after that has happened to it; `secrets` are what the request had with it. */
export function garbled(raw: Raw, change: Garble, secrets: string[]): Raw {
  const { body, headers } = raw;
  if (change.kind === 'status') return { ...raw, status: change.status };
  if (change.kind === 'body') return { ...raw, body: Buffer.from(change.text) };
  if (change.kind === 'bytes') return { ...raw, body: withBytes(body, change) };
  if (change.kind === 'truncate') return { ...raw, body: body.subarray(0, change.at % (body.length + 1)) };
  if (change.kind === 'field') return { ...raw, body: Buffer.from(withField(body.toString(), change)) };
  if (change.kind === 'empty') return { ...raw, body: Buffer.alloc(0) };
  if (change.kind === 'bad gzip') return { ...raw, headers: { ...headers, 'Content-Encoding': 'gzip' } };
  if (change.kind === 'echo') {
    return { ...raw, status: 400, body: Buffer.from(JSON.stringify({ code: 4, desc: secrets.join(' ') })) };
  }
  if (change.kind === 'too long') {
    return { ...raw, headers: { ...headers, 'Content-Length': String(body.length + 10) }, end: 'cut' };
  }
  return { ...raw, end: change.kind };
}

function withBytes(body: Buffer, { at, bytes }: Extract<Garble, { kind: 'bytes' }>): Buffer {
  const changed = Buffer.from(body);
  for (const [index, byte] of bytes.entries()) {
    if (changed.length > 0) changed[(at + index) % changed.length] = byte;
  }
  return changed;
}

/** Free text; no decision hangs on it, or its form is checked. */
const FREE = ['desc', 'message', 'ref', 'key', 'wwn'];

/** A value that a good answer could have as well: that is no garbage, and nobody could tell. */
function isLie(name: string, was: unknown, value: unknown): boolean {
  if (typeof value === 'number') return typeof was === 'number' && Number.isSafeInteger(value) && value >= 0;
  if (typeof value === 'string') return typeof was === 'string' && value !== '' && !FREE.includes(name);
  return typeof value === 'boolean' && typeof was === 'boolean';
}

/** The JSON text with one member, anywhere in it, changed. */
function withField(text: string, { at, change, value }: Extract<Garble, { kind: 'field' }>): string {
  if (text === '') return text;
  const root: unknown = JSON.parse(text);
  const places: [Record<string, unknown>, string][] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [name, child] of Object.entries(node)) {
      places.push([node as Record<string, unknown>, name]);
      walk(child);
    }
  };
  walk(root);
  const place = places[at % Math.max(places.length, 1)];
  if (place === undefined) return text;
  const [node, name] = place;
  const was = node[name];
  if (change === 'set') node[name] = isLie(name, was, value) ? null : value;
  else Reflect.deleteProperty(node, name);
  if (change === 'rename') node[`${name}X`] = was;
  return JSON.stringify(root);
}
