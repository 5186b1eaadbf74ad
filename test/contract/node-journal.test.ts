import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { DeferredRemoval, NodeMount } from '../../src/contracts/node-journal.js';
import { openNodeJournal } from '../../src/store/node-journal.js';

const aMount = (volume: string): NodeMount => ({
  volume,
  wwn: '60002ac0000000000000000000000001',
  device: { path: '/dev/loop3', wwn: '60002ac0000000000000000000000001', sizeBytes: 1_073_741_824 },
  mountpoint: `/mnt/${volume}`,
  backend: 'DEFAULT',
  side: 'secondary',
  host: 'docker1',
  generation: 3,
  ids: [{ id: 'abc', count: 2, life: 'boot-1' }],
});

const aRemoval = (id: string): DeferredRemoval => ({
  id,
  volume: 'one',
  backend: 'DEFAULT',
  side: 'primary',
  arrayName: 'dcv-x',
  host: 'docker1',
});

describe("the node's journal", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'journal-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('keeps the node id, the mounts and the deferred removals over a restart', async () => {
    const before = await openNodeJournal(path.join(dir, 'state'));
    await before.saveMount(aMount('one'));
    await before.saveMount(aMount('x/../東京'));
    await before.saveMount(aMount('gone'));
    await before.removeMount('gone');
    await before.removeMount('never-there');
    await before.saveDeferredRemoval(aRemoval('r1'));
    await before.saveDeferredRemoval(aRemoval('r2'));
    await before.removeDeferredRemoval('r1');
    const after = await openNodeJournal(path.join(dir, 'state'));
    expect(after.nodeId).toMatch(/^[0-9a-f-]{36}$/);
    expect(after.nodeId).toBe(before.nodeId);
    for (const journal of [before, after]) {
      expect(journal.mounts()).toEqual([aMount('one'), aMount('x/../東京')]);
      expect(journal.findMount('one')).toEqual(aMount('one'));
      expect(journal.findMount('gone')).toBeUndefined();
      expect(journal.deferredRemovals()).toEqual([aRemoval('r2')]);
    }
    expect(await readdir(dir)).toEqual(['state']);
  });

  it('reads a mount as the first release wrote it, whose WWN stands in the device only', async () => {
    await (await openNodeJournal(dir)).saveMount(aMount('one'));
    const file = path.join(dir, 'mounts', 'one.json');
    const { wwn, generation, ...old } = aMount('one');
    await writeFile(file, JSON.stringify({ schema: 1, key: 'one', record: old }));
    expect((await openNodeJournal(dir)).findMount('one')).toEqual({ ...old, wwn });
    expect(generation).toBe(3);
  });

  it('keeps the wait for another node over a restart, but not over a boot: the clock is of one boot only', async () => {
    const conflict = { volume: 'one', node: 'other', generation: 7, sinceNs: 5_000_000_000_000n, lastNs: 6n };
    await (await openNodeJournal(dir)).saveConflict(conflict);
    expect((await openNodeJournal(dir)).findConflict('one')).toEqual(conflict);
    const file = path.join(dir, 'conflicts', 'one.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace(/"bootId": "[^"]*"/, '"bootId": "another"'));
    const after = await openNodeJournal(dir);
    expect(after.findConflict('one')).toBeUndefined();
    await after.removeConflict('one');
    expect(await readdir(path.join(dir, 'conflicts'))).toEqual([]);
  });

  it('gives nobody a hold on its memory', async () => {
    const journal = await openNodeJournal(dir);
    const mine = aMount('one');
    await journal.saveMount(mine);
    mine.ids.push({ id: 'late', count: 1, life: 'boot-1' });
    journal.mounts()[0]?.ids.pop();
    journal.findMount('one')?.ids.pop();
    expect(journal.findMount('one')).toEqual(aMount('one'));
  });

  it('has the last of many changes of one record, on disk too', async () => {
    const journal = await openNodeJournal(dir);
    const sides = Array.from({ length: 20 }, (_, i) => ({ ...aMount('one'), host: `h${i}` }));
    await Promise.all(sides.map((mount) => journal.saveMount(mount)));
    expect(journal.findMount('one')?.host).toBe('h19');
    expect((await openNodeJournal(dir)).findMount('one')?.host).toBe('h19');
  });

  it('forgets a write that was cut off before it was acknowledged', async () => {
    await (await openNodeJournal(dir)).saveMount(aMount('one'));
    await writeFile(path.join(dir, 'mounts', 'one.json.new'), '{"schema":1,');
    expect((await openNodeJournal(dir)).mounts()).toEqual([aMount('one')]);
    expect(await readdir(path.join(dir, 'mounts'))).toEqual(['one.json']);
  });

  it.each([
    ['mounts/one.json', 'cut', (text: string) => text.slice(0, 40)],
    ['mounts/one.json', 'empty', () => ''],
    ['mounts/one.json', 'of another schema', (text: string) => text.replace('"schema": 1', '"schema": 2')],
    ['mounts/one.json', 'of another volume', (text: string) => text.replace('"key": "one"', '"key": "two"')],
    ['deferred-removals/r1.json', 'without a member', (text: string) => text.replace('"backend"', '"backed"')],
    ['node-id', 'empty', () => ''],
  ])('refuses to start with %s %s, naming the file', async (file, _how, damage) => {
    const journal = await openNodeJournal(dir);
    await journal.saveMount(aMount('one'));
    await journal.saveDeferredRemoval(aRemoval('r1'));
    const whole = path.join(dir, file);
    const damaged = damage(await readFile(whole, 'utf8'));
    await writeFile(whole, damaged);
    await expect(openNodeJournal(dir)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(whole),
    });
    expect(await readFile(whole, 'utf8')).toBe(damaged);
  });

  it('says so when a change cannot be kept, and keeps the old state', async () => {
    const journal = await openNodeJournal(dir);
    await journal.saveMount(aMount('one'));
    await rm(path.join(dir, 'mounts'), { recursive: true });
    await expect(journal.saveMount(aMount('two'))).rejects.toMatchObject({ code: 'unavailable' });
    expect(journal.mounts()).toEqual([aMount('one')]);
  });
});
