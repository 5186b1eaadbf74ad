import { writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { dockerClient } from '../docker-client.js';
import { arrayObjects, arrayOutline, stateOf } from '../simulator-state.js';
import { container, hands } from './hands.js';
import { startStack, type Stack } from './stack.js';
import { writerIn, type Writer } from './writer.js';

jest.setTimeout(180_000);

describe("Docker's contract on a real engine, under write load", () => {
  let stack: Stack;
  let writer: Writer;
  const hand = hands(() => stack);

  beforeAll(async () => {
    stack = await startStack({ driver: 'hpe-contract', mode: 'synchronous' });
  });
  afterEach(async () => {
    await stack.daemon.start();
    await hand.leaveNothing();
  });
  afterAll(async () => {
    await stack.stop();
  });

  /** The container `name` writes to volume `vol`. */
  async function write(name: string): Promise<void> {
    await hand.create('vol', 'backend=plain', 'size=1');
    writer = await writerIn(stack, hand.adopt(name), 'vol');
    await writer.run();
    await writer.more(20);
  }

  /** Nothing that was written is lost, no write failed, and the last stop lets go. */
  async function proveAndStop(name: string): Promise<void> {
    await writer.prove(await writer.more(20));
    expect(await writer.errors()).toEqual([]);
    expect(await hand.servedBy('vol')).toHaveLength(1);
    await hand.stop(name);
    expect(await hand.servedBy('vol')).toEqual([]);
  }

  it('docker cp on the running container disturbs no write, and its later stop lets go', async () => {
    await write('cp-running');
    for (const round of [1, 2, 3]) {
      const file = `${stack.dir}/copy-${round}`;
      await writeFile(file, `round ${round}`);
      await hand.docker('cp', file, `${container('cp-running')}:/data/copy-${round}`);
      expect(await hand.inside('cp-running', `cat /data/copy-${round}`)).toBe(`round ${round}`);
      await hand.docker('cp', `${container('cp-running')}:/data/records`, file);
    }
    await proveAndStop('cp-running');
  });

  it('docker cp on a stopped container takes nothing away from one that writes to the same volume', async () => {
    await write('cp-writer');
    await hand.run('cp-stopped', 'vol');
    await hand.stop('cp-stopped');
    const file = `${stack.dir}/copy-of-stopped`;
    await writeFile(file, 'into a stopped container');
    await hand.docker('cp', file, `${container('cp-stopped')}:/data/copied`);
    await hand.docker('cp', `${container('cp-stopped')}:/data/records`, file);
    expect(await hand.inside('cp-writer', 'cat /data/copied')).toBe('into a stopped container');
    await proveAndStop('cp-writer');
  });

  it('five containers that start and stop at once share one export; the last one takes it along', async () => {
    await hand.create('vol', 'backend=plain', 'size=1');
    const names = ['p1', 'p2', 'p3', 'p4', 'p5'];
    await Promise.all(names.map(async (name) => hand.run(name, 'vol')));
    const { arrays } = await stateOf(stack.control);
    // One for each of the array's ports.
    expect(arrays.flatMap(({ vluns }) => vluns)).toHaveLength(2);
    for (const name of names) await hand.inside(name, `echo ${name} > /data/${name}; sync`);
    for (const name of names) {
      expect(await hand.inside(name, 'cat /data/p1 /data/p2 /data/p3 /data/p4 /data/p5')).toBe(names.join('\n'));
    }
    await Promise.all(names.slice(1).map(async (name) => hand.stop(name)));
    expect(await hand.inside('p1', 'cat /data/p5')).toBe('p5');
    expect(await hand.servedBy('vol')).toHaveLength(1);
    await hand.stop('p1');
    expect(await hand.servedBy('vol')).toEqual([]);
  });

  it('Unmount for an unknown id or an unknown volume is success and changes nothing', async () => {
    await write('stranger');
    const before = await arrayOutline(stack.control);
    const docker = dockerClient(stack.daemon.socket);
    expect(await docker.unmount('vol', 'f'.repeat(64))).toBe('');
    expect(await docker.unmount('no-such-volume', 'f'.repeat(64))).toBe('');
    expect(await arrayOutline(stack.control)).toEqual(before);
    await proveAndStop('stranger');
  });

  it.each(['stop', 'kill'] as const)('the daemon is restarted (%s) while a container writes', async (how) => {
    await write(`daemon-${how}`);
    await stack.daemon[how]();
    await writer.more(20);
    expect(await writer.errors()).toEqual([]);
    await stack.daemon.start();
    await proveAndStop(`daemon-${how}`);
  });

  it('an Unmount that found no daemon: the volume can be started again, and removed', async () => {
    await write('lost');
    await stack.daemon.kill();
    await hand.stop('lost');
    await stack.daemon.start();
    // Docker sends the old id again.
    await hand.start('lost');
    await proveAndStop('lost');

    await hand.start('lost');
    await stack.daemon.stop();
    await hand.rm('lost');
    await stack.daemon.start();
    await hand.docker('volume', 'rm', 'vol');
    expect(await arrayObjects(stack.control)).toEqual([]);
  });
});
