import { beforeEach, describe, expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import { BackendManager } from '../../../src/backend/manager.js';
import type { ArrayClient } from '../../../src/contracts/array.js';
import type { Apart, Attachment } from '../../../src/domain/attachment.js';
import type { RemoteCopyGroup, Side } from '../../../src/domain/replication.js';
import type { Attachments } from '../../../src/driver/attachments.js';
import type { DriverContext } from '../../../src/driver/context.js';
import type { Held, Operations } from '../../../src/driver/operations.js';
import { PeerWatch } from '../../../src/driver/peer-watch.js';

const device = { path: '/dev/mapper/aa', wwn: 'aa', sizeBytes: 1 };
const both: Attachment = {
  volume: 'v',
  group: 'DEFAULT/g',
  node: 'n',
  nodeName: 'node1',
  generation: 1,
  side: 'primary',
  host: 'node1',
  peer: { host: 'node1' },
  state: 'attached',
  mountpoint: '/mnt/v',
  device,
};
const { peer: _peer, ...alone } = both;

let attachment: Attachment;
let roles: Record<Side, Pick<RemoteCopyGroup, 'role'> & { reversed: boolean }>;
/** The device still leads to the array's data. */
let isCurrent: boolean;
let isStopped: boolean;
let isMember: boolean;
let silent: Side | undefined;
let exported: Side[];
let done: string[];
/** What this node remembers of the copies. */
let journalled: Apart | undefined;

beforeEach(() => {
  attachment = both;
  roles = { primary: { role: 'primary', reversed: false }, secondary: { role: 'secondary', reversed: false } };
  isCurrent = true;
  isStopped = false;
  isMember = true;
  silent = undefined;
  exported = ['primary', 'secondary'];
  done = [];
  journalled = undefined;
});

function groupOn(side: Side): RemoteCopyGroup {
  const { role, reversed } = roles[side];
  const [name, remoteName] = side === 'primary' ? ['g', 'g.r1'] : ['g.r1', 'g'];
  const state = isStopped || roles.primary.role === roles.secondary.role ? 'stopped' : 'started';
  const policies = { autoRecover: true, autoFailover: true, pathManagement: true };
  return {
    name,
    remoteName,
    role,
    targets: [{ name: 'peer', roleReversed: reversed, state, mode: 'synchronous', ...policies }],
    members: isMember ? [{ volume: 'dcv-1', remoteVolume: 'dcv-1', syncStatus: 'synced' }] : [],
  };
}

/* oxlint-disable typescript/no-unsafe-type-assertion */
function arrayOf(side: Side): ArrayClient {
  return {
    label: `${side} array`,
    remoteCopy: {
      findGroup: async () => (silent === side ? Promise.reject(new Error('no power')) : Promise.resolve(groupOn(side))),
      linksUp: async () => Promise.resolve(false),
    },
    findHost: async () => Promise.resolve('node1'),
    findVluns: async () => Promise.resolve([]),
    findExport: async () =>
      Promise.resolve(exported.includes(side) ? { host: 'node1', lun: 1, targets: [{ name: side }] } : undefined),
  } as unknown as ArrayClient;
}

function watch(): PeerWatch {
  const replication = {
    target: 'peer',
    mode: 'synchronous',
    witness: '10.0.0.3',
    differentSecondaryWwn: false,
    strict: false,
    removeEmptyGroup: 'always',
    cpgMap: new Map(),
    snapCpgMap: new Map(),
  } as const;
  const arrays = { primary: arrayOf('primary'), secondary: arrayOf('secondary') };
  const backends = new BackendManager([new Backend({ name: 'DEFAULT', cpg: {}, snapCpg: {}, replication }, arrays)]);
  const spec = { backend: 'DEFAULT', replicationGroup: 'g' };
  const volume = { name: 'v', arrayName: 'dcv-1', spec, wwn: { primary: 'aa', secondary: 'aa' }, everMounted: true };
  const group = {
    backend: 'DEFAULT',
    name: 'g',
    remoteName: 'g.r1',
    createdByUs: true,
    epoch: 1,
    lastActive: 'primary',
  };
  const records: Record<string, unknown> = { volume, group };
  const log = (level: string) => (text: string) => done.push(`${level}: ${text}`);
  const ctx = {
    store: {
      find: async (kind: string) => Promise.resolve(kind === 'attachment' ? attachment : records[kind]),
      list: async () => Promise.resolve([attachment]),
    },
    backends,
    journal: { findMount: () => ({ generation: 1 }) },
    node: { id: 'n', name: 'node1' },
    connector: () => ({
      isCurrent: async () => Promise.resolve(isCurrent),
      initiators: async () => Promise.resolve({ protocol: 'fc', names: [] }),
      addPaths: async () => Promise.resolve(done.push('paths')),
    }),
    logger: { error: log('error'), warn: log('warning'), info: log('info') },
  } as unknown as DriverContext;
  const held = {
    signal: AbortSignal.timeout(5_000),
    commit: async (writes: { kind?: string; value: Attachment }[]) => {
      for (const { value } of writes) attachment = value;
      return Promise.resolve();
    },
    run: async () => {
      done.push('export');
      exported = ['primary', 'secondary'];
      attachment = both;
      return Promise.resolve({ peer: { host: 'node1' } });
    },
  } as unknown as Held;
  const operations = {
    withVolume: async (_on: unknown, _signal: unknown, work: (held: Held) => Promise<void>) => work(held),
  } as unknown as Operations;
  const users = {
    exclusively: async (_volume: string, work: () => Promise<void>) => work(),
    noteExports: async () => Promise.resolve(),
    noteApart: async (_volume: string, apart: Apart | undefined) => {
      journalled = apart;
      return Promise.resolve();
    },
  };
  return new PeerWatch(ctx, { operations, attachments: { users } as unknown as Attachments });
}
/* oxlint-enable */

const look = async (peers = watch()): Promise<string[]> => {
  await peers.look('v', AbortSignal.timeout(5_000));
  return done;
};

describe('a look at what is mounted from a pair', () => {
  it('asks for all paths once, and not in each round', async () => {
    const peers = watch();
    expect(await look(peers)).toEqual(['paths']);
    expect(await look(peers)).toEqual(['paths']);
    // They parted meanwhile, so that some may be gone.
    isStopped = true;
    await look(peers);
    isStopped = false;
    expect((await look(peers)).filter((each) => each === 'paths')).toHaveLength(2);
  });

  it('exports what one array lacks, and then asks for its paths', async () => {
    attachment = alone;
    exported = ['primary'];
    expect(await look()).toEqual(['export', expect.stringContaining('info: mounted from secondary array'), 'paths']);
  });

  it.each<[string, () => void]>([
    ['was cut off from its array', () => (isCurrent = false)],
    [
      'is not on the active array any more',
      () => {
        roles = { primary: { role: 'secondary', reversed: true }, secondary: { role: 'primary', reversed: true } };
      },
    ],
  ])(
    'gives what is mounted from one array and %s no other half: the data there may be others',
    async (_title, happen) => {
      attachment = alone;
      exported = ['primary'];
      happen();
      expect(await look()).toEqual([expect.stringMatching(/^warning: mounted from primary array only, and cut off/)]);
    },
  );

  it.each(['primary', undefined] as const)(
    'a copy that was left behind while they were apart is no other half, also when they are together again: silent %s',
    async (whichIsSilent) => {
      const peers = watch();
      isStopped = true;
      await look(peers);
      // An operator's failover: what was written meanwhile is on the primary array alone.
      roles.secondary = { role: 'primary', reversed: true };
      silent = whichIsSilent;
      await look(peers);
      isStopped = false;
      silent = undefined;
      roles.primary = { role: 'secondary', reversed: true };
      done = [];
      // It is known here also when the metadata are lost.
      expect(journalled).toEqual(attachment.apart);
      expect(journalled).toMatchObject({ side: 'primary' });
      const moved = expect.stringMatching(/^error: volume v is mounted here from before its group moved from primary/);
      // Which array was used last goes on record, which is not there in this test.
      expect(await look(peers)).toEqual([moved, expect.stringMatching(/could not be put on record/)]);
      roles = { primary: { role: 'primary', reversed: false }, secondary: { role: 'secondary', reversed: false } };
      done = [];
      expect(await look(peers)).toEqual([moved]);
    },
  );

  it('a failover that was synchronised at once, before the next look, is told as well', async () => {
    const peers = watch();
    isStopped = true;
    await look(peers);
    isStopped = false;
    roles = { primary: { role: 'secondary', reversed: true }, secondary: { role: 'primary', reversed: true } };
    expect(await look(peers)).toContainEqual(expect.stringMatching(/^error: volume v is mounted here from before/));
  });

  it('the other array takes over from one that is lost, and all goes on: nothing was left behind', async () => {
    const peers = watch();
    await look(peers);
    [silent, isStopped] = ['primary', true];
    roles = { primary: { role: 'secondary', reversed: true }, secondary: { role: 'primary', reversed: true } };
    await look(peers);
    [silent, isStopped] = [undefined, false];
    await look(peers);
    roles = { primary: { role: 'primary', reversed: false }, secondary: { role: 'secondary', reversed: false } };
    expect((await look(peers)).filter((each) => each.startsWith('error'))).toEqual([]);
    expect(attachment.apart).toBeUndefined();
  });

  it('gets no path to a copy that an administrator took out of the group, though the group is started and synced', async () => {
    exported = ['primary'];
    isMember = false;
    expect(await look()).toEqual([
      expect.stringMatching(
        /^error: volume v is mounted here from both arrays, and is no pair any more: .*no member dcv-1/,
      ),
    ]);
  });

  it('says so at each look when both arrays claim the role Primary, and changes nothing on them', async () => {
    roles.secondary = { role: 'primary', reversed: true };
    // That the volume may have been used there goes on record, which is not there in this test.
    const told = (await look()).filter((each) => !each.includes('could not be put on record'));
    expect(told).toEqual([expect.stringMatching(/^error: .* both claim the Primary role of group g/)]);
  });
});
