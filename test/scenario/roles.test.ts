import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Group, Member } from '../../src/simulator/model.js';
import { arrayOf, operator } from '../pair-client.js';
import { Site, waitFor, type Replica } from './site.js';

let site: Site;

beforeAll(async () => {
  site = await Site.start();
});
afterEach(async () => site.calmDown());
afterAll(async () => site.close());

/** Mount is refused for that row, says what each array said and what to do next, and exports nothing. */
async function refusalForRow(volume: Replica, row: number, on: Site = site): Promise<string> {
  const text = await on.refusalOf(volume);
  expect(text).toContain(`row ${row} of the role table`);
  expect(text).toContain(volume.group);
  expect(text).toMatch(/\[primary array of backend DEFAULT[^;]*: .+; secondary array of backend DEFAULT[^;]*: .+\]/);
  expect(text).toMatch(/next: \w+/);
  expect(await on.exporting(volume)).toEqual([]);
  return text;
}

/** Both halves of a group in the arrays' own model. */
async function changeGroup(volume: Replica, change: (here: Group, there: Group) => void): Promise<void> {
  const { pair, arrays } = site.node.simulator;
  await pair.exclusive(() => change(arrays[0].getGroup(volume.group), arrays[1].getGroup(volume.type.nameThere)));
}

describe('rule 1: the role table: which array a volume is mounted from', () => {
  it('row 1: natural roles, from the primary array', async () => {
    expect(await site.mountedFrom(await site.createVolume())).toEqual([site.primary]);
  });

  it('row 1: natural roles the other way round, from the secondary array', async () => {
    const volume = await site.createVolume();
    await volume.type.turnRound();
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
  });

  it('row 2: after a failover, from the secondary array', async () => {
    expect(await site.mountedFrom(await site.createFailedOver())).toEqual([site.secondary]);
  });

  it('row 3: recovered, but not restored, still from the secondary array', async () => {
    const volume = await site.createFailedOver();
    await volume.type.recover();
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
  });

  it('row 3: the primary array came back after an outage and a failover, still from the secondary array', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await site.node.control.power(site.primary, false);
    await volume.type.failover();
    await site.node.control.power(site.primary, true);
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
  });

  it('row 4: failed over and the primary array is dead, from the secondary array', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await site.node.control.power(site.primary, false);
    await volume.type.failover();
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
  });

  it('row 5: the secondary array is silent, but the primary still replicates to it, from the primary array', async () => {
    const volume = await site.createVolume();
    await site.silence(site.secondary);
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
  });

  it('row 5: the same the other way round, from the secondary array', async () => {
    const volume = await site.createVolume();
    await volume.type.turnRound();
    await site.silence(site.primary);
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
  });

  it('row 6: the secondary array is dead and the volume was never mounted, from the primary array', async () => {
    const volume = await site.createVolume();
    await site.node.control.power(site.secondary, false);
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
  });

  it('row 6: the secondary array is dead and the volume was last used on the primary one, from the primary array', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await site.node.control.power(site.secondary, false);
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
  });

  it('row 6: with replication_strict = true the same is refused', async () => {
    const strict = await Site.start({ more: ['replication_strict = true'] });
    try {
      const volume = await strict.createVolume();
      await strict.node.control.power(strict.secondary, false);
      expect(await refusalForRow(volume, 6, strict)).toContain('replication_strict');
    } finally {
      await strict.close();
    }
  });

  it('row 7: the secondary array is silent and somebody stopped the group, refused', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await site.silence(site.secondary);
    await volume.type.stop();
    expect(await refusalForRow(volume, 7)).toContain('stopped');
  });

  it('row 8: the dead secondary array was used last, refused until it is back', async () => {
    const volume = await site.createFailedOver();
    await site.useOnce(volume);
    await volume.type.recover();
    await volume.type.restore();
    await site.node.control.power(site.secondary, false);
    expect(await refusalForRow(volume, 8)).toContain('the secondary array does not answer');
    await site.node.control.power(site.secondary, true);
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
  });

  it('row 8: the dead primary array was used last, refused until it is back', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await volume.type.turnRound();
    await site.node.control.power(site.primary, false);
    expect(await refusalForRow(volume, 8)).toContain('the primary array does not answer');
    await site.node.control.power(site.primary, true);
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
  });

  it('row 9: the primary array is dead and nobody failed over, refused with the command to type, which works', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await site.node.control.power(site.primary, false);
    const text = await refusalForRow(volume, 9);
    const command = /setrcopygroup failover .*$/.exec(text)?.[0] ?? '';
    expect(command).toBe(`setrcopygroup failover -f ${volume.type.nameThere}`);
    await operator(arrayOf(site.node.pair, 'secondary'), command);
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
  });

  it('row 10: both arrays are dead, refused', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await site.node.control.power(site.primary, false);
    await site.node.control.power(site.secondary, false);
    expect(await refusalForRow(volume, 10)).toContain('neither array answers');
  });

  it('row 11: both primary or both secondary without reversal, refused after a while of asking again', async () => {
    const [bothPrimary, bothSecondary] = [await site.createVolume(), await site.createVolume()];
    await changeGroup(bothPrimary, (_here, there) => (there.role = 'primary'));
    await changeGroup(bothSecondary, (here) => (here.role = 'secondary'));
    const texts = await Promise.all([refusalForRow(bothPrimary, 11), refusalForRow(bothSecondary, 11)]);
    expect(texts[0]).toMatch(/\[.*: Primary, started; .*: Primary, started/);
    expect(texts[1]).toMatch(/\[.*: Secondary, started; .*: Secondary, started/);
  });

  it('row 11: a transition that ends while Mount asks again, mounted', async () => {
    const volume = await site.createVolume();
    await changeGroup(volume, (_here, there) => (there.role = 'primary'));
    await site.node.control.clearLog();
    const source = site.mountedFrom(volume);
    await waitFor(async () => (await site.node.control.log()).some((entry) => entry.path?.includes(volume.group)));
    await changeGroup(volume, (_here, there) => (there.role = 'secondary'));
    expect(await source).toEqual([site.primary]);
  });

  const damages: [string, (volume: Replica) => Promise<void>, RegExp][] = [
    ['the group is missing on the secondary array', forgetGroupThere, /has no remote copy group RCG\d+\.r\d+/],
    [
      'the volume is no member on the secondary array',
      async (volume) => changeGroup(volume, (_here, there) => (there.members = [])),
      /has no member dcv-/,
    ],
    [
      'the volume is no member on the primary array',
      async (volume) => changeGroup(volume, (here) => (here.members = [])),
      /has no member dcv-/,
    ],
    [
      'the group is in failsafe state',
      async (volume) => changeGroup(volume, (here) => (here.state = 'failsafe')),
      /failsafe/,
    ],
    [
      'the volume is paired with one of another name',
      async (volume) => changeGroup(volume, (here) => renamePartner(here.members)),
      /paired with another volume, somebody-elses/,
    ],
  ];
  it.each(damages)('row 12: %s, refused', async (_title, damage, seen) => {
    const volume = await site.createVolume();
    await damage(volume);
    expect(await refusalForRow(volume, 12)).toMatch(seen);
  });
});

async function forgetGroupThere({ type }: Replica): Promise<void> {
  const { pair, arrays } = site.node.simulator;
  await pair.exclusive(() => void arrays[1].groups.delete(type.nameThere));
}

function renamePartner(members: Member[]): void {
  for (const member of members) member.remote = { ...member.remote, name: 'somebody-elses' };
}

describe('which copy', () => {
  it('rule 2: each mount asks anew: over, back again, without a restart of the daemon', async () => {
    const volume = await site.createVolume();
    await writeFile(path.join(await site.mount(volume), 'one'), '1');
    await site.unmount(volume);
    await volume.type.stop();
    await volume.type.failover();
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
    await site.unmount(volume);
    await volume.type.recover();
    await volume.type.restore();
    expect(await readFile(path.join(await site.mount(volume), 'one'), 'utf8')).toBe('1');
    expect(await site.exporting(volume)).toEqual([site.primary]);
  });

  it('rule 3: a failover in the very moment of the export: undone, nothing stays exported', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    const { pair } = site.node.simulator;
    await site.node.control.fault({
      array: site.primary,
      match: { method: 'POST', pathRegex: '/vluns' },
      effect: 'delay',
      ms: 800,
    });
    const refusal = site.refusalOf(volume);
    await waitFor(() => pair.faults.list().length === 0);
    await volume.type.stop();
    await volume.type.failover();
    expect(await refusal).toMatch(/moved to the secondary array while the volume was being exported.*rolled back/);
    expect(await site.exporting(volume)).toEqual([]);
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
  });

  it('rule 4: an own export that was left over on the passive array is removed by the next mount', async () => {
    const volume = await site.createFailedOver();
    await exportToStranger(volume, 'node1');
    expect(await site.exporting(volume)).toEqual([site.primary]);
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
    // An entry that somebody else made stays, and its name would be taken for the next test.
    const { pair, arrays } = site.node.simulator;
    await pair.exclusive(() => arrays[0].hosts.delete('node1'));
  });

  it("rule 4: a foreign host's export on the passive array is named, and nothing is mounted beside it", async () => {
    const volume = await site.createFailedOver();
    await exportToStranger(volume, 'somebody-else');
    const text = await site.refusalOf(volume);
    expect(text).toContain('somebody-else');
    expect(text).toContain(`removevlun -f ${volume.arrayVolume}`);
    expect(await site.exporting(volume)).toEqual([site.primary]);
  });

  it('rule 5: the old primary array that returns alone is not used', async () => {
    const volume = await site.createVolume();
    await site.useOnce(volume);
    await site.node.control.power(site.primary, false);
    await volume.type.failover();
    await site.useOnce(volume);
    await site.node.control.power(site.secondary, false);
    await site.node.control.power(site.primary, true);
    expect(await refusalForRow(volume, 8)).toContain('the secondary array does not answer');
  });

  it('rule 7: a restore that is stuck at 99 % does not count; the member that lags is named', async () => {
    const volume = await site.createFailedOver();
    await site.useOnce(volume);
    await volume.type.recover();
    await site.node.control.holdSync(true);
    await volume.type.restore();
    const text = await refusalForRow(volume, 1);
    expect(text).toContain(`${volume.arrayVolume} is not synced back yet (syncing)`);
    await site.node.control.holdSync(false);
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
  });

  it('rule 18: a volume that was never formatted is not formatted after a failover', async () => {
    const volume = await site.createVolume();
    await volume.type.stop();
    await volume.type.failover();
    expect(await site.refusalOf(volume)).toMatch(/data missing.*next: /);
    expect(await site.exporting(volume)).toEqual([]);
    expect(await writtenBlocks(volume)).toEqual([0, 0]);
    await volume.type.recover();
    await volume.type.restore();
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
  });

  it('rule 46: no member is mounted while another one is still attached to the stale side', async () => {
    const [first, second] = [await site.createVolume('SHARED'), await site.createVolume('SHARED')];
    await site.useOnce(first);
    await site.mount(second);
    await first.type.stop();
    await first.type.failover();
    const text = await site.refusalOf(first);
    expect(text).toContain(second.name);
    expect(text).toContain('node1');
    expect(await site.exporting(first)).toEqual([]);
    await site.unmount(second);
    expect(await site.mountedFrom(first)).toEqual([site.secondary]);
  });

  it('rule 6: the daemon itself never took part in disaster recovery', async () => {
    await site.node.control.clearLog();
    const volume = await site.createFailedOver();
    expect(await site.mountedFrom(volume)).toEqual([site.secondary]);
    await site.unmount(volume);
    await volume.type.recover();
    await volume.type.restore();
    expect(await site.mountedFrom(volume)).toEqual([site.primary]);
    const log = await site.node.control.log();
    const recovery = log.filter((entry) => entry.method === 'POST' && /\/remotecopygroups\/./.test(entry.path ?? ''));
    expect(recovery).toEqual([]);
    const typed = log.filter((entry) => entry.protocol === 'ssh').map((entry) => entry.command);
    expect(typed).toEqual([
      `stoprcopygroup -f ${volume.group}`,
      `setrcopygroup failover -f ${volume.type.nameThere}`,
      `setrcopygroup recover -f ${volume.type.nameThere}`,
      `setrcopygroup restore -f ${volume.type.nameThere}`,
    ]);
  });
});

/** As an administrator would, on the primary array. */
async function exportToStranger(volume: Replica, name: string): Promise<void> {
  const { pair, arrays } = site.node.simulator;
  const [array] = arrays;
  await pair.exclusive(() => {
    const host = { id: array.nextId(), name, domain: undefined, persona: 2, descriptors: {}, wwns: [], iqns: [] };
    array.hosts.set(name, host);
    array.vluns.push({ volume: array.getVolume(volume.arrayVolume), lun: 77, host, pos: undefined });
  });
}

/** How much of each copy was ever written; a file system takes some. */
async function writtenBlocks(volume: Replica): Promise<number[]> {
  const files = [await site.dataFile(volume, site.primary), await site.dataFile(volume, site.secondary)];
  return Promise.all(files.map(async (file) => (await stat(file)).blocks));
}
