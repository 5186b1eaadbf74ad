import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { OPTION_NAMES } from '../../src/domain/option-table.js';
import { arrayOf, type ReplicationMode } from '../pair-client.js';
import { WsapiClient } from '../simulator/wsapi-client.js';
import { container, failure, hands } from './hands.js';
import { expectMainJob } from './main-job-story.js';
import { startStack, type Stack } from './stack.js';

jest.setTimeout(180_000);

describe.each<ReplicationMode>(['synchronous', 'asynchronous'])('%s group on a real Docker engine', (mode) => {
  let stack: Stack;
  const hand = hands(() => stack);

  beforeAll(async () => {
    stack = await startStack({ driver: `hpe-${mode}`, mode });
  });
  afterAll(async () => {
    await stack.stop();
  });

  it('create, run, write, stop, failover, start, failback, start, rm', async () => {
    await expectMainJob({ stack, hand, mode });
  });
});

describe('plain and replicated volumes on a real Docker engine', () => {
  let stack: Stack;
  const hand = hands(() => stack);

  beforeAll(async () => {
    stack = await startStack({ driver: 'hpe-verbs', mode: 'synchronous' });
  });
  afterEach(async () => {
    await hand.leaveNothing();
  });
  afterAll(async () => {
    await stack.stop();
  });

  it('ls and inspect show the volume and how it is replicated', async () => {
    await hand.create('vol', 'replicationGroup=RCG2', 'size=1');
    expect(await hand.docker('volume', 'ls', '-q', '-f', `driver=${stack.driver}`)).toBe('vol');
    const [found] = JSON.parse(await hand.docker('volume', 'inspect', 'vol')) as [
      { Scope: string; Status: Record<string, unknown> },
    ];
    expect(found.Scope).toBe('global');
    expect(found.Status).toMatchObject({ size: 1, backend: 'DEFAULT', provisioning: 'thin', holder: null, mounts: 0 });
    expect(found.Status['replication']).toMatchObject({ group: 'RCG2', mode: 'synchronous' });
  });

  it('options that make no sense are refused in one clear line, and nothing is made', async () => {
    const text = await failure(hand.create('vol', 'replicationGroup=RCG2', 'size=ten', 'colour=red'));
    expect(text).toContain('"ten" is not a whole number of GiB');
    expect(text).toContain('unknown option "colour"');
    expect(await hand.docker('volume', 'ls', '-q')).not.toContain('vol');
  });

  it('-o help explains every option, and help=backends the arrays, in lines that Docker shows', async () => {
    const help = (await failure(hand.docker('volume', 'create', '-d', stack.driver, '-o', 'help'))).split('\n');
    // The first line is the shell's.
    expect(help[1]).toMatch(/^Error response from daemon: .*This is no failure/);
    expect(help.filter((line) => line.startsWith('  -o '))).toHaveLength(OPTION_NAMES.length);
    await hand.create('vol', 'backend=plain', 'size=1');
    const backends = (await failure(hand.docker('volume', 'create', '-d', stack.driver, '-o', 'help=backends'))).split(
      '\n',
    );
    expect(backends).toContain('plain: ready');
    expect(await hand.docker('volume', 'ls', '-q', '-f', `driver=${stack.driver}`)).toBe('vol');
  });

  it('options of the old plugin work through Docker: a CPG, a volume set with a QoS rule, flash cache', async () => {
    const primary = arrayOf(stack.pair, 'primary');
    const admin = await new WsapiClient(primary).login();
    await admin.done('POST', '/volumesets', { name: 'gold_set' });
    await admin.done('POST', '/qos', { name: 'gold_set', type: 1, ioMaxLimit: 1000 });
    const cpg = primary.cpgs[1] ?? '';
    await hand.create('vol', 'backend=plain', 'size=1', `cpg=${cpg}`, 'qos-name=gold_set', 'flash-cache=True');
    const shown = await hand.docker(
      'volume',
      'inspect',
      '-f',
      '{{.Status.cpg}} {{.Status.qosName}} {{.Status.flashCache}}',
      'vol',
    );
    expect(shown).toBe(`${cpg} gold_set true`);
    await hand.run('a', 'vol');
    await hand.inside('a', 'echo gold > /data/f');
    await hand.rm('a');
    await hand.docker('volume', 'rm', 'vol');
    await admin.done('DELETE', '/qos/vvset:gold_set');
    await admin.done('DELETE', '/volumesets/gold_set');
  });

  it('two containers share one volume; it is detached with the last of them', async () => {
    await hand.create('vol', 'backend=plain', 'size=1');
    await hand.run('a', 'vol');
    await hand.run('b', 'vol');
    await hand.inside('a', 'echo shared > /data/f');
    expect(await hand.inside('b', 'cat /data/f')).toBe('shared');
    await hand.stop('a');
    expect(await hand.servedBy('vol')).toHaveLength(1);
    expect(await hand.inside('b', 'cat /data/f')).toBe('shared');
    await hand.stop('b');
    expect(await hand.servedBy('vol')).toEqual([]);
  });

  it('docker cp on a running container takes nothing away from it', async () => {
    await hand.create('vol', 'backend=plain', 'size=1');
    await hand.run('a', 'vol');
    await hand.inside('a', 'echo copied > /data/f');
    await hand.docker('cp', `${container('a')}:/data/f`, `${stack.dir}/copied`);
    await hand.docker('cp', `${stack.dir}/copied`, `${container('a')}:/data/g`);
    expect(await hand.inside('a', 'cat /data/g; echo more > /data/h; cat /data/h')).toBe('copied\nmore');
    expect(await hand.servedBy('vol')).toHaveLength(1);
    await hand.stop('a');
    expect(await hand.servedBy('vol')).toEqual([]);
  });

  it('docker cp on a stopped container mounts and lets go', async () => {
    await hand.create('vol', 'backend=plain', 'size=1');
    await hand.run('a', 'vol');
    await hand.inside('a', 'echo copied > /data/f');
    await hand.stop('a');
    await hand.docker('cp', `${container('a')}:/data/f`, `${stack.dir}/copied-stopped`);
    expect(await hand.servedBy('vol')).toEqual([]);
  });

  it('rm of a volume that a container uses is refused and changes nothing', async () => {
    await hand.create('vol', 'backend=plain', 'size=1');
    await hand.run('a', 'vol');
    await hand.inside('a', 'echo kept > /data/f');
    expect(await failure(hand.docker('volume', 'rm', 'vol'))).toContain('in use');
    expect(await hand.inside('a', 'cat /data/f')).toBe('kept');
  });

  it('a container goes on while the daemon is killed and started again, and stops cleanly', async () => {
    await hand.create('vol', 'backend=plain', 'size=1');
    await hand.run('a', 'vol');
    await stack.daemon.kill();
    await hand.inside('a', 'echo written without a daemon > /data/f; sync');
    await stack.daemon.start();
    expect(await hand.inside('a', 'cat /data/f')).toBe('written without a daemon');
    await hand.stop('a');
    expect(await hand.servedBy('vol')).toEqual([]);
    await hand.start('a');
    expect(await hand.inside('a', 'cat /data/f')).toBe('written without a daemon');
  });
});
