import { open, readdir, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { admitBody, groupBody, startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';

// On a busy machine.

const IQN = 'iqn.2020-01.test:node1';
const DELAY_MS = 200;

let pair: StartedPair;
/** What the host has open, as a loop device would. */
let disk: FileHandle;

beforeEach(async () => {
  pair = await startTestPair({ fabric: 'loopback', failoverDelayMs: DELAY_MS });
  await pair.a.done('POST', '/volumes', volumeBody('vol1'));
  await pair.a.done('POST', '/remotecopygroups', groupBody('g1'));
  await setPolicies({ autoFailover: true, pathManagement: true, autoRecover: true });
  await pair.a.done('PUT', '/remotecopygroups/g1', admitBody('vol1'));
  await pair.a.done('PUT', '/remotecopygroups/g1', { action: 3 });
  for (const client of [pair.a, pair.b]) {
    await client.done('POST', '/hosts', { name: 'node1', iSCSINames: [IQN] });
    await client.done('POST', '/vluns', { volumeName: 'vol1', lun: 3, hostname: 'node1' });
  }
  const [first = ''] = await shown();
  disk = await open(`${pair.dir}/fabric/${IQN}/${first}`, 'r+');
});
afterEach(async () => {
  await disk.close();
  await pair.close();
});

const setPolicies = (policies: object) =>
  pair.a.done('PUT', '/remotecopygroups/g1', { targets: [{ targetName: 'sim-b-rc', policies }] });

const power = (array: string, on: boolean) => pair.control('POST', '/power', { array, on });

async function shown(): Promise<string[]> {
  return (await readdir(`${pair.dir}/fabric/${IQN}`)).filter((name) => !name.endsWith('.json'));
}

/** How many paths each array shows. */
async function paths(): Promise<[number, number]> {
  const names = await shown();
  const count = (systemId: string) => names.filter((name) => name.includes(systemId)).length;
  return [count('b69e-'), count('b69f-')];
}

/** `role/reversed/state sync` on each array, whether it has power or not. */
const both = (): string[] =>
  pair.running.arrays.map((array) => {
    const [group] = [...array.groups.values()];
    return `${group?.role}/${group?.roleReversed}/${group?.state} ${group?.members[0]?.syncStatus}`;
  });

const AT_A = ['primary/false/started synced', 'secondary/false/started synced'];
const AT_B = ['secondary/true/started synced', 'primary/true/started synced'];

async function eventually(wanted: string[]): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (both().join() !== wanted.join() && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(both()).toEqual(wanted);
}

const file = (array: 'sim-a' | 'sim-b'): string => `${pair.dir}/${array}/volumes/vol1`;
const write = async (text: string): Promise<void> => void (await disk.write(text, 0));

async function read(array: 'sim-a' | 'sim-b', length: number): Promise<string> {
  const handle = await open(file(array), 'r');
  const { buffer } = await handle.read(Buffer.alloc(length), 0, length, 0);
  await handle.close();
  return buffer.toString();
}

const isOneFile = async (): Promise<boolean> => (await stat(file('sim-a'))).ino === (await stat(file('sim-b'))).ino;

describe('a Peer Persistence pair', () => {
  it('is one file that both arrays show, and whoever has it open keeps it through switchovers', async () => {
    expect(await paths()).toEqual([2, 2]);
    await pair.a.done('POST', '/remotecopygroups/g1', { action: 8 });
    expect(both()).toEqual(AT_B);
    await write('after the move');
    await pair.b.done('POST', '/remotecopygroups/g1.r46750', { action: 8 });
    expect(both()).toEqual(AT_A);
    expect(await paths()).toEqual([2, 2]);
    expect([await read('sim-a', 14), await read('sim-b', 14)]).toEqual(['after the move', 'after the move']);
  });

  it('an export that goes leaves the host its paths through the other array', async () => {
    await pair.a.done('DELETE', '/vluns/vol1,3,node1');
    expect(await paths()).toEqual([0, 2]);
    await write('by the other one');
    expect(await read('sim-a', 16)).toBe('by the other one');
  });

  it('a host that loses both exports is cut off, and the pair stays one file', async () => {
    await pair.a.done('DELETE', '/vluns/vol1,3,node1');
    await pair.b.done('DELETE', '/vluns/vol1,3,node1');
    await write('too late').catch(() => undefined);
    expect(await isOneFile()).toBe(true);
    expect(await read('sim-a', 8)).not.toBe('too late');
    // The one that is there now can be written to.
    const handle = await open(file('sim-b'), 'r+');
    await handle.write('in time!', 0);
    await handle.close();
    expect(await read('sim-a', 8)).toBe('in time!');
  });

  it('a stopped group is two files again, even one that was being synchronised', async () => {
    await pair.control('POST', '/sync-hold', { hold: true });
    await pair.a.done('PUT', '/remotecopygroups/g1', { action: 5 });
    await pair.a.done('PUT', '/remotecopygroups/g1', { action: 4 });
    expect(await isOneFile()).toBe(false);
    expect(await paths()).toEqual([2, 0]);
    await write('only at A');
    expect(await read('sim-a', 9)).toBe('only at A');
  });
});

describe('automatic failover', () => {
  it('the peer of an array that lost power takes over, the host writes on, and the array comes back as its secondary (row 9)', async () => {
    await write('before');
    await power('sim-a', false);
    expect(await paths()).toEqual([0, 2]);
    await write('during');
    await eventually(['primary/false/stopped notSynced', 'primary/true/stopped notSynced']);
    await write('after!');
    expect([await read('sim-a', 6), await read('sim-b', 6)]).toEqual(['before', 'after!']);
    await power('sim-a', true);
    await eventually(AT_B);
    expect(await paths()).toEqual([2, 2]);
    await write('homeward');
    expect(await read('sim-a', 8)).toBe('homeward');
    await pair.b.done('POST', '/remotecopygroups/g1.r46750', { action: 8 });
    expect(both()).toEqual(AT_A);
  });

  it('is done for an array that returns before the delay is over', async () => {
    await power('sim-a', false);
    await power('sim-a', true);
    expect(both()).toEqual(AT_B);
  });

  it('works the other way round after a switchover', async () => {
    await pair.a.done('POST', '/remotecopygroups/g1', { action: 8 });
    await power('sim-b', false);
    await eventually(['primary/false/stopped notSynced', 'primary/true/stopped notSynced']);
    await power('sim-b', true);
    await eventually(AT_A);
    expect(await paths()).toEqual([2, 2]);
  });

  it.each([
    ['without the policy', () => setPolicies({ autoFailover: false })],
    ['without the witness', () => pair.control('POST', '/witness', { up: false })],
    ['when the links went down before', () => pair.control('POST', '/link', { up: false })],
    ['when the secondary array loses power', () => power('sim-b', false)],
  ])('none %s', async (_what, first) => {
    await first();
    await power('sim-a', false);
    await new Promise((resolve) => setTimeout(resolve, 3 * DELAY_MS));
    expect(both()).toEqual(['primary/false/stopped notSynced', 'secondary/false/stopped notSynced']);
    expect(await paths()).toEqual([0, 0]);
  });

  it('none by a peer that loses power, too, before the delay is over', async () => {
    await power('sim-a', false);
    await power('sim-b', false);
    await new Promise((resolve) => setTimeout(resolve, 3 * DELAY_MS));
    expect(both()).toEqual(['primary/false/stopped notSynced', 'secondary/false/stopped notSynced']);
  });
});

describe('the quorum witness', () => {
  it('is an address of the remote copy target', async () => {
    const target = (await pair.a.send('GET', '/remotecopytargets/sim-b-rc')).body;
    expect(target.at('quorumIpAddress')).toBe('10.30.0.10');
    expect(pair.running.ready.arrays[1].quorumWitness).toBe('10.30.0.10');
  });
});
