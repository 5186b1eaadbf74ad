import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { arrayObjects } from '../simulator-state.js';
import { container, failure, hands } from './hands.js';
import { startProxy, type Loss, type Proxy } from './proxy.js';
import { pluginSocket, startStack, type Stack } from './stack.js';

jest.setTimeout(240_000);

/** Beyond what a rollback takes on a well array. */
const ROLLBACK_MS = 30_000;
const losses: Loss[] = ['request', 'answer'];
/** So slow that no verb is done when its caller goes. */
const LATENCY_MS = 50;
const driver = 'hpe-lost-calls';

describe('a connection that breaks makes dockerd repeat the request with an empty body', () => {
  let stack: Stack;
  let proxy: Proxy;
  const hand = hands(() => stack);

  beforeAll(async () => {
    stack = await startStack({ driver, mode: 'synchronous', hidden: true });
    proxy = await startProxy(pluginSocket(driver), stack.daemon.socket);
    // No verb may be over before its caller is gone.
    await stack.control.latency(50);
  });
  beforeEach(async () => {
    await stack.control.latency(LATENCY_MS);
  });
  afterEach(async () => {
    await stack.control.latency(0);
    await hand.leaveNothing();
  });
  afterAll(async () => {
    await stack.stop();
    await proxy.close();
  });

  it.each(losses)('Create (%s lost): refused, nothing is made, and the next try succeeds', async (loss) => {
    proxy.lose('Create', loss);
    const text = await failure(hand.create('vol', 'replicationGroup=RCG3', 'size=1'));
    expect(text).toContain('empty body');
    expect(proxy.seen()).toContain('Create (empty)');
    await hand.eventually(ROLLBACK_MS, async () => expect(await arrayObjects(stack.control)).toEqual([]));
    await hand.create('vol', 'replicationGroup=RCG3', 'size=1');
  });

  it.each(losses)('Mount (%s lost): refused, nothing stays exported, and the next start succeeds', async (loss) => {
    await hand.create('vol', 'backend=plain', 'size=1');
    proxy.lose('Mount', loss);
    expect(await failure(hand.run(`mount-${loss}`, 'vol'))).toContain('empty body');
    expect(proxy.seen()).toContain('Mount (empty)');
    await hand.eventually(ROLLBACK_MS, async () => expect(await hand.servedBy('vol')).toEqual([]));
    await hand.start(`mount-${loss}`);
    await hand.inside(`mount-${loss}`, 'echo written > /data/f; sync');
    await hand.stop(`mount-${loss}`);
    expect(await hand.servedBy('vol')).toEqual([]);
  });

  it.each(losses)('Unmount (%s lost): the container stops; the next one starts and lets go', async (loss) => {
    await hand.create('vol', 'backend=plain', 'size=1');
    await hand.run(`unmount-${loss}`, 'vol');
    proxy.lose('Unmount', loss);
    await hand.stop(`unmount-${loss}`);
    expect(proxy.seen()).toContain('Unmount (empty)');
    // Docker kept the id, and sends it again.
    await hand.start(`unmount-${loss}`);
    await hand.stop(`unmount-${loss}`);
    // Of a lost request the daemon knows nothing: the id counts twice until the kernel has shown no user for five minutes
    // (unit/driver/local-users.test.ts). A removal, by which this test ends, asks the kernel at once.
    if (loss === 'answer') await hand.eventuallyUnused('vol');
  });

  it.each(losses)('Remove (%s lost): the next try succeeds', async (loss) => {
    await hand.create('vol', 'replicationGroup=RCG3', 'size=1');
    proxy.lose('Remove', loss);
    expect(await failure(hand.docker('volume', 'rm', 'vol'))).toContain('empty body');
    expect(proxy.seen()).toContain('Remove (empty)');
    await hand.docker('volume', 'rm', 'vol').catch(() => undefined);
    await hand.eventually(ROLLBACK_MS, async () => expect(await arrayObjects(stack.control)).toEqual([]));
  });

  it('Get (request lost): no answer, so that dockerd forgets nothing', async () => {
    await hand.create('vol', 'backend=plain', 'size=1');
    await hand.run('get', 'vol');
    proxy.lose('Get', 'request');
    const text = await failure(hand.docker('volume', 'inspect', 'vol'));
    expect(text).not.toContain('no failure');
    expect(text).not.toContain('no such volume');
    expect(proxy.seen().filter((each) => each === 'Get (empty)')).toHaveLength(4);
    const options = JSON.parse(await hand.docker('volume', 'inspect', '-f', '{{json .Options}}', 'vol')) as unknown;
    expect(options).toEqual({ backend: 'plain', size: '1' });
    await hand.stop('get');
    expect(await hand.servedBy('vol')).toEqual([]);
    expect(await hand.docker('ps', '-q', '-f', `name=${container('get')}`)).toBe('');
  });
});
