import { expect, it } from '@jest/globals';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { serve } from '../../src/commands/serve.js';
import { startEtcd } from '../etcd.js';
import { startNode } from '../harness.js';
import { arrayOf } from '../pair-client.js';

it('a second daemon does not start on a state directory whose first daemon still ends its calls', async () => {
  const etcd = await startEtcd();
  const node = await startNode({ etcd: etcd.host });
  try {
    const { dir, docker, control } = node;
    expect(await docker.create('first', { size: '1', replicationGroup: 'RCG1' })).toBe('');
    const array = arrayOf(node.pair, 'primary').name;
    await control.fault({ array, match: { method: 'POST' }, effect: 'delay', ms: 5_000, times: 1 });
    const create = docker.create('slow', { size: '1', replicationGroup: 'RCG1' });
    await pause(1_000);
    const closing = node.stopDaemon();
    await pause(200);
    const second = serve({
      configFile: path.join(dir, 'hpe.conf'),
      socketPath: path.join(dir, 'hpe.sock'),
      stateDir: path.join(dir, 'state'),
      nodeName: 'node1',
    });
    const outcome = await second.then(
      () => 'started',
      () => 'refused',
    );
    await create;
    await closing;
    if (outcome === 'started') await (await second).close();
    expect(outcome).toBe('refused');
  } finally {
    await node.close();
    await etcd.stop();
  }
});
