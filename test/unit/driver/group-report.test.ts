import { expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import { BackendManager } from '../../../src/backend/manager.js';
import type { ArrayClient } from '../../../src/contracts/array.js';
import type { MetadataStore } from '../../../src/contracts/store.js';
import type { RemoteCopyGroup, Side } from '../../../src/domain/replication.js';
import { reportGroup } from '../../../src/driver/group-report.js';

const names = { primary: 'web', secondary: 'web.r1' } as const;

function groupOn(side: Side): RemoteCopyGroup {
  const policies = { autoRecover: true, autoFailover: false, pathManagement: false };
  return {
    name: names[side],
    remoteName: names[side === 'primary' ? 'secondary' : 'primary'],
    role: side,
    targets: [{ name: 'peer', roleReversed: false, state: 'started', mode: 'synchronous', ...policies }],
    members: ['dcv-1', 'dcv-2'].map((volume) => ({ volume, remoteVolume: volume, syncStatus: 'synced' })),
  };
}

it('a group on record for two backends on the same arrays moves the volumes of both', async () => {
  const replication = {
    target: 'peer',
    mode: 'synchronous',
    differentSecondaryWwn: true,
    strict: false,
    removeEmptyGroup: 'always',
    cpgMap: new Map(),
    snapCpgMap: new Map(),
  } as const;
  /* oxlint-disable typescript/no-unsafe-type-assertion */
  const arrayOf = (side: Side): ArrayClient =>
    ({
      label: `${side} array`,
      remoteCopy: {
        findGroup: async () => Promise.resolve(groupOn(side)),
        linksUp: async () => Promise.resolve(true),
      },
    }) as unknown as ArrayClient;
  const arrays = { primary: arrayOf('primary'), secondary: arrayOf('secondary') };
  const both = ['DEFAULT', 'GOLD'];
  const backends = new BackendManager(
    both.map((name) => new Backend({ name, cpg: {}, snapCpg: {}, replication }, arrays)),
  );
  const volumeOf = (backend: string, at: number) => ({
    name: `${backend}-data`,
    arrayName: `dcv-${at}`,
    state: 'ready',
    everMounted: true,
    spec: { backend, replicationGroup: 'web', sizeGiB: 1 },
  });
  const records: Record<string, unknown[]> = {
    group: both.map((backend) => ({ backend, name: 'web', remoteName: 'web.r1', createdByUs: true, epoch: 1 })),
    volume: [...both.map((backend, at) => volumeOf(backend, at + 1)), volumeOf('ELSEWHERE', 3)],
    attachment: [{ volume: 'GOLD-data', node: 'n', nodeName: 'node1', side: 'primary', generation: 1 }],
  };
  const store = {
    list: async (kind: string) => Promise.resolve(records[kind] ?? []),
    livingNodes: async () => Promise.resolve(new Set(['n'])),
  } as unknown as MetadataStore;
  /* oxlint-enable */
  const wanted = { name: 'web', backend: 'DEFAULT' };
  const report = await reportGroup({ store, backends, node: 'n' }, wanted, AbortSignal.timeout(5_000));
  expect(report.volumes.map(({ name, use }) => [name, use?.nodeName])).toEqual([
    ['DEFAULT-data', undefined],
    ['GOLD-data', 'node1'],
  ]);
  expect(report.strangers).toEqual([]);
});
