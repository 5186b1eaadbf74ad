import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { buildBackends } from '../../src/commands/build.js';
import { Passwords } from '../../src/commands/passwords.js';
import { loadConfig } from '../../src/config/config.js';
import type { Backend } from '../../src/backend/backend.js';
import type { OldVolume } from '../../src/domain/old-volume.js';
import { parseV2Tree } from '../../src/store/v2-tree.js';
import type { Node } from '../harness.js';
import { makeWholeGroup, readBack } from '../read-back.js';
import { stateOf } from '../simulator-state.js';

export const TREE = path.join(import.meta.dirname, '..', 'fixtures', 'v2-tree', 'volumes.json');

const soon = (): AbortSignal => AbortSignal.timeout(30_000);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const noPins = { find: async () => Promise.resolve(undefined), save: async () => Promise.resolve() };

/** What has become of a volume on its array since its record was written. */
const CHANGED: Record<string, { sizeGiB?: number; cpg?: string; provisioning?: 'thin'; comment?: string }> = {
  larger: { sizeGiB: 2 },
  moved: { cpg: 'cpg-a' },
  converted: { provisioning: 'thin' },
  foreign: { comment: '{"volume_id": "1", "name": "1", "type": "Docker", "display_name": "other"}' },
  'first-release': { comment: '' },
};
const GROUPS: Record<string, string> = { db: 'prod', 'db-log': 'prod', queue: 'stage', 'wrong-group': 'stage' };

/** As the old plugin writes it: with blanks, and nothing of ours. */
const tagOf = ({ id, name }: OldVolume): string =>
  `{"volume_id": "${id}", "name": "${id}", "type": "Docker", "display_name": "${name}"}`;

/** Makes the volumes of the fixture's tree on the arrays of the node, as the old plugin left them; `web` and `db` hold a file. */
export async function furnish(node: Node): Promise<void> {
  const { volumes } = parseV2Tree(await readFile(TREE, 'utf8'));
  const { config } = loadConfig(path.join(node.dir, 'hpe.conf'));
  const backends = buildBackends(config, {
    pins: noPins,
    passwords: new Passwords(config, { store: {}, logger: silent }),
    logger: silent,
  });
  try {
    const backend = backends.get('DEFAULT');
    for (const old of volumes) if (old.name !== 'lost' && old.snapshotOf === undefined) await make(backend, old);
    for (const old of volumes) if (['web', 'db'].includes(old.name)) await fill(node, old);
    await replicate(backend, volumes);
    await node.simulator.pair.exclusive(async () => {
      for (const old of volumes) {
        const volume = node.simulator.arrays[0].volumes.get(old.arrayName);
        if (volume !== undefined) volume.comment = CHANGED[old.name]?.comment ?? tagOf(old);
      }
    });
    for (const old of volumes) {
      if (old.snapshotOf === undefined) continue;
      const of = volumes.find((each) => each.id === old.snapshotOf?.id)?.arrayName ?? '';
      await backend.array('primary').snapshots.ensure({ name: old.arrayName, of, tag: tagOf(old) }, soon());
    }
    const exported = volumes.find((each) => each.name === 'exported')?.arrayName ?? '';
    const initiators = { protocol: 'iscsi', names: ['iqn.1993-08.org.debian:01:old'] } as const;
    const host = await backend
      .array('primary')
      .ensureHost('old-host', { ...initiators, names: [...initiators.names] }, soon());
    await backend.array('primary').ensureVlun(exported, { host }, soon());
  } finally {
    await backends.close();
  }
}

async function make(backend: Backend, old: OldVolume): Promise<void> {
  const is = { ...old, ...CHANGED[old.name] };
  const made = backend.array('primary').makeVolume(
    {
      name: old.arrayName,
      cpg: is.cpg ?? 'cpg-a',
      snapCpg: old.snapCpg ?? 'cpg-a-snap',
      sizeMiB: is.sizeGiB * 1024,
      provisioning: is.provisioning,
      compression: old.compression,
      tag: tagOf(old),
    },
    soon(),
  );
  await readBack(made);
}

async function replicate(backend: Backend, volumes: OldVolume[]): Promise<void> {
  const array = backend.array('primary');
  const target = backend.replication().target;
  const remote = { remoteCpg: 'cpg-b', remoteSnapCpg: 'cpg-b-snap' };
  const local = { localCpg: 'cpg-a', localSnapCpg: 'cpg-a-snap' };
  for (const name of new Set(Object.values(GROUPS))) {
    await makeWholeGroup(array.remoteCopy, { name, target, mode: 'synchronous', ...local, ...remote }, soon());
    for (const old of volumes.filter((each) => GROUPS[each.name] === name)) {
      const admission = { group: name, volume: old.arrayName, target, differentSecondaryWwn: true, isBlank: false };
      await array.remoteCopy.admit(admission, soon());
    }
    await readBack(array.remoteCopy.startGroup(name, soon()));
  }
}

/** A file system with one file, made without mounting it. */
async function fill(node: Node, old: OldVolume): Promise<void> {
  const { arrays } = await stateOf(node.control);
  const found = arrays[0]?.volumes.find((each) => each.name === old.arrayName);
  const content = await mkdtemp(path.join(tmpdir(), 'hpe-old-'));
  try {
    await writeFile(path.join(content, 'file'), `data of ${old.name}`);
    await promisify(execFile)('mkfs.ext4', ['-q', '-F', '-d', content, found?.dataFile ?? '']);
  } finally {
    await rm(content, { recursive: true });
  }
}
