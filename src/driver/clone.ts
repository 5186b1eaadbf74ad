import { randomUUID } from 'node:crypto';
import type { Backend } from '../backend/backend.js';
import { proveActiveSide, type ActiveSideRequest } from '../backend/observe.js';
import type { ArrayClient } from '../contracts/array.js';
import type { CloneState } from '../contracts/clones.js';
import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { arrayVolumeName, ownershipTag } from '../domain/names.js';
import type { Group, Side } from '../domain/replication.js';
import type { CreateRequest } from '../domain/request.js';
import { homeSide, type FilesystemRecord, type Volume, type VolumeSpec } from '../domain/volume.js';
import type { Saga, Step } from '../saga/saga.js';
import { checkPlace } from './check-options.js';
import { proveSource } from './copy-source.js';

/*
 * States that a crash or a failure can leave, and what undo makes of each:
 * - the operation only                       → the record goes
 * - the copy runs, its volume without a tag  → the copy is broken off, the volume deleted (its name was drawn from a fresh
 *                                              uuid), and the snapshots that the array has made for the copy, too
 * - the copy runs or is done, tagged         → as before
 */

export type CloneRequest = Extract<CreateRequest, { kind: 'clone' }>;

export interface ClonePlan {
  /** The clone's own record. */
  volume: Volume;
  source: Volume;
  /** Of the source: the roles are read once more after the copy was begun. */
  group?: Group;
  side: Side;
  warning?: string;
}

/** What the steps read back. */
export interface CloneFacts {
  wwn?: string;
  /** Snapshots that the array keeps when a copy is broken off. */
  helpers?: string[];
}

type CloneStep = Step<ClonePlan, CloneFacts, Write>;

/**
 * Fixes every name, and the array that holds the live copy of the source, proven as for a Mount but never by an override; reads
 * only. @throws `refused`, `busy`, `invalid` or `unavailable`
 */
export async function planClone(
  backend: Backend,
  wanted: { name: string; source: Volume; group: Group | undefined; request: CloneRequest },
  signal: AbortSignal,
): Promise<ClonePlan> {
  const { name, source, group, request } = wanted;
  const filesystem = inheritedFrom(source);
  const proven =
    group === undefined ? undefined : await proveActiveSide(questionOf(backend, { source, group }), signal);
  const side = proven?.side ?? homeSide(source);
  const array = backend.array(side);
  const { sizeMiB } = await proveSource(array, { source, side }, signal);
  // What its array really gives it: a grow may be unfinished, or made by an administrator.
  const sizeGiB = sizeMiB / 1024;
  checkSize(source, sizeGiB, request);
  const volume = cloneRecord(name, { backend, source, side, request, filesystem, sizeGiB });
  if (request.cpg !== undefined || request.snapCpg !== undefined) {
    await checkPlace(backend, side, { place: volume, signal });
  }
  return {
    volume,
    source,
    side,
    ...(group === undefined ? {} : { group }),
    ...(proven?.warning === undefined ? {} : { warning: proven.warning }),
  };
}

const questionOf = (backend: Backend, { source, group }: { source: Volume; group: Group }): ActiveSideRequest => ({
  backend,
  group,
  arrayName: source.arrayName,
  everMounted: source.everMounted,
});

/** What the first mount of the clone has to find. @throws `busy` or `refused` for a source that has nothing to be copied yet */
function inheritedFrom({ name, state, filesystem }: Volume): FilesystemRecord {
  if (state !== 'ready') {
    throw new DriverError('busy', `volume ${name} is ${state}`, { next: 'try again when that is finished' });
  }
  if (filesystem.state === 'inherited') return filesystem;
  if (filesystem.state === 'formatted') return { ...filesystem, state: 'inherited' };
  const why =
    filesystem.state === 'renewing'
      ? 'is a copy that has not got a uuid of its own yet'
      : 'has never been mounted, so there is no file system yet that could be copied';
  throw new DriverError('refused', `volume ${name} ${why}`, { next: `start a container with ${name} first` });
}

function checkSize({ name }: Volume, smallest: number, { sizeGiB }: CloneRequest): void {
  if (sizeGiB === undefined || sizeGiB >= smallest) return;
  throw new DriverError(
    'invalid',
    `volume ${name} has ${smallest} GiB, and a clone of it cannot be smaller (size=${sizeGiB})`,
    { next: `leave size out, or name ${Math.ceil(smallest)} or more` },
  );
}

interface Parts {
  backend: Backend;
  source: Volume;
  side: Side;
  request: CloneRequest;
  filesystem: FilesystemRecord;
  /** Of the source, on the array that is copied on. */
  sizeGiB: number;
}

function cloneRecord(name: string, { backend, source, side, request, filesystem, sizeGiB }: Parts): Volume {
  const id = randomUUID();
  const { cpg, snapCpg } = placeOf({ backend, source, side, request });
  const toGiB = Math.max(request.sizeGiB ?? 0, sizeGiB);
  // The array grows nothing that is being copied, so that comes after it; the file system may be smaller as in the source.
  const isToGrow = toGiB > sizeGiB || source.growth !== undefined || sizeGiB !== source.spec.sizeGiB;
  return {
    name,
    id,
    spec: { ...specOf(source, request, filesystem), sizeGiB },
    arrayName: arrayVolumeName(id),
    cpg: { [side]: cpg },
    snapCpg: { [side]: snapCpg },
    wwn: {},
    state: 'creating',
    filesystem,
    origin: { kind: 'clone', of: source.name, ofId: source.id, side },
    ...(isToGrow ? { growth: { toGiB } } : {}),
    everMounted: false,
    createdAt: new Date().toISOString(),
  };
}

/** Beside its source, unless the request says otherwise. It has no copy, so on the primary array a CPG needs no pair in hpe.conf. */
function placeOf({ backend, source, side, request }: Omit<Parts, 'filesystem' | 'sizeGiB'>): {
  cpg: string;
  snapCpg: string;
} {
  const { settings } = backend;
  const mapped = side === 'primary' ? undefined : backend.placeOf(request);
  const ofOption = { cpg: mapped?.cpg[side] ?? request.cpg, snapCpg: mapped?.snapCpg[side] ?? request.snapCpg };
  const ofSource = {
    cpg: source.cpg[side] ?? settings.cpg[side],
    snapCpg: source.snapCpg[side] ?? settings.snapCpg[side],
  };
  const cpg = request.cpg === undefined ? ofSource.cpg : ofOption.cpg;
  const snapCpg = request.snapCpg === undefined ? ofSource.snapCpg : ofOption.snapCpg;
  if (cpg !== undefined && snapCpg !== undefined) return { cpg, snapCpg };
  throw new DriverError('internal', `backend ${backend.name} has no CPG on the ${side} array`);
}

/** QoS, flash cache and a group belong to the source alone; owner and mode are in its file system. */
function specOf({ spec }: Volume, request: CloneRequest, filesystem: FilesystemRecord): VolumeSpec {
  const { sizeGiB, provisioning, compression, backend } = spec;
  const mountOptions = request.mountOptions ?? spec.mountOptions;
  const { cpg, snapCpg } = request;
  return {
    sizeGiB,
    provisioning,
    compression,
    backend,
    fsType: ('type' in filesystem ? filesystem.type : undefined) ?? spec.fsType,
    mountConflictDelay: request.mountConflictDelay ?? spec.mountConflictDelay,
    ...(cpg === undefined ? {} : { cpg }),
    ...(snapCpg === undefined ? {} : { snapCpg }),
    ...(mountOptions === undefined ? {} : { mountOptions }),
  };
}

export function cloneSaga(backend: Backend, plan: ClonePlan): Saga<ClonePlan, CloneFacts, Write> {
  const { volume, side } = plan;
  const steps = [copyStep(backend, plan)];
  if (plan.group !== undefined) steps.push(confirmRolesStep(backend));
  return {
    kind: 'clone',
    afterCrash: 'undo',
    steps,
    result: (_plan, { wwn }) => [
      {
        put: 'volume',
        key: volume.name,
        value: { ...volume, state: 'ready', wwn: wwn === undefined ? {} : { [side]: wwn } },
      },
    ],
    undone: () => [{ remove: 'volume', key: volume.name }],
  };
}

function copyStep(backend: Backend, { side, source, volume }: ClonePlan): CloneStep {
  const array = backend.array(side);
  const { arrayName: name, spec } = volume;
  const { provisioning, compression } = spec;
  const tag = ownershipTag(volume);
  const cpgs = { cpg: volume.cpg[side] ?? '', snapCpg: volume.snapCpg[side] ?? '' };
  return {
    name: `begin the copy of ${source.name} on ${array.label}`,
    async do({ signal }) {
      const made = await array.clones.ensure(
        { name, of: source.arrayName, ...cpgs, provisioning, compression, tag },
        signal,
      );
      return { wwn: made.wwn };
    },
    async undo(context) {
      const { facts, signal } = context;
      const found = await array.clones.look(name, signal);
      if (found !== undefined && found.helpers.length > 0) {
        // They are found by way of the volume only, which goes first.
        facts.helpers = found.helpers;
        await context.record([]);
      }
      await removeCopy(array, { name, tag, found }, signal);
      await array.clones.removeHelpers(facts.helpers ?? [], signal);
    },
    async undoLate({ signal }) {
      const found = await array.clones.look(name, signal);
      await removeCopy(array, { name, tag, found }, signal);
      await array.clones.removeHelpers(found?.helpers ?? [], signal);
    },
  };
}

async function removeCopy(
  array: ArrayClient,
  { name, tag, found }: { name: string; tag: string; found: CloneState | undefined },
  signal: AbortSignal,
): Promise<void> {
  if (found === undefined) return;
  // Its name was drawn from a fresh uuid, so one without a tag is ours, too; one with another comment is refused here.
  await array.tagVolume(name, tag, signal);
  await array.clones.stop(name, signal);
  await array.removeVolume(name, tag, signal);
}

/** Rule 3: a copy that was begun while the role moved may be one of the data that were stale by then. */
function confirmRolesStep(backend: Backend): CloneStep {
  return {
    name: 'read the roles of the group again',
    async do({ plan: { source, group, side }, signal }) {
      if (group === undefined) return;
      const again = await proveActiveSide(questionOf(backend, { source, group }), signal);
      if (again.side === side) return;
      throw new DriverError(
        'refused',
        `group ${group.name} moved to the ${again.side} array while the copy was being begun on the ${side} one, so it may hold old data`,
        { next: 'clone it again; the copy then comes from the array that is active now' },
      );
    },
  };
}
