import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { arrayOf, operator } from '../pair-client.js';
import { arrayObjects, arraysExporting, stateOf } from '../simulator-state.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { Site, waitFor, type Replica } from './site.js';
import { HAS_XFS } from '../has-xfs.js';

let site: Site;

beforeAll(async () => {
  site = await Site.start();
});
afterEach(async () => {
  await site.calmDown();
});
afterAll(async () => {
  await site.close();
});

async function done(answer: Promise<string>): Promise<void> {
  expect(await answer).toBe('');
}

/** A plain volume with a file system in which `file` says what is given. */
async function plainVolume(name: string, text: string, options: Record<string, string> = {}): Promise<void> {
  await done(site.node.docker.create(name, { size: '1', backend: 'plain', ...options }));
  await write(name, text);
}

async function write(name: string, text: string): Promise<void> {
  const { docker } = site.node;
  await writeFile(path.join(await docker.mount(name), 'file'), text);
  await done(docker.unmount(name));
}

async function read(name: string): Promise<string> {
  const { docker } = site.node;
  const text = await readFile(path.join(await docker.mount(name), 'file'), 'utf8');
  await done(docker.unmount(name));
  return text;
}

const snapshot = async (name: string, of: string, options: Record<string, string> = {}): Promise<string> =>
  site.node.docker.create(name, { virtualCopyOf: of, ...options });

const remove = async (...names: string[]): Promise<void> => {
  for (const name of names) await done(site.node.docker.remove(name));
};

const arrayName = async (name: string): Promise<string> => String((await site.node.docker.status(name))['arrayVolume']);

const names = async (): Promise<string[]> =>
  ((await site.node.docker.call('VolumeDriver.List')).Volumes ?? []).map((each) => each.Name);

/** Array names of all volumes that an array has. */
async function volumesOf(array: string): Promise<string[]> {
  const { arrays } = await stateOf(site.node.control);
  const volumes = arrays.find((each) => each.name === array)?.volumes ?? [];
  return volumes.map((each) => each.name).toSorted();
}

describe('A snapshot of a plain volume', () => {
  it.each(['ext4', ...(HAS_XFS ? ['xfs'] : [])])(
    'shows the moment it was made, and is mounted beside its volume on one host (%s)',
    async (fsType) => {
      const { docker } = site.node;
      await plainVolume('v', 'before', { fsType });
      const mountpoint = await docker.mount('v');
      await done(snapshot('s', 'v'));
      await writeFile(path.join(mountpoint, 'file'), 'after');
      const shown = await docker.mount('s');
      expect(await readFile(path.join(shown, 'file'), 'utf8')).toBe('before');
      await writeFile(path.join(shown, 'file'), 'of its own');
      expect(await readFile(path.join(mountpoint, 'file'), 'utf8')).toBe('after');
      await done(docker.unmount('s'));
      await done(docker.unmount('v'));
      expect(await read('s')).toBe('of its own');
      expect(await arrayName('s')).toMatch(/^dcs-.{22}$/);
      expect(await docker.status('s')).toMatchObject({ size: 1, fsType, snapshotOf: { volume: 'v', expiresAt: null } });
      await remove('s', 'v');
      expect(await arrayObjects(site.node.control)).toEqual([]);
    },
  );

  it('is made once, and a differing command is told the difference', async () => {
    await plainVolume('v', 'x');
    await plainVolume('w', 'x');
    await done(snapshot('s', 'v'));
    await done(snapshot('s', 'v'));
    expect(await snapshot('s', 'w', { expirationHours: '3' })).toContain(
      'exists already with other options (virtualCopyOf: wanted w, is v; expirationHours: wanted 3, is none)',
    );
    expect(await snapshot('s', 'v', { mountOptions: 'noatime' })).toContain('mountOptions: wanted noatime, is none');
    expect(await snapshot('v', 'w')).toContain('virtualCopyOf: wanted w, is none');
    await done(snapshot('t', 'v', { expirationHours: '3' }));
    expect(await snapshot('t', 'v', { expirationHours: '5' })).toContain('(expirationHours: wanted 5, is 3)');
    expect(await snapshot('t', 'v')).toContain('(expirationHours: wanted none, is 3)');
    await done(snapshot('t', 'v', { expirationHours: '3' }));
    await remove('t', 's', 'v', 'w');
  });

  it('and a clone take no mount options of another file system than they have', async () => {
    const { docker } = site.node;
    await plainVolume('v', 'x');
    const refusal = /mountOptions=.*allocsize=64k .*not of ext4, which volume v has/;
    const mountOptions = 'noatime,allocsize=64k';
    expect(await snapshot('s', 'v', { mountOptions })).toMatch(refusal);
    expect(await docker.create('c', { cloneOf: 'v', mountOptions })).toMatch(refusal);
    expect(await names()).toEqual(['v']);
    await remove('v');
    expect(await arrayObjects(site.node.control)).toEqual([]);
  });

  it('needs a volume with a file system', async () => {
    expect(await snapshot('s', 'nothing')).toContain('there is no volume nothing');
    expect(await snapshot('s', 's')).toContain('cannot be a snapshot of itself');
    await done(site.node.docker.create('v', { size: '1', backend: 'plain' }));
    expect(await snapshot('s', 'v')).toContain('volume v has never been mounted');
    expect(await names()).toEqual(['v']);
    await remove('v');
    expect(await arrayObjects(site.node.control)).toEqual([]);
  });

  it('keeps its volume from being removed, whoever made it, and the error names it', async () => {
    await plainVolume('v', 'x');
    await done(snapshot('s2', 'v'));
    await done(snapshot('s1', 'v'));
    const made = await addForeignSnapshot(await arrayName('v'), 'night.20261128');
    const before = await arrayObjects(site.node.control);
    const refusal = await site.node.docker.remove('v');
    expect(refusal).toContain('volume v has snapshots: s1, s2 of Docker; night.20261128, made on primary array');
    expect(refusal).toContain('docker volume rm s1 s2');
    expect(await arrayObjects(site.node.control)).toEqual(before);
    expect(await read('v')).toBe('x');
    await remove('s1', 's2');
    expect(await site.node.docker.remove('v')).toContain('volume v has snapshots: night.20261128');
    await made.remove();
    await remove('v');
  });

  it('has snapshots of its own, which go first', async () => {
    await plainVolume('v', 'x');
    await done(snapshot('s', 'v'));
    await done(snapshot('t', 's'));
    expect(await site.node.docker.remove('s')).toContain('volume s has snapshots: t of Docker');
    expect(await read('t')).toBe('x');
    await remove('t', 's', 'v');
  });
});

/** Names of the volume sets that it is in. */
async function setsWith(arrayVolume: string): Promise<string[]> {
  const { arrays } = await stateOf(site.node.control);
  return arrays.flatMap(({ volumeSets }) =>
    volumeSets.filter(({ members }) => members.includes(arrayVolume)).map(({ name }) => name),
  );
}

/** A snapshot that an administrator or a schedule made. */
async function addForeignSnapshot(of: string, name: string): Promise<{ remove(): Promise<void> }> {
  const client = await new WsapiClient(arrayOf(site.node.pair, 'primary')).login();
  await client.done('POST', `/volumes/${of}`, { action: 'createSnapshot', parameters: { name } });
  return {
    async remove() {
      await client.done('DELETE', `/volumes/${name}`);
      client.close();
    },
  };
}

describe('A snapshot that a schedule makes while its volume is being removed', () => {
  /** Makes it as soon as the array has got that request, which goes on a little later. */
  async function removeDuring(volume: string, match: { method: string; pathRegex: string }) {
    const { control, docker } = site.node;
    const of = await arrayName(volume);
    await control.fault({ array: site.primary, match, effect: 'delay', ms: 1_500 });
    const answer = docker.remove(volume);
    await waitFor(async () => (await control.faults()).length === 0);
    const made = await addForeignSnapshot(of, 'night.1');
    return { refusal: await answer, made };
  }

  it.each([
    ['is looked at', 'GET', '/remotecopygroups/RCG'],
    ['is deleted', 'DELETE', '/volumes/dcv-'],
  ])('is named, and nothing stays open, when the volume %s just then', async (_when, method, pathRegex) => {
    const { docker, control } = site.node;
    const volume = await site.createVolume(undefined, { 'flash-cache': 'true' });
    const sets = await setsWith(volume.arrayVolume);
    expect(sets).toHaveLength(1);
    await site.useOnce(volume);
    const { refusal, made } = await removeDuring(volume.name, { method, pathRegex });
    expect(refusal).toMatch(/has snapshots: night\.1, made on primary array/);
    expect(refusal).toContain('removevv -f NAME');
    expect(await site.node.records('operation')).toEqual([]);
    const isOut = method === 'DELETE';
    if (isOut) expect(refusal).toMatch(new RegExp(`has left group ${volume.group}.* is a plain volume.*now`));
    const status = await docker.status(volume.name);
    expect(status).toMatchObject({ state: 'ready' });
    expect('replication' in status).toBe(!isOut);
    expect(await setsWith(volume.arrayVolume)).toEqual(sets);
    expect(await volumesOf(site.secondary)).toEqual(isOut ? [] : [volume.arrayVolume]);
    await site.useOnce(volume);
    expect(await docker.remove(volume.name)).toMatch(/has snapshots: night\.1/);
    await made.remove();
    await remove(volume.name);
    expect(await arrayObjects(control)).toEqual([]);
  });

  it('is named when the volume is a plain one, which stays', async () => {
    await plainVolume('v', 'x');
    const { refusal, made } = await removeDuring('v', { method: 'DELETE', pathRegex: '/volumes/dcv-' });
    expect(refusal).toMatch(/volume v has snapshots: night\.1, made on primary array.*everything was rolled back/);
    expect(await read('v')).toBe('x');
    await made.remove();
    await remove('v');
  });
});

describe('rule 39: what an array does late', () => {
  /** Longer than the client looks for a change whose answer was lost. */
  const LATE_MS = 1_500;
  const late = async (method: string, pathRegex: string): Promise<void> =>
    site.node.control.fault({ array: site.primary, match: { method, pathRegex }, effect: 'late', ms: LATE_MS });

  it('a snapshot that is made after its Create was undone goes again by itself', async () => {
    await plainVolume('v', 'x');
    const before = await arrayObjects(site.node.control);
    await late('POST', `/volumes/${await arrayName('v')}$`);
    expect(await snapshot('s', 'v')).toMatch(/may or may not be done.*everything was rolled back/);
    await waitFor(async () => (await arrayObjects(site.node.control)).length > before.length);
    await site.node.restart();
    await waitFor(async () => (await arrayObjects(site.node.control)).length === before.length);
    expect(await arrayObjects(site.node.control)).toEqual(before);
    await remove('v');
  });

  it('a snapshot that is retained after its Create has failed is finished by the same command, since nobody can delete it', async () => {
    const { docker, control } = site.node;
    await plainVolume('v', 'x');
    await late('PUT', '/volumes/dcs-');
    const error = await snapshot('s', 'v', { retentionHours: '1' });
    expect(error).toMatch(/may or may not be done.*what is left is finished later, or by the same command again/);
    expect(await names()).toEqual(['v']);
    const { arrays } = await stateOf(control);
    const made = arrays
      .flatMap(({ volumes }) => volumes.map((each) => each.name))
      .find((name) => name.startsWith('dcs-'));
    await pause(LATE_MS);
    await done(snapshot('s', 'v', { retentionHours: '1' }));
    expect(await arrayName('s')).toBe(made);
    expect(await docker.remove('s')).toMatch(/keeps snapshot dcs-.* until 20/);
    await control.clock(site.primary, 1.1);
    await remove('s', 'v');
    expect(await arrayObjects(control)).toEqual([]);
  });
});

describe('A snapshot with an end', () => {
  it('is forgotten when its array has deleted it by its own clock, unless it is mounted', async () => {
    const { docker, control } = site.node;
    await plainVolume('v', 'x');
    await done(snapshot('s', 'v', { expirationHours: '3' }));
    await done(snapshot('t', 'v', { expirationHours: '3' }));
    await docker.mount('t');
    const { snapshotOf } = await docker.status('s');
    expect(snapshotOf).toMatchObject({ volume: 'v', array: 'primary', retainedUntil: null });
    const { expiresAt } = snapshotOf as { expiresAt: string };
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(2.9 * 3_600_000);
    await site.node.restart();
    await pause(1_000);
    expect((await names()).toSorted()).toEqual(['s', 't', 'v']);

    await control.clock(site.primary, 4);
    await expect(docker.mount('s')).rejects.toThrow(
      new RegExp(
        `does not have snapshot s .* of volume v any more: it expired at ${expiresAt}; next: .*docker volume rm s`,
      ),
    );
    await site.node.restart();
    await waitFor(async () => !(await names()).includes('s'));
    expect((await names()).toSorted()).toEqual(['t', 'v']);
    const kept = await arrayName('t');
    await done(docker.unmount('t'));
    await waitFor(async () => !(await volumesOf(site.primary)).includes(kept));
    await site.node.restart();
    await waitFor(async () => !(await names()).includes('t'));
    expect(await site.node.records('operation')).toEqual([]);
    await remove('v');
  });

  it('stays on record while it is mounted, whatever the array has made of it', async () => {
    const { docker, control, simulator } = site.node;
    await plainVolume('v', 'x');
    await done(snapshot('s', 'v', { expirationHours: '3' }));
    const name = await arrayName('s');
    await docker.mount('s');
    // An array keeps what it exports, until somebody takes the export away.
    await simulator.pair.exclusive(() => {
      for (const array of simulator.pair.arrays) array.vluns.splice(0);
    });
    await control.clock(site.primary, 4);
    await waitFor(async () => !(await volumesOf(site.primary)).includes(name));
    await site.node.restart();
    await pause(1_500);
    expect(await names()).toContain('s');
    await done(docker.unmount('s'));
    await site.node.restart();
    await waitFor(async () => !(await names()).includes('s'));
    await remove('v');
  });

  it('stays on record when it vanished before its time, or the host alone thinks that it is over', async () => {
    const { docker } = site.node;
    await plainVolume('v', 'x');
    await done(snapshot('s', 'v', { expirationHours: '3' }));
    const client = await new WsapiClient(arrayOf(site.node.pair, 'primary')).login();
    await client.done('DELETE', `/volumes/${await arrayName('s')}`);
    client.close();
    await site.node.restart();
    await pause(1_000);
    expect(await names()).toContain('s');
    await expect(docker.mount('s')).rejects.toThrow(/any more: somebody removed it there/);
    await remove('s', 'v');
  });

  it('cannot be removed while the array retains it, and the error says until when', async () => {
    const { docker, control } = site.node;
    await plainVolume('v', 'x');
    await done(snapshot('s', 'v', { retentionHours: '2', expirationHours: '2' }));
    await done(snapshot('s', 'v', { retentionHours: '2', expirationHours: '2' }));
    const { snapshotOf } = await docker.status('s');
    const { retainedUntil, expiresAt } = snapshotOf as { retainedUntil: string; expiresAt: string };
    expect(expiresAt >= retainedUntil).toBe(true);
    expect(await snapshot('s', 'v', { retentionHours: '1', expirationHours: '2' })).toContain(
      '(retentionHours: wanted 1, is 2)',
    );
    const refusal = await docker.remove('s');
    expect(refusal).toContain(`until ${retainedUntil}`);
    expect(refusal).toContain('everything was rolled back');
    expect(await read('s')).toBe('x');
    expect(await docker.remove('v')).toContain('has snapshots: s of Docker');
    await control.clock(site.primary, 3);
    await remove('s', 'v');
    expect(await arrayObjects(control)).toEqual([]);
  });
});

describe('A schedule', () => {
  const SCHEDULE = { scheduleName: 'nightly', scheduleFrequency: '10 2 * * *', snapshotPrefix: 'pre' };

  it('makes snapshots on the array, is named in its own snapshot, and ends with it', async () => {
    const { docker, control } = site.node;
    await plainVolume('v', 'x');
    await done(snapshot('s', 'v', { ...SCHEDULE, expHrs: '72', retHrs: '1' }));
    await done(snapshot('s', 'v', { ...SCHEDULE, expHrs: '72', retHrs: '1' }));
    expect(await snapshot('s', 'v', { ...SCHEDULE, scheduleFrequency: '0 4 * * *' })).toContain(
      'scheduleFrequency: wanted 0 4 * * *, is 10 2 * * *; expHrs: wanted none, is 72; retHrs: wanted none, is 1',
    );
    expect(await docker.status('s')).toMatchObject({
      snapshotOf: { schedule: { name: 'nightly', frequency: '10 2 * * *', prefix: 'pre', expirationHours: 72 } },
    });
    await control.clock(site.primary, 48);
    const made = (await volumesOf(site.primary)).filter((name) => name.startsWith('pre.'));
    expect(made.length).toBeGreaterThanOrEqual(1);
    expect(await docker.remove('v')).toContain(`${made.join(', ')}, made on primary array`);
    await remove('s');
    expect(await scheduleNames()).toEqual([]);
    expect(await docker.remove('v')).toContain(`volume v has snapshots: ${made.join(', ')}`);
    await control.clock(site.primary, 96);
    await remove('v');
    expect(await arrayObjects(control)).toEqual([]);
  });

  it('of that name that is there already is neither changed nor removed', async () => {
    await plainVolume('v', 'x');
    const array = arrayOf(site.node.pair, 'primary');
    await operator(array, 'createsched "createsv -f theirs.@y@ other" "0 1 * * *" nightly');
    const before = await arrayObjects(site.node.control);
    expect(await snapshot('s', 'v', SCHEDULE)).toMatch(
      /has a schedule nightly already: createsv -f theirs.*choose another/,
    );
    expect(await arrayObjects(site.node.control)).toEqual(before);
    await operator(array, 'removesched -f nightly');
    await done(snapshot('s', 'v', SCHEDULE));
    await operator(array, 'removesched -f nightly');
    await operator(array, 'createsched "createsv -f theirs.@y@ other" "0 1 * * *" nightly');
    await remove('s', 'v');
    expect(await scheduleNames()).toEqual(['nightly']);
    await operator(array, 'removesched -f nightly');
  });

  it('rule 15: that was begun again after a Create was undone is not taken for the late one of that Create', async () => {
    await plainVolume('v', 'x');
    await loseCommand('^createsched');
    expect(await snapshot('s', 'v', SCHEDULE)).toMatch(/may or may not be done.*everything was rolled back/);
    await done(snapshot('s', 'v', SCHEDULE));
    // The recovery round, which looks for what the array has made late.
    await site.node.restart();
    await pause(2_000);
    expect(await scheduleNames()).toEqual(['nightly']);
    await remove('s', 'v');
    expect(await scheduleNames()).toEqual([]);
  });

  it('rule 15: is not begun again under its name while a removal that would end it is not finished', async () => {
    await plainVolume('v', 'x');
    await done(snapshot('s', 'v', SCHEDULE));
    await loseCommand('^removesched');
    expect(await site.node.docker.remove('s')).toContain('what is left is finished later');
    // The array carries it out, and only the record does not know.
    await operator(arrayOf(site.node.pair, 'primary'), 'removesched -f nightly');
    expect(await snapshot('s2', 'v', SCHEDULE)).toContain(
      'schedule nightly of volume v belongs to snapshot s, which is deleting',
    );
    await remove('s');
    await done(snapshot('s2', 'v', SCHEDULE));
    expect(await scheduleNames()).toEqual(['nightly']);
    await remove('s2', 'v');
  });

  it('keeps its snapshot on record when the snapshot is gone, since it ends with that', async () => {
    await plainVolume('v', 'x');
    await done(snapshot('s', 'v', SCHEDULE));
    const client = await new WsapiClient(arrayOf(site.node.pair, 'primary')).login();
    await client.done('DELETE', `/volumes/${await arrayName('s')}`);
    client.close();
    await site.node.restart();
    await expect(site.node.docker.mount('s')).rejects.toThrow(/any more: somebody removed it there/);
    expect(await scheduleNames()).toEqual(['nightly']);
    await remove('s');
    expect(await scheduleNames()).toEqual([]);
    await remove('v');
  });
});

/** The next such command gets no answer, and is not done. */
const loseCommand = async (commandRegex: string): Promise<void> =>
  site.node.control.fault({ array: site.primary, match: { commandRegex }, effect: 'reset' });

async function scheduleNames(): Promise<string[]> {
  const { arrays } = await stateOf(site.node.control);
  return arrays.flatMap(({ schedules }) => schedules.map((each) => each.name));
}

describe('A snapshot of a replicated volume', () => {
  const used = async (volume: Replica, text: string): Promise<void> => {
    await writeFile(path.join(await site.mount(volume), 'file'), text);
    await site.unmount(volume);
  };

  it('is made and mounted on the primary array, belongs to no group, and holds up the removal', async () => {
    const volume = await site.createVolume();
    await used(volume, 'on the primary');
    await done(snapshot('s', volume.name));
    const name = await arrayName('s');
    expect([await volumesOf(site.primary), await volumesOf(site.secondary)]).toEqual([
      [volume.arrayVolume, name].toSorted(),
      [volume.arrayVolume],
    ]);
    await site.mount(volume);
    await site.node.docker.mount('s');
    expect(await arraysExporting(site.node.control, name)).toEqual([site.primary]);
    await done(site.node.docker.unmount('s'));
    await site.unmount(volume);
    expect(await site.node.docker.remove(volume.name)).toContain('has snapshots: s of Docker');
    await remove('s', volume.name);
    expect(await arrayObjects(site.node.control)).toEqual([]);
  });

  it('rule 32: is made and mounted on the array that took over, and removed only when the roles are natural again', async () => {
    const { docker, control } = site.node;
    const volume = await site.createFailedOver();
    await used(volume, 'after the failover');
    await done(snapshot('s', volume.name));
    const name = await arrayName('s');
    expect(await volumesOf(site.secondary)).toContain(name);
    expect(await volumesOf(site.primary)).not.toContain(name);
    await used(volume, 'later');
    expect(await read('s')).toBe('after the failover');
    const before = await arrayObjects(control);
    expect(await docker.remove('s')).toMatch(/snapshot s of volume .* is not removed while group .* is failed over/);
    expect(await arrayObjects(control)).toEqual(before);

    await volume.type.recover();
    await volume.type.restore();
    await docker.mount('s');
    expect(await arraysExporting(control, name)).toEqual([site.secondary]);
    await done(docker.unmount('s'));
    await site.useOnce(volume);
    await remove('s', volume.name);
    expect(await arrayObjects(control)).toEqual([]);
  });

  it('rule 32: is not removed by what an unfinished removal goes on with while the group is failed over', async () => {
    const { docker, control } = site.node;
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await done(snapshot('s', volume.name));
    const name = await arrayName('s');
    const deletion = { method: 'DELETE', pathRegex: `/volumes/${name}$` };
    await control.fault({ array: site.primary, match: deletion, effect: 'reset' });
    expect(await docker.remove('s')).toContain('what is left is finished later');
    await volume.type.stop();
    await volume.type.failover();
    // The recovery round, which goes on with it.
    await site.node.restart();
    await pause(2_000);
    expect(await volumesOf(site.primary)).toContain(name);
    expect(await docker.remove('s')).toMatch(
      /an earlier remove of volume s is not finished.*snapshot s of volume .* is not removed while group .* is failed over/,
    );

    await volume.type.recover();
    await volume.type.restore();
    await remove('s', volume.name);
    expect(await arrayObjects(control)).toEqual([]);
  });

  it('rule 1: is not made while no array is proven to hold the live copy', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await site.silence(site.primary);
    expect(await snapshot('s', volume.name)).toMatch(/no array is proven to hold the live copy .*row 9/);
    await site.node.control.clearFaults();
    expect(await names()).toEqual([volume.name]);
    await remove(volume.name);
    expect(await arrayObjects(site.node.control)).toEqual([]);
  });

  it('rule 3: is undone when the role moves while it is made', async () => {
    const { docker, control } = site.node;
    const volume = await site.createVolume();
    await site.useOnce(volume);
    const create = { method: 'POST', pathRegex: `/volumes/${volume.arrayVolume}$` };
    await control.fault({ array: site.primary, match: create, effect: 'delay', ms: 2_000 });
    const answer = snapshot('s', volume.name);
    await waitFor(async () => (await control.faults()).length === 0);
    await volume.type.stop();
    await volume.type.failover();
    expect(await answer).toMatch(
      /cannot read the roles of the group again: group .* moved to the secondary .*everything was rolled back/,
    );
    expect(await volumesOf(site.primary)).toEqual([volume.arrayVolume]);
    expect(await names()).toEqual([volume.name]);
    expect(await docker.remove(volume.name)).toMatch(/^volume vol-\d+ is not removed while group/);
    await volume.type.recover();
    await volume.type.restore();
    await done(docker.remove(volume.name));
  });
});
