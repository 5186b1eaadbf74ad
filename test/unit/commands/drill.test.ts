import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { thenCleanUp } from '../../../src/commands/clean-up.js';
import { removeAll, runOnce } from '../../../src/commands/drill-container.js';
import { DriverError } from '../../../src/domain/errors.js';

let dir: string;
let socket: string;
let docker: Server;
/** What Docker refuses: `POST /containers/1/start` → its words. */
let refusals: Record<string, string>;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hpe-drill-'));
  socket = path.join(dir, 'docker.sock');
  refusals = {};
  docker = createServer((req, res) => {
    const message = refusals[`${req.method} ${req.url?.split('?')[0]}`];
    if (message !== undefined) return res.writeHead(500).end(JSON.stringify({ message }));
    return res.writeHead(200).end(JSON.stringify({ Id: '1', StatusCode: 0 }));
  });
  docker.listen(socket);
  await once(docker, 'listening');
});
afterEach(async () => {
  docker.close();
  await rm(dir, { recursive: true });
});

const run = async () =>
  runOnce(socket, { image: 'i', command: ['true'], volumes: new Map([['s1', '/drill/db']]), driver: 'hpe' });

describe('a drill that fails', () => {
  it('tells why its container did not start before that it could not be removed', async () => {
    refusals = { 'POST /containers/1/start': 'no such device', 'DELETE /containers/1': 'it is busy' };
    await expect(run()).rejects.toThrow(/start: no such device; and after that: .*DELETE .*it is busy/);
  });

  it('tells its own error before that of the snapshots that were not dropped, with both ways out', async () => {
    refusals = { 'DELETE /volumes/s1': 'volume is in use' };
    const failed = thenCleanUp(
      async () => Promise.reject(new DriverError('unavailable', 'Docker gave no answer', { next: 'see dockerd' })),
      async () => removeAll(socket, ['s1', 's2']),
    );
    await expect(failed).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/^Docker gave no answer; and after that: .*s1: .*volume is in use/),
      next: 'see dockerd; then: docker volume rm it; the array drops it within a day',
    });
  });

  it('only in its clean-up tells that', async () => {
    refusals = { 'DELETE /containers/1': 'it is busy' };
    await expect(run()).rejects.toThrow(/^(?!.*after that).*it is busy/);
  });
});
