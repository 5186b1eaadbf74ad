import { z } from 'zod';
import { ask } from '../../src/commands/daemon-client.js';
import type { MetadataRequest } from '../../src/commands/metadata-requests.js';
import { findMark } from './bystander.js';
import type { Lane } from './lane.js';
import { createUsed, member, PLAIN, succeed, useOnce, type Scene } from './scenes.js';

const GROUP = 'group/DEFAULT/G';
const TIMEOUT_MS = 60_000;

/** @throws what it says of a volume that it leaves out */
async function type({ daemon }: Lane, at: MetadataRequest, more: object): Promise<void> {
  const answer = await ask(daemon.stateDir, { at, body: { dryRun: false, ...more }, timeoutMs: TIMEOUT_MS });
  const left = z
    .array(z.string())
    .parse(answer?.result)
    .filter((line) => /^(not imported|ambiguous)/.test(line));
  if (left.length > 0) throw new Error(left.join('; '));
}

/** `v` is replicated and has been used; `w` is neither. */
async function makeTwo(lane: Lane): Promise<void> {
  await createUsed(lane, member('G'));
  await succeed(lane.docker.create('w', PLAIN));
}

async function keysOf(lane: Lane): Promise<string[]> {
  return (await lane.metadata()).map(([key]) => key);
}

/** Metadata that are only in part there are nobody's. */
async function expectAllOrNothing(lane: Lane): Promise<void> {
  const keys = await keysOf(lane);
  if (keys.includes('root')) {
    const lacking = ['volume/calm', 'volume/v', 'volume/w', GROUP].filter((key) => !keys.includes(key));
    if (lacking.length > 0) throw new Error(`the metadata count, and lack ${lacking.join(', ')}`);
    return;
  }
  const said = await lane.daemon.docker.status('v').catch(() => undefined);
  // What was last seen of it may be told, as such.
  if (said !== undefined && said['stale'] === undefined) {
    throw new Error(`without a root marker, volume v is there: ${JSON.stringify(said)}`);
  }
}

/** All metadata are lost while `calm` is in use here. */
const rebuildAll: Scene = {
  verb: 'Rebuild',
  title: 'all metadata are lost',
  store: 'etcd',
  calm: PLAIN,
  only: /^metadata /,
  async prepare(lane) {
    await makeTwo(lane);
    await lane.loseMetadata('');
  },
  act: async (_docker, lane) => type(lane, '/rebuild', {}),
  decisive: /^metadata .*put root/,
  lookBeforeRepeat: expectAllOrNothing,
  async restore(lane) {
    await useOnce(lane, findMark);
    await lane.loseMetadata('');
  },
};

async function losePart(lane: Lane): Promise<void> {
  for (const key of ['volume/v', 'volume/w', GROUP]) await lane.loseMetadata(key);
}

/** What Docker shows can be used. */
async function useWhatIsThere(lane: Lane): Promise<void> {
  if ((await keysOf(lane)).includes('volume/v')) await useOnce(lane, findMark);
}

const rebuildPart: Scene = {
  ...rebuildAll,
  title: 'some volumes are not on record',
  only: /^metadata put (group|volume)\//,
  async prepare(lane) {
    await makeTwo(lane);
    await losePart(lane);
  },
  decisive: /^metadata .*put volume\/w/,
  lookBeforeRepeat: useWhatIsThere,
  async restore(lane) {
    await useOnce(lane, findMark);
    await losePart(lane);
  },
};

/** What the old plugin remembers of them, for each lane. */
const trees = new WeakMap<Lane, string>();

const recordShape = z.object({
  record: z.object({
    id: z.string(),
    name: z.string(),
    arrayName: z.string(),
    spec: z.object({ sizeGiB: z.number(), backend: z.string(), replicationGroup: z.string().optional() }),
    cpg: z.object({ primary: z.string() }),
    snapCpg: z.object({ primary: z.string() }),
  }),
});
type Known = z.infer<typeof recordShape>['record'];

async function recordsOf(lane: Lane): Promise<Known[]> {
  const texts = (await lane.metadata()).filter(([key]) => key === 'volume/v' || key === 'volume/w');
  return texts.map(([, text]) => recordShape.parse(JSON.parse(text)).record);
}

function oldRecord({ id, name, arrayName, spec, cpg, snapCpg }: Known, remoteGroup: string): string {
  const { replicationGroup: group } = spec;
  return JSON.stringify({
    id,
    name: id,
    path_info: null,
    display_name: name,
    '3par_vol_name': arrayName,
    size: spec.sizeGiB,
    backend: spec.backend,
    cpg: cpg.primary,
    snap_cpg: snapCpg.primary,
    rcg_info: group === undefined ? null : { local_rcg_name: group, remote_rcg_name: remoteGroup },
  });
}

/** As if the old plugin had made them. */
async function toOldPlugin(lane: Lane): Promise<void> {
  const { arrays, pair } = lane.simulator;
  const remoteGroup = [...arrays[1].groups.keys()].find((name) => name.startsWith('G')) ?? '';
  const records = await recordsOf(lane);
  trees.set(lane, records.map((each) => oldRecord(each, remoteGroup)).join('\n'));
  await losePart(lane);
  await pair.exclusive(async () => {
    for (const { id, name, arrayName } of records) {
      const tag = `{"volume_id": "${id}", "name": "${id}", "type": "Docker", "display_name": "${name}"}`;
      for (const [i, array] of arrays.entries()) {
        const volume = array.volumes.get(arrayName);
        if (volume !== undefined) volume.comment = i === 0 ? tag : '';
      }
    }
    return Promise.resolve();
  });
}

/** @throws when Docker has a volume that no array shows as ours */
async function expectTagged(lane: Lane): Promise<void> {
  for (const { name, arrayName } of await recordsOf(lane)) {
    for (const { volumes, name: array } of lane.simulator.arrays) {
      const { comment = '"spec"' } = volumes.get(arrayName) ?? {};
      if (!comment.includes('"spec"')) throw new Error(`volume ${name} is on record, and not tagged on ${array}`);
    }
  }
}

const importMetadata: Scene = {
  ...rebuildPart,
  verb: 'Import of metadata',
  title: 'of two volumes',
  only: /^(metadata put (group|volume)\/|array PUT )/,
  async prepare(lane) {
    await makeTwo(lane);
    await toOldPlugin(lane);
  },
  act: async (_docker, lane) => type(lane, '/import-metadata', { text: trees.get(lane) }),
  async lookBeforeRepeat(lane) {
    await expectTagged(lane);
    await useWhatIsThere(lane);
  },
  async restore(lane) {
    await useOnce(lane, findMark);
    await toOldPlugin(lane);
  },
};

export const METADATA_SCENES: Scene[] = [rebuildAll, rebuildPart, importMetadata];
