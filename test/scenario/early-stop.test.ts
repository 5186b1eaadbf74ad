import { expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startPair } from '../../src/simulator/pair.js';
import { hpeConf } from '../pair-client.js';

const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

it('a daemon that is stopped in the moment in which its socket appears ends well, and takes the socket away', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'hpe-early-'));
  const pair = await startPair({ dir: path.join(dir, 'pair'), fabric: 'loopback' });
  try {
    const fabricDir = path.join(dir, 'pair', 'fabric');
    const [socket, conf] = [path.join(dir, 'hpe.sock'), path.join(dir, 'hpe.conf')];
    await writeFile(conf, hpeConf(pair.ready, { mode: 'synchronous', fabricDir }), { mode: 0o600 });
    const args = ['serve', '--config', conf, '--socket', socket, '--state-dir', path.join(dir, 'state')];
    const daemon = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = once(daemon, 'exit');
    while (!existsSync(socket)) {
      expect([daemon.exitCode, daemon.signalCode]).toEqual([null, null]);
      await turn();
    }
    daemon.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(existsSync(socket)).toBe(false);
  } finally {
    await pair.close();
    await rm(dir, { recursive: true, force: true });
  }
});
