import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { operator } from '../pair-client.js';
import { admitBody, groupBody, startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';
import type { WsapiClient } from './wsapi-client.js';

// On a busy machine.

let pair: StartedPair;
let a: WsapiClient;
const SIZE = 256 * 2 ** 20;

beforeAll(async () => {
  pair = await startTestPair({ fabric: 'loopback' });
  a = pair.a;
  await a.done('POST', '/volumes', volumeBody('source'));
  await write('source', 'first', 0);
  await write('source', 'end', SIZE - 3);
});
afterAll(async () => pair.close());
afterEach(async () => hold(false));

const hold = async (on: boolean) => pair.control('POST', '/copy-hold', { hold: on });
const dataFile = (name: string) => join(pair.dir, 'sim-a', 'volumes', name);
const get = async (name: string) => (await a.send('GET', `/volumes/${name}`)).body;
const tasks = async () => (await a.send('GET', '/tasks')).body.list('members');

async function write(name: string, text: string, at: number): Promise<void> {
  const data = await readFile(dataFile(name));
  data.write(text, at);
  await writeFile(dataFile(name), data, { flag: 'r+' });
}

async function ends(name: string): Promise<[string, string]> {
  const data = await readFile(dataFile(name));
  const text = (from: number, length: number) => data.subarray(from, from + length).toString();
  return [text(0, 5), text(data.length - 3, 3)];
}

const copy = (parameters: object, source = 'source') =>
  a.send('POST', `/volumes/${source}`, { action: 'createPhysicalCopy', parameters });
const online = (to: string, more: object = {}) =>
  copy({ destVolume: to, destCPG: 'cpg-a', snapCPG: 'cpg-a-snap', online: true, tpvv: true, ...more });
const refusalOf = async (answer: Promise<{ status: number; body: { at(name: string): unknown } }>) =>
  `${(await answer).status}/${String((await answer).body.at('code'))}`;

describe('an online copy (reference 4.4)', () => {
  it('is complete at once when copies take no time', async () => {
    const answer = await online('quick', { priority: 1 });
    const id = answer.body.at('taskid');
    expect([answer.status, typeof id]).toEqual([200, 'number']);
    const quick = await get('quick');
    expect(quick.value).toMatchObject({ copyType: 1, provisioningType: 2, userCPG: 'cpg-a', snapCPG: 'cpg-a-snap' });
    expect([quick.at('copyOf'), quick.at('comment')]).toEqual([undefined, '']);
    expect(quick.at('wwn')).not.toBe((await get('source')).at('wwn'));
    expect(await ends('quick')).toEqual(['first', 'end']);
    expect((await a.send('GET', `/tasks/${String(id)}`)).body.value).toMatchObject({
      id,
      type: 18,
      name: 'quick',
      status: 1,
      priority: 1,
    });
    await a.done('DELETE', '/volumes/quick');
  });

  it('has the data of its beginning, and is busy until its end', async () => {
    await hold(true);
    await online('slow');
    await write('source', 'later', 0);
    const [slow, task] = [await get('slow'), (await tasks()).at(-1)];
    expect([slow.at('copyType'), task?.at('status'), task?.at('finishTime')]).toEqual([2, 2, '-']);
    // It hangs on two helper snapshots, the last of which is the source's.
    const first = await get(String(slow.at('copyOf')));
    const second = await get(String(first.at('copyOf')));
    expect([first.at('copyType'), second.at('copyType'), second.at('copyOf')]).toEqual([3, 3, 'source']);
    expect(await a.refusal('DELETE', '/volumes/slow')).toBe('400/29');
    expect(await a.refusal('DELETE', '/volumes/source')).toBe('409/151');
    expect(await a.refusal('DELETE', `/volumes/${String(second.at('name'))}`)).toBe('409/151');
    await a.done('PUT', '/volumes/slow', { comment: 'while it copies' });
    expect(await a.refusal('POST', '/volumes/slow', { action: 'createSnapshot', parameters: { name: 's' } })).toBe(
      '409/151',
    );
    await hold(false);
    expect((await get('slow')).value).toMatchObject({ copyType: 1, comment: 'while it copies' });
    expect((await tasks()).at(-1)?.at('status')).toBe(1);
    expect(await ends('slow')).toEqual(['first', 'end']);
    expect(await a.refusal('GET', `/volumes/${String(second.at('name'))}`)).toBe('404/23');
    await a.done('DELETE', '/volumes/slow');
    await write('source', 'first', 0);
  });

  it('ends by itself after the time that copies take', async () => {
    await pair.control('POST', '/copy-time', { seconds: 0.3 });
    await online('timed');
    expect((await get('timed')).at('copyType')).toBe(2);
    await pair.control('POST', '/copy-time', { seconds: 0 });
    for (let look = 0; (await get('timed')).at('copyType') === 2 && look < 200; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect((await get('timed')).at('copyType')).toBe(1);
    await a.done('DELETE', '/volumes/timed');
  });

  it('that is cancelled is incomplete for good, and goes with its helpers, in that order', async () => {
    await hold(true);
    const id = String((await online('broken')).body.at('taskid'));
    await a.done('PUT', `/tasks/${id}`, { action: 1 });
    expect(await a.refusal('PUT', `/tasks/${id}`, { action: 1 })).toBe('409/1059');
    await hold(false);
    const broken = await get('broken');
    expect(broken.at('copyType')).toBe(2);
    expect(await ends('broken')).toEqual(['first', '\0\0\0']);
    const first = await get(String(broken.at('copyOf')));
    const second = String(first.at('copyOf'));
    expect(await a.refusal('DELETE', '/volumes/source')).toBe('409/32');
    expect(await a.refusal('DELETE', `/volumes/${String(first.at('name'))}`)).toBe('409/32');
    for (const name of ['broken', String(first.at('name')), second]) await a.done('DELETE', `/volumes/${name}`);
  });

  it('fails with the power of the array', async () => {
    await hold(true);
    const id = String((await online('dark')).body.at('taskid'));
    await pair.control('POST', '/power', { array: 'sim-a', on: false });
    await pair.control('POST', '/power', { array: 'sim-a', on: true });
    await a.login();
    expect((await a.send('GET', `/tasks/${id}`)).body.at('status')).toBe(4);
    const first = String((await get('dark')).at('copyOf'));
    const second = String((await get(first)).at('copyOf'));
    for (const name of ['dark', first, second]) await a.done('DELETE', `/volumes/${name}`);
  });

  it.each([
    ['a name that is taken', { destVolume: 'source' }, '409/22'],
    ['no CPG', { destCPG: undefined }, '400/40'],
    ['a CPG that is missing', { destCPG: 'none' }, '404/15'],
    ['two kinds of provisioning', { tdvv: true }, '400/44'],
    ['a bad priority', { priority: 4 }, '400/46'],
  ])('is refused for %s', async (_what, more, refusal) => {
    expect(await refusalOf(online('never', more))).toBe(refusal);
    expect(await a.refusal('GET', '/volumes/never')).toBe('404/23');
  });
});

describe('an offline copy', () => {
  it('overwrites a volume that exists, which nobody may use meanwhile', async () => {
    await a.done('POST', '/volumes', volumeBody('bigger', { sizeMiB: 512 }));
    await write('bigger', 'old', 2 * SIZE - 3);
    const { ino } = await stat(dataFile('bigger'));
    await hold(true);
    const id = (await copy({ destVolume: 'bigger', priority: 1 })).body.at('taskid');
    expect((await get('bigger')).value).toMatchObject({ copyType: 2, copyOf: 'source', sizeMiB: 512 });
    expect((await a.send('GET', `/tasks/${String(id)}`)).body.value).toMatchObject({ type: 1, name: 'source->bigger' });
    await a.done('POST', '/hosts', { name: 'node1', iSCSINames: ['iqn.2020-01.test:node1'] });
    expect(await a.refusal('POST', '/vluns', { volumeName: 'bigger', lun: 1, hostname: 'node1' })).toBe('409/97');
    expect(await a.refusal('DELETE', '/volumes/bigger')).toBe('409/151');
    await hold(false);
    expect((await get('bigger')).at('copyType')).toBe(1);
    expect(await ends('bigger')).toEqual(['first', 'old']);
    expect((await stat(dataFile('bigger'))).ino).toBe(ino);
  });

  it('is stopped by PUT action 1 on the destination', async () => {
    expect(await a.refusal('PUT', '/volumes/bigger', { action: 1 })).toBe('409/1061');
    await hold(true);
    await copy({ destVolume: 'bigger' });
    await a.done('PUT', '/volumes/bigger', { action: 1 });
    expect((await tasks()).at(-1)?.at('status')).toBe(3);
    expect((await get('bigger')).at('copyType')).toBe(2);
    await a.done('DELETE', '/volumes/bigger');
  });

  it.each([
    ['a destination that is missing', { destVolume: 'none' }, '404/23'],
    ['a destination that is smaller', { destVolume: 'source' }, '403/1060', 'large'],
    ['itself', { destVolume: 'source' }, '400/44'],
    ['a CPG for a volume that exists', { destVolume: 'large', destCPG: 'cpg-a' }, '400/44'],
    ['an exported destination', { destVolume: 'large' }, '409/26'],
  ])('is refused for %s', async (_what, parameters, refusal, source = 'source') => {
    await a.send('POST', '/volumes', volumeBody('large', { sizeMiB: 512 }));
    await a.send('POST', '/vluns', { volumeName: 'large', lun: 9, hostname: 'node1' });
    expect(await refusalOf(copy(parameters, source))).toBe(refusal);
  });

  it('a task that is none is 404/145', async () => {
    expect(await a.refusal('GET', '/tasks/99999')).toBe('404/145');
    expect(await a.refusal('PUT', '/tasks/99999', { action: 1 })).toBe('404/145');
  });
});

describe('promote (PUT action 4)', () => {
  it('gives the parent the data of its snapshot, in the file that a host has open', async () => {
    await a.done('POST', '/volumes', volumeBody('parent'));
    await write('parent', 'first', 0);
    await a.done('POST', '/volumes/parent', { action: 'createSnapshot', parameters: { name: 'snap' } });
    await write('parent', 'wrong', 0);
    await write('parent', 'bad', SIZE - 3);
    await a.done('POST', '/vluns', { volumeName: 'parent', lun: 2, hostname: 'node1' });
    expect(await a.refusal('PUT', '/volumes/snap', { action: 4 })).toBe('403/1054');
    expect(await a.refusal('PUT', '/volumes/parent', { action: 4 })).toBe('409/1055');
    expect(await a.refusal('PUT', '/volumes/snap', { action: 5 })).toBe('409/185');
    const { ino } = await stat(dataFile('parent'));
    const answer = await a.done('PUT', '/volumes/snap', { action: 4, online: true });
    expect((await a.send('GET', `/tasks/${String(answer.body.at('taskid'))}`)).body.value).toMatchObject({ type: 4 });
    expect(await ends('parent')).toEqual(['first', '\0\0\0']);
    expect((await stat(dataFile('parent'))).ino).toBe(ino);
    await a.done('DELETE', '/vluns/parent,2,node1');
  });

  it('is refused for a member of a group, and allowed on request while that is stopped', async () => {
    await a.done('POST', '/remotecopygroups', groupBody('g1'));
    await a.done('PUT', '/remotecopygroups/g1', admitBody('parent'));
    expect(await a.refusal('PUT', '/volumes/snap', { action: 4 })).toBe('403/120');
    await a.done('PUT', '/volumes/snap', { action: 4, allowRemoteCopyParent: true });
    await a.done('PUT', '/remotecopygroups/g1', { action: 3 });
    expect(await a.refusal('PUT', '/volumes/snap', { action: 4, allowRemoteCopyParent: true })).toBe('403/120');
  });
});

describe('showtask and canceltask (reference 7.3)', () => {
  it('find active tasks by pattern, and end them', async () => {
    const [array] = pair.running.ready.arrays;
    await hold(true);
    await copy({ destVolume: 'cli', destCPG: 'cpg-a', online: true, tpvv: true });
    const csv = 'setclienv csvtable 1; showtask -active';
    const lines = (await operator(array, `${csv} *cli`)).split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^Id,Type,Name,Status,/);
    const [id, type, name, status] = (lines[1] ?? '').split(',');
    expect([type, name, status]).toEqual(['online_copy', 'cli', 'active']);
    await operator(array, `canceltask -f ${id}`);
    expect(await operator(array, `${csv} cli`)).toBe('No tasks.');
    expect(await operator(array, `showtask cli`)).toContain('cancelled');
    await expect(operator(array, 'canceltask -f 99999')).rejects.toThrow('Error: task 99999 does not exist');
  });
});
