import { afterAll, beforeAll, expect } from '@jest/globals';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run, type Run } from '../../src/host/run.js';
import { Site } from './site.js';
import { itWithXfs } from '../has-xfs.js';

let site: Site;
const made: string[] = [];
const tools: Run = async (command, args, options) => {
  if (command.startsWith('mkfs')) made.push(command);
  return run(command, args, options);
};

beforeAll(async () => {
  site = await Site.start({ run: tools });
});
afterAll(async () => {
  await site.close();
});

itWithXfs('a volume with fsType=xfs is formatted once, and is itself after a failover', async () => {
  const { docker } = site.node;
  const volume = await site.createVolume(undefined, { fsType: 'xfs' });
  const options = { size: '1', replicationGroup: volume.group };
  expect(await docker.create(volume.name, { ...options, fsType: 'XFS' })).toBe('');
  expect(await docker.create(volume.name, options)).toMatch(/exists already .*fsType: wanted ext4, is xfs/);
  const mountpoint = await site.mount(volume);
  expect(await readdir(mountpoint)).toEqual([]);
  await writeFile(path.join(mountpoint, 'file'), 'x');
  expect(await docker.status(volume.name)).toMatchObject({ fsType: 'xfs' });
  await site.unmount(volume);
  await volume.type.stop();
  await volume.type.failover();
  expect(await readFile(path.join(await site.mount(volume), 'file'), 'utf8')).toBe('x');
  const [record] = await site.node.records('volume');
  expect(record?.filesystem).toMatchObject({ state: 'formatted', type: 'xfs' });
  await site.unmount(volume);
  await volume.type.recover();
  await volume.type.restore();
  expect(made).toEqual(['mkfs.xfs']);
});
