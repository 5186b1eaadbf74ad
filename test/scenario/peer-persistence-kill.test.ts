import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startPair, type RunningPair } from '../../src/simulator/pair.js';
import { DaemonProcess, type OutwardCall } from '../daemon-process.js';
import { hostLeftovers, unmountBelow } from '../host-leftovers.js';
import { controlOf, hpeConf } from '../pair-client.js';
import { arraysExporting } from '../simulator-state.js';
import { waitFor } from './site.js';

/*
 * The daemon is killed between what it does on one array and what it does on the other one. All other kill points of Mount
 * and Unmount are those of a volume on one array (test/crash).
 */

let dir: string;
let simulator: RunningPair;
let daemon: DaemonProcess;
let arrayVolume: string;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'peer-kill-'));
  simulator = await startPair({ dir: path.join(dir, 'pair'), fabric: 'loopback' });
  const { ready } = simulator;
  const fabricDir = path.join(dir, 'pair', 'fabric');
  const configFile = path.join(dir, 'hpe.conf');
  const conf = hpeConf(ready, { mode: 'synchronous', fabricDir, witness: ready.arrays[0].quorumWitness ?? '' });
  await writeFile(configFile, conf, { mode: 0o600 });
  await mkdir(path.join(dir, 'node1'));
  daemon = new DaemonProcess({ dir: path.join(dir, 'node1'), configFile, nodeName: 'node1' });
  await daemon.start();
  expect(await daemon.docker.create('v', { size: '1', replicationGroup: 'G' })).toBe('');
  arrayVolume = String((await daemon.docker.status('v'))['arrayVolume']);
  await daemon.docker.mount('v');
  expect(await daemon.docker.unmount('v')).toBe('');
});
afterAll(async () => {
  await daemon.kill();
  await unmountBelow(dir);
  await simulator.close();
  const left = await hostLeftovers(`${dir}/`);
  await rm(dir, { recursive: true, force: true });
  expect(left).toEqual([]);
});

const exporting = async (): Promise<string[]> => arraysExporting(controlOf(simulator.ready), arrayVolume);

/** The calls of one good run. */
async function rehearse(verb: () => Promise<unknown>): Promise<OutwardCall[]> {
  await daemon.watch();
  await verb();
  return daemon.calls();
}

/** Kills it just after, or before, the first such call, and starts it again. @throws when the call never came */
async function killAt(
  calls: OutwardCall[],
  at: { pattern: RegExp; when: 'before' | 'after' },
  verb: () => Promise<unknown>,
) {
  const call = calls.find(({ label }) => at.pattern.test(label));
  if (call === undefined) throw new Error(`no ${at.pattern} in ${calls.map(({ label }) => label).join('; ')}`);
  await daemon.watch({ call: { name: call.name, nth: 1 }, when: at.when, signal: 'SIGKILL' });
  await verb().catch(() => undefined);
  expect(await daemon.struck()).toBeDefined();
  await daemon.kill();
}

describe('killed between the two arrays', () => {
  it.each([
    ['the export of the first', /POST 127\.0\.0\.1 .*\/vluns/],
    ['the export of the second', /POST 127\.0\.0\.2 .*\/vluns/],
  ])('a Mount is undone on both: after %s', async (_title, pattern) => {
    const mount = async (): Promise<string> => daemon.docker.mount('v');
    const calls = await rehearse(mount);
    expect(await exporting()).toHaveLength(2);
    expect(await daemon.docker.unmount('v')).toBe('');
    await killAt(calls, { pattern, when: 'after' }, mount);
    expect((await exporting()).length).toBeGreaterThan(0);
    await daemon.start();
    await waitFor(async () => (await exporting()).length === 0);
    await mount();
    expect(await exporting()).toHaveLength(2);
    expect(await daemon.docker.unmount('v')).toBe('');
  });

  it.each([
    ['before the first export is gone', 'before', /DELETE 127\.0\.0\.1 .*\/vluns/],
    ['when only the first one is', 'before', /DELETE 127\.0\.0\.2 .*\/vluns/],
    ['when both are', 'after', /DELETE 127\.0\.0\.2 .*\/vluns/],
  ] as const)('an Unmount is ended on both: %s', async (_title, when, pattern) => {
    const unmount = async (): Promise<string> => daemon.docker.unmount('v');
    await daemon.docker.mount('v');
    const calls = await rehearse(unmount);
    await daemon.docker.mount('v');
    await killAt(calls, { pattern, when }, unmount);
    await daemon.start();
    await waitFor(async () => (await daemon.docker.status('v'))['holder'] === null);
    expect(await exporting()).toEqual([]);
  });
});
