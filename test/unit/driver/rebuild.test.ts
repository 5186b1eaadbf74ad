import { describe, expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import { BackendManager } from '../../../src/backend/manager.js';
import type { StoredRecord } from '../../../src/contracts/archive.js';
import type { ArrayClient } from '../../../src/contracts/array.js';
import type { MetadataStore, Write } from '../../../src/contracts/store.js';
import { arrayVolumeName } from '../../../src/domain/names.js';
import { ownershipTag, stampTag } from '../../../src/domain/tag.js';
import { rebuildMetadata } from '../../../src/driver/rebuild.js';
import { anOperation, aVolume } from '../../contract/store-records.js';

const IDS = { one: 'd03338a9-9115-48a3-8dfc-35cdfcdc15a7', two: '2f823bdc-e36e-4dc8-bd15-de1c7a28ff31' };
const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function listed(name: 'one' | 'two') {
  const volume = aVolume(name, { id: IDS[name] });
  const arrayName = arrayVolumeName(IDS[name]);
  const comment = stampTag(ownershipTag(volume), 'cluster1');
  const details = {
    name: arrayName,
    wwn: '0'.repeat(32),
    sizeMiB: 1024,
    provisioning: 'thin',
    compression: false,
    cpg: 'c',
    snapCpg: 's',
    comment,
  };
  return { name: arrayName, comment, details };
}

/** An array with two volumes, and metadata that hold nothing. */
function world(found: { operation?: string; late?: boolean } = {}) {
  const committed: Write[] = [];
  const array = {
    label: 'array a',
    identity: async () => Promise.resolve({ systemId: 1 }),
    findVolume: async (name: string) => Promise.resolve({ name }),
    inventory: {
      listVolumes: async () => Promise.resolve([listed('one'), listed('two')]),
      listVluns: async () => Promise.resolve([]),
    },
  } as unknown as ArrayClient;
  const late: StoredRecord = {
    put: 'late',
    key: 'op-1',
    value: { ...anOperation('two'), plan: { volume: { id: IDS.two } } },
  };
  const store = {
    archive: {
      isGone: async () => Promise.resolve(false),
      dump: async () => Promise.resolve({ root: undefined, records: found.late === true ? [late] : [] }),
      cluster: async () => Promise.resolve('cluster1'),
    },
    find: async (kind: string, key: string) =>
      Promise.resolve(kind === 'operation' && key === found.operation ? anOperation(key) : undefined),
    lock: async () => Promise.resolve({ release: async () => Promise.resolve() }),
    commit: async (_fence: unknown, writes: Write[]) => Promise.resolve(void committed.push(...writes)),
  } as unknown as MetadataStore;
  const settings = { name: 'DEFAULT', cpg: { primary: 'c' }, snapCpg: { primary: 's' } };
  const backends = new BackendManager([new Backend(settings, { primary: array })]);
  const parts = {
    store,
    backends,
    logger,
    node: { id: 'n', name: 'n' },
    journal: { findMount: ignore as () => undefined },
  };
  const run = async (): Promise<string[]> =>
    rebuildMetadata(parts, { dryRun: false, pins: () => [] }, AbortSignal.timeout(5_000));
  return { run, names: () => committed.map((write) => ('put' in write ? write.key : '')) };
}

describe('a rebuild of metadata that others work with', () => {
  it('writes what is missing', async () => {
    const { run, names } = world();
    expect((await run()).at(-1)).toContain('written: 2 volumes');
    expect(names()).toEqual(['one', 'two']);
  });

  it('leaves a volume out that somebody begins to change meanwhile, and says so', async () => {
    const { run, names } = world({ operation: 'one' });
    const lines = await run();
    expect(lines).toContain('ambiguous, left out: volume one: somebody has just changed it; repeat this');
    expect(lines.at(-1)).toContain('written: 1 volumes');
    expect(names()).toEqual(['two']);
  });

  it('leaves a volume out that an undone operation may still take away', async () => {
    const { run, names } = world({ late: true });
    expect((await run()).join('\n')).toContain('left out: volume two: an unfinished change may take it away');
    expect(names()).toEqual(['one']);
  });
});
