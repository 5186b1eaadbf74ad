import { randomUUID } from 'node:crypto';
import type { Backend } from '../backend/backend.js';
import type { ArrayClient } from '../contracts/array.js';
import type { FoundVolume } from '../contracts/imports.js';
import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { arraySnapshotName, arrayVolumeName, ownershipTag, removeExportsCommand } from '../domain/names.js';
import type { CreateRequest } from '../domain/request.js';
import { homeSide, type Volume } from '../domain/volume.js';
import { isTaggedAs } from '../domain/tag.js';
import type { Saga } from '../saga/saga.js';
import { REMOTE_COPY_SNAPSHOT } from './snapshots-of.js';

/*
 * States that a crash or a failure can leave, and what undo makes of each. What is meant is known by its WWN, whatever it is called:
 * - the operation only         → the record goes
 * - our tag in the comment     → the comment is as it was before
 * - renamed                    → it gets its former name and comment
 * A release goes the same way in the other direction, and its undo is an import.
 */

export type ImportRequest = Extract<CreateRequest, { kind: 'import' }>;

export interface ImportPlan {
  volume: Volume;
  /** What the volume is called, and what stands in its comment, while it is not ours. */
  former: { name: string; comment: string };
  wwn: string;
}

/** What the array calls what we, or the old plugin, have made. */
const OUR_NAME = /^dc[vs]-[A-Za-z0-9.-]{22}$/;

/** Whether the volume may be taken over, by fresh answers; reads only. @throws `not-found`, `refused` or `unavailable` */
export async function planImport(
  backend: Backend,
  { name, request }: { name: string; request: ImportRequest },
  signal: AbortSignal,
): Promise<ImportPlan> {
  const array = backend.array('primary');
  const { arrayVolume } = request;
  const found = await array.imports.look(arrayVolume, signal);
  if (found === undefined) {
    throw new DriverError('not-found', `${array.label} has no volume ${arrayVolume}`, {
      next: 'see the names with: showvv; names are case-sensitive',
    });
  }
  refuseOurs(array, found);
  refuseUnfit(array, found, arrayVolume);
  await refuseExported(array, { arrayName: arrayVolume, called: arrayVolume }, signal);
  const { comment, wwn } = found.volume;
  return { volume: importRecord(name, request, found), former: { name: arrayVolume, comment }, wwn };
}

function refuseOurs(array: ArrayClient, { volume: { name, comment } }: FoundVolume): void {
  if (!OUR_NAME.test(name) && !isTag(comment)) return;
  throw new DriverError(
    'refused',
    `volume ${name} on ${array.label} belongs to this plugin, or the old one, already; it is not imported`,
    {
      next: 'docker volume ls shows what is known; lost metadata come back with hpe-volume-plugin rebuild or import-metadata',
    },
  );
}

/** @param name what its administrator calls it */
function refuseUnfit(array: ArrayClient, found: FoundVolume, name: string): void {
  const reasons: [boolean, string, string][] = [
    [
      REMOTE_COPY_SNAPSHOT.test(name),
      'belongs to remote copy, which needs it under that name for its next synchronisation',
      'make a snapshot of its volume, and import that: createsv -rw NAME VOLUME',
    ],
    [
      found.group !== undefined,
      `is a member of remote copy group ${found.group ?? ''}`,
      `take it out of its group (dismissrcopyvv), or clone it on the array and import the clone`,
    ],
    [
      found.sets.length > 0,
      `is in volume set ${found.sets.join(', ')}`,
      `removevvset SET ${name}, if the set is not needed for it`,
    ],
    [found.isCopy, 'is the target of a physical copy', 'wait for the end of the copy: showtask -active'],
    [found.isReadOnly, 'is read-only', `import a writable snapshot of it: createsv -rw NAME ${name}`],
    [found.expiresAt !== undefined, `is deleted by the array at ${found.expiresAt ?? ''}`, `setvv -exp 0 ${name}`],
    [
      !found.isSnapshot && found.volume.provisioning === 'other',
      'is of a kind that this plugin does not know',
      `see its kind with: showvv -d ${name}`,
    ],
  ];
  const reason = reasons.find(([holds]) => holds);
  if (reason === undefined) return;
  throw new DriverError('refused', `volume ${name} on ${array.label} ${reason[1]}; it is not imported`, {
    next: reason[2],
  });
}

/** Who exports it may write to it. */
async function refuseExported(
  array: ArrayClient,
  { arrayName, called }: { arrayName: string; called: string },
  signal: AbortSignal,
): Promise<void> {
  const hosts = [...new Set((await array.findVluns(arrayName, signal)).map((vlun) => vlun.host))];
  const [host] = hosts;
  if (host === undefined) return;
  throw new DriverError(
    'busy',
    `volume ${called} on ${array.label} is exported to ${hosts.join(', ')}; it is not imported`,
    {
      next: `stop what uses it there, then: ${removeExportsCommand(called, host)}`,
    },
  );
}

/** Once more what the plan has asked, when nobody else knows its name any more. */
async function confirmImported(array: ArrayClient, { volume, former, wwn }: ImportPlan, signal: AbortSignal) {
  const { arrayName } = volume;
  const found = await array.imports.look(arrayName, signal);
  if (found?.volume.wwn !== wwn || !isTaggedAs(found.volume.comment, ownershipTag(volume))) {
    const is =
      found === undefined ? 'nothing' : `WWN ${found.volume.wwn}, comment ${JSON.stringify(found.volume.comment)}`;
    throw new DriverError(
      'refused',
      `volume ${former.name} on ${array.label} was renamed to ${arrayName} and tagged, but there is ${is}; it is not imported`,
      { next: `see what was done to it with: showeventlog -min 10` },
    );
  }
  refuseUnfit(array, found, former.name);
  await refuseExported(array, { arrayName, called: former.name }, signal);
}

function isTag(comment: string): boolean {
  try {
    const tag: unknown = JSON.parse(comment);
    return typeof tag === 'object' && tag !== null && 'volume_id' in tag;
  } catch {
    return false;
  }
}

function importRecord(name: string, request: ImportRequest, { volume, isSnapshot }: FoundVolume): Volume {
  const id = randomUUID();
  const { backend, mountConflictDelay, mountOptions } = request;
  const { provisioning, compression, sizeMiB, cpg, snapCpg, comment, wwn } = volume;
  return {
    name,
    id,
    spec: {
      sizeGiB: sizeMiB / 1024,
      provisioning: provisioning === 'other' ? 'thin' : provisioning,
      compression,
      // What it holds is found out by its first mount.
      fsType: 'ext4',
      backend,
      mountConflictDelay,
      ...(mountOptions === undefined ? {} : { mountOptions }),
    },
    arrayName: isSnapshot ? arraySnapshotName(id) : arrayVolumeName(id),
    cpg: cpg === undefined ? {} : { primary: cpg },
    snapCpg: snapCpg === undefined ? {} : { primary: snapCpg },
    wwn: { primary: wwn },
    state: 'creating',
    filesystem: { state: 'inherited' },
    origin: { kind: 'import', formerName: request.arrayVolume, ...(comment === '' ? {} : { formerComment: comment }) },
    everMounted: false,
    createdAt: new Date().toISOString(),
  };
}

export function importSaga(backend: Backend, plan: ImportPlan): Saga<ImportPlan, object, Write> {
  const { volume, former } = plan;
  const array = backend.array(homeSide(volume));
  const change = changesOf(array, plan);
  const giveBack = async (signal: AbortSignal): Promise<void> => {
    await unlessGone(change.nameToTheirs(signal));
    await unlessGone(change.tagOff(signal));
  };
  return {
    kind: 'import',
    afterCrash: 'undo',
    steps: [
      {
        name: `tag volume ${former.name} on ${array.label}`,
        do: async ({ signal }) => change.tagOn(signal),
        undo: async ({ signal }) => giveBack(signal),
        undoLate: async ({ signal }) => giveBack(signal),
      },
      {
        name: `rename volume ${former.name} to ${volume.arrayName}`,
        do: async ({ signal }) => change.nameToOurs(signal),
        undo: async ({ signal }) => unlessGone(change.nameToTheirs(signal)),
        undoLate: async ({ signal }) => giveBack(signal),
      },
      {
        name: 'see that nobody has begun to use it meanwhile',
        do: async ({ signal }) => confirmImported(array, plan, signal),
      },
    ],
    result: () => [{ put: 'volume', key: volume.name, value: { ...volume, state: 'ready' } }],
    undone: () => [{ remove: 'volume', key: volume.name }],
  };
}

/** The volume as it was before its import; Docker forgets it, and its data stay. */
export function releaseSaga(backend: Backend, plan: ImportPlan): Saga<ImportPlan, object, Write> {
  const { volume, former } = plan;
  const array = backend.array(homeSide(volume));
  const change = changesOf(array, plan);
  return {
    kind: 'release',
    afterCrash: 'undo',
    steps: [
      {
        name: `rename volume ${volume.arrayName} to ${former.name}`,
        do: async ({ signal }) => change.nameToTheirs(signal),
        undo: async ({ signal }) => unlessGone(change.nameToOurs(signal)),
        undoLate: async ({ signal }) => unlessGone(change.nameToOurs(signal)),
      },
      {
        name: `take the tag off volume ${former.name} on ${array.label}`,
        do: async ({ signal }) => change.tagOff(signal),
        undo: async ({ signal }) => unlessGone(change.tagOn(signal)),
        // By then it has our name again.
        undoLate: async ({ signal }) => unlessGone(change.tagOnOurs(signal)),
      },
    ],
    result: () => [{ remove: 'volume', key: volume.name }],
    undone: () => [{ put: 'volume', key: volume.name, value: volume }],
  };
}

/** The name changes while our tag is on the volume, which is put on and taken off under the former name. */
function changesOf({ imports }: ArrayClient, { volume, former, wwn }: ImportPlan) {
  const tag = ownershipTag(volume);
  const at = { name: former.name, wwn };
  return {
    nameToOurs: async (signal: AbortSignal) => imports.rename(at, volume.arrayName, signal),
    nameToTheirs: async (signal: AbortSignal) => imports.rename({ name: volume.arrayName, wwn }, former.name, signal),
    tagOn: async (signal: AbortSignal) => imports.changeComment(at, { from: former.comment, to: tag }, signal),
    tagOnOurs: async (signal: AbortSignal) =>
      imports.changeComment({ name: volume.arrayName, wwn }, { from: former.comment, to: tag }, signal),
    tagOff: async (signal: AbortSignal) => imports.changeComment(at, { from: tag, to: former.comment }, signal),
  };
}

/** On the way back: what is under neither name any more has nothing to be given back. */
async function unlessGone(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (thrown) {
    if (!(thrown instanceof DriverError) || thrown.code !== 'not-found') throw thrown;
  }
}
