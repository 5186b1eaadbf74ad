import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Write } from '../../src/contracts/store.js';
import type { Volume } from '../../src/domain/volume.js';
import { PeerWatch } from '../../src/driver/peer-watch.js';
import { Recovery } from '../../src/driver/recover.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import { playVerbs, prepareVolumes, removeVolumes, VERBS } from '../bench/verbs.js';
import { anAttachment, aVolume } from '../contract/store-records.js';
import { startEtcd, type Etcd } from '../etcd.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects } from '../simulator-state.js';
import { hearing, hearRequests, volumesTold } from '../volumes-told.js';

/*
 * Which records of volumes the verbs and the recovery round read, and which attachments the verbs, among those of others: none, or those that have to be looked
 * at by name. So they take as long with 100,000 volumes as with ten.
 */

const silence = (): void => undefined;
const logger = { debug: silence, info: silence, warn: silence, error: silence };
const COUNT = 1_200;
const PREFIX = '/hpe-volume-plugin/v1/';

const nameOf = (i: number): string => `other-${String(i).padStart(4, '0')}`;
const isOther = (name: string): boolean => name.startsWith('other-');
/** Plain ones, members of a group, and a few clones. */
const OTHERS: Volume[] = Array.from({ length: COUNT }, (_, i) => {
  const volume = { ...aVolume(nameOf(i)), id: `id-${i}` };
  if (i % 100 === 7) {
    return { ...volume, origin: { kind: 'clone', of: nameOf(i - 1), ofId: `id-${i - 1}`, side: 'primary' } };
  }
  return i % 2 === 0 ? volume : { ...volume, spec: { ...volume.spec, replicationGroup: `of-others-${i % 3}` } };
});
const NOTABLE = OTHERS.filter(({ origin }) => origin !== undefined).map(({ name }) => name);

let etcd: Etcd;
let node: Node;
/** Told to requests. */
const told: string[] = [];
const toldTo = new Map<string, string[]>();

/** What others' volumes it is told of. */
async function watched(what: string, act: () => Promise<unknown>): Promise<void> {
  told.length = 0;
  await act();
  toldTo.set(what, told.filter(isOther));
}

async function saveOthers(): Promise<void> {
  const store = openEtcdStore({ hosts: [etcd.host], stateDir: node.dir, node: { id: 'other', name: 'other' }, logger });
  const signal = AbortSignal.timeout(60_000);
  const fence = await store.lock(['others'], signal);
  const writes = OTHERS.flatMap((value): Write[] => [
    { put: 'volume', key: value.name, value },
    { put: 'attachment', key: value.name, value: anAttachment(value.name) },
  ]);
  for (let at = 0; at < writes.length; at += 30) await store.commit(fence, writes.slice(at, at + 30));
  await fence.release();
  await store.close();
}

const done = async (answer: Promise<string>): Promise<void> => expect(await answer).toBe('');

beforeAll(async () => {
  etcd = await startEtcd();
  node = await startNode({ etcd: etcd.host, hasPeriodic: true, seed: { mixedModes: 'accepted' } });
  await saveOthers();
  const { docker } = node;
  await prepareVolumes(docker, 1);
  volumesTold(PREFIX, 'hearing', ['volume', 'attachment']);
  hearRequests(told);
  await playVerbs(docker, 1, async (verb, act) => watched(verb, async () => act(0)));
  await done(docker.create('source', { size: '1', backend: 'plain' }));
  await docker.mount('source');
  await done(docker.unmount('source'));
  const schedule = { scheduleName: 'nightly', scheduleFrequency: '10 2 * * *', snapshotPrefix: 'pre' };
  await watched('create-snapshot', async () => done(docker.create('snap', { virtualCopyOf: 'source' })));
  await watched('create-clone', async () => done(docker.create('copy', { cloneOf: 'source' })));
  await watched('create-schedule', async () =>
    done(docker.create('nightly', { virtualCopyOf: 'source', ...schedule })),
  );
  await watched('remove-source-of-copies', async () => expect(await docker.remove('source')).toContain('snap'));
  jest.restoreAllMocks();
}, 180_000);

afterAll(async () => {
  const { docker } = node;
  jest.restoreAllMocks();
  for (const name of ['copy', 'snap', 'nightly', 'source']) await done(docker.remove(name));
  await removeVolumes(docker, 1);
  const left = await arrayObjects(node.control);
  await node.close();
  await etcd.stop();
  expect(await hostLeftovers(node.dir)).toEqual([]);
  expect(left).toEqual([]);
});

describe('Among 1,200 volumes of others, none is read by', () => {
  it.each([...VERBS.filter((verb) => verb !== 'list'), 'create-snapshot', 'create-clone', 'remove-source-of-copies'])(
    '%s',
    (verb) => {
      expect(toldTo.get(verb)).toEqual([]);
    },
  );
});

it('a new schedule looks at those that were made of another volume, and at no other', () => {
  expect(new Set(toldTo.get('create-schedule'))).toEqual(new Set(NOTABLE));
});

it('a recovery round looks at those that were made of another volume or have to grow, and at no other', async () => {
  volumesTold(PREFIX, 'hearing');
  const toRounds: string[] = [];
  const { start } = Recovery.prototype;
  const { list } = PeerWatch.prototype;
  jest.spyOn(Recovery.prototype, 'start').mockImplementation(function (this: Recovery) {
    hearing(toRounds, () => start.call(this));
  });
  const isOver = new Promise<void>((resolve) => {
    // The last thing that a round does.
    jest.spyOn(PeerWatch.prototype, 'list').mockImplementation(async function (this: PeerWatch, signal) {
      const found = await list.call(this, signal);
      resolve();
      return found;
    });
  });
  await node.restart();
  await isOver;
  const others = toRounds.filter(isOther);
  // For those that may have expired, and for those that have to grow.
  expect(others.slice(0, 2 * NOTABLE.length).toSorted()).toEqual([...NOTABLE, ...NOTABLE].toSorted());
  expect(new Set(others)).toEqual(new Set(NOTABLE));
});
