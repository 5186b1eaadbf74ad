import { loadConfig } from '../config/config.js';
import type { MetadataStore } from '../contracts/store.js';
import type { GroupRun } from '../domain/group-run.js';
import { whoTypes } from './audit.js';
import { openStore } from './build.js';
import { silent, type Reports, type Where } from './reports.js';
import { lockRun, soleRun, type RunLock } from './run-lock.js';
import type { Terminal } from './terminal.js';

/** The cluster's lock of a run, and the metadata it is in; embedded metadata have no other nodes. @throws `busy`, naming who runs it */
export async function shareRun(
  where: Where,
  about: Pick<GroupRun, 'goal' | 'backend' | 'group'>,
  { reports, terminal }: { reports: Reports; terminal: Terminal },
): Promise<{ lock: RunLock; store: MetadataStore | undefined }> {
  const { config } = loadConfig(where.configFile);
  if (config.etcd === undefined) return { lock: soleRun, store: undefined };
  const { node: name, id } = await reports.here();
  // The lock file of this node's runs (run-journal.ts) proves that an earlier holder of that id has ended.
  const node = { id: `run-of-${id}`, name };
  const store = await openStore(config.etcd, { stateDir: where.stateDir, node, logger: silent });
  try {
    const lock = await lockRun(store, { ...about, by: whoTypes(), nodeName: name }, (line) => terminal.say(line));
    return { lock, store };
  } catch (thrown) {
    await store.close();
    throw thrown;
  }
}
