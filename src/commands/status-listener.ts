import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.js';
import type { Logger } from '../contracts/log.js';
import type { MetadataStore } from '../contracts/store.js';
import { asDriverError } from '../domain/errors.js';
import { reportStatus, type StatusParts } from '../driver/status-report.js';
import type { Metrics } from '../status/metrics.js';
import { startStatusServer } from '../status/server.js';
import { Snapshot } from '../status/snapshot.js';

/** Whether the metadata can be read is told within this. */
const PROBE_MS = 5_000;

/** Undefined: hpe.conf asks for none, and nothing is counted. */
export async function metricsOf({ statusListen }: Config): Promise<Metrics | undefined> {
  if (statusListen === undefined) return undefined;
  const loaded = await import('../status/metrics.js');
  return new loaded.Metrics(release());
}

/** The release that runs. */
function release(): string {
  // The first is that of the source, the second that of the one file which is made of it.
  for (const place of ['../../package.json', '../package.json']) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8'));
      if (typeof found === 'object' && found !== null && 'version' in found) return String(found.version);
    } catch {
      // A package without its description runs as well.
    }
  }
  return 'unknown';
}

/** From now on the metrics tell how long locks are waited for. */
export function measureLocks(store: MetadataStore, metrics: Metrics | undefined): void {
  if (metrics === undefined) return;
  const measured = async <T>(locking: Promise<T>): Promise<T> => {
    const began = performance.now();
    try {
      const locked = await locking;
      metrics.lock('held', performance.now() - began);
      return locked;
    } catch (thrown) {
      metrics.lock('refused', performance.now() - began);
      throw thrown;
    }
  };
  const lock = store.lock.bind(store);
  store.lock = async (...asked) => measured(lock(...asked));
  const lockAndFind = store.lockAndFind.bind(store);
  store.lockAndFind = async (...asked) => measured(lockAndFind(...asked));
}

/** Serves status, metrics and the page. An address that cannot be had is an error in the log, and keeps no volume from being served. */
export async function listenForStatus(
  { statusListen: at }: Config,
  { metrics, logger, ...parts }: StatusParts & { metrics: Metrics | undefined; logger: Logger },
): Promise<{ close(): Promise<void> }> {
  const none = { close: async () => Promise.resolve() };
  if (at === undefined || metrics === undefined) return none;
  const snapshot = new Snapshot(async (signal) => reportStatus(parts, signal), logger);
  const probe = async (): Promise<unknown> => parts.store.keys('run', AbortSignal.timeout(PROBE_MS));
  return startStatusServer({ at, snapshot, metrics, probe, logger }).catch((thrown: unknown) => {
    logger.error(asDriverError(thrown).toUserText());
    return none;
  });
}
