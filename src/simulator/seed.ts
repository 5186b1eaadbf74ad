import { z } from 'zod';
import { license, type License } from './licenses.js';

const name = z.string().min(1).max(31);
const position = z.strictObject({ node: z.int().min(0), slot: z.int().min(0), cardPort: z.int().min(1) });

const cpg = z.strictObject({ name, domain: name.optional() });

const wwn = z
  .string()
  .regex(/^[0-9A-Fa-f]{16}$/, '16 hex digits')
  .transform((text) => text.toUpperCase());
/** Of the network: what `ip` accepts. */
const device = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, dot, dash and underscore only');

const fcPort = z.strictObject({
  kind: z.literal('fc'),
  pos: position,
  ready: z.boolean().default(true),
  /** Made from position and system id when absent. An FCoE port has no choice: it is 2000 and the MAC address. */
  wwn: wwn.optional(),
  /** WWPNs of the initiators that are zoned to this port; absent: all. */
  zone: z.array(wwn).optional(),
  /** Fabric `lio`: the network interface that is the port; going down is its cable being pulled. */
  link: device.optional(),
});

const iscsiPort = z.strictObject({
  kind: z.literal('iscsi'),
  pos: position,
  ip: z.ipv4(),
  ready: z.boolean().default(true),
  /** Fabric `lio`: the named network namespace that has `ip`; absent: that of the simulator. */
  netns: device.optional(),
  /** Fabric `lio`: the network interface in there; going down is the port's cable being pulled. */
  link: device.optional(),
});

const port = z.discriminatedUnion('kind', [
  fcPort,
  iscsiPort,
  z.strictObject({ kind: z.literal('rcip'), pos: position, ip: z.ipv4(), ready: z.boolean().default(true) }),
]);

const arraySeed = z.strictObject({
  name: name.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, dot, dash and underscore only'),
  systemId: z.int().min(1),
  /** What this array calls its remote copy target, the other array. */
  targetName: name,
  domains: z.array(name).default([]),
  /** Absent: those of the pair. */
  licenses: z.array(license).optional(),
  /** null: there is none. */
  flashCache: z
    .strictObject({ sizeGiB: z.int().min(16), mode: z.union([z.literal(1), z.literal(2)]) })
    .nullable()
    .default({ sizeGiB: 128, mode: 2 }),
  cpgs: z.array(cpg).min(1),
  ports: z.array(port),
});

/** A partial array of a seed file: what is not given keeps its default. */
const arrayOverride = arraySeed.partial();

const seedFile = z.strictObject({
  arrays: z.array(arrayOverride).max(2).default([]),
  licenses: z.array(license).optional(),
  /** Starting a group without members (reference 12.8). */
  emptyGroupStart: z.enum(['accepted', 'refused']).optional(),
  /** Started groups of different modes on one target (reference 6.1, code 236). */
  mixedModes: z.enum(['accepted', 'refused']).optional(),
  /** Seconds that a synchronisation takes; 0 = done before the answer. */
  syncSeconds: z.number().min(0).max(600).optional(),
  /** Seconds that a physical copy takes; 0 = done before the answer. */
  copySeconds: z.number().min(0).max(600).optional(),
  /** WSAPI sessions per array (reference 1.1: the real number is not public). */
  maxSessions: z.int().min(1).optional(),
  sessionIdleSeconds: z.number().positive().optional(),
  maxVolumesPerGroup: z.int().min(1).optional(),
});

export type ArraySeed = z.infer<typeof arraySeed>;
export type PortSeed = z.infer<typeof port>;

/** What the pair starts from; behaviour that real arrays differ in is a switch here. */
export interface Seed {
  arrays: [ArraySeed, ArraySeed];
  licenses: License[];
  emptyGroupStart: 'accepted' | 'refused';
  mixedModes: 'accepted' | 'refused';
  syncSeconds: number;
  copySeconds: number;
  maxSessions: number;
  sessionIdleSeconds: number;
  maxVolumesPerGroup: number;
}

function defaultArray(letter: 'a' | 'b', peer: 'a' | 'b'): ArraySeed {
  const net = letter === 'a' ? 1 : 2;
  return {
    name: `sim-${letter}`,
    systemId: letter === 'a' ? 46750 : 46751,
    targetName: `sim-${peer}-rc`,
    domains: [],
    flashCache: { sizeGiB: 128, mode: 2 },
    cpgs: [{ name: `cpg-${letter}` }, { name: `cpg-${letter}-snap` }],
    ports: [
      { kind: 'fc', pos: { node: 0, slot: 1, cardPort: 1 }, ready: true },
      { kind: 'fc', pos: { node: 1, slot: 1, cardPort: 1 }, ready: true },
      { kind: 'iscsi', pos: { node: 0, slot: 2, cardPort: 1 }, ip: `10.10.${net}.11`, ready: true },
      { kind: 'iscsi', pos: { node: 1, slot: 2, cardPort: 1 }, ip: `10.10.${net}.12`, ready: true },
      { kind: 'rcip', pos: { node: 0, slot: 3, cardPort: 1 }, ip: `10.20.${net}.11`, ready: true },
    ],
  };
}

const LICENSES = [
  'Thin Provisioning',
  'Remote Copy',
  'Compression',
  'Priority Optimization',
  'System Reporter',
  'Virtual Copy',
  'Virtual Lock',
];

/** A seed that makes no sense; the message names everything that is wrong. */
export class SeedError extends Error {}

/**
 * Reads a seed (the JSON of `--seed`; `{}` gives the defaults).
 * @throws SeedError
 */
export function parseSeed(input: unknown): Seed {
  const parsed = seedFile.safeParse(input);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'seed'}: ${issue.message}`);
    throw new SeedError(`bad seed: ${problems.join('; ')}`);
  }
  const given = parsed.data;
  const first = { ...defaultArray('a', 'b'), ...withoutUndefined(given.arrays[0] ?? {}) };
  const second = { ...defaultArray('b', 'a'), ...withoutUndefined(given.arrays[1] ?? {}) };
  if (first.name === second.name) throw new SeedError(`bad seed: both arrays are called ${first.name}`);
  if (first.systemId === second.systemId) throw new SeedError(`bad seed: both arrays have system id ${first.systemId}`);
  return {
    arrays: [first, second],
    licenses: given.licenses ?? LICENSES,
    emptyGroupStart: given.emptyGroupStart ?? 'accepted',
    mixedModes: given.mixedModes ?? 'refused',
    syncSeconds: given.syncSeconds ?? 0,
    copySeconds: given.copySeconds ?? 0,
    maxSessions: given.maxSessions ?? 64,
    // reference 1.1: a key that is unused for 15 minutes is dropped.
    sessionIdleSeconds: given.sessionIdleSeconds ?? 900,
    maxVolumesPerGroup: given.maxVolumesPerGroup ?? 100,
  };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(object: T): Defined<T> {
  const kept: Defined<T> = { ...object };
  for (const key in kept) if (kept[key] === undefined) delete kept[key];
  return kept;
}
