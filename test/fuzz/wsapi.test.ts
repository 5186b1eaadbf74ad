import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { connectArray } from '../../src/array/three-par.js';
import type { ArrayClient } from '../../src/contracts/array.js';
import { DriverError } from '../../src/domain/errors.js';
import { Secret } from '../../src/domain/secret.js';
import { memoryPins, NO_SSH, recordingLogger } from '../unit/array/array-settings.js';
import { garble, type Garble } from './garble.js';
import { GarblingServer, PASSWORD, USER, type GarblingArray } from './garbling-array.js';
import { FUZZ } from './runs.js';
import { admitAndLook, readBack, makeWholeGroup } from '../read-back.js';

/*
 * A simulated array does what it is asked, but its answers arrive garbled. Whatever a method of the client then says has to
 * agree with what is on the array: its success with the deed, its "there is none" with the absence.
 */

const DEADLINE_MS = 500;
/** What a busy machine may take on top. */
const SLACK_MS = 5_000;
const VOLUME = 'dcv-fuzzed';
const SNAPSHOT = 'dcs-fuzzed';
const TAG = '{"volume_id":"1","type":"Docker"}';
const HOST = 'node1';
const GROUP = 'G1';
const INITIATORS = { protocol: 'iscsi' as const, names: ['iqn.1993-08.org.debian:01:node1'] };

const wantedVolume = {
  name: VOLUME,
  cpg: 'cpg-a',
  snapCpg: 'cpg-a-snap',
  sizeMiB: 1024,
  provisioning: 'thin' as const,
  compression: false,
  tag: TAG,
};
const wantedSnapshot = { name: SNAPSHOT, of: VOLUME, tag: TAG };
const wantedGroup = {
  name: GROUP,
  target: 'sim-b-rc',
  mode: 'synchronous' as const,
  localCpg: 'cpg-a',
  localSnapCpg: 'cpg-a-snap',
  remoteCpg: 'cpg-b',
  remoteSnapCpg: 'cpg-b-snap',
};
const admission = { group: GROUP, volume: VOLUME, target: 'sim-b-rc', differentSecondaryWwn: true, isBlank: true };

const volumeValue = z.strictObject({
  name: z.literal(VOLUME),
  wwn: z.string().regex(/^[0-9a-f]{32}$/),
  sizeMiB: z.int().positive(),
  provisioning: z.enum(['thin', 'full', 'dedup', 'other']),
  compression: z.boolean(),
  cpg: z.string().optional(),
  snapCpg: z.string().optional(),
  comment: z.string(),
});
const snapshotValue = z.strictObject({
  name: z.literal(SNAPSHOT),
  wwn: z.string().regex(/^[0-9a-f]{32}$/),
  sizeMiB: z.int().positive(),
  of: z.string().optional(),
  comment: z.string(),
  expiresAt: z.iso.datetime().optional(),
  retainedUntil: z.iso.datetime().optional(),
});
const vlunValue = z.strictObject({
  volume: z.literal(VOLUME),
  host: z.string(),
  lun: z.int().nonnegative(),
  active: z.boolean(),
  port: z.string().optional(),
});
const groupValue = z.looseObject({ name: z.literal(GROUP), role: z.enum(['primary', 'secondary']) });

type Step = (array: ArrayClient, signal: AbortSignal) => Promise<unknown>;

interface Method {
  name: string;
  /** What has to be there before. */
  before: Step[];
  call: Step;
  value: z.ZodType;
  /** What has to be on the array when the call has succeeded with that value. */
  isTrue(on: GarblingArray, value: unknown): boolean;
}

const makeVolume: Step = async (array, signal) => readBack(array.makeVolume(wantedVolume, signal));
const makeSnapshot: Step = async (array, signal) => array.snapshots.ensure(wantedSnapshot, signal);
const makeHost: Step = async (array, signal) => array.ensureHost(HOST, INITIATORS, signal);
const makeVlun: Step = async (array, signal) => array.ensureVlun(VOLUME, { host: HOST }, signal);
const makeGroup: Step = async (array, signal) => makeWholeGroup(array.remoteCopy, wantedGroup, signal);
const admit: Step = async (array, signal) => admitAndLook(array.remoteCopy, admission, signal);
const start: Step = async (array, signal) => readBack(array.remoteCopy.startGroup(GROUP, signal));

const nothing = z.undefined();
const isThere = ({ array }: GarblingArray): boolean => array.volumes.get(VOLUME)?.comment === TAG;
const isSnapshot = ({ array }: GarblingArray): boolean => array.volumes.get(SNAPSHOT)?.parent?.name === VOLUME;
const isGone = ({ array }: GarblingArray): boolean => !array.volumes.has(VOLUME);
const isExported = ({ array }: GarblingArray): boolean =>
  array.vluns.some(({ volume, host }) => volume.name === VOLUME && host?.name === HOST);
const groupIs = ({ array }: GarblingArray): string => array.groups.get(GROUP)?.state ?? 'gone';
const isMember = ({ array }: GarblingArray): boolean => array.groups.get(GROUP)?.members.length === 1;
const always = (): boolean => true;

const METHODS: Method[] = [
  {
    name: 'identity',
    before: [],
    call: async (array, signal) => array.identity(signal),
    value: z.strictObject({ name: z.string().min(1), systemId: z.int().positive(), osVersion: z.string() }),
    isTrue: always,
  },
  {
    name: 'findVolume, which is there',
    before: [makeVolume],
    call: async (array, signal) => array.findVolume(VOLUME, signal),
    value: volumeValue,
    isTrue: always,
  },
  {
    name: 'findVolume, which is not there',
    before: [],
    call: async (array, signal) => array.findVolume(VOLUME, signal),
    value: nothing,
    isTrue: always,
  },
  { name: 'makeVolume', before: [], call: makeVolume, value: volumeValue, isTrue: isThere },
  { name: 'makeVolume again', before: [makeVolume], call: makeVolume, value: volumeValue, isTrue: isThere },
  {
    name: 'tagVolume',
    before: [async (array, signal) => readBack(array.makeVolume({ ...wantedVolume, tag: '' }, signal))],
    call: async (array, signal) => array.tagVolume(VOLUME, TAG, signal),
    value: volumeValue,
    isTrue: isThere,
  },
  {
    name: 'removeVolume',
    before: [makeVolume],
    call: async (array, signal) => array.removeVolume(VOLUME, TAG, signal),
    value: nothing,
    isTrue: isGone,
  },
  {
    name: 'removeVolume of somebody else',
    before: [async (array, signal) => readBack(array.makeVolume({ ...wantedVolume, tag: 'theirs' }, signal))],
    call: async (array, signal) => array.removeVolume(VOLUME, TAG, signal).then(() => 'removed'),
    value: z.never(),
    isTrue: always,
  },
  { name: 'ensure a snapshot', before: [makeVolume], call: makeSnapshot, value: snapshotValue, isTrue: isSnapshot },
  {
    name: 'look at a snapshot',
    before: [makeVolume, makeSnapshot],
    call: async (array, signal) => array.snapshots.look(SNAPSHOT, signal),
    value: z.strictObject({ snapshot: snapshotValue }),
    isTrue: always,
  },
  {
    name: 'look at a snapshot that is gone',
    before: [],
    call: async (array, signal) => array.snapshots.look(SNAPSHOT, signal),
    value: z.strictObject({ snapshot: nothing, arrayTime: z.iso.datetime().optional() }),
    isTrue: always,
  },
  {
    name: 'retain a snapshot',
    before: [makeVolume, makeSnapshot],
    call: async (array, signal) => array.snapshots.retain(wantedSnapshot, { retentionHours: 1 }, signal),
    value: snapshotValue,
    isTrue: ({ array }) => array.volumes.get(SNAPSHOT)?.retainedUntil !== undefined,
  },
  {
    name: 'list snapshots, of which there is one',
    before: [makeVolume, makeSnapshot],
    call: async (array, signal) => array.snapshots.list(VOLUME, signal),
    value: z.array(z.strictObject({ name: z.string().min(1), comment: z.string() })).length(1),
    isTrue: always,
  },
  {
    name: 'remove a snapshot',
    before: [makeVolume, makeSnapshot],
    call: async (array, signal) => array.snapshots.remove(SNAPSHOT, TAG, signal),
    value: nothing,
    isTrue: (on) => !isSnapshot(on),
  },
  {
    name: 'ensureHost',
    before: [],
    call: makeHost,
    value: z.literal(HOST),
    isTrue: ({ array }) => array.hosts.has(HOST),
  },
  {
    name: 'ensureVlun',
    before: [makeVolume, makeHost],
    call: makeVlun,
    value: z.strictObject({
      host: z.literal(HOST),
      lun: z.int().nonnegative(),
      targets: z.array(z.looseObject({ name: z.string().min(1) })).min(1),
    }),
    isTrue: isExported,
  },
  {
    name: 'findVluns, of which there is one',
    before: [makeVolume, makeHost, makeVlun],
    call: async (array, signal) => array.findVluns(VOLUME, signal),
    value: z.array(vlunValue).min(1),
    isTrue: always,
  },
  {
    name: 'removeVluns',
    before: [makeVolume, makeHost, makeVlun],
    call: async (array, signal) => array.removeVluns(VOLUME, HOST, signal),
    value: nothing,
    isTrue: (on) => !isExported(on),
  },
  {
    name: 'findGroup, which is there',
    before: [makeGroup],
    call: async (array, signal) => array.remoteCopy.findGroup(GROUP, signal),
    value: groupValue,
    isTrue: always,
  },
  {
    name: 'listGroups',
    before: [makeGroup],
    call: async (array, signal) => array.remoteCopy.listGroups(signal),
    value: z.array(z.looseObject({ name: z.string() })),
    isTrue: always,
  },
  {
    name: 'linksUp',
    before: [],
    call: async (array, signal) => array.remoteCopy.linksUp('sim-b-rc', signal),
    value: z.boolean().optional(),
    isTrue: always,
  },
  { name: 'makeGroup', before: [], call: makeGroup, value: groupValue, isTrue: (on) => groupIs(on) !== 'gone' },
  {
    name: 'removeGroup',
    before: [makeGroup],
    call: async (array, signal) => array.remoteCopy.removeGroup(GROUP, signal),
    value: nothing,
    isTrue: (on) => groupIs(on) === 'gone',
  },
  {
    name: 'removeGroup with a member',
    before: [makeVolume, makeGroup, admit],
    call: async (array, signal) => array.remoteCopy.removeGroup(GROUP, signal).then(() => 'removed'),
    value: z.never(),
    isTrue: always,
  },
  { name: 'admit', before: [makeVolume, makeGroup], call: admit, value: groupValue, isTrue: isMember },
  {
    name: 'dismiss',
    before: [makeVolume, makeGroup, admit],
    call: async (array, signal) => readBack(array.remoteCopy.dismiss(GROUP, VOLUME, signal)),
    value: nothing,
    isTrue: (on) => !isMember(on),
  },
  {
    name: 'startGroup',
    before: [makeVolume, makeGroup, admit],
    call: start,
    value: groupValue,
    isTrue: (on) => groupIs(on) === 'started',
  },
  {
    name: 'stopGroup',
    before: [makeVolume, makeGroup, admit, start],
    call: async (array, signal) => readBack(array.remoteCopy.stopGroup(GROUP, signal)),
    value: nothing,
    isTrue: (on) => groupIs(on) === 'stopped',
  },
];

let server: GarblingServer;

beforeAll(async () => {
  server = await GarblingServer.start();
});
afterAll(async () => server.close());

function connect(on: GarblingArray): { client: ArrayClient; log: () => string } {
  const { logger, text } = recordingLogger();
  const client = connectArray(
    {
      label: 'primary array',
      apiUrl: on.apiUrl,
      username: USER,
      password: new Secret(PASSWORD),
      tlsVerify: false,
      ssh: NO_SSH,
    },
    { pins: memoryPins(), logger },
  );
  return { client, log: text };
}

/** The method's own words for what happened; throws for whatever may never happen. */
async function outcomeOf(method: Method, on: GarblingArray, client: ArrayClient): Promise<string> {
  const started = performance.now();
  try {
    const value = await method.call(client, AbortSignal.timeout(DEADLINE_MS));
    const parsed = method.value.safeParse(value);
    if (!parsed.success) throw new Error(`gave ${JSON.stringify(value)}: ${z.prettifyError(parsed.error)}`);
    if (!method.isTrue(on, value)) throw new Error(`said ${JSON.stringify(value)}, which is not true`);
    return 'succeeded';
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    if (thrown.code === 'internal') throw thrown;
    expect(thrown.toUserText()).not.toMatch(/[\r\n]/);
    expect(thrown.toUserText().length).toBeLessThan(2_000);
    return thrown.toUserText();
  } finally {
    expect(performance.now() - started).toBeLessThan(DEADLINE_MS + SLACK_MS);
  }
}

function expectNoSecret(text: string, on: GarblingArray): void {
  for (const secret of [PASSWORD, ...on.keys]) expect(text).not.toContain(secret);
}

/** Everything before the method is answered well, then the method under the garbles. */
async function tryMethod(method: Method, script: (Garble | undefined)[], rest: Garble | undefined): Promise<void> {
  const on = await server.add();
  const { client, log } = connect(on);
  try {
    for (const step of method.before) await step(client, AbortSignal.timeout(10_000));
    on.script = [...script];
    on.always = rest;
    const outcome = await outcomeOf(method, on, client);
    expectNoSecret(outcome, on);
    expectNoSecret(log(), on);
  } finally {
    [on.script, on.always] = [[], undefined];
    await client.close();
  }
}

const sometimes = fc.array(fc.option(garble, { nil: undefined }), { minLength: 1, maxLength: 6 });
/** A login that gets no answer is waited for longer than a caller of this test has. */
const answered = garble.filter(({ kind }) => kind !== 'stall');
const FEW = Math.ceil(FUZZ.runs / 10);

describe('whatever the array answers', () => {
  it.each(METHODS)('$name is true, or a DriverError in time', async (method) => {
    await fc.assert(
      fc.asyncProperty(sometimes, fc.option(garble, { nil: undefined, freq: 3 }), async (script, rest) => {
        await tryMethod(method, script, rest);
      }),
      { ...FUZZ.options, numRuns: FEW },
    );
  });

  it('the client works as soon as the answers are good again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(answered, { minLength: 1, maxLength: 5 }), async (script) => {
        const on = await server.add();
        const { client } = connect(on);
        try {
          on.script = [...script];
          while (on.script.length > 0) {
            const error = await client.findVolume(VOLUME, AbortSignal.timeout(DEADLINE_MS)).then(() => '', String);
            // A password that was refused is not tried again for a while, and that is as it should be.
            if (error.includes('user or password refused') || on.keys.length === 0) return;
          }
          expect(await client.findVolume(VOLUME, AbortSignal.timeout(10_000))).toBeUndefined();
        } finally {
          await client.close();
        }
      }),
      { ...FUZZ.options, numRuns: FEW },
    );
  });
});
