import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MetadataStore, Passphrases } from '../../src/contracts/store.js';
import { DriverError } from '../../src/domain/errors.js';
import { Secret } from '../../src/domain/secret.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import { startEtcd, type Etcd } from '../etcd.js';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const soon = (): AbortSignal => AbortSignal.timeout(10_000);

describe('passphrases in etcd', () => {
  let etcd: Etcd;
  let dir: string;
  let store: MetadataStore;
  let passphrases: Passphrases;

  beforeAll(async () => {
    etcd = await startEtcd();
    dir = await mkdtemp(path.join(tmpdir(), 'hpe-passphrases-'));
    store = openEtcdStore({ hosts: [etcd.host], node: { id: 'a', name: 'a' }, stateDir: dir, logger: silent });
    if (store.passphrases === undefined) throw new Error('none');
    passphrases = store.passphrases;
  });
  afterAll(async () => {
    await store.close();
    await etcd.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const find = async (backend: string): Promise<string | undefined> =>
    (await passphrases.find(backend, soon()))?.reveal();

  it('are found under the key that the old plugin had, without the line end that a pipe leaves', async () => {
    expect(await find('DEFAULT')).toBeUndefined();
    await etcd.ctl('put', '/backend/DEFAULT', '@123#');
    expect(await find('DEFAULT')).toBe('@123#');
    await etcd.ctl('put', '/backend/DEFAULT', 'with end\n');
    expect(await find('DEFAULT')).toBe('with end');
    await etcd.ctl('put', '/backend/DEFAULT', '\n');
    expect(await find('DEFAULT')).toBeUndefined();
    await etcd.ctl('del', '/backend/DEFAULT');
    expect(await find('DEFAULT')).toBeUndefined();
    expect(await find('my gold')).toBeUndefined();
  });

  it('are saved once, and not replaced: other passwords are encrypted with them', async () => {
    await passphrases.save('gold', new Secret('one'), soon());
    await passphrases.save('gold', new Secret('one'), soon());
    const refused = passphrases.save('gold', new Secret('two'), soon());
    await expect(refused).rejects.toMatchObject({ code: 'refused', next: expect.stringContaining('/backend/gold') });
    await expect(refused).rejects.not.toMatchObject({ message: expect.stringMatching(/one|two/) });
    expect((await etcd.ctl('get', '--print-value-only', '/backend/gold')).trim()).toBe('one');
  });

  it('are not missing when etcd was wiped or is away: that is not known then', async () => {
    await etcd.wipe();
    const failure = find('gold');
    await expect(failure).rejects.toBeInstanceOf(DriverError);
    await expect(failure).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('wiped') });
    await etcd.kill();
    await expect(find('gold')).rejects.toMatchObject({ code: 'unavailable' });
  });
});
