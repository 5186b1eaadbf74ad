import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { adminSocketOf, ask, askDaemon } from '../../../src/commands/daemon-client.js';
import type { Logger } from '../../../src/contracts/log.js';
import { DriverError } from '../../../src/domain/errors.js';
import type { OverrideRequest } from '../../../src/domain/override.js';
import { startAdminServer } from '../../../src/plugin/admin.js';

const ignore = (): void => undefined;
const logger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const order: OverrideRequest = { volume: 'db', side: 'secondary', seconds: 60, reason: 'fire' };

describe('the socket for the commands', () => {
  let dir: string;
  let made: unknown[];
  let admin: { close(): Promise<void> };
  let refusal: DriverError | undefined;

  const start = async () =>
    startAdminServer({
      socketPath: adminSocketOf(dir),
      logger,
      large: { '/all': async (body) => JSON.stringify(body).length },
      overrides: {
        async make(asked, signal) {
          signal.throwIfAborted();
          if (refusal !== undefined) throw refusal;
          made.push(asked);
          return ['made'];
        },
        end: async (volume) => [`${volume} ended`],
      },
      releases: { release: async ({ volume }) => [`${volume} released`] },
      resizes: { resize: async (volume, gib) => [`${volume} has ${gib} GiB`] },
    });

  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'admin-'));
    made = [];
    refusal = undefined;
    admin = await start();
  });
  afterEach(async () => {
    await admin.close();
    await rm(dir, { recursive: true });
  });

  it('is for root alone, answers a command, and is gone with the daemon', async () => {
    expect((await stat(adminSocketOf(dir))).mode & 0o777).toBe(0o600);
    expect(await askDaemon(dir, '/override', order)).toEqual({ result: ['made'] });
    expect(await askDaemon(dir, '/override/end', { volume: 'db' })).toEqual({ result: ['db ended'] });
    expect(await askDaemon(dir, '/release', { volume: 'db' })).toEqual({ result: ['db released'] });
    expect(await askDaemon(dir, '/resize', { volume: 'db', gib: 20 })).toEqual({ result: ['db has 20 GiB'] });
    await expect(askDaemon(dir, '/resize', { volume: 'db', gib: '20' })).rejects.toMatchObject({ code: 'invalid' });
    expect(made).toEqual([order]);
    await admin.close();
    expect(await readdir(dir)).toEqual([]);
    expect(await askDaemon(dir, '/override', order)).toBeUndefined();
    admin = await start();
  });

  it('does not take the socket of a living daemon', async () => {
    await expect(start()).rejects.toMatchObject({ code: 'refused', next: expect.stringContaining('--state-dir') });
    expect(await askDaemon(dir, '/override', order)).toEqual({ result: ['made'] });
  });

  it("brings the daemon's refusal to the command as it is", async () => {
    refusal = new DriverError('not-found', 'there is no volume db', { next: 'docker volume ls' });
    await expect(askDaemon(dir, '/override', order)).rejects.toMatchObject({
      name: 'DriverError',
      code: 'not-found',
      message: 'there is no volume db',
      next: 'docker volume ls',
    });
  });

  it.each([
    ['an unknown request', '/failover', order, 'knows no request /failover'],
    ['a member too many', '/override', { ...order, force: true }, 'force'],
    ['another side', '/override', { ...order, side: 'both' }, 'side'],
    ['a member too few', '/override', { volume: 'db' }, 'side'],
    ['no object', '/override', null, 'not understood'],
  ])('refuses %s and does nothing', async (_what, at, body, why) => {
    await expect(askDaemon(dir, at, body)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining(why),
    });
    expect(made).toEqual([]);
  });

  it('takes megabytes for what works on all metadata, and for nothing else', async () => {
    const text = 'x'.repeat(1_000_000);
    expect(await ask(dir, { at: '/all', body: { text } })).toEqual({ result: 1_000_011 });
    await expect(ask(dir, { at: '/override', body: { ...order, reason: text } })).rejects.toMatchObject({
      name: 'DriverError',
    });
    expect(made).toEqual([]);
  });

  it('refuses what is not JSON, and lives on', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const headers = { 'content-length': 3 };
      const call = request({ socketPath: adminSocketOf(dir), method: 'POST', path: '/override', headers }, (res) => {
        textOf(res).then(resolve, reject);
      });
      call.on('error', reject);
      call.end('{ab');
    });
    expect(answer).toContain('the request is not JSON');
    expect(await askDaemon(dir, '/override', order)).toEqual({ result: ['made'] });
  });

  it('says that the outcome is unknown when the daemon breaks off or answers anything else', async () => {
    await admin.close();
    const replies = ['', 'not JSON', '{"other":1}'];
    const odd = createServer((_req, res) => {
      const reply = replies.shift() ?? '';
      if (reply === '') res.destroy();
      else res.end(reply);
    });
    odd.listen(adminSocketOf(dir));
    await once(odd, 'listening');
    try {
      for (let i = 0; i < 3; i += 1)
        await expect(askDaemon(dir, '/override', order)).rejects.toMatchObject({ code: 'unknown-outcome' });
    } finally {
      odd.close();
      odd.closeAllConnections();
      await once(odd, 'close');
    }
    await writeFile(adminSocketOf(dir), '');
    await expect(start()).rejects.toMatchObject({ code: 'refused' });
    await rm(adminSocketOf(dir));
    admin = await start();
  });
});
