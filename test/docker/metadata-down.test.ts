import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { IMAGE } from './engine.js';
import { container, failure, hands } from './hands.js';
import { startStack, type Stack } from './stack.js';

jest.setTimeout(180_000);

let stack: Stack;
const hand = hands(() => stack);

beforeAll(async () => {
  // Nobody listens there.
  const more = ['host_etcd_ip_address = 127.0.0.1:1'];
  stack = await startStack({ driver: 'hpe-no-etcd', mode: 'synchronous', more });
});
afterAll(async () => {
  await stack.engine.docker('rm', '-f', container('new')).catch(() => undefined);
  await stack.stop();
});

it('without the metadata a new volume is refused with the reason, after the retries of dockerd', async () => {
  const options = ['-o', 'backend=plain', '-o', 'size=1'];
  const create = await failure(hand.docker('volume', 'create', '-d', stack.driver, ...options, 'new'));
  expect(create).toMatch(/etcd|metadata/);
  const mount = `type=volume,source=new,target=/data,volume-driver=${stack.driver},volume-opt=backend=plain`;
  const run = await failure(hand.docker('create', '--name', container('new'), '--mount', mount, IMAGE));
  expect(run).toMatch(/etcd|metadata/);
  expect(await hand.docker('ps', '-aq')).toBe('');
});
