import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { askSurroundings } from '../../src/commands/doctor-daemon.js';
import { arrayOf } from '../pair-client.js';
import { failure, hands } from './hands.js';
import { expectMainJob } from './main-job-story.js';
import { modeOf, setVersion, startManagedStack, type ManagedStack } from './managed-stack.js';
import { writerIn, type Writer } from './writer.js';

const execute = promisify(execFile);
jest.setTimeout(300_000);

describe('the managed plugin on a real Docker engine', () => {
  let stack: ManagedStack;
  const hand = hands(() => stack);

  beforeAll(async () => {
    stack = await startManagedStack('hpe-managed');
  });
  afterEach(async () => {
    await hand.leaveNothing();
  });
  afterAll(async () => {
    await stack.stop();
  });

  it('create, run, write, failover, run, failback, run, rm', async () => {
    await expectMainJob({ stack, hand, mode: 'synchronous' });
  });

  /** A container that writes without pause to a volume of its own. */
  async function writeTo(volume: string, ...options: string[]): Promise<Writer> {
    await hand.create(volume, 'replicationGroup=RCG2', 'size=1');
    const writer = await writerIn(stack, hand.adopt(volume), volume);
    await writer.run(...options);
    await writer.more(10);
    return writer;
  }

  /** The containers write on all the same; what stops now lets go of its volume. */
  async function expectUnharmed(writers: Writer[]): Promise<void> {
    for (const writer of writers) {
      await writer.more(10);
      await writer.prove(await writer.acknowledged());
      expect(await writer.errors()).toEqual([]);
    }
    for (const { volume } of writers) {
      expect(await hand.servedBy(volume)).toEqual([arrayOf(stack.pair, 'primary').name]);
      await hand.stop(volume);
      expect(await hand.servedBy(volume)).toEqual([]);
    }
  }

  it('its process is killed while a container writes: Docker starts it again, and nobody notices', async () => {
    const writer = await writeTo('killed');
    const before = await stack.pid();
    process.kill(before ?? 0, 'SIGKILL');
    await hand.eventually(20_000, async () => expect([undefined, before]).not.toContain(await stack.pid()));
    await expectUnharmed([writer]);
  });

  it('docker plugin disable -f, and enable, while containers write: no I/O error, and a later stop detaches', async () => {
    const [writer, stopped] = [await writeTo('disabled'), await writeTo('lost')];
    await hand.docker('plugin', 'disable', '-f', stack.driver);
    await writer.more(10);
    // Its Unmount reaches nobody.
    await hand.stop('lost');
    await hand.docker('plugin', 'enable', '--timeout', '120', stack.driver);
    await expectUnharmed([writer]);
    await hand.start('lost');
    await expectUnharmed([stopped]);
  });

  it('upgrade to the next version while a container writes: no I/O error, and a later stop detaches', async () => {
    const writer = await writeTo('upgraded');
    await hand.docker('plugin', 'disable', '-f', stack.driver);
    await hand.docker('plugin', 'rm', '-f', stack.driver);
    await setVersion(stack.pluginDir, '0.1.1');
    await stack.install();
    await expectUnharmed([writer]);
    await hand.start('upgraded');
    await writer.more(10);
    await expectUnharmed([writer]);
  });

  it('after dockerd was killed, a container is on its volume or not started, never on an empty directory', async () => {
    const { dockerd } = stack.engine;
    if (dockerd === undefined) {
      process.stderr.write('not tested: the Docker engine of this machine is not ours to kill\n');
      return;
    }
    const writer = await writeTo('policy', '--restart', 'always', '--stop-timeout', '1');
    await dockerd.kill();
    const written = await writer.more(10);
    await dockerd.start();
    // dockerd cleans up after the plugin of its life before; when that comes late, it takes the new one out of its sight.
    if (!(await hand.isRunning('policy'))) {
      await enableAgain();
      await hand.start('policy');
    }
    await writer.more(10);
    await writer.prove(written);
    await expectUnharmed([writer]);
  });

  it('rule 31: a mount that Docker does not see is refused, and undone', async () => {
    await hand.create('unseen', 'backend=plain', 'size=1');
    const pid = String(await stack.pid());
    await execute('nsenter', ['--target', pid, '--mount', 'mount', '--make-private', '/opt/hpe/data']);
    const text = await failure(hand.run('unseen', 'unseen'));
    expect(text).toContain('nobody outside of this plugin sees what it mounts');
    expect(text).toContain('docker plugin disable -f');
    expect(await hand.servedBy('unseen')).toEqual([]);
    const seen = async () => askSurroundings(path.join(stack.dir, 'state'));
    expect(await seen()).toEqual({ managed: true, isShown: false });
    await enableAgain();
    expect(await seen()).toEqual({ managed: true, isShown: true });
    await hand.start('unseen');
    expect(await hand.servedBy('unseen')).toHaveLength(1);
  });

  async function enableAgain(): Promise<void> {
    await hand.docker('plugin', 'disable', '-f', stack.driver);
    await hand.docker('plugin', 'enable', '--timeout', '120', stack.driver);
  }

  it('has a socket for root alone, and no secret where Docker and the kernel show it', async () => {
    expect(await modeOf(await stack.socket())).toBe(0o600);
    const shown = [await hand.docker('plugin', 'inspect', stack.driver)];
    for (const name of ['cmdline', 'environ']) shown.push(await readFile(`/proc/${await stack.pid()}/${name}`, 'utf8'));
    for (const { password } of stack.pair.arrays) expect(shown.join()).not.toContain(password);
  });
});
