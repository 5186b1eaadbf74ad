import { z } from 'zod';
import type { BackendManager } from '../backend/manager.js';
import type { Config } from '../config/config.js';
import type { PinStore } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import type { MetadataStore } from '../contracts/store.js';
import type { NodeJournal } from '../contracts/node-journal.js';
import { DriverError } from '../domain/errors.js';
import { adoptVolumes } from '../driver/adopt.js';
import { rebuildMetadata } from '../driver/rebuild.js';
import { restoreMetadata } from '../driver/restore.js';
import type { AdminRequest } from '../plugin/admin.js';
import { formatBackup, parseBackup } from '../store/backup-file.js';
import { parseV2Tree } from '../store/v2-tree.js';
import { buildBackends } from './build.js';
import { PinsInMemory, type PinRecord } from './first-contact.js';
import { Passwords } from './passwords.js';
import { pinsIn } from './pins.js';

/** What the commands for all metadata work with, in the daemon or without one. */
export interface MetadataParts {
  config: Config;
  store: MetadataStore;
  journal: NodeJournal;
  node: { id: string; name: string };
  passwords: Passwords;
  logger: Logger;
}

export type MetadataRequest = '/backup' | '/restore' | '/rebuild' | '/import-metadata';

const rebuildBody = z.strictObject({ dryRun: z.boolean(), cluster: z.string().optional() });
const fileBody = z.strictObject({ text: z.string(), dryRun: z.boolean() });

/** Path → request. Each has connections to the arrays of its own: the daemon's trust none while there are no metadata. */
export function metadataRequests(parts: MetadataParts): Record<MetadataRequest, AdminRequest> {
  const { store, node, logger } = parts;
  return {
    '/backup': async (_body, signal) => {
      const madeAt = new Date().toISOString();
      const { root, records } = await store.archive.dump(signal);
      return { text: formatBackup({ madeAt, madeBy: node.name, store: store.kind, root, records }) };
    },
    '/restore': async (body, signal) => {
      const { text, dryRun } = parse(fileBody, body);
      const { madeAt, madeBy, root, records } = parseBackup(text);
      const pins = records.filter((each) => each.put === 'pin');
      const isGone = await store.archive.isGone(signal);
      return withBackends(parts, { isGone, pinsWhileGone: new PinsInMemory(pins) }, async (backends) => {
        const order = { backup: records, root, dryRun };
        const lines = await restoreMetadata({ store, backends, logger }, order, signal);
        return [`backup of ${madeAt}, made on ${madeBy}: ${records.length} records`, ...lines];
      });
    },
    '/rebuild': async (body, signal) => {
      const { dryRun, cluster } = parse(rebuildBody, body);
      const met = new PinsInMemory();
      const isGone = await store.archive.isGone(signal);
      return withBackends(parts, { isGone, pinsWhileGone: met }, async (backends) => {
        const order = { dryRun, cluster, pins: () => met.records };
        const lines = await rebuildMetadata({ ...parts, backends }, order, signal);
        return [...met.records.map(describePin), ...lines];
      });
    },
    '/import-metadata': async (body, signal) => {
      const { text, dryRun } = parse(fileBody, body);
      const tree = parseV2Tree(text);
      return withBackends(parts, { isGone: false, pinsWhileGone: new PinsInMemory() }, async (backends) =>
        adoptVolumes({ store, backends, logger }, { tree, dryRun }, signal),
      );
    },
  };
}

const describePin = ({ value: { peer, fingerprint } }: PinRecord): string =>
  `met without a memory of it: ${peer} with the certificate SHA-256 ${fingerprint}; compare it with showcert on the array`;

/** While the metadata are gone, passphrases come from the etcd as it is, and certificates from `pinsWhileGone`. */
async function withBackends<T>(
  { config, store, passwords, logger }: MetadataParts,
  { isGone, pinsWhileGone }: { isGone: boolean; pinsWhileGone: PinStore },
  work: (backends: BackendManager) => Promise<T>,
): Promise<T> {
  const { passphrases } = store.archive;
  const raw = new Passwords(config, { store: passphrases === undefined ? {} : { passphrases }, logger });
  const backends = buildBackends(config, {
    pins: isGone ? pinsWhileGone : pinsIn(store),
    passwords: isGone ? raw : passwords,
    logger,
    findCluster: async () => store.archive.cluster(),
  });
  try {
    return await work(backends);
  } finally {
    await backends.close();
  }
}

function parse<T>(shape: z.ZodType<T>, body: unknown): T {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new DriverError('invalid', `the request is not understood: ${z.prettifyError(parsed.error)}`, {
    next: 'use the command of the same release as the daemon',
  });
}
