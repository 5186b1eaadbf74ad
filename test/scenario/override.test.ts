import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { override } from '../../src/commands/override.js';
import type { Group } from '../../src/simulator/model.js';
import { Site, waitFor, type Replica } from './site.js';

let site: Site;
let lines: string[];

beforeAll(async () => {
  site = await Site.start({ more: ['logging = WARNING'] });
});
beforeEach(() => {
  lines = [];
  const write = process.stdout.write.bind(process.stdout);
  jest.spyOn(process.stdout, 'write').mockImplementation((chunk: string | Uint8Array) => {
    const line = String(chunk);
    if (!line.startsWith('{"time"')) return write(chunk);
    lines.push(line);
    return true;
  });
});
afterEach(async () => {
  jest.restoreAllMocks();
  await site.calmDown();
});
afterAll(async () => site.close());

const where = (on = site): string[] => [
  '--state-dir',
  path.join(on.node.dir, 'state'),
  '--config',
  path.join(on.node.dir, 'hpe.conf'),
];

/** Types the command, as an operator does; what it prints. */
async function allow(volume: Pick<Replica, 'name'>, side: string, time = '30m', on = site): Promise<string> {
  const order = [volume.name, '--side', side, '--for', time, '--reason', 'the array burnt down'];
  return (await override([...order, ...where(on)])).join('\n');
}
const takeBack = async (volume: Replica): Promise<string> =>
  (await override([volume.name, '--end', ...where()])).join('\n');

const command = (volume: Replica, side: string): string =>
  `hpe-volume-plugin override ${volume.name} --side ${side} --for 30m --reason TEXT`;

const overrideOf = async (volume: Replica): Promise<unknown> =>
  (await site.node.docker.status(volume.name))['override'];

const logged = (message: string, volume: Replica): string[] =>
  lines.filter((line) => line.includes(message) && line.includes(`"${volume.name}"`));

/** Mount is refused for that row, and exports nothing. */
async function refusalForRow(volume: Replica, row: number, on = site): Promise<string> {
  const text = await on.refusalOf(volume);
  expect(text).toContain(`row ${row} of the role table`);
  expect(await on.exporting(volume)).toEqual([]);
  return text;
}

/** Back home, and the array that was used last is dead: row 8. */
async function createForRow8(group?: string): Promise<Replica> {
  const volume = await site.createVolume(group);
  await site.useOnce(volume);
  await volume.type.stop();
  await volume.type.failover();
  await site.useOnce(volume);
  await volume.type.recover();
  await volume.type.restore();
  await site.node.control.power(site.secondary, false);
  return volume;
}

/** An override that ends before the next step. */
async function letItEnd(volume: Replica, side: string): Promise<void> {
  await allow(volume, side, '3s');
  await waitFor(async () => (await overrideOf(volume)) === undefined);
}

/** Both halves of a group in the arrays' own model. */
async function changeGroup(volume: Replica, change: (here: Group, there: Group) => void): Promise<void> {
  const { pair, arrays } = site.node.simulator;
  await pair.exclusive(() => change(arrays[0].getGroup(volume.group), arrays[1].getGroup(volume.type.nameThere)));
}

describe('rule 8: an override lifts what it names, for its time', () => {
  it('row 8: mounted from the array that answers, shown, logged, over; then refused again, and always for another member', async () => {
    const other = await site.createVolume('PAIR');
    await site.useOnce(other);
    const volume = await createForRow8('PAIR');
    expect(await refusalForRow(volume, 8)).toContain(
      `the last resort, if you know that the primary copy is the one to use: ${command(volume, 'primary')}`,
    );

    const said = await allow(volume, 'primary');
    expect(said).toMatch(/may be mounted from the primary array until 20\d\d-.*Z, on any node/);
    expect(said).toMatch(
      /now: primary array of backend DEFAULT.*: Primary, .*; secondary array of backend DEFAULT.*: no answer/,
    );
    expect(said).toContain('a mount would be made from the primary array (row 8)');
    expect(said).toContain(`override ${volume.name} --end`);
    expect(logged('an override was made', volume)[0]).toContain('the array burnt down');
    expect(await overrideOf(volume)).toEqual({
      side: 'primary',
      reason: 'the array burnt down',
      madeBy: 'node1',
      madeAt: expect.stringMatching(/^20.*Z$/),
      until: expect.stringMatching(/^20.*Z$/),
    });

    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
    expect(logged('override made on node1', volume)[0]).toMatch(
      /"level":"warning".*may hold newer data.*override made on node1 until .*: the array burnt down/,
    );
    // It is this volume's alone, although the group has moved.
    expect(await refusalForRow(other, 8)).toContain(command(other, 'primary'));
    // A second container of the same volume.
    expect(await site.node.docker.mount(volume.name, 'b'.repeat(64))).toBe(await site.mount(volume));
    expect(await site.node.docker.unmount(volume.name, 'b'.repeat(64))).toBe('');
    await site.unmount(volume);
    await site.unmount(volume);

    await letItEnd(volume, 'primary');
    const again = await refusalForRow(volume, 8);
    expect(again).toContain('an override went past it before');
    await waitFor(() => logged('an override has ended', volume).length > 0);

    await site.node.control.power(site.secondary, true);
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
  });

  it('row 7: mounted until it is taken back', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await site.silence(site.secondary);
    await volume.type.stop();
    expect(await refusalForRow(volume, 7)).toContain(command(volume, 'primary'));
    await allow(volume, 'secondary');
    expect(await refusalForRow(volume, 7)).toContain('it names the secondary array, which is silent');
    await allow(volume, 'primary');
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
    await site.unmount(volume);
    expect(await takeBack(volume)).toContain('taken back');
    expect(logged('an override was taken back', volume)).toHaveLength(1);
    expect(await overrideOf(volume)).toBeUndefined();
    expect(await refusalForRow(volume, 7)).toContain('next: ');
    expect(await takeBack(volume)).toContain('has no override');
  });

  it('row 6: also under replication_strict', async () => {
    const strict = await Site.start({ more: ['replication_strict = true'] });
    try {
      const volume = await strict.createVolume();
      await strict.node.control.power(strict.secondary, false);
      expect(await refusalForRow(volume, 6, strict)).toContain(command(volume, 'primary'));
      await allow(volume, 'primary', '30m', strict);
      expect(await strict.mountedFrom(volume)).toEqual([strict.primary]);
    } finally {
      await strict.close();
    }
  });

  it('rule 18: the first mount after a failover, and rule 16 still looks at what is there', async () => {
    const [blank, dirty] = [await site.createVolume(), await site.createVolume()];
    for (const volume of [blank, dirty]) {
      await volume.type.stop();
      await volume.type.failover();
      const text = await site.refusalOf(volume);
      expect(text).toContain('data missing');
      expect(text).toContain(`the last resort, if you know that the volume is new: ${command(volume, 'secondary')}`);
      await allow(volume, 'primary');
      expect(await site.refusalOf(volume)).toContain('data missing');
      await allow(volume, 'secondary');
    }
    expect(await site.mountedFrom(blank)).toEqual([site.secondary]);
    expect(logged('blank secondary copy be taken for new (override made on node1', blank)).toHaveLength(1);

    const file = await open(await site.dataFile(dirty, site.secondary), 'r+');
    await file.write(Buffer.from('somebody wrote this'), 0, undefined, 1024 * 1024);
    await file.close();
    const before = (await stat(await site.dataFile(dirty, site.secondary))).blocks;
    expect(await site.refusalOf(dirty)).toMatch(/data without any known signature.*next: /);
    expect(await site.exporting(dirty)).toEqual([]);
    expect((await stat(await site.dataFile(dirty, site.secondary))).blocks).toBe(before);
  });
});

describe('rule 8: an override lifts nothing else', () => {
  it('row 9: the passive copy stays refused', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await site.node.control.power(site.primary, false);
    expect(await allow(volume, 'secondary')).toMatch(/a mount would be refused all the same \(row 9\)/);
    const text = await refusalForRow(volume, 9);
    expect(text).toContain(`setrcopygroup failover -f ${volume.type.nameThere}`);
    expect(text).not.toContain('hpe-volume-plugin override');
  });

  it('row 10: two dead arrays', async () => {
    const volume = await site.createVolume();
    await site.node.control.power(site.primary, false);
    await site.node.control.power(site.secondary, false);
    await allow(volume, 'primary');
    expect(await refusalForRow(volume, 10)).not.toContain('hpe-volume-plugin override');
  });

  it('row 1: a restore that is not complete', async () => {
    const volume = await site.createFailedOver();
    await site.useOnce(volume);
    await volume.type.recover();
    await site.node.control.holdSync(true);
    await volume.type.restore();
    await allow(volume, 'primary');
    expect(await refusalForRow(volume, 1)).not.toContain('hpe-volume-plugin override');
  });

  it('row 2: the stale side after a failover, although it is named', async () => {
    const volume = await site.createFailedOver();
    await allow(volume, 'primary');
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
  });

  it('rows 11 and 12: arrays that do not agree', async () => {
    const [both, lost] = [await site.createVolume(), await site.createVolume()];
    await changeGroup(both, (_here, there) => (there.role = 'primary'));
    await changeGroup(lost, (_here, there) => (there.members = []));
    await allow(both, 'primary');
    await allow(lost, 'primary');
    const texts = await Promise.all([refusalForRow(both, 11), refusalForRow(lost, 12)]);
    for (const text of texts) expect(text).not.toContain('hpe-volume-plugin override');
  });

  it('Remove follows the role table alone', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await volume.type.stop();
    const match = { method: 'GET', pathRegex: '/remotecopygroups' };
    await site.node.control.fault({ array: site.secondary, match, effect: 'reset', times: 1_000 });
    await allow(volume, 'primary');
    const text = await site.node.docker.remove(volume.name);
    expect(text).toContain('row 7 of the role table');
    expect(text).not.toContain('hpe-volume-plugin override');
    expect(await site.node.docker.status(volume.name)).toMatchObject({ state: 'ready' });
  });

  it('a later volume of the same name', async () => {
    const { docker } = site.node;
    const options = { size: '1', replicationGroup: 'AGAIN' };
    expect(await docker.create('again', options)).toBe('');
    await allow({ name: 'again' }, 'primary');
    expect(await docker.remove('again')).toBe('');
    expect(await docker.create('again', options)).toBe('');
    expect(await docker.status('again')).not.toHaveProperty('override');
    expect(await docker.remove('again')).toBe('');
  });
});

describe('how long an override lasts', () => {
  it('rule 43: a clock that is set back does not prolong it, one that is set forward does not end it', async () => {
    const volume = await createForRow8();
    const day = 24 * 60 * 60 * 1_000;
    const now = Date.now();
    const onlyDate = ['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate'] as const;
    const timers = ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] as const;
    await allow(volume, 'primary');
    jest.useFakeTimers({ now: now + day, doNotFake: [...onlyDate, ...timers] });
    try {
      expect(await site.mountedFrom(volume)).toEqual([site.primary]);
      await site.unmount(volume);
      await allow(volume, 'primary', '3s');
      jest.setSystemTime(now - day);
      await pause(3_100);
      expect(await refusalForRow(volume, 8)).toContain('next: ');
    } finally {
      jest.useRealTimers();
    }
  });

  it('through a restart of the daemon, which says in its log what is in force', async () => {
    const volume = await createForRow8();
    await allow(volume, 'primary');
    lines = [];
    await site.node.restart();
    await waitFor(() => logged('an override is in force', volume).length > 0);
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
  });
});

describe('the command', () => {
  it('works without a daemon, on the metadata themselves', async () => {
    const volume = await createForRow8();
    await site.node.stopDaemon();
    expect(await allow(volume, 'primary')).toMatch(/may be mounted from the primary array[^]*no daemon runs/);
    await expect(override(['nobody', '--end', ...where()])).rejects.toMatchObject({ code: 'not-found' });
    await site.node.restart();
    await waitFor(() => logged('an override is in force', volume).length > 0);
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
  });

  it('refuses an unknown volume and one that is not replicated, and changes nothing', async () => {
    const { docker } = site.node;
    expect(await docker.create('plain', { size: '1', backend: 'plain' })).toBe('');
    const before = await site.node.records('override');
    await expect(allow({ name: 'nobody' }, 'primary')).rejects.toMatchObject({
      code: 'not-found',
      message: 'there is no volume nobody',
    });
    await expect(allow({ name: 'plain' }, 'primary')).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('not replicated'),
    });
    await expect(allow({ name: 'plain' }, 'third')).rejects.toThrow('"third"');
    expect(await site.node.records('override')).toEqual(before);
    expect(await docker.remove('plain')).toBe('');
  });

  it('as a process: exit code 0, 1 for a refusal with what to do next, 2 for a typo with the usage', async () => {
    const volume = await site.createVolume();
    const words = (side: string, name = volume.name) => [name, '--side', side, '--for', '3s', '--reason', 'a drill'];
    expect(await type(words('primary'))).toMatchObject({ code: 0, stdout: expect.stringContaining('may be mounted') });
    expect(await type(words('primary', 'nobody'))).toMatchObject({
      code: 1,
      stderr: 'there is no volume nobody; next: docker volume ls shows the names\n',
    });
    const typo = await type(words('primry'));
    expect(typo).toMatchObject({ code: 2, stdout: '' });
    expect(typo.stderr).toMatch(/^the side "primry" is not understood[^]*usage: hpe-volume-plugin/);
  });
});

describe('Status', () => {
  it('shows an operation that is not finished', async () => {
    const { docker, control } = site.node;
    expect(await docker.create('stuck', { size: '1', replicationGroup: 'STUCK' })).toBe('');
    const match = { method: 'DELETE', pathRegex: '/volumes/' };
    await control.fault({ array: site.secondary, match, effect: 'error', status: 500, code: 1, times: 1_000 });
    expect(await docker.remove('stuck')).not.toBe('');
    expect(await docker.status('stuck')).toMatchObject({
      state: 'deleting',
      operation: { kind: 'remove', phase: 'do', node: expect.any(String), startedAt: expect.stringMatching(/^20/) },
    });
    await control.clearFaults();
    expect(await docker.remove('stuck')).toBe('');
  });
});

async function type(args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const all = ['--import', 'tsx', 'src/main.ts', 'override', ...args, ...where()];
  return new Promise((resolve) => {
    execFile(process.execPath, all, { env: { PATH: process.env['PATH'] } }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}
