import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { request } from 'node:http';
import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import { DriverError } from '../../../src/domain/errors.js';
import { Metrics } from '../../../src/status/metrics.js';
import { startStatusServer } from '../../../src/status/server.js';
import { Snapshot } from '../../../src/status/snapshot.js';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
let isAway: boolean;
let server: Awaited<ReturnType<typeof startStatusServer>>;

beforeEach(async () => {
  isAway = false;
  const snapshot = new Snapshot(async () => Promise.reject(new Error('secret of the status')), silent);
  server = await startStatusServer({
    at: { host: 'localhost', port: 0 },
    snapshot,
    metrics: new Metrics('1'),
    probe: async () => (isAway ? Promise.reject(new DriverError('unavailable', 'etcd is away')) : Promise.resolve()),
    logger: silent,
  });
});
afterEach(async () => server.close());

async function ask(host: string, path = '/'): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    request({ host: 'localhost', port: server.port, path, headers: { host } }, (answer) => {
      text(answer).then((body) => resolve({ status: answer.statusCode, body }), reject);
    })
      .on('error', reject)
      .end();
  });
}

it('a web page whose name was made to lead here (DNS rebinding) reads nothing', async () => {
  const names = ['evil.example', `evil.example:${server.port}`, `${hostname()}.evil.example`, 'localhost.evil.example'];
  for (const host of [...names, '127.0.0.1.evil.example', '[evil', 'evil.example:80:80']) {
    for (const path of ['/', '/status.json', '/metrics', '/fragment', '/readyz']) {
      const { status, body } = await ask(host, path);
      expect([host, path, status]).toEqual([host, path, 421]);
      expect(body).not.toContain('secret of the status');
    }
  }
});

it('who asks by an address, localhost or the name of the host is answered', async () => {
  const { port } = server;
  const names = [
    '127.0.0.1',
    `10.1.2.3:${port}`,
    '[::1]',
    `[fe80::1]:${port}`,
    'LocalHost',
    `localhost.:${port}`,
    hostname(),
  ];
  for (const host of names) expect([host, (await ask(host, '/healthz')).status]).toEqual([host, 200]);
});

it('it is ready when the metadata can be read, however long a report would take, and says why it is not', async () => {
  expect(await ask('localhost', '/readyz')).toEqual({ status: 200, body: 'ok\n' });
  isAway = true;
  expect(await ask('localhost', '/readyz')).toMatchObject({
    status: 503,
    body: expect.stringContaining('etcd is away'),
  });
});
