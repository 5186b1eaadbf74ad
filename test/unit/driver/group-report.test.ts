import { expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import { BackendManager } from '../../../src/backend/manager.js';
import type { ArrayClient } from '../../../src/contracts/array.js';
import type { MetadataStore } from '../../../src/contracts/store.js';
import type { RemoteCopyGroup, Side } from '../../../src/domain/replication.js';
import { reportGroup, reportPolled } from '../../../src/driver/group-report.js';
import type { Outline } from '../../../src/driver/outlines.js';

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
  const groups = both.map((backend) => ({ backend, name: 'web', remoteName: 'web.r1', createdByUs: true, epoch: 1 }));
  const volumes = [...both.map((backend, at) => volumeOf(backend, at + 1)), volumeOf('ELSEWHERE', 3)];
  const attachments = [{ volume: 'GOLD-data', node: 'n', nodeName: 'node1', side: 'primary', generation: 1 }];
  const store = {
    list: async (kind: string) => Promise.resolve(kind === 'group' ? groups : []),
    listMembers: async (key: string) => Promise.resolve(volumes.filter(({ spec }) => `${spec.backend}/web` === key)),
    findAll: async (named: [string, string][]) =>
      Promise.resolve(named.map(([, key]) => attachments.find(({ volume }) => volume === key))),
    livingNodes: async () => Promise.resolve(new Set(['n'])),
  } as unknown as MetadataStore;
  const wanted = { name: 'web', backend: 'DEFAULT' };
  const signal = AbortSignal.timeout(5_000);
  const asked = await reportGroup({ store, backends, node: 'n' }, wanted, signal);
  // What was heard of it is reported the same way, of an outline, with no question but who lives.
  const poll = {
    find: () => ({
      observation: { groups: { primary: groupOn('primary'), secondary: groupOn('secondary') }, failures: {} },
      ageSeconds: { primary: 1, secondary: 1 },
    }),
  };
  const outline = { groups, volumes, attachments: new Map([['GOLD-data', attachments[0]]]) } as unknown as Outline;
  const quiet = { livingNodes: store.livingNodes } as unknown as MetadataStore;
  const heard = await reportPolled({ store: quiet, backends, node: 'n' }, { poll, outline }, signal);
  /* oxlint-enable */
  expect(heard.map(({ backend }) => backend)).toEqual(both);
  for (const report of [asked, ...heard]) {
    expect(report.volumes.map(({ name, use }) => [name, use?.nodeName])).toEqual([
      ['DEFAULT-data', undefined],
      ['GOLD-data', 'node1'],
    ]);
    expect(report.strangers).toEqual([]);
  }
});
