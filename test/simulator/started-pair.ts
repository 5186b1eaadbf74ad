import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPair } from '../../src/simulator/pair.js';
import type { PairOptions, RunningPair } from '../../src/simulator/pair.js';
import { Json, WsapiClient } from './wsapi-client.js';

/** A pair with a client logged in on each array. */
export interface StartedPair {
  running: RunningPair;
  dir: string;
  a: WsapiClient;
  b: WsapiClient;
  /** A call of the control interface; @throws unless it answers 200 */
  control(method: string, path: string, body?: unknown): Promise<Json>;
  close(): Promise<void>;
}

export async function startTestPair(options: Omit<PairOptions, 'dir'> = {}): Promise<StartedPair> {
  const dir = await mkdtemp(join(tmpdir(), 'sim-'));
  const running = await startPair({ ...options, dir });
  const [first, second] = running.ready.arrays;
  const a = await new WsapiClient(first).login();
  const b = await new WsapiClient(second).login();
  return {
    running,
    dir,
    a,
    b,
    async control(method, path, body) {
      const answer = await fetch(`${running.controlUrl}${path}`, {
        method,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return new Json(JSON.parse(text));
    },
    async close() {
      a.close();
      b.close();
      await running.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export const volumeBody = (name: string, more: object = {}): object => ({
  name,
  cpg: 'cpg-a',
  snapCPG: 'cpg-a-snap',
  sizeMiB: 256,
  tpvv: true,
  ...more,
});

export const groupBody = (name: string, mode = 1): object => ({
  name,
  localUserCPG: 'cpg-a',
  localSnapCPG: 'cpg-a-snap',
  targets: [{ targetName: 'sim-b-rc', mode, userCPG: 'cpg-b', snapCPG: 'cpg-b-snap' }],
});

export const admitBody = (volume: string, more: object = {}): object => ({
  action: 1,
  volumeName: volume,
  targets: [{ targetName: 'sim-b-rc', secVolumeName: volume }],
  volumeAutoCreation: true,
  ...more,
});
