import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { open, readdir, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayOutline } from '../simulator-state.js';
import { exchangeRaw } from './raw-http.js';
import { oddName, requestBody } from './requests.js';
import { FUZZ } from './runs.js';

/** A whole daemon with a pair: what it refuses has changed nothing, and what it accepts can be removed again. */

const HANG_MS = 20_000;
const CHANGES = ['VolumeDriver.Create', 'VolumeDriver.Remove', 'VolumeDriver.Mount', 'VolumeDriver.Unmount'];
const READS = [
  'VolumeDriver.Get',
  'VolumeDriver.Path',
  'VolumeDriver.List',
  'VolumeDriver.Capabilities',
  'Plugin.Activate',
];

let node: Node;
/** Keeps the mounted volume in use. */
let used: FileHandle;
let before: string[];

beforeAll(async () => {
  node = await startNode();
  expect(await node.docker.create('keeper', { size: '1', replicationGroup: 'g1' })).toBe('');
  expect(await node.docker.create('mounted', { size: '1', backend: 'plain' })).toBe('');
  used = await open(path.join(await node.docker.mount('mounted'), 'file'), 'w');
  before = await everything();
});
afterAll(async () => {
  await used.close();
  expect(await node.docker.unmount('mounted')).toBe('');
  for (const name of ['mounted', 'keeper']) expect(await node.docker.remove(name)).toBe('');
  await node.close();
  expect(await hostLeftovers(node.dir)).toEqual([]);
});

const volumes = async (): Promise<string[]> =>
  ((await node.docker.call('VolumeDriver.List')).Volumes ?? []).map(({ Name, Mountpoint }) => `${Name} ${Mountpoint}`);

/** Arrays, metadata, mounts and files, as far as a request could change them. */
async function everything(): Promise<string[]> {
  const mountRoot = await readdir(path.join(node.dir, 'state', 'volumes'), { recursive: true });
  const files = (await readdir(node.dir)).toSorted();
  return [
    ...(await arrayOutline(node.control)),
    ...(await volumes()),
    ...(await hostLeftovers(node.dir)),
    ...mountRoot,
    ...files,
  ];
}

async function removeAccepted(): Promise<void> {
  const { Volumes = [] } = await node.docker.call('VolumeDriver.List');
  for (const { Name } of Volumes.filter((each) => !['keeper', 'mounted'].includes(each.Name))) {
    expect(await node.docker.unmount(Name)).toBe('');
    expect(await node.docker.remove(Name)).toBe('');
  }
}

async function send(verb: string, body: Buffer): Promise<string | undefined> {
  const head = `POST /${verb} HTTP/1.1\r\nHost: plugin\r\nContent-Length: ${body.length}\r\n\r\n`;
  const pieces = [Buffer.concat([Buffer.from(head), body])];
  const reply = await exchangeRaw(
    path.join(node.dir, 'hpe.sock'),
    { pieces, abort: false },
    { answers: 1, ms: HANG_MS },
  );
  const [answer] = reply.answers;
  if (answer === undefined) {
    expect(['VolumeDriver.Get', 'VolumeDriver.List']).toContain(verb);
    expect(reply.closed).toBe(true);
    return undefined;
  }
  const { Err } = JSON.parse(answer.body) as { Err: string };
  expect(Err).not.toMatch(/\p{Cc}/u);
  expect(Err).not.toContain('unexpected failure');
  expect(Err.length).toBeLessThan(2_000);
  return Err;
}

const valid = fc.constantFrom('keeper', 'mounted', 'a', 'A.b-c_d', '0');
const option = fc.oneof(
  fc.constantFrom<[string, string]>(
    ['size', '1'],
    ['backend', 'plain'],
    ['replicationGroup', 'g1'],
    ['provisioning', 'full'],
  ),
  fc.tuple(fc.constantFrom('size', 'replicationGroup', 'backend', 'mountConflictDelay', 'provisioning'), oddName),
  fc.tuple(oddName, oddName),
);
/** Well-formed requests with odd contents: these get as far as the driver. */
const formed = fc
  .record({
    Name: fc.oneof(valid, oddName),
    ID: fc.oneof(fc.constant('b'.repeat(64)), oddName),
    Opts: fc.array(option, { maxLength: 4 }),
  })
  .map(({ Opts, ...rest }) => Buffer.from(JSON.stringify({ ...rest, Opts: Object.fromEntries(Opts) })));
/** Docker's user has these, so that they may be mounted and unmounted, but not removed, with good reason. */
const isMeant = (body: Buffer): boolean => /"Name":"(keeper|mounted)"/.test(body.toString());

describe('a whole daemon', () => {
  it('refuses without a trace, and removes again what it has accepted', async () => {
    const body = fc.oneof(formed, formed, requestBody).filter((bytes) => !isMeant(bytes));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...CHANGES, ...READS), body, async (verb, bytes) => {
        const refused = (await send(verb, bytes)) !== '';
        if (!refused && CHANGES.includes(verb)) await removeAccepted();
        expect(await everything()).toEqual(before);
      }),
      { ...FUZZ.options, numRuns: FUZZ.runs },
    );
    for (const kind of ['operation', 'attachment', 'volume'] as const) {
      const records = await node.records(kind);
      expect(records.length).toBe({ operation: 0, attachment: 1, volume: 2 }[kind]);
    }
  });

  it('mounts for any id, and lets go for the same id only', async () => {
    const id = oddName.filter((text) => text !== '' && text.length < 900_000);
    await fc.assert(
      fc.asyncProperty(id, async (odd) => {
        const keeper = Buffer.from(JSON.stringify({ Name: 'keeper', ID: odd }));
        expect(await send('VolumeDriver.Mount', keeper)).toBe('');
        expect(await node.docker.unmount('keeper')).toBe('');
        expect(await everything()).not.toEqual(before);
        expect(await send('VolumeDriver.Unmount', keeper)).toBe('');
        expect(await send('VolumeDriver.Unmount', Buffer.from(JSON.stringify({ Name: 'mounted', ID: odd })))).toBe('');
        expect(await everything()).toEqual(before);
        expect(await send('VolumeDriver.Remove', Buffer.from(JSON.stringify({ Name: 'mounted', X: odd })))).toMatch(
          / used by /,
        );
        expect(await everything()).toEqual(before);
      }),
      { ...FUZZ.options, numRuns: Math.ceil(FUZZ.runs / 10) },
    );
  });
});
