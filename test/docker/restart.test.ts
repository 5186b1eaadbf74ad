import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { container, failure, hands } from './hands.js';
import type { Dockerd } from './dockerd.js';
import { startStack, type Stack } from './stack.js';
import { writerIn, type Writer } from './writer.js';

jest.setTimeout(300_000);

describe('dockerd is killed while containers write, and started again', () => {
  let stack: Stack;
  const hand = hands(() => stack);

  afterEach(async () => {
    await hand.leaveNothing();
    await stack.stop();
  });

  async function begin(liveRestore: boolean): Promise<Dockerd> {
    stack = await startStack({ driver: 'hpe-restart', mode: 'synchronous', engine: { own: true, liveRestore } });
    const { dockerd } = stack.engine;
    if (dockerd === undefined) throw new Error('it has no dockerd of its own');
    return dockerd;
  }

  async function writeTo(volume: string, ...options: string[]): Promise<Writer> {
    await hand.create(volume, 'backend=plain', 'size=1');
    const writer = await writerIn(stack, hand.adopt(volume), volume);
    await writer.run(...options);
    await writer.more(10);
    return writer;
  }

  it('without live-restore: each container that died without Unmount can be started, removed, and leaves nothing', async () => {
    const dockerd = await begin(false);
    const again = await writeTo('again');
    const policy = await writeTo('policy', '--restart', 'always');
    await writeTo('dead');
    await dockerd.kill();
    await again.more(10);
    const written = { again: 0, policy: await policy.more(10) };
    await dockerd.start();

    // The restart policy sends Mount with the old id; no Unmount came before it.
    await policy.more(10);
    await policy.prove(written.policy);
    expect(await hand.isRunning('dead')).toBe(false);
    await hand.rm('dead');
    await hand.docker('volume', 'rm', 'dead');
    written.again = await again.acknowledged();
    await hand.start('again');
    await again.prove(written.again);

    for (const name of ['again', 'policy']) {
      await hand.stop(name);
      expect(await hand.servedBy(name)).toEqual([]);
    }
    await hand.start('policy');
    await policy.more(10);
    await policy.prove(await policy.acknowledged());
    expect([...(await again.errors()), ...(await policy.errors())]).toEqual([]);
  });

  it('with live-restore: the containers write on, and a later stop lets go', async () => {
    const dockerd = await begin(true);
    const [stopped, copied] = [await writeTo('stopped'), await writeTo('copied')];
    await dockerd.kill();
    await stopped.more(10);
    await dockerd.start();
    for (const writer of [stopped, copied]) {
      await writer.more(10);
      await writer.prove(await writer.acknowledged());
    }
    expect(await failure(hand.docker('volume', 'rm', 'stopped'))).toContain('in use');
    await hand.stop('stopped');
    expect(await hand.servedBy('stopped')).toEqual([]);

    // This dockerd now sends Unmount for the running container, and none when it stops: only the kernel knows.
    await hand.docker('cp', `${container('copied')}:/data/records`, `${stack.dir}/records`);
    await copied.more(10);
    expect(await hand.servedBy('copied')).toHaveLength(1);
    await hand.stop('copied');
    await hand.eventuallyUnused('copied');
    expect([...(await stopped.errors()), ...(await copied.errors())]).toEqual([]);
  });
});
