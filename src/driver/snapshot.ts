import { randomUUID } from 'node:crypto';
import type { Backend } from '../backend/backend.js';
import { proveActiveSide, type ActiveSideRequest } from '../backend/observe.js';
import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { arraySnapshotName, ownershipTag } from '../domain/names.js';
import type { Group, Side } from '../domain/replication.js';
import type { CreateRequest } from '../domain/request.js';
import type { ScheduledSnapshots, SnapshotLife } from '../domain/schedule.js';
import { homeSide, isNeverFormatted, type FilesystemRecord, type Origin, type Volume } from '../domain/volume.js';
import type { Operation } from '../saga/operation.js';
import { settle, type Saga, type SagaRun, type Step } from '../saga/saga.js';
import { proveSource } from './copy-source.js';
import { isSamePassive, passiveOf } from './passive-snapshot.js';

/*
 * States that a crash or a failure can leave, and what undo makes of each:
 * - the operation only             → the record goes
 * - snapshot on the array          → deleted by its tag
 * - schedule begun                 → ended, if it is exactly ours; the snapshot deleted
 * - retained                       → nobody can delete it any more, so the Create is finished instead; this is the last step
 */

export type SnapshotRequest = Extract<CreateRequest, { kind: 'snapshot' }>;

export interface SnapshotPlan {
  /** The snapshot's own record. */
  volume: Volume;
  /** Whose moment it shows. */
  parent: Volume;
  /** Of the parent: the roles are read once more after the snapshot was made. */
  group?: Group;
  side: Side;
  life: SnapshotLife;
  /** For a drill: of the copy that does not serve the group, as of that completed sync of a periodic one. */
  passive?: { lastSync: string | null };
  schedule?: ScheduledSnapshots;
  warning?: string;
}

/** What the steps read back. */
export interface SnapshotFacts {
  wwn?: string;
  sizeMiB?: number;
  expiresAt?: string;
  retainedUntil?: string;
}

type SnapshotStep = Step<SnapshotPlan, SnapshotFacts, Write>;

/**
 * Fixes every name, and the array that holds the live copy of the parent, proven as for a Mount but never by an override; reads
 * only. @throws `refused`, `unavailable`, or `exists` for the schedule
 */
export async function planSnapshot(
  backend: Backend,
  wanted: { name: string; parent: Volume; group: Group | undefined; request: SnapshotRequest },
  signal: AbortSignal,
): Promise<SnapshotPlan> {
  const { name, parent, group, request } = wanted;
  refuseUnready(parent);
  const proven =
    group === undefined ? undefined : await proveActiveSide(questionOf(backend, { parent, group }), signal);
  const passive = request.isOfPassive === true ? passiveOf(parent, proven) : undefined;
  const side = passive?.side ?? proven?.side ?? homeSide(parent);
  const array = backend.array(side);
  const [taken] = await Promise.all([
    request.schedule === undefined ? undefined : array.schedules.find(request.schedule.name, signal),
    proveSource(array, { source: parent, side }, signal),
  ]);
  if (request.schedule !== undefined && taken !== undefined) {
    throw new DriverError(
      'exists',
      `${array.label} has a schedule ${request.schedule.name} already: ${taken.command}`,
      {
        next: 'choose another scheduleName; nothing was changed',
      },
    );
  }
  const schedule = request.schedule === undefined ? undefined : { ...request.schedule, of: parent.arrayName };
  return {
    volume: snapshotRecord(name, { parent, side, request, schedule }),
    parent,
    side,
    life: request.life,
    ...(passive === undefined ? {} : { passive: { lastSync: passive.lastSync } }),
    ...(group === undefined ? {} : { group }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(proven?.warning === undefined ? {} : { warning: proven.warning }),
  };
}

const questionOf = (backend: Backend, { parent, group }: { parent: Volume; group: Group }): ActiveSideRequest => ({
  backend,
  group,
  arrayName: parent.arrayName,
  everMounted: parent.everMounted,
});

function refuseUnready({ name, state, filesystem }: Volume): void {
  if (state !== 'ready') {
    throw new DriverError('busy', `volume ${name} is ${state}`, { next: 'try again when that is finished' });
  }
  if (!isNeverFormatted(filesystem)) return;
  throw new DriverError(
    'refused',
    `volume ${name} has never been mounted, so there is no file system yet that a snapshot of it could show`,
    { next: `start a container with ${name} first, then make the snapshot` },
  );
}

function snapshotRecord(
  name: string,
  of: { parent: Volume; side: Side; request: SnapshotRequest; schedule: ScheduledSnapshots | undefined },
): Volume {
  const { parent, side, request, schedule } = of;
  const id = randomUUID();
  const { sizeGiB, provisioning, compression, fsType, backend, ...spec } = parent.spec;
  const mountOptions = request.mountOptions ?? spec.mountOptions;
  const snapCpg = parent.snapCpg[side];
  return {
    name,
    id,
    spec: {
      sizeGiB,
      provisioning,
      compression,
      backend,
      fsType: ('type' in parent.filesystem ? parent.filesystem.type : undefined) ?? fsType,
      mountConflictDelay: request.mountConflictDelay ?? spec.mountConflictDelay,
      ...(mountOptions === undefined ? {} : { mountOptions }),
    },
    arrayName: arraySnapshotName(id),
    cpg: {},
    snapCpg: snapCpg === undefined ? {} : { [side]: snapCpg },
    wwn: {},
    state: 'creating',
    filesystem: inherited(parent.filesystem),
    origin: {
      kind: 'snapshot',
      of: parent.name,
      ofId: parent.id,
      side,
      ...request.life,
      ...(schedule === undefined ? {} : { schedule }),
    },
    everMounted: false,
    createdAt: new Date().toISOString(),
  };
}

/** What the first mount of a snapshot has to find. */
function inherited(filesystem: FilesystemRecord): FilesystemRecord {
  if (filesystem.state === 'inherited') return filesystem;
  if (filesystem.state === 'formatted') return { ...filesystem, state: 'inherited' };
  // In the middle of getting a uuid of its own it may have either.
  return filesystem.state === 'renewing' ? { state: 'inherited', type: filesystem.type } : { state: 'inherited' };
}

export function snapshotSaga(backend: Backend, plan: SnapshotPlan): Saga<SnapshotPlan, SnapshotFacts, Write> {
  const steps = [createStep(backend, plan)];
  if (plan.group !== undefined) steps.push(confirmRolesStep(backend));
  if (plan.schedule !== undefined) steps.push(scheduleStep(backend, plan.schedule, plan));
  if (plan.life.retentionHours !== undefined) steps.push(retainStep(backend, plan, plan.life.retentionHours));
  const { volume } = plan;
  return {
    kind: 'snapshot',
    afterCrash: 'undo',
    steps,
    result: (_plan, facts) => [{ put: 'volume', key: volume.name, value: readyVolume(plan, facts) }],
    undone: () => [{ remove: 'volume', key: volume.name }],
  };
}

function readyVolume({ volume, side }: SnapshotPlan, facts: SnapshotFacts): Volume {
  const { wwn, sizeMiB, expiresAt, retainedUntil } = facts;
  const { origin, spec } = volume;
  if (origin?.kind !== 'snapshot' || wwn === undefined || sizeMiB === undefined) {
    throw new DriverError('internal', `snapshot ${volume.name} was made, but not read back`);
  }
  const kept: Origin = {
    ...origin,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(retainedUntil === undefined ? {} : { retainedUntil }),
  };
  return { ...volume, state: 'ready', wwn: { [side]: wwn }, spec: { ...spec, sizeGiB: sizeMiB / 1024 }, origin: kept };
}

function createStep(backend: Backend, { side, parent, volume, life }: SnapshotPlan): SnapshotStep {
  const array = backend.array(side);
  const { arrayName: name } = volume;
  const tag = ownershipTag(volume);
  // With a retention the expiry comes at the end, counted from the same moment: an array takes none that is earlier.
  const expiry =
    life.expirationHours === undefined || life.retentionHours !== undefined
      ? {}
      : { expirationHours: life.expirationHours };
  return {
    name: `make the snapshot on ${array.label}`,
    async do({ signal }) {
      const made = await array.snapshots.ensure({ name, of: parent.arrayName, tag, ...expiry }, signal);
      const { wwn, sizeMiB, expiresAt } = made;
      return { wwn, sizeMiB, ...(expiresAt === undefined ? {} : { expiresAt }) };
    },
    undo: async ({ signal }) => array.snapshots.remove(name, tag, signal),
    undoLate: async ({ signal }) => array.snapshots.remove(name, tag, signal),
  };
}

/** Rule 3: one that was made while the role moved may show the copy that was stale by then. */
function confirmRolesStep(backend: Backend): SnapshotStep {
  return {
    name: 'read the roles of the group again',
    async do({ plan: { parent, group, side, passive }, signal }) {
      if (group === undefined) return;
      const again = await proveActiveSide(questionOf(backend, { parent, group }), signal);
      if (passive === undefined ? again.side === side : isSamePassive({ parent, side, passive }, again)) return;
      const text = `group ${group.name} moved to the ${again.side} array while the snapshot was being made on the ${side} one, so it may show an old copy`;
      throw new DriverError('refused', text, {
        next: 'make the snapshot again; it then comes from the array that is active now',
      });
    },
  };
}

function scheduleStep(backend: Backend, schedule: ScheduledSnapshots, { side }: SnapshotPlan): SnapshotStep {
  const { schedules, label } = backend.array(side);
  return {
    name: `begin schedule ${schedule.name} on ${label}`,
    do: async ({ signal }) => schedules.ensure(schedule, signal),
    undo: async ({ signal }) => schedules.remove(schedule, signal),
    undoLate: async ({ signal }) => schedules.remove(schedule, signal),
  };
}

function retainStep(backend: Backend, { side, volume, life }: SnapshotPlan, retentionHours: number): SnapshotStep {
  const { snapshots, label } = backend.array(side);
  const { expirationHours } = life;
  const wanted = { retentionHours, ...(expirationHours === undefined ? {} : { expirationHours }) };
  return {
    name: `let ${label} retain the snapshot`,
    noWayBackUnanswered: true,
    async do({ signal }) {
      const kept = await snapshots.retain({ name: volume.arrayName, tag: ownershipTag(volume) }, wanted, signal);
      const { expiresAt, retainedUntil } = kept;
      return {
        ...(expiresAt === undefined ? {} : { expiresAt }),
        ...(retainedUntil === undefined ? {} : { retainedUntil }),
      };
    },
  };
}

/** Undoes an interrupted Create; one whose snapshot is retained already can only be finished. */
export async function settleSnapshot(
  backend: Backend,
  { plan, operation }: { plan: SnapshotPlan; operation: Operation },
  run: SagaRun<Write>,
): Promise<void> {
  const saga = snapshotSaga(backend, plan);
  const isAtEnd = operation.phase === 'do' && saga.steps[operation.next]?.noWayBackUnanswered === true;
  const isRetained = isAtEnd && (await findRetention(backend, plan, run.signal)) !== undefined;
  await settle(isRetained ? { ...saga, afterCrash: 'redo' } : saga, operation, run);
}

async function findRetention(backend: Backend, plan: SnapshotPlan, signal: AbortSignal): Promise<string | undefined> {
  const { snapshot } = await backend.array(plan.side).snapshots.look(plan.volume.arrayName, signal);
  return snapshot?.retainedUntil;
}
