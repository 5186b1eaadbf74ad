import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEtcd } from '../etcd.js';
import { freeLoopDevicesOf, hostLeftovers, unmountBelow } from '../host-leftovers.js';
import type { PairControl } from '../pair-client.js';
import { startArrays } from './arrays.js';
import { startDaemon, type MeasuredDaemon } from './daemon.js';

/** Arrays, etcd and daemon, each a process of its own. */
export interface BenchSite {
  control: PairControl;
  daemon: MeasuredDaemon;
}

/** Works with a site of its own, which is gone afterwards. @throws when anything is left on this host */
export async function withSite(work: (site: BenchSite) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hpe-bench-'));
  const closers: (() => Promise<void>)[] = [async () => rm(dir, { recursive: true, force: true })];
  let left: string[] = [];
  try {
    const arrays = await startArrays(dir);
    closers.push(arrays.close);
    const etcd = await startEtcd();
    closers.push(etcd.stop);
    const daemon = await startDaemon(dir, arrays, etcd.host);
    closers.push(daemon.close);
    await work({ control: arrays.control, daemon });
    left = await hostLeftovers(`${dir}/`);
  } finally {
    await closers.pop()?.();
    await unmountBelow(dir).catch(() => undefined);
    for (const close of closers.toReversed()) await close();
    await freeLoopDevicesOf(`${dir}/`).catch(() => undefined);
  }
  if (left.length > 0) throw new Error(`the bench left behind: ${left.join('; ')}`);
}
