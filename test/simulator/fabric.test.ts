import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open, readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { admitBody, groupBody, startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';

// On a busy machine.

const run = promisify(execFile);
const IQN = 'iqn.2020-01.test:node1';
const PORTS_A = ['iqn.2000-05.com.3pardata:20210002ac00b69e', 'iqn.2000-05.com.3pardata:21210002ac00b69e'];

let pair: StartedPair;

beforeEach(async () => {
  pair = await startTestPair({ fabric: 'loopback' });
  for (const client of [pair.a, pair.b]) await client.done('POST', '/hosts', { name: 'node1', iSCSINames: [IQN] });
  await pair.a.done('POST', '/volumes', volumeBody('vol1', { sizeMiB: 512 }));
});
afterEach(async () => pair.close());

async function shown(initiator = IQN): Promise<string[]> {
  const folder = `${pair.dir}/fabric/${initiator}`;
  const names: string[] = existsSync(folder) ? await readdir(folder) : [];
  return names.filter((name) => !name.endsWith('.json'));
}

/** The last digits of the target port, and the LUN. */
const shownShort = async (): Promise<string[]> => (await shown()).map((name) => name.slice(-12));

const exportTo = (client: StartedPair['a'], lun: number, hostname = 'node1') =>
  client.done('POST', '/vluns', { volumeName: 'vol1', lun, hostname });

async function writeTo(path: string, text: string): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.write(text, 0);
  await handle.close();
}

const head = async (path: string, length: number): Promise<string> => {
  const handle = await open(path, 'r');
  const { buffer } = await handle.read(Buffer.alloc(length), 0, length, 0);
  await handle.close();
  return buffer.toString();
};

async function makeReplicated(): Promise<void> {
  await pair.a.done('POST', '/remotecopygroups', groupBody('g1'));
  await pair.a.done('PUT', '/remotecopygroups/g1', admitBody('vol1'));
  await pair.a.done('PUT', '/remotecopygroups/g1', { action: 3 });
}

describe('loopback fabric', () => {
  it('shows an export on every port of its protocol, with what INQUIRY says', async () => {
    await exportTo(pair.a, 4);
    expect(new Set(await shown())).toEqual(new Set(PORTS_A.map((port) => `${port}-lun-4`)));
    const link = `${pair.dir}/fabric/${IQN}/${PORTS_A[0]}-lun-4`;
    expect(await readlink(link)).toBe(`${pair.dir}/sim-a/volumes/vol1`);
    const wwn = String((await pair.a.send('GET', '/volumes/vol1')).body.at('wwn')).toLowerCase();
    const inquiry: unknown = JSON.parse(await readFile(`${link}.json`, 'utf8'));
    expect(inquiry).toEqual({
      wwn,
      sizeBytes: 512 * 1024 * 1024,
      vendor: '3PARdata',
      product: 'VV',
      targetPort: PORTS_A[0],
    });
    await pair.a.done('PUT', '/volumes/vol1', { newName: 'vol2' });
    expect(await readlink(link)).toBe(`${pair.dir}/sim-a/volumes/vol2`);
    await pair.a.done('DELETE', '/vluns/vol2,4,node1');
    expect(await shown()).toEqual([]);
  });

  it('shows FC hosts their ports by WWN', async () => {
    await pair.a.done('POST', '/hosts', { name: 'fc1', FCWWNs: ['10000000C9000001'] });
    await exportTo(pair.a, 0, 'fc1');
    const links = new Set(await shown('10000000c9000001'));
    expect(links).toEqual(new Set(['20110002ac00b69e-lun-0', '21110002ac00b69e-lun-0']));
  });

  it('hides what a port without its cable would show, and shows it again', async () => {
    await exportTo(pair.a, 0);
    await pair.control('POST', '/port', { array: 'sim-a', port: '0:2:1', up: false });
    expect(await shown()).toEqual([`${PORTS_A[1]}-lun-0`]);
    const host = (await pair.a.send('GET', '/hosts/node1')).body;
    expect(host.list('iSCSIPaths').map((path) => path.at('portPos', 'node'))).toEqual([1]);
    await pair.control('POST', '/port', { array: 'sim-a', port: '0:2:1', up: true });
    expect(await shown()).toHaveLength(2);
    await expect(pair.control('POST', '/port', { array: 'sim-a', port: '0:3:1', up: false })).rejects.toThrow('409');
  });

  it('cuts off a loop device whose VLUN was removed, and ends the device when the pair ends', async () => {
    await exportTo(pair.a, 0);
    const link = `${pair.dir}/fabric/${IQN}/${PORTS_A[0]}-lun-0`;
    const { stdout } = await run('losetup', ['--find', '--show', link]);
    const device = stdout.trim();
    await writeTo(device, 'while attached');
    await run('sync', [device]);
    await pair.a.done('DELETE', '/vluns/vol1,0,node1');
    await writeTo(device, 'after the cut!');
    await run('sync', [device]);
    expect(await head(`${pair.dir}/sim-a/volumes/vol1`, 14)).toBe('while attached');
    await pair.close();
    const left = await run('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE']);
    expect(left.stdout).not.toContain(pair.dir);
  });

  it('keeps the data where they are while another port still shows the volume', async () => {
    for (const node of [0, 1]) {
      const portPos = { node, slot: 2, cardPort: 1 };
      await pair.a.done('POST', '/vluns', { volumeName: 'vol1', lun: 0, hostname: 'node1', portPos });
    }
    const handle = await open(`${pair.dir}/sim-a/volumes/vol1`, 'r+');
    await pair.a.done('DELETE', '/vluns/vol1,0,node1,0:2:1');
    await handle.write('still there', 0);
    expect(await head(`${pair.dir}/sim-a/volumes/vol1`, 11)).toBe('still there');
    await pair.a.done('DELETE', '/vluns/vol1,0,node1,1:2:1');
    await handle.write('now cut off', 0);
    await handle.close();
    expect(await head(`${pair.dir}/sim-a/volumes/vol1`, 11)).toBe('still there');
  });

  it('shows only the array that is primary, through failover and restore', async () => {
    await makeReplicated();
    await exportTo(pair.a, 0);
    await exportTo(pair.b, 1);
    const A = ['00b69e-lun-0', '00b69e-lun-0'];
    const B = ['00b69f-lun-1', '00b69f-lun-1'];
    expect(await shownShort()).toEqual(A);
    await pair.a.done('PUT', '/remotecopygroups/g1', { action: 4 });
    await pair.b.done('POST', '/remotecopygroups/g1.r46750', { action: 7 });
    // Row 4 of reference 6.5: the stale primary keeps presenting.
    expect(new Set(await shownShort())).toEqual(new Set([...A, ...B]));
    const stale = await open(`${pair.dir}/sim-a/volumes/vol1`, 'r+');
    const taken = await open(`${pair.dir}/sim-b/volumes/vol1`, 'r+');
    await taken.write('good data', 0);
    await pair.b.done('POST', '/remotecopygroups/g1.r46750', { action: 9 });
    expect(await shownShort()).toEqual(B);
    await stale.write('stale!!!!', 0);
    await stale.close();
    await pair.b.done('POST', '/remotecopygroups/g1.r46750', { action: 10 });
    expect(await shownShort()).toEqual(A);
    await taken.write('too late!', 0);
    await taken.close();
    for (const array of ['sim-a', 'sim-b'])
      expect(await head(`${pair.dir}/${array}/volumes/vol1`, 9)).toBe('good data');
  });

  it('hides the LUNs of an array without power and cuts their users off', async () => {
    await makeReplicated();
    await exportTo(pair.a, 0);
    const handle = await open(`${pair.dir}/sim-a/volumes/vol1`, 'r+');
    await handle.write('in time', 0);
    await pair.control('POST', '/power', { array: 'sim-a', on: false });
    expect(await shown()).toEqual([]);
    await handle.write('no more', 0);
    await handle.close();
    for (const array of ['sim-a', 'sim-b']) expect(await head(`${pair.dir}/${array}/volumes/vol1`, 7)).toBe('in time');
    await pair.control('POST', '/power', { array: 'sim-a', on: true });
    expect(await shown()).toHaveLength(2);
  });
});

describe('zones', () => {
  it('an initiator is logged in at the ports of its zone only, under the WWN that the seed gives them', async () => {
    const port = (node: number, wwn: string, zone?: string[]) => ({
      kind: 'fc',
      pos: { node, slot: 1, cardPort: 1 },
      wwn,
      ...(zone && { zone }),
    });
    const ports = [port(0, '20000002ac000101', ['10000000c9000001']), port(1, '20000002ac000102')];
    const zoned = await startTestPair({ fabric: 'loopback', seed: { arrays: [{ ports }] } });
    try {
      const wwns = ['10000000C9000001', '10000000C9000002'];
      await zoned.a.done('POST', '/hosts', { name: 'fc1', FCWWNs: wwns });
      const paths = (await zoned.a.send('GET', '/hosts/fc1')).body.list('FCPaths');
      expect(paths.map((path) => [path.at('wwn'), path.at('portPos', 'node')])).toEqual([
        ['10000000C9000001', 0],
        ['10000000C9000001', 1],
        ['10000000C9000002', 1],
      ]);
      await zoned.a.done('POST', '/volumes', volumeBody('vol1'));
      await zoned.a.done('POST', '/vluns', { volumeName: 'vol1', lun: 0, hostname: 'fc1' });
      const links = (initiator: string) => readdir(`${zoned.dir}/fabric/${initiator}`);
      expect(await links('10000000c9000002')).toEqual(['20000002ac000102-lun-0', '20000002ac000102-lun-0.json']);
      expect(await links('10000000c9000001')).toHaveLength(4);
    } finally {
      await zoned.close();
    }
  });
});
