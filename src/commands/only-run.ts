import { loadConfig } from '../config/config.js';
import type { MetadataStore } from '../contracts/store.js';
import type { GroupRun } from '../domain/group-run.js';
import { whoTypes } from './audit.js';
import { openStore } from './build.js';
import { silent, type Reports, type Where } from './reports.js';
import { lockRun, soleRun, type RunLock } from './run-lock.js';
import type { Terminal } from './terminal.js';

interface OnlyRun {
  where: Where;
  about: Pick<GroupRun, 'goal' | 'backend' | 'group'> & { arrays: readonly string[] };
  reports: Reports;
  terminal: Terminal;
}

/**
 * Works as the only run for the group in the whole cluster, with the metadata that all nodes share; embedded ones have no other
 * nodes. @throws `busy`, naming who runs it
 */
export async function asOnlyRun(
  { where, about, reports, terminal }: OnlyRun,
  work: (shared: { lock: RunLock; store: MetadataStore | undefined }) => Promise<void>,
): Promise<void> {
  const { config } = loadConfig(where.configFile);
  if (config.etcd === undefined) return work({ lock: soleRun, store: undefined });
  const { node: nodeName, id: hereId } = await reports.here();
  // An earlier holder of that id has ended: the lock of this node's runs (run-journal.ts) is ours.
  const node = { id: `run-of-${hereId}`, name: nodeName };
  const store = await openStore(config.etcd, { stateDir: where.stateDir, node, logger: silent });
  try {
    const lock = await lockRun(store, { ...about, by: whoTypes(), node: hereId, nodeName }, (line) =>
      terminal.say(line),
    );
    try {
      await work({ lock, store });
    } finally {
      await lock.release();
    }
  } finally {
    await store.close();
  }
}
