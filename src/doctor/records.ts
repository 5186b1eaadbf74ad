import type { Backend } from '../backend/backend.js';
import type { StoredRecord } from '../contracts/archive.js';
import type { RecordKind, Records } from '../contracts/store.js';
import { isExportedTo } from '../domain/attachment.js';
import { removeExportsCommand } from '../domain/names.js';
import type { Side } from '../domain/replication.js';
import { about, type Finding } from './finding.js';

/** All that the metadata know, by kind. */
export type Metadata = { [K in RecordKind]: Records[K][] };

export function metadataOf(records: readonly StoredRecord[]): Metadata {
  const of = <K extends RecordKind>(kind: K): Records[K][] =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    records.filter((each) => each.put === kind).map(({ value }) => value as Records[K]);
  return {
    volume: of('volume'),
    group: of('group'),
    attachment: of('attachment'),
    operation: of('operation'),
    pin: of('pin'),
    override: of('override'),
    late: of('late'),
    run: of('run'),
    halt: of('halt'),
  };
}

/** What the metadata themselves show to be unfinished, or without a backend. */
export function judgeRecords({ volume, operation }: Metadata, backends: ReadonlySet<string>): Finding[] {
  const open = operation
    .filter(({ error }) => error !== undefined)
    .map(({ volume: name, kind, node, error, startedAt }) =>
      about(`volume ${name}`)(
        'operation-open',
        `its ${kind} of ${startedAt} is not finished: ${error}`,
        `mend what it names; it is tried again by itself, or at once by: docker volume inspect ${name} (node ${node})`,
      ),
    );
  const lost = volume
    .filter(({ spec }) => !backends.has(spec.backend))
    .map(({ name, spec }) =>
      about(`volume ${name}`)(
        'volume-backend',
        `hpe.conf has no backend ${spec.backend}, so it can neither be mounted nor removed here`,
        `bring the section [${spec.backend}] back to hpe.conf`,
      ),
    );
  return [...open, ...lost];
}

interface ExaminedExports {
  backend: Backend;
  side: Side;
  metadata: Metadata;
  /** The metadata of now. */
  again: () => Promise<Metadata>;
}

/**
 * Exports of our volumes on one array that no node's attachment explains (rules 4 and 15). Before one is named, metadata and array are
 * read once more: a Mount or an Unmount may have gone by between the first reads.
 */
export async function examineExports(
  { backend, side, metadata, again }: ExaminedExports,
  signal: AbortSignal,
): Promise<Finding[]> {
  const array = backend.array(side);
  if (!metadata.volume.some(({ spec }) => spec.backend === backend.name)) return [];
  const list = async (): Promise<Exported[]> =>
    (await array.inventory.listVluns(signal)).filter(({ active }) => !active);
  const first = unexplained(metadata, await list(), { backend, side });
  if (first.length === 0) return [];
  const now = await again();
  const second = unexplained(now, await list(), { backend, side });
  return second
    .filter((each) => first.some(({ arrayName, host }) => arrayName === each.arrayName && host === each.host))
    .map(({ name, arrayName, host }) =>
      about(`volume ${name}`)(
        'export-left',
        `${array.label} exports it to ${host}, and no node on record uses it there`,
        `see that ${host} does not use it, then type on that array: ${removeExportsCommand(arrayName, host)}`,
      ),
    );
}

type Exported = { volume: string; host: string };

function unexplained(
  { volume, attachment, operation }: Metadata,
  exported: readonly Exported[],
  { backend, side }: { backend: Backend; side: Side },
): { name: string; arrayName: string; host: string }[] {
  const idle = volume.filter(
    ({ name, spec }) => spec.backend === backend.name && !operation.some((each) => each.volume === name),
  );
  return idle.flatMap(({ name, arrayName }) => {
    const expected = attachment.filter((each) => each.volume === name);
    const hosts = new Set(exported.filter((each) => each.volume === arrayName).map(({ host }) => host));
    return [...hosts]
      .filter((host) => !expected.some((each) => isExportedTo(each, { side, host })))
      .map((host) => ({ name, arrayName, host }));
  });
}
