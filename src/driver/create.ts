import { randomUUID } from 'node:crypto';
import type { Backend } from '../backend/backend.js';
import type { RemoteCopy } from '../contracts/array.js';
import type { Write } from '../contracts/store.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { arrayVolumeName, ownershipTag } from '../domain/names.js';
import type { Group } from '../domain/replication.js';
import type { Volume, VolumeSpec } from '../domain/volume.js';
import type { Saga, Step } from '../saga/saga.js';
import { groupRecordKey } from './operations.js';
import { planGroup, shapeDifferences, type GroupPlan } from './plan-group.js';

/*
 * States that a crash or a failure can leave, and what undo makes of each:
 * - the operation only                         → the records go
 * - volume on the primary array                → deleted by its tag
 * - group made by us, empty                    → deleted, if the array itself shows no member; one that somebody else made
 *                                                between the plan and the step, or has filled since, stays
 * - group stopped for the admission            → started again
 * - member admitted, secondary volume untagged → stopped, dismissed, the group restarted for its other members, and then the
 *                                                secondary deleted by its planned name
 * - group started with the member              → as before, after a stop
 */

export interface CreatePlan {
  volume: Volume;
  group?: GroupPlan;
  /** What is on record of the group already. */
  groupRecord?: Group;
}

/** What the steps read back. */
export interface CreateFacts {
  primaryWwn?: string;
  secondaryWwn?: string;
  remoteName?: string;
  /** Somebody else made the group between the plan and the step. */
  groupIsForeign?: boolean;
  /** The way back found the group started, and stopped it: it owes the others a start. */
  owesStart?: boolean;
}

type CreateStep = Step<CreatePlan, CreateFacts, Write>;

/** Fixes every name and finds out whether the group is to be made or joined; reads only. @throws `refused` or `invalid` */
export async function planCreate(
  backend: Backend,
  wanted: { name: string; spec: VolumeSpec; groupRecord?: Group | undefined },
  signal: AbortSignal,
): Promise<CreatePlan> {
  const id = randomUUID();
  const volume: Volume = {
    name: wanted.name,
    id,
    spec: wanted.spec,
    arrayName: arrayVolumeName(id),
    cpg: backend.settings.cpg,
    snapCpg: backend.settings.snapCpg,
    wwn: {},
    state: 'creating',
    filesystem: { state: 'never' },
    everMounted: false,
    createdAt: new Date().toISOString(),
  };
  const name = wanted.spec.replicationGroup;
  try {
    if (name === undefined) {
      // Its name is new, so it is not there; what this asks is whether the array answers, before anything is begun.
      await backend.array('primary').findVolume(volume.arrayName, signal);
      return { volume };
    }
    const { groupRecord } = wanted;
    const group = await planGroup(backend, name, signal);
    return { volume, group, ...(groupRecord === undefined ? {} : { groupRecord }) };
  } catch (thrown) {
    const cause = asDriverError(thrown);
    if (cause.code !== 'unavailable') throw cause;
    throw cause.reworded(`backend ${backend.name} is not usable now: ${cause.message}; nothing was changed`);
  }
}

/** A replicated backend needs a replicationGroup, a plain one refuses it. @throws `invalid` */
export function checkReplicationOption(backend: Backend, spec: VolumeSpec): void {
  const replicated = backend.settings.replication !== undefined;
  if (replicated && spec.replicationGroup === undefined) {
    throw new DriverError('invalid', `backend ${backend.name} replicates, so the volume needs a remote copy group`, {
      next: 'add -o replicationGroup=NAME',
    });
  }
  if (!replicated && spec.replicationGroup !== undefined) {
    throw new DriverError(
      'invalid',
      `backend ${backend.name} has no replication_device in hpe.conf, so replicationGroup=${spec.replicationGroup} cannot be honoured`,
      { next: 'leave replicationGroup out, or name a replicated backend with -o backend=NAME' },
    );
  }
}

export function createSaga(backend: Backend, plan: CreatePlan): Saga<CreatePlan, CreateFacts, Write> {
  const { group, volume } = plan;
  const steps = [createVolumeStep(backend)];
  if (group !== undefined) {
    if (group.action === 'create') steps.push(createGroupStep(backend, group));
    steps.push(copyStep(backend));
    if (group.wasStarted) steps.push(pauseGroupStep(backend, group));
    steps.push(admitStep(backend, group), startStep(backend, group));
  }
  return {
    kind: 'create',
    afterCrash: 'undo',
    steps,
    result: (_plan, facts) => [
      { put: 'volume', key: volume.name, value: readyVolume(volume, facts) },
      ...(group === undefined ? [] : [groupWrite(backend, plan, facts)]),
    ],
    undone: () => [{ remove: 'volume', key: volume.name }],
  };
}

function readyVolume(volume: Volume, facts: CreateFacts): Volume {
  const wwn = {
    ...(facts.primaryWwn === undefined ? {} : { primary: facts.primaryWwn }),
    ...(facts.secondaryWwn === undefined ? {} : { secondary: facts.secondaryWwn }),
  };
  return { ...volume, state: 'ready', wwn };
}

function groupWrite(backend: Backend, { group, groupRecord }: CreatePlan, facts: CreateFacts): Write {
  const name = group?.name ?? '';
  const fresh: Group = {
    backend: backend.name,
    name,
    remoteName: facts.remoteName ?? group?.remoteName ?? '',
    createdByUs: group?.action === 'create',
    epoch: groupRecord?.epoch ?? 0,
  };
  // A group that was removed and made again behind our back starts a new history.
  const value = groupRecord !== undefined && group?.action === 'join' ? groupRecord : fresh;
  return { put: 'group', key: groupRecordKey(backend.name, name), value };
}

function createVolumeStep(backend: Backend): CreateStep {
  const array = backend.array('primary');
  return {
    name: 'create the volume on the primary array',
    async do({ plan: { volume }, signal }) {
      const { spec } = volume;
      const made = await array.ensureVolume(
        {
          name: volume.arrayName,
          ...backend.cpg('primary'),
          sizeMiB: spec.sizeGiB * 1024,
          provisioning: spec.provisioning,
          compression: spec.compression,
          tag: ownershipTag(volume),
        },
        signal,
      );
      return { primaryWwn: made.wwn };
    },
    async undo({ plan: { volume }, signal }) {
      await array.removeVolume(volume.arrayName, ownershipTag(volume), signal);
    },
  };
}

function createGroupStep(backend: Backend, group: GroupPlan): CreateStep {
  const { remoteCopy } = backend.array('primary');
  return {
    name: `create remote copy group ${group.name}`,
    async do({ facts, signal }) {
      const { target, mode, syncPeriod } = backend.replication();
      const [local, remote] = [backend.cpg('primary'), backend.cpg('secondary')];
      const wanted = {
        name: group.name,
        target,
        mode,
        ...(syncPeriod === undefined ? {} : { syncPeriod }),
        localCpg: local.cpg,
        localSnapCpg: local.snapCpg,
        remoteCpg: remote.cpg,
        remoteSnapCpg: remote.snapCpg,
      };
      try {
        return { remoteName: (await remoteCopy.ensureGroup(wanted, signal)).remoteName };
      } catch (thrown) {
        if (thrown instanceof DriverError && thrown.code === 'exists') facts.groupIsForeign = true;
        throw thrown;
      }
    },
    async undo({ facts, signal }) {
      if (facts.groupIsForeign === true) return;
      // Only the empty group that we would have made goes; what somebody else made or uses by now stays.
      const left = await remoteCopy.findGroup(group.name, signal);
      if (left === undefined || left.members.length > 0 || shapeDifferences(backend, left).length > 0) return;
      await remoteCopy.removeGroup(group.name, signal);
    },
  };
}

/** The arrays make the copy at the admission; on the way back it goes after the group was restarted (rule 35). */
function copyStep(backend: Backend): CreateStep {
  const secondary = backend.array('secondary');
  return {
    name: 'let the arrays create the copy on the secondary array',
    do: async () => Promise.resolve(),
    async undo({ plan: { volume }, signal }) {
      // Its name was drawn from a fresh uuid, so one without a tag is ours, too.
      const tag = ownershipTag(volume);
      if ((await secondary.findVolume(volume.arrayName, signal)) === undefined) return;
      await secondary.tagVolume(volume.arrayName, tag, signal);
      await secondary.removeVolume(volume.arrayName, tag, signal);
    },
  };
}

function pauseGroupStep(backend: Backend, group: GroupPlan): CreateStep {
  const { remoteCopy } = backend.array('primary');
  return {
    name: `stop remote copy group ${group.name} for the admission`,
    do: async ({ signal }) => remoteCopy.stopGroup(group.name, signal),
    undo: async ({ signal }) => restartGroup(remoteCopy, group.name, signal),
  };
}

/** A group that somebody removed meanwhile has nothing left to be restarted. */
async function restartGroup(remoteCopy: RemoteCopy, name: string, signal: AbortSignal): Promise<void> {
  try {
    await remoteCopy.startGroup(name, signal);
  } catch (thrown) {
    if (!(thrown instanceof DriverError) || thrown.code !== 'not-found') throw thrown;
  }
}

function admitStep(backend: Backend, group: GroupPlan): CreateStep {
  const { remoteCopy } = backend.array('primary');
  return {
    name: `admit the volume to remote copy group ${group.name}`,
    async do({ plan: { volume }, signal }) {
      const { target, differentSecondaryWwn } = backend.replication();
      const admission = { group: group.name, volume: volume.arrayName, target, differentSecondaryWwn };
      const admitted = await remoteCopy.admit(admission, signal);
      return { remoteName: admitted.remoteName };
    },
    /**
     * While a way back waits for an array, an operator or the arrays themselves may start the group again; a started group
     * lets no member go, and the others want it started afterwards.
     */
    async undo(context) {
      const { plan, facts, signal } = context;
      const { volume } = plan;
      const found = await remoteCopy.findGroup(group.name, signal);
      if (found === undefined) return;
      const isMember = found.members.some((member) => member.volume === volume.arrayName);
      if (isMember && found.targets.some((target) => target.state === 'started')) {
        facts.owesStart = found.members.length > 1;
        await context.record([]);
        await remoteCopy.stopGroup(group.name, signal);
      }
      try {
        await remoteCopy.dismiss(group.name, volume.arrayName, signal);
      } finally {
        if (facts.owesStart === true) await restartGroup(remoteCopy, group.name, signal);
      }
    },
  };
}

function startStep(backend: Backend, group: GroupPlan): CreateStep {
  const { remoteCopy } = backend.array('primary');
  const secondary = backend.array('secondary');
  return {
    name: group.startAfter
      ? `start remote copy group ${group.name}`
      : `tag the copy on the secondary array (group ${group.name} stays stopped, as it was)`,
    async do({ plan: { volume }, signal }) {
      const [copy, start] = await Promise.allSettled([
        secondary.tagVolume(volume.arrayName, ownershipTag(volume), signal),
        group.startAfter ? remoteCopy.startGroup(group.name, signal) : undefined,
      ]);
      // Both are over before either failure is told: what goes on would run into the way back.
      if (copy.status === 'rejected') throw copy.reason;
      if (start.status === 'rejected') throw start.reason;
      return { secondaryWwn: copy.value.wwn };
    },
    async undo({ signal }) {
      if (group.startAfter) await remoteCopy.stopGroup(group.name, signal);
    },
  };
}
