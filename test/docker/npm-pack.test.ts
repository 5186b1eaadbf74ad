import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { packProduct } from '../../packaging/plugin-directory.js';
import { startPair } from '../../src/simulator/pair.js';
import { dockerClient } from '../docker-client.js';
import { waitFor } from './dockerd.js';
import { hpeConf } from '../pair-client.js';

/** Here, where nothing runs beside it: it compiles the product anew, which others start daemons of. */
const execute = promisify(execFile);
jest.setTimeout(180_000);

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hpe-packed-'));
});
afterAll(async () => rm(dir, { recursive: true, force: true }));

it('the packed product is installed without a network, and serves', async () => {
  const [prefix, socket, conf] = [path.join(dir, 'global'), path.join(dir, 'hpe.sock'), path.join(dir, 'hpe.conf')];
  const packed = await packProduct(dir);
  await execute('npm', ['install', '-g', '--prefix', prefix, '--offline', '--ignore-scripts', packed]);
  const product = path.join(prefix, 'lib/node_modules/hpe-3par-volume-plugin');
  const unit = await readFile(path.join(product, 'systemd/hpe-volume-plugin.service'), 'utf8');
  expect(unit).toContain('ExecStart=/usr/bin/env hpe-volume-plugin serve\n');
  const pair = await startPair({ dir: path.join(dir, 'pair'), fabric: 'loopback' });
  try {
    await writeFile(conf, hpeConf(pair.ready, { mode: 'synchronous', fabricDir: path.join(dir, 'pair', 'fabric') }), {
      mode: 0o600,
    });
    const args = ['serve', '--config', conf, '--socket', socket, '--state-dir', path.join(dir, 'state')];
    const daemon = spawn(path.join(prefix, 'bin/hpe-volume-plugin'), args, { stdio: 'ignore' });
    try {
      await waitFor(async () => stat(socket), 20_000);
      expect((await stat(socket)).mode & 0o777).toBe(0o600);
      expect(await dockerClient(socket).call('Plugin.Activate')).toMatchObject({ Implements: ['VolumeDriver'] });
    } finally {
      const ended = once(daemon, 'exit');
      daemon.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
    }
  } finally {
    await pair.close();
  }
});
