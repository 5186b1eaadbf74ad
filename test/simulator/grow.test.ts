import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { admitBody, groupBody, startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';
import type { WsapiClient } from './wsapi-client.js';

// On a busy machine.

const run = promisify(execFile);
const MIB = 2 ** 20;

let pair: StartedPair;
let a: WsapiClient;
let b: WsapiClient;

beforeAll(async () => {
  pair = await startTestPair({ fabric: 'loopback' });
  ({ a, b } = pair);
  await a.done('POST', '/volumes', volumeBody('plain'));
});
afterAll(async () => pair.close());

const grow = (by: unknown) => ({ action: 3, sizeMiB: by });
const growth = (name: string, by: unknown, client = a) => client.refusal('PUT', `/volumes/${name}`, grow(by));
const groupAction = (action: number) => a.done('PUT', '/remotecopygroups/g1', { action });
/** As the array and the data file have it. */
const sizes = async (name: string, client = a) => {
  const file = join(pair.dir, client === a ? 'sim-a' : 'sim-b', 'volumes', name);
  return [(await client.send('GET', `/volumes/${name}`)).body.at('sizeMiB'), (await stat(file)).size / MIB];
};

describe('grow (PUT action 3)', () => {
  it('adds whole steps of 256 MiB', async () => {
    await a.done('PUT', '/volumes/plain', grow(1));
    expect(await sizes('plain')).toEqual([512, 512]);
    await a.done('PUT', '/volumes/plain', grow(512));
    expect(await sizes('plain')).toEqual([1024, 1024]);
  });

  it('shows hosts the new size on the device that they have', async () => {
    const iqn = 'iqn.2020-01.test:node1';
    await a.done('POST', '/hosts', { name: 'node1', iSCSINames: [iqn] });
    await a.done('POST', '/vluns', { volumeName: 'plain', lun: 1, hostname: 'node1' });
    const link = join(pair.dir, 'fabric', iqn, 'iqn.2000-05.com.3pardata:20210002ac00b69e-lun-1');
    const device = (await run('losetup', ['--find', '--show', link])).stdout.trim();
    try {
      await a.done('PUT', '/volumes/plain', grow(256));
      expect(JSON.parse(await readFile(`${link}.json`, 'utf8'))).toMatchObject({ sizeBytes: 1280 * MIB });
      await run('losetup', ['--set-capacity', device]);
      expect(Number((await run('blockdev', ['--getsize64', device])).stdout) / MIB).toBe(1280);
    } finally {
      await run('losetup', ['--detach', device]);
    }
  });

  it.each([
    ['a volume that is missing', 'none', 256, '404/23'],
    ['nothing', 'plain', 0, '400/152'],
    ['less', 'plain', -256, '400/152'],
    ['no number', 'plain', 'x', '400/39'],
    ['no size', 'plain', undefined, '400/40'],
    ['more than 16 TiB', 'plain', 16_777_216, '403/153'],
  ])('is refused for %s', async (_what, name, by, refusal) => {
    const before = await sizes('plain');
    expect(await growth(name, by)).toBe(refusal);
    expect(await sizes('plain')).toEqual(before);
  });

  it('is refused for a snapshot, its parent, and what is being copied', async () => {
    await a.done('POST', '/volumes/plain', { action: 'createSnapshot', parameters: { name: 'snap' } });
    expect([await growth('snap', 256), await growth('plain', 256)]).toEqual(['403/150', '403/150']);
    await a.done('DELETE', '/volumes/snap');
    await pair.control('POST', '/copy-hold', { hold: true });
    const parameters = { destVolume: 'copy', destCPG: 'cpg-a', online: true, tpvv: true };
    await a.done('POST', '/volumes/plain', { action: 'createPhysicalCopy', parameters });
    expect([await growth('copy', 256), await growth('plain', 256)]).toEqual(['409/151', '409/151']);
    await pair.control('POST', '/copy-hold', { hold: false });
    await a.done('PUT', '/volumes/copy', grow(256));
    expect(await sizes('copy')).toEqual([1536, 1536]);
  });
});

describe('grow of a member of a remote copy group', () => {
  it('is refused while it is started, and of the secondary; the secondary grows with the next start', async () => {
    await a.done('POST', '/volumes', volumeBody('member'));
    await a.done('POST', '/remotecopygroups', groupBody('g1'));
    await a.done('PUT', '/remotecopygroups/g1', admitBody('member'));
    await groupAction(3);
    const refused = await a.send('PUT', '/volumes/member', grow(256));
    expect(refused.body.value).toMatchObject({
      code: 120,
      desc: 'VV member is currently in a started remote copy group',
    });
    await groupAction(4);
    expect(await growth('member', 256, b)).toBe('403/120');
    await a.done('PUT', '/volumes/member', grow(256));
    expect([await sizes('member'), await sizes('member', b)]).toEqual([
      [512, 512],
      [256, 256],
    ]);
    await pair.control('POST', '/sync-hold', { hold: true });
    await groupAction(3);
    expect(await sizes('member', b)).toEqual([512, 512]);
    await pair.control('POST', '/sync-hold', { hold: false });
    await groupAction(4);
    expect(await sizes('member', b)).toEqual([512, 512]);
  });

  it('keeps the group from starting while the secondary has a snapshot', async () => {
    await b.done('POST', '/volumes/member', { action: 'createSnapshot', parameters: { name: 'snap' } });
    await a.done('PUT', '/volumes/member', grow(256));
    expect(await a.refusal('PUT', '/remotecopygroups/g1', { action: 3 })).toBe('403/150');
    expect((await a.send('GET', '/remotecopygroups/g1')).body.at('targets', 0, 'state')).toBe(5);
    await b.done('DELETE', '/volumes/snap');
    await groupAction(3);
    await groupAction(4);
    expect(await sizes('member', b)).toEqual([768, 768]);
  });

  it('after a failover is done where the data are, and goes back with them', async () => {
    await b.done('POST', '/remotecopygroups/g1.r46750', { action: 7 });
    await b.done('PUT', '/volumes/member', grow(256));
    await b.done('POST', '/remotecopygroups/g1.r46750', { action: 10 });
    expect([await sizes('member'), await sizes('member', b)]).toEqual([
      [1024, 1024],
      [1024, 1024],
    ]);
  });

  it('on the side that is stale then stops the way back', async () => {
    await groupAction(4);
    await a.done('PUT', '/volumes/member', grow(256));
    await b.done('POST', '/remotecopygroups/g1.r46750', { action: 7 });
    for (const action of [9, 10]) {
      expect(await b.refusal('POST', '/remotecopygroups/g1.r46750', { action })).toBe('403/1027');
    }
    expect((await b.send('GET', '/remotecopygroups/g1.r46750')).body.at('role')).toBe(1);
  });
});
