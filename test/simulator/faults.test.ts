import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';
import { WsapiClient } from './wsapi-client.js';

// On a busy machine.

let pair: StartedPair;
/** What a client sees of a connection that was cut. */
const BROKEN = /socket hang up|ECONNRESET|disconnected/;
beforeAll(async () => {
  pair = await startTestPair();
});
afterAll(async () => pair.close());
afterEach(async () => {
  await pair.control('DELETE', '/faults');
});

const fault = (effect: string, more: object = {}) =>
  pair.control('POST', '/faults', {
    array: 'sim-a',
    match: { method: 'POST', pathRegex: '/volumes$' },
    effect,
    ...more,
  });

const create = (name: string) => pair.a.send('POST', '/volumes', volumeBody(name));
const exists = async (name: string) => (await pair.a.send('GET', `/volumes/${name}`)).status === 200;

describe('faults', () => {
  it('error: not done', async () => {
    await fault('error', { status: 503, code: 99 });
    const answer = await create('f-error');
    expect([answer.status, answer.body.at('code')]).toEqual([503, 99]);
    expect(await exists('f-error')).toBe(false);
    expect((await create('f-error')).status).toBe(201);
  });

  it('reset: not done', async () => {
    await fault('reset');
    await expect(create('f-reset')).rejects.toThrow(BROKEN);
    expect(await exists('f-reset')).toBe(false);
  });

  it('lost-reply: done', async () => {
    await fault('lost-reply');
    await expect(create('f-lost')).rejects.toThrow(BROKEN);
    expect(await exists('f-lost')).toBe(true);
  });

  it('done-but-error: done', async () => {
    await fault('done-but-error');
    expect((await create('f-done')).status).toBe(500);
    expect(await exists('f-done')).toBe(true);
  });

  it('ok-not-done: not done, with a Location', async () => {
    await fault('ok-not-done');
    const answer = await create('f-ok');
    expect([answer.status, answer.location]).toEqual([201, '/api/v1/volumes/f-ok']);
    expect(await exists('f-ok')).toBe(false);
  });

  it('delay: done later', async () => {
    await fault('delay', { ms: 300 });
    const before = performance.now();
    expect((await create('f-delay')).status).toBe(201);
    expect(performance.now() - before).toBeGreaterThan(290);
  });

  it('late: done after the connection was cut', async () => {
    await fault('late', { ms: 300 });
    await expect(create('f-late')).rejects.toThrow(BROKEN);
    expect(await exists('f-late')).toBe(false);
    await sleep(400);
    expect(await exists('f-late')).toBe(true);
  });

  it('power-off: not done, and the array is off', async () => {
    await fault('power-off');
    await expect(create('f-power')).rejects.toThrow(BROKEN);
    await expect(pair.a.send('GET', '/volumes/f-power')).rejects.toThrow(BROKEN);
    await pair.control('POST', '/power', { array: 'sim-a', on: true });
    await pair.a.login();
    expect(await exists('f-power')).toBe(false);
  });

  it('hang: never answered, and others are', async () => {
    await fault('hang');
    const answer = create('f-hang').then(
      () => 'answered',
      () => 'broken',
    );
    const pause = new Promise((resolve) => setTimeout(() => resolve('silent'), 300));
    expect(await Promise.race([answer, pause])).toBe('silent');
    expect(await exists('f-hang')).toBe(false);
    await pair.control('POST', '/power', { array: 'sim-a', on: false });
    expect(await answer).toBe('broken');
    await pair.control('POST', '/power', { array: 'sim-a', on: true });
    await pair.a.login();
  });

  it('strikes the nth time, as often as ordered, on its array only', async () => {
    await fault('error', { match: { method: 'GET', pathRegex: '/cpgs' }, times: 2 });
    await pair.control('DELETE', '/faults');
    await fault('error', { match: { method: 'GET', pathRegex: '/cpgs', nth: 2 }, times: 2 });
    const statuses = [];
    for (let call = 0; call < 4; call += 1) statuses.push((await pair.a.send('GET', '/cpgs')).status);
    expect(statuses).toEqual([200, 500, 500, 200]);
    expect((await pair.b.send('GET', '/cpgs')).status).toBe(200);
  });

  it('refuses a fault that makes no sense', async () => {
    await expect(fault('explode')).rejects.toThrow('400');
    await expect(pair.control('POST', '/faults', { array: 'none', effect: 'reset' })).rejects.toThrow(
      'there is no array none',
    );
  });
});

describe('power, latency, log', () => {
  it('an array without power takes no connection and forgets its sessions', async () => {
    await pair.control('POST', '/power', { array: 'sim-b', on: false });
    await expect(pair.b.send('GET', '/system')).rejects.toThrow(BROKEN);
    expect((await pair.a.send('GET', '/system')).status).toBe(200);
    expect((await pair.a.send('GET', '/remotecopytargets/sim-b-rc')).body.at('status')).toBe(4);
    await pair.control('POST', '/power', { array: 'sim-b', on: true });
    expect(await pair.b.refusal('GET', '/system')).toBe('403/6');
    await pair.b.login();
  });

  it('logs every request with monotonic times, and delays it', async () => {
    await pair.control('DELETE', '/log');
    await pair.control('POST', '/latency', { ms: 60 });
    await pair.a.send('GET', '/cpgs');
    await pair.b.send('DELETE', '/volumes/none');
    await pair.control('POST', '/latency', { ms: 0 });
    const log = await pair.control('GET', '/log');
    const lines = log
      .list()
      .map((each) => [each.at('array'), each.at('protocol'), each.at('method'), each.at('path'), each.at('status')]);
    expect(lines).toEqual([
      ['sim-a', 'wsapi', 'GET', '/api/v1/cpgs', 200],
      ['sim-b', 'wsapi', 'DELETE', '/api/v1/volumes/none', 404],
    ]);
    const [first, second] = log.list();
    expect(Number(first?.at('durationMs'))).toBeGreaterThan(55);
    expect(Number(second?.at('startMs'))).toBeGreaterThanOrEqual(Number(first?.at('endMs')));
    expect((await pair.control('GET', '/log?array=sim-b')).list()).toHaveLength(1);
    expect(JSON.stringify((await pair.control('GET', '/log')).value)).not.toContain('3pardata');
  });

  it('answers many clients at once on kept connections', async () => {
    const client = await new WsapiClient(pair.running.ready.arrays[0]).login();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => client.send('POST', '/volumes', volumeBody(`many${index}`))),
    );
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 20 }, () => 201));
    client.close();
  });
});
