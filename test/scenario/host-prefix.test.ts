import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run, type Run } from '../../src/host/run.js';
import { Site } from './site.js';

// As in a managed plugin, but for the namespace: that of process 1 may be out of reach where tests run.
const PREFIX = 'nsenter --mount=/proc/self/ns/mnt --';

let site: Site;
const ran: string[] = [];
const tools: Run = async (command, args, options) => {
  ran.push([command, ...args].join(' '));
  return run(command, args, options);
};

beforeAll(async () => {
  site = await Site.start({ run: tools, more: [`host_command_prefix = ${PREFIX}`] });
});
afterAll(async () => {
  await site.close();
});

it("the host's tools run through host_command_prefix, and mounts are made in the daemon's own namespace", async () => {
  const volume = await site.createVolume();
  await writeFile(path.join(await site.mount(volume), 'file'), 'x');
  await site.unmount(volume);
  const begins = (text: string): number => ran.filter((each) => each.startsWith(text)).length;
  expect(begins(`${PREFIX} mkfs.ext4 `)).toBe(1);
  expect(begins(`${PREFIX} blkid `)).toBeGreaterThan(0);
  expect([begins('mount '), begins('umount ')]).toEqual([1, 1]);
  expect(ran.filter((each) => /^(blkid|mkfs|debugfs)|^nsenter .*-- (u?mount|losetup|dd|blockdev)/.test(each))).toEqual(
    [],
  );
});
