import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { release } from '../../src/commands/release.js';
import { resize } from '../../src/commands/resize.js';
import { arrayOf, operator } from '../pair-client.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { arrayObjects, stateOf } from '../simulator-state.js';
import { failure, hands } from './hands.js';
import { startStack, type Stack } from './stack.js';
import { writerIn } from './writer.js';
import { itWithXfs } from '../has-xfs.js';

jest.setTimeout(120_000);

/** Not every kernel lets an ext4 grow while it is mounted. */

describe('snapshots, clones, imports and growth on a real Docker engine', () => {
  let stack: Stack;
  const hand = hands(() => stack);

  beforeAll(async () => {
    stack = await startStack({ driver: 'hpe-copies', mode: 'synchronous' });
  });
  afterEach(async () => {
    await hand.leaveNothing();
  });
  afterAll(async () => {
    await stack.stop();
  });

  const stateDir = (): string[] => ['--state-dir', path.join(stack.dir, 'state')];
  const volumes = async (): Promise<string[]> =>
    (await hand.docker('volume', 'ls', '-q', '-f', `driver=${stack.driver}`)).split('\n').filter((each) => each !== '');
  const blocksIn = async (name: string): Promise<number> =>
    Number(/\s(\d+)\s.*\/data$/m.exec(await hand.inside(name, 'df -k /data'))?.[1]);

  /** What an administrator made on the array long ago. */
  async function makeOldVolume(name: string, text: string): Promise<void> {
    const admin = await new WsapiClient(arrayOf(stack.pair, 'primary')).login();
    await admin.done('POST', '/volumes', { name, cpg: 'cpg-a', snapCPG: 'cpg-a-snap', sizeMiB: 1024, tpvv: true });
    const { arrays } = await stateOf(stack.control);
    const file = arrays[0]?.volumes.find((each) => each.name === name)?.dataFile ?? '';
    const content = path.join(stack.dir, 'content');
    await mkdir(content);
    await writeFile(path.join(content, 'file'), text);
    await promisify(execFile)('mkfs.ext4', ['-q', '-F', '-d', content, file]);
  }

  it('a snapshot with a schedule is read beside its replicated volume, which is not removed before it', async () => {
    await hand.create('vol', 'replicationGroup=RCG', 'size=1');
    await hand.run('a', 'vol');
    await hand.inside('a', 'echo before > /data/f; sync');
    const schedule = ['scheduleName=nightly', 'scheduleFrequency=0 3 * * *', 'snapshotPrefix=auto'];
    await hand.create('snap', 'virtualCopyOf=vol', ...schedule);
    await hand.inside('a', 'echo after > /data/f; sync');
    await hand.run('b', 'snap');
    expect(await hand.inside('b', 'cat /data/f; echo own > /data/f; cat /data/f')).toBe('before\nown');
    expect(await hand.inside('a', 'cat /data/f')).toBe('after');
    expect(await operator(arrayOf(stack.pair, 'primary'), 'showsched')).toContain('nightly');
    await hand.rm('a');
    await hand.rm('b');
    expect(await failure(hand.docker('volume', 'rm', 'vol'))).toMatch(/vol has snapshots.*: snap/);
    await hand.docker('volume', 'rm', 'snap');
    expect(await operator(arrayOf(stack.pair, 'primary'), 'showsched')).not.toContain('nightly');
    await hand.docker('volume', 'rm', 'vol');
    expect(await arrayObjects(stack.control)).toEqual([]);
  });

  it('a clone of a volume that a container writes to runs beside it, and outlives it', async () => {
    await hand.create('vol', 'backend=plain', 'size=1');
    await hand.run('a', 'vol');
    await hand.inside('a', 'echo before > /data/f; sync');
    await hand.create('copy', 'cloneOf=vol');
    await hand.inside('a', 'echo after > /data/f; sync');
    await hand.run('b', 'copy');
    expect(await hand.inside('b', 'cat /data/f; echo own > /data/f; cat /data/f')).toBe('before\nown');
    expect(await hand.inside('a', 'cat /data/f')).toBe('after');
    await hand.rm('a');
    await hand.docker('volume', 'rm', 'vol');
    await hand.stop('b');
    await hand.start('b');
    expect(await hand.inside('b', 'cat /data/f')).toBe('own');
  });

  it('a volume of the array is imported with its data, and released when no container uses it any more', async () => {
    await makeOldVolume('old_data', 'of long ago');
    const options = ['importVol=old_data', 'backend=plain'];
    await hand.create('imported', ...options);
    await hand.run('a', 'imported');
    expect(await hand.inside('a', 'cat /data/file; echo more > /data/more')).toBe('of long ago');
    expect(await failure(release(['imported', ...stateDir()]))).toMatch(/imported is in use on node/);
    await hand.rm('a');
    expect(await release(['imported', ...stateDir()])).toEqual([expect.stringContaining('is called old_data on')]);
    expect(await volumes()).toEqual([]);
    await hand.create('again', ...options);
    await hand.run('b', 'again');
    expect(await hand.inside('b', 'cat /data/file /data/more')).toBe('of long agomore');
  });

  it('fsOwner and fsMode are what a container finds, and a user without any right writes', async () => {
    await hand.create('vol', 'backend=plain', 'size=1', 'fsOwner=1001:1002', 'fsMode=0750');
    await hand.run('a', 'vol', '--user', '1001:1002', '--cap-drop', 'ALL');
    expect(await hand.inside('a', 'echo mine > /data/f; ls -ldn /data')).toMatch(/^drwxr-x--- +\d+ 1001 +1002 /);
    await hand.run('b', 'vol', '--user', '1003:1003', '--cap-drop', 'ALL');
    expect(await failure(hand.inside('b', 'cat /data/f'))).toContain('Permission denied');
  });

  itWithXfs('a volume grows while a container writes to it; its larger clone has the room', async () => {
    await hand.create('vol', 'replicationGroup=RCG', 'size=1', 'fsType=xfs');
    const writer = await writerIn(stack, hand.adopt('writer'), 'vol');
    await writer.run();
    await writer.more(10);
    const before = await blocksIn('writer');
    await resize(['vol', '2', ...stateDir()]);
    await writer.prove(await writer.more(10));
    expect(await writer.errors()).toEqual([]);
    expect((await blocksIn('writer')) - before).toBe(1024 ** 2);
    expect(await failure(resize(['vol', '1', ...stateDir()]))).toMatch(/vol.* 2 GiB/);
    await hand.create('copy', 'cloneOf=vol', 'size=3');
    await hand.run('b', 'copy');
    expect((await blocksIn('b')) - before).toBe(2 * 1024 ** 2);
    await hand.inside('b', 'wc -l /data/records');
  });

  it('what cannot be is refused in one line that says why, and nothing is made', async () => {
    const refusals: [string[], RegExp][] = [
      [['virtualCopyOf=vol', 'size=1'], /virtualCopyOf goes only with .* since a snapshot has all else/],
      [['virtualCopyOf=vol', 'cloneOf=vol'], /exclude each other, since one volume has its data from one place/],
      [['virtualCopyOf=vol', 'scheduleName=s'], /need each other/],
      [['virtualCopyOf=nothing'], /there is no volume nothing/],
      [['cloneOf=vol', 'qos-name=gold'], /cloneOf goes only with/],
      [['importVol=nothing', 'backend=plain'], /has no volume nothing/],
      [['replicationGroup=G', 'qos-name=nothing', 'size=1'], /volume set nothing/],
      [['backend=plain', 'size=1', 'fsMode=9999'], /fsMode/],
    ];
    await hand.create('vol', 'backend=plain', 'size=1');
    const objects = await arrayObjects(stack.control);
    for (const [options, text] of refusals) expect(await failure(hand.create('other', ...options))).toMatch(text);
    expect(await arrayObjects(stack.control)).toEqual(objects);
    expect(await volumes()).toEqual(['vol']);
  });
});
