import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ClassicLevel } from 'classic-level';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { MetadataStore } from '../../src/contracts/store.js';
import { openEmbeddedStore } from '../../src/store/embedded-store.js';
import { startChild } from './child.js';
import { anOverride, aVolume } from './store-records.js';
import { NODE_ID, storeContract } from './store-suite.js';

const NODE = { id: NODE_ID, name: 'node-one' };

describe('the embedded metadata store', () => {
  const signal = AbortSignal.timeout(60_000);
  let dir: string;
  let store: MetadataStore;

  beforeEach(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'store-'));
    store = await openEmbeddedStore(dir, NODE);
  });

  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true });
  });

  storeContract('embedded', () => ({ store, rival: store, lose: (fence) => fence.release() }));

  it('serves callers of one key in the order in which they came', async () => {
    const order: number[] = [];
    const first = await store.lock(['a'], signal);
    const others = [1, 2, 3, 4].map(async (n) => {
      const giveUp = n === 2 ? AbortSignal.timeout(50) : signal;
      const fence = await store.lock(['a'], giveUp);
      order.push(n);
      await fence.release();
    });
    const settled = Promise.allSettled(others);
    await new Promise((resolve) => setTimeout(resolve, 120));
    await first.release();
    const results = await settled;
    expect(order).toEqual([1, 3, 4]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  });

  it('has everything there after it was closed and opened again; closing takes the locks away', async () => {
    const fence = await store.lock(['a'], signal);
    await store.commit(fence, [{ put: 'volume', key: 'one', value: aVolume('one') }]);
    await store.close();
    expect(fence.signal.aborted).toBe(true);
    await expect(store.find('volume', 'one', signal)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.commit(fence, [])).rejects.toMatchObject({ code: 'fenced' });
    store = await openEmbeddedStore(dir, NODE);
    expect(await store.list('volume', signal)).toEqual([aVolume('one')]);
  });

  it('refuses a second opener, in this and in another process, and opens after a killed one', async () => {
    const refusal = { code: 'unavailable', message: expect.stringContaining('another process') };
    const twice = { code: 'unavailable', message: expect.stringContaining('this process has') };
    await expect(openEmbeddedStore(dir, NODE)).rejects.toMatchObject(twice);
    const refused = startChild('hold-store.ts', [dir]);
    const said = await refused.line();
    await refused.kill();
    expect(said).toContain('another process has the metadata in');
    await store.close();
    const holder = startChild('hold-store.ts', [dir]);
    try {
      expect(await holder.line()).toBe('open');
      await expect(openEmbeddedStore(dir, NODE)).rejects.toMatchObject(refusal);
    } finally {
      await holder.kill();
    }
    store = await openEmbeddedStore(dir, NODE);
  });

  it('keeps an override through a restart of the daemon, and ends it with a reboot of the host', async () => {
    const put = (key: string) => ({ put: 'override', key, value: anOverride(key), ttlSeconds: 600 }) as const;
    const fence = await store.lock(['a'], signal);
    await store.commit(fence, [put('kept'), put('rebooted')]);
    await store.close();
    const level = new ClassicLevel(path.join(dir, 'metadata'));
    const stored = (await level.get('override/rebooted')) ?? '';
    await level.put('override/rebooted', stored.replace(/"bootId":"[^"]*"/, '"bootId":"another"'));
    await level.close();
    store = await openEmbeddedStore(dir, NODE);
    expect(await store.list('override', signal)).toEqual([anOverride('kept')]);
    expect(await store.find('override', 'rebooted', signal)).toBeUndefined();
  });

  it.each([
    ['a cut record', '{"schema":1,"rec', 'internal', 'not JSON'],
    ['a record of a later release', '{"schema":2,"record":{}}', 'unavailable', 'schema 2'],
    ['a record without its members', '{"schema":1,"record":{"name":"bad"}}', 'internal', 'broken'],
    [
      'a member that nobody knows',
      JSON.stringify({ schema: 1, record: { ...aVolume('bad'), extra: 1 } }),
      'internal',
      'extra',
    ],
    ['the record of another volume', JSON.stringify({ schema: 1, record: aVolume('other') }), 'internal', 'other'],
  ])('names %s and never skips it', async (_what, text, code, why) => {
    await store.close();
    const level = new ClassicLevel(path.join(dir, 'metadata'));
    await level.put('volume/bad', text);
    await level.close();
    store = await openEmbeddedStore(dir, NODE);
    const failure = { code, message: expect.stringMatching(new RegExp(`volume record bad.*${why}`)) };
    await expect(store.find('volume', 'bad', signal)).rejects.toMatchObject(failure);
    await expect(store.list('volume', signal)).rejects.toMatchObject(failure);
    await expect(store.lockAndFind(['a'], [['volume', 'bad']], signal)).rejects.toMatchObject(failure);
    // It holds nothing then.
    await (await store.lock(['a'], AbortSignal.timeout(1_000))).release();
  });
});
