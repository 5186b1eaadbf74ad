import { open } from 'node:fs/promises';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { admitBody, groupBody, startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';
import type { WsapiClient } from './wsapi-client.js';

// On a busy machine.

let pair: StartedPair;
afterEach(async () => pair.close());

const MIRROR = 'g1.r46750';
const groupPath = (client: WsapiClient) => `/remotecopygroups/${client === pair.a ? 'g1' : MIRROR}`;

/** Group `g1` with member `vol1`, admitted and not started. */
async function makeGroup(options: { mode?: number; seed?: object } = {}): Promise<void> {
  pair = await startTestPair({ seed: options.seed ?? {} });
  await pair.a.done('POST', '/volumes', volumeBody('vol1', { comment: 'tag' }));
  await pair.a.done('POST', '/remotecopygroups', groupBody('g1', options.mode));
  await pair.a.done('PUT', '/remotecopygroups/g1', admitBody('vol1'));
}

const act = (client: WsapiClient, action: number, more: object = {}) =>
  client.done(action >= 6 ? 'POST' : 'PUT', groupPath(client), { action, ...more });

const refused = (client: WsapiClient, action: number, more: object = {}) =>
  client.refusal(action >= 6 ? 'POST' : 'PUT', groupPath(client), { action, ...more });

/** A half of the table of reference 6.5: role / roleReversed / state, and the member's syncStatus. */
async function half(client: WsapiClient): Promise<string> {
  const { body } = await client.done('GET', groupPath(client));
  const reversed = body.at('targets', 0, 'roleReversed') === true ? 'T' : 'F';
  const sync = body.at('volumes', 0, 'remoteVolumes', 0, 'syncStatus');
  return `${String(body.at('role'))}/${reversed}/${String(body.at('targets', 0, 'state'))} sync ${String(sync)}`;
}

const both = async () => [await half(pair.a), await half(pair.b)];

const file = (index: 0 | 1) => `${pair.dir}/${index === 0 ? 'sim-a' : 'sim-b'}/volumes/vol1`;

/** Writes as a host would: into the file that is there. */
async function write(index: 0 | 1, text: string): Promise<void> {
  const handle = await open(file(index), 'r+');
  await handle.write(text.padEnd(16, '\0'), 4096);
  await handle.close();
}

async function read(index: 0 | 1): Promise<string> {
  const handle = await open(file(index));
  const { buffer } = await handle.read(Buffer.alloc(16), 0, 16, 4096);
  await handle.close();
  return buffer.toString().replaceAll('\0', '');
}

describe('the role table, row by row (reference 6.5)', () => {
  it('synchronous: stop, failover, recover, restore, with the data of each side', async () => {
    await makeGroup();
    expect(await both()).toEqual(['1/F/1 sync 1', '2/F/1 sync 1']);
    await write(0, 'before start');
    await act(pair.a, 3);
    expect(await both()).toEqual(['1/F/3 sync 3', '2/F/3 sync 3']);
    expect(await read(1)).toBe('before start');
    await write(0, 'last write');
    await act(pair.a, 4);
    expect(await both()).toEqual(['1/F/5 sync 4', '2/F/5 sync 4']);
    await write(0, 'too late');
    await act(pair.b, 7);
    expect(await both()).toEqual(['1/F/5 sync 4', '1/T/5 sync 4']);
    expect(await read(1)).toBe('last write');
    await write(1, 'written at B');
    await act(pair.b, 9);
    expect(await both()).toEqual(['2/T/3 sync 3', '1/T/3 sync 3']);
    expect(await read(0)).toBe('written at B');
    await write(1, 'more at B');
    await act(pair.b, 10);
    expect(await both()).toEqual(['1/F/3 sync 3', '2/F/3 sync 3']);
    expect([await read(0), await read(1)]).toEqual(['more at B', 'more at B']);
  });

  it('failover and recover at once, then restore straight from row 4', async () => {
    await makeGroup();
    await act(pair.a, 3);
    await act(pair.a, 4);
    await act(pair.b, 7);
    await write(1, 'B');
    await act(pair.b, 10);
    expect(await both()).toEqual(['1/F/3 sync 3', '2/F/3 sync 3']);
    expect(await read(0)).toBe('B');
  });

  it('recover without start leaves both stopped (row 5f)', async () => {
    await makeGroup();
    await act(pair.a, 3);
    await act(pair.a, 4);
    await act(pair.b, 7);
    await act(pair.b, 9, { skipStart: true });
    expect(await both()).toEqual(['2/T/5 sync 4', '1/T/5 sync 4']);
    await act(pair.b, 3);
    expect(await both()).toEqual(['2/T/3 sync 3', '1/T/3 sync 3']);
  });

  it('A dies, B takes over with every write, A comes back as Secondary-Rev (rows 3, 4b, 4c)', async () => {
    await makeGroup();
    await act(pair.a, 3);
    await write(0, 'before death');
    await pair.control('POST', '/power', { array: 'sim-a', on: false });
    expect(await half(pair.b)).toBe('2/F/5 sync 4');
    await act(pair.b, 7);
    expect(await half(pair.b)).toBe('1/T/5 sync 4');
    expect(await read(1)).toBe('before death');
    expect(await refused(pair.b, 9)).toBe('403/1010');
    await pair.control('POST', '/power', { array: 'sim-a', on: true });
    await pair.a.login();
    expect(await both()).toEqual(['2/T/5 sync 4', '1/T/5 sync 4']);
    await act(pair.b, 9);
    await act(pair.b, 10);
    expect(await both()).toEqual(['1/F/3 sync 3', '2/F/3 sync 3']);
  });

  it('the array that took over stays primary when both lose power and the old primary returns first', async () => {
    await makeGroup();
    await act(pair.a, 3);
    await pair.control('POST', '/power', { array: 'sim-a', on: false });
    await act(pair.b, 7);
    await write(1, 'newer');
    await pair.control('POST', '/power', { array: 'sim-b', on: false });
    await pair.control('POST', '/power', { array: 'sim-a', on: true });
    await pair.a.login();
    // Alone, it cannot know: the trap that a client has to see through.
    expect(await half(pair.a)).toBe('1/F/5 sync 4');
    await pair.control('POST', '/power', { array: 'sim-b', on: true });
    await pair.b.login();
    expect(await both()).toEqual(['2/T/5 sync 4', '1/T/5 sync 4']);
    await act(pair.b, 10);
    expect(await read(0)).toBe('newer');
  });

  it('links down: both stopped, nothing newer reaches B (row 3b); autoRecover starts again', async () => {
    await makeGroup();
    await pair.a.done('PUT', '/remotecopygroups/g1', {
      targets: [{ targetName: 'sim-b-rc', policies: { autoRecover: true } }],
    });
    await act(pair.a, 3);
    await write(0, 'last on the link');
    await pair.control('POST', '/link', { up: false });
    expect(await both()).toEqual(['1/F/5 sync 4', '2/F/5 sync 4']);
    expect((await pair.b.send('GET', '/remotecopylinks')).body.at('members', 0, 'status')).toBe(2);
    await write(0, 'only at A');
    expect(await read(1)).toBe('last on the link');
    expect(await refused(pair.a, 3)).toBe('403/1010');
    await pair.control('POST', '/link', { up: true });
    expect(await both()).toEqual(['1/F/3 sync 3', '2/F/3 sync 3']);
    expect(await read(1)).toBe('only at A');
  });

  it('switchover and back, with Peer Persistence (rows 7 and 8)', async () => {
    await makeGroup();
    await act(pair.a, 3);
    expect(await refused(pair.a, 8)).toBe('403/1022');
    const policies = { autoFailover: true, pathManagement: true };
    await pair.a.done('PUT', '/remotecopygroups/g1', { targets: [{ targetName: 'sim-b-rc', policies }] });
    await write(0, 'A');
    await act(pair.a, 8);
    expect(await both()).toEqual(['2/T/3 sync 3', '1/T/3 sync 3']);
    expect(await read(1)).toBe('A');
    await act(pair.b, 8);
    expect(await both()).toEqual(['1/F/3 sync 3', '2/F/3 sync 3']);
  });

  it('reverse makes B the natural primary', async () => {
    await makeGroup();
    await act(pair.a, 3);
    expect(await refused(pair.a, 6)).toBe('403/284');
    await act(pair.a, 4);
    await act(pair.a, 6);
    expect(await both()).toEqual(['2/F/5 sync 4', '1/F/5 sync 4']);
  });

  it('stays Syncing while held, through restore too', async () => {
    await makeGroup();
    await pair.control('POST', '/sync-hold', { hold: true });
    await act(pair.a, 3);
    expect(await both()).toEqual(['1/F/3 sync 2', '2/F/3 sync 2']);
    await pair.control('POST', '/sync-hold', { hold: false });
    expect(await both()).toEqual(['1/F/3 sync 3', '2/F/3 sync 3']);
    await act(pair.a, 4);
    await act(pair.b, 7);
    await pair.control('POST', '/sync-hold', { hold: true });
    await act(pair.b, 9);
    expect(await both()).toEqual(['2/T/3 sync 2', '1/T/3 sync 2']);
    expect(await refused(pair.b, 10)).toBe('403/1024');
    await pair.control('POST', '/sync-hold', { hold: false });
    await pair.control('POST', '/sync-hold', { hold: true });
    await act(pair.b, 10);
    expect(await both()).toEqual(['1/F/3 sync 2', '2/F/3 sync 2']);
  });

  it('takes syncSeconds to synchronise', async () => {
    await makeGroup({ seed: { syncSeconds: 0.5 } });
    await act(pair.a, 3);
    expect(await half(pair.a)).toBe('1/F/3 sync 2');
    const deadline = Date.now() + 10_000;
    while ((await half(pair.a)) !== '1/F/3 sync 3' && Date.now() < deadline)
      await new Promise((ok) => setTimeout(ok, 50));
    expect(await both()).toEqual(['1/F/3 sync 3', '2/F/3 sync 3']);
  });
});

describe('periodic groups', () => {
  it('the promoted copy is the last completed sync', async () => {
    await makeGroup({ mode: 2 });
    await pair.a.done('PUT', '/remotecopygroups/g1', { targets: [{ targetName: 'sim-b-rc', syncPeriod: 300 }] });
    await write(0, 'first');
    await act(pair.a, 3);
    await write(0, 'second');
    await act(pair.a, 5);
    const group = (await pair.b.done('GET', `/remotecopygroups/${MIRROR}`)).body;
    expect([group.at('targets', 0, 'mode'), group.at('targets', 0, 'syncPeriod')]).toEqual([2, 300]);
    const age = Date.now() / 1000 - Number(group.at('targets', 0, 'groupLastSyncTimeSec'));
    expect(age).toBeLessThan(30);
    expect(String(group.at('volumes', 0, 'remoteVolumes', 0, 'volumeLastSyncTime'))).toMatch(/^\d{4}-.*\+00:00$/);
    await write(0, 'third, lost');
    await act(pair.a, 4);
    await act(pair.b, 7);
    expect(await read(1)).toBe('second');
  });

  it('synchronises when the period is over and when the control interface says so', async () => {
    await makeGroup({ mode: 3 });
    await pair.a.done('PUT', '/remotecopygroups/g1', { targets: [{ targetName: 'sim-b-rc', syncPeriod: 300 }] });
    await act(pair.a, 3);
    await write(0, 'by order');
    await pair.control('POST', '/sync', { group: 'g1' });
    expect(await read(1)).toBe('by order');
    await write(0, 'by period');
    // As if the last sync had been long ago.
    for (const array of pair.running.arrays) {
      for (const group of array.groups.values()) group.lastSyncMs = performance.now() - 301_000;
    }
    const deadline = Date.now() + 10_000;
    while ((await read(1)) !== 'by period' && Date.now() < deadline) await new Promise((ok) => setTimeout(ok, 100));
    expect(await read(1)).toBe('by period');
  });

  it('a wall clock that is set makes no period shorter', async () => {
    await makeGroup({ mode: 3 });
    await pair.a.done('PUT', '/remotecopygroups/g1', { targets: [{ targetName: 'sim-b-rc', syncPeriod: 300 }] });
    await act(pair.a, 3);
    await write(0, 'too early');
    const tomorrow = Date.now() + 86_400_000;
    const clock = jest.spyOn(Date, 'now').mockReturnValue(tomorrow);
    await new Promise((ok) => setTimeout(ok, 2_500));
    clock.mockRestore();
    expect(await read(1)).not.toBe('too early');
  });
});

describe('skipInitialSync', () => {
  async function writeAt(index: 0 | 1, text: string, at: number): Promise<void> {
    const handle = await open(file(index), 'r+');
    await handle.write(text.padEnd(16, '\0'), at);
    await handle.close();
  }

  async function readAt(index: 0 | 1, at: number): Promise<string> {
    const handle = await open(file(index));
    const { buffer } = await handle.read(Buffer.alloc(16), 0, 16, at);
    await handle.close();
    return buffer.toString().replaceAll('\0', '');
  }

  it.each([
    { what: 'a blank volume leaves nothing out', before: '', copy: ['', 'after'] },
    { what: 'a volume that holds data makes copies that differ, for good', before: 'old', copy: ['', 'after'] },
  ])('of $what', async ({ before, copy }) => {
    pair = await startTestPair({});
    await pair.a.done('POST', '/volumes', volumeBody('vol1', { sizeMiB: 256 }));
    await pair.a.done('POST', '/remotecopygroups', groupBody('g1'));
    if (before !== '') await writeAt(0, before, 4096);
    await pair.a.done('PUT', '/remotecopygroups/g1', admitBody('vol1', { skipInitialSync: true }));
    await act(pair.a, 3);
    // The array calls both synced: nobody can tell them apart by it.
    expect(await both()).toEqual(['1/F/3 sync 3', '2/F/3 sync 3']);
    await writeAt(0, 'after', 65_536);
    for (const action of [4, 3, 4]) await act(pair.a, action);
    expect([await readAt(0, 4096), await readAt(0, 65_536)]).toEqual([before, 'after']);
    expect([await readAt(1, 4096), await readAt(1, 65_536)]).toEqual(copy);
  });
});
