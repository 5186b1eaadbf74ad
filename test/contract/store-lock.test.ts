import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { IRequestOp, ITxnRequest, ITxnResponse } from 'etcd3';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DriverError } from '../../src/domain/errors.js';
import { AbandonedLocks } from '../../src/store/abandoned-locks.js';
import { EtcdClient } from '../../src/store/etcd-client.js';
import { GuardedEtcd } from '../../src/store/etcd-root.js';
import { Lease } from '../../src/store/lease.js';
import { EtcdFence, releaseInEtcd, takeInEtcd } from '../../src/store/lock.js';
import { startEtcd, type Etcd } from '../etcd.js';

/** A client on a bad network: sends a transaction twice, or keeps one back and sends it later. */
class FlakyClient extends EtcdClient {
  twice = false;
  keepBack = false;
  kept: (() => Promise<ITxnResponse>) | undefined;

  override async txn(request: ITxnRequest, signal?: AbortSignal): Promise<ITxnResponse> {
    if (this.keepBack) {
      this.keepBack = false;
      this.kept = () => super.txn(request, signal);
      throw new DriverError('unavailable', 'no answer in time');
    }
    if (this.twice) await super.txn(request, signal);
    return super.txn(request, signal);
  }
}

const text = (key: string, value: string): IRequestOp => ({
  request_put: { key: Buffer.from(key), value: Buffer.from(value) },
});

describe('locks in etcd when answers are lost', () => {
  const signal = AbortSignal.timeout(60_000);
  let etcd: Etcd;
  let dir: string;
  let client: FlakyClient;
  let lease: Lease;
  let lock: () => Promise<EtcdFence>;
  /** What was read with the lock, if it was. */
  let read: (string | undefined)[] | undefined;

  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.stop());

  beforeEach(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'lock-'));
    await etcd.ctl('del', '--prefix', '/');
    client = new FlakyClient([etcd.host], undefined);
    const guarded = new GuardedEtcd(client, '/t/', dir);
    lock = async () => {
      lease = await Lease.grant(client, 5, signal);
      const site = { etcd: guarded, prefix: '/t/', node: { id: 'id', name: 'one' }, life: 'this' };
      const claim = { ...site, lease };
      const parts = { claim, abandoned: new AbandonedLocks(site, () => true) };
      const { tokens, texts } = await takeInEtcd(parts, { keys: ['a', 'b'], reads: ['/t/x'] }, signal);
      read = texts;
      return new EtcdFence(claim, tokens, async () => releaseInEtcd(claim, tokens));
    };
  });

  afterEach(async () => {
    await lease.end();
    client.close();
    await rm(dir, { recursive: true });
  });

  const value = async (key: string): Promise<string> => (await etcd.ctl('get', '--print-value-only', key)).trim();

  it('a lock that was taken by a transaction whose answer was lost is ours', async () => {
    client.twice = true;
    const fence = await lock();
    client.twice = false;
    await fence.commit([text('/t/x', '1')]);
    expect(await value('/t/x')).toBe('1');
    // That transaction has not said what it read.
    expect(read).toBeUndefined();
    await fence.release();
    await lock();
    expect(read).toEqual(['1']);
  });

  it('a commit that was applied by a transaction whose answer was lost is a success, and so is the next', async () => {
    const fence = await lock();
    client.twice = true;
    await fence.commit([text('/t/x', '1')]);
    await fence.commit([text('/t/x', '2')]);
    client.twice = false;
    await fence.commit([text('/t/x', '3')]);
    expect(await value('/t/x')).toBe('3');
  });

  it('a commit that arrives after a later one is not applied', async () => {
    const fence = await lock();
    await fence.commit([text('/t/x', 'first')]);
    client.keepBack = true;
    await expect(fence.commit([text('/t/x', 'late')])).rejects.toMatchObject({ code: 'unavailable' });
    await fence.commit([text('/t/x', 'second')]);
    await client.kept?.();
    expect(await value('/t/x')).toBe('second');
    await fence.commit([text('/t/x', 'third')]);
    expect(await value('/t/x')).toBe('third');
  });

  it('a commit in doubt that was applied after all comes before the next', async () => {
    const fence = await lock();
    client.keepBack = true;
    await expect(fence.commit([text('/t/x', 'doubt')])).rejects.toMatchObject({ code: 'unavailable' });
    await client.kept?.();
    expect(await value('/t/x')).toBe('doubt');
    await fence.commit([text('/t/x', 'next')]);
    expect(await value('/t/x')).toBe('next');
  });

  it('commits of one fence that come at once are all applied', async () => {
    const fence = await lock();
    await Promise.all(Array.from({ length: 8 }, (_, i) => fence.commit([text(`/t/x${i}`, 'y')])));
    expect((await etcd.ctl('get', '--prefix', '--print-value-only', '/t/x')).replaceAll('\n', '')).toBe('y'.repeat(8));
  });

  it('a lock key that somebody made anew is not ours, though our lease lives', async () => {
    const fence = await lock();
    await etcd.ctl('del', '/t/lock/b');
    await etcd.ctl('put', '/t/lock/b', '{"node":"other","name":"two"}');
    await expect(fence.commit([text('/t/x', '1')])).rejects.toMatchObject({ code: 'fenced' });
    expect(fence.signal.aborted).toBe(true);
    expect(await value('/t/x')).toBe('');
  });
});
