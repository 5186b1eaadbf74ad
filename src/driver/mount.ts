import type { Backend } from '../backend/backend.js';
import { proveActiveSide } from '../backend/observe.js';
import type { NodeMount } from '../contracts/node-journal.js';
import type { Write } from '../contracts/store.js';
import type { Attachment } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { otherSide } from '../domain/replication.js';
import type { Saga } from '../saga/saga.js';
import type { DriverContext } from './context.js';
import { filesystemStep, getDevice } from './mount-filesystem.js';
import { rootSteps } from './mount-root.js';
import { fillSteps, mountedVolume, sizeToMount } from './mounted-size.js';
import { groupRecordKey } from './operations.js';
import { findPassiveCopy } from './passive-copy.js';
import { mountQuestion, type MountFacts, type MountPlan, type MountStep } from './plan-mount.js';
import { takeOverStep } from './take-over.js';
import { unexport } from './unmount.js';

/*
 * States that a crash can leave, and what undo makes of each:
 * - claim only                    → the claim goes
 * - taken over in part            → the old node's exports go wholly: once begun, a take-over is not given back
 * - exported                      → unexported, read back
 * - attached                      → detached by its WWN, unexported
 * - formatting on record          → stays on record; the next Mount may repeat mkfs on the same copy
 * - renewing on record            → stays on record; the next Mount goes on with the same new uuid; a log's replay is unmounted
 * - mounted, not acknowledged     → unmounted, detached, unexported
 */

export function mountSaga(ctx: DriverContext, backend: Backend, plan: MountPlan): Saga<MountPlan, MountFacts, Write> {
  const steps = [hostStep(ctx, backend, plan), exportStep(ctx, backend, plan)];
  if (plan.leftOver.length > 0) steps.unshift(leftOverStep(backend, plan));
  if (plan.takeOver !== undefined) steps.unshift(takeOverStep(ctx, backend, plan.takeOver));
  steps.push(attachStep(ctx, backend));
  if (plan.group !== undefined) steps.push(confirmRolesStep(backend, plan));
  steps.push(filesystemStep(ctx), mountStep(ctx, plan));
  steps.push(...rootSteps(ctx, plan.volume), ...fillSteps(ctx, plan.volume));
  const { volume, group } = plan;
  return {
    kind: 'mount',
    afterCrash: 'undo',
    steps,
    result: (_plan, facts) => [
      { put: 'attachment', key: volume.name, value: attachmentOf(ctx, plan, facts) },
      { put: 'volume', key: volume.name, value: mountedVolume(plan, facts) },
      ...(group === undefined
        ? []
        : [{ put: 'group' as const, key: groupRecordKey(group.backend, group.name), value: group }]),
    ],
    undone: () => [{ remove: 'attachment', key: volume.name }],
  };
}

/** The claim (no facts yet), and later the finished attachment. */
export function attachmentOf(ctx: DriverContext, plan: MountPlan, facts: MountFacts): Attachment {
  return {
    volume: plan.volume.name,
    ...(plan.group === undefined ? {} : { group: groupRecordKey(plan.group.backend, plan.group.name) }),
    node: ctx.node.id,
    nodeName: ctx.node.name,
    generation: plan.generation,
    side: plan.side,
    host: facts.host ?? plan.hostName,
    state: facts.device === undefined ? 'attaching' : 'attached',
    mountpoint: plan.mountpoint,
    ...(facts.device === undefined ? {} : { device: facts.device }),
  };
}

function leftOverStep(backend: Backend, plan: MountPlan): MountStep {
  const passive = backend.array(otherSide(plan.side));
  return {
    name: `remove this host's left-over export on ${passive.label}`,
    async do({ signal }) {
      for (const host of plan.leftOver) await passive.removeVluns(plan.volume.arrayName, host, signal);
    },
  };
}

function hostStep(ctx: DriverContext, backend: Backend, plan: MountPlan): MountStep {
  const array = backend.array(plan.side);
  return {
    name: `find this host on ${array.label}`,
    async do({ signal }) {
      const { chap } = await ctx.connector(backend).initiators(signal);
      const initiators = { ...plan.initiators, cpg: plan.volume.cpg[plan.side], ...(chap && { chap }) };
      return { host: await array.ensureHost(plan.hostName, initiators, signal) };
    },
    // An entry that we made goes with its last export, and also when there was none yet.
    async undo({ signal }) {
      const { arrayName, name } = plan.volume;
      await unexport({ ctx, backend }, { volume: name, arrayName, side: plan.side, host: plan.hostName }, signal);
    },
    undoLate: async ({ signal }) => removeLateExport({ ctx, backend }, { plan, host: plan.hostName }, signal),
  };
}

function exportStep(ctx: DriverContext, backend: Backend, plan: MountPlan): MountStep {
  const array = backend.array(plan.side);
  const { arrayName, name } = plan.volume;
  return {
    name: `export the volume from ${array.label}`,
    async do({ facts, signal }) {
      const host = facts.host ?? plan.hostName;
      const foreign = plan.exportedTo.filter((each) => each !== host);
      if (foreign.length > 0) {
        throw new DriverError('busy', `volume ${name} is exported to another host already: ${foreign.join(', ')}`, {
          next: `stop what uses it there; a left-over export is shown by: showvlun -v ${arrayName}`,
        });
      }
      for (const work of ctx.journal.deferredRemovals()) {
        if (work.arrayName === arrayName && work.side === plan.side && work.host === host)
          await ctx.journal.removeDeferredRemoval(work.id);
      }
      const avoid = await ctx.connector(backend).lunsInUse(signal);
      const { lun, targets } = await array.ensureVlun(arrayName, { host, avoid }, signal);
      return { lun, targets };
    },
    async undo({ facts, signal }) {
      const host = facts.host ?? plan.hostName;
      await unexport({ ctx, backend }, { volume: name, arrayName, side: plan.side, host }, signal);
    },
    undoLate: async ({ facts, signal }) =>
      removeLateExport({ ctx, backend }, { plan, host: facts.host ?? plan.hostName }, signal),
  };
}

/** Unless that host has the volume from there again. A host entry of ours goes with it, also when it has no export. */
async function removeLateExport(
  { ctx, backend }: { ctx: DriverContext; backend: Backend },
  { plan, host }: { plan: MountPlan; host: string },
  signal: AbortSignal,
): Promise<void> {
  const { name, arrayName } = plan.volume;
  const attachment = await ctx.store.find('attachment', name, signal);
  if (attachment?.side === plan.side && attachment.host === host) return;
  await backend.array(plan.side).removeVluns(arrayName, host, signal);
}

/**
 * Rule 3: a role that changed meanwhile would let us mount, or format, the copy that has just become the stale one. After the
 * attachment, because that may wait for paths for half a minute.
 */
function confirmRolesStep(backend: Backend, plan: MountPlan): MountStep {
  return {
    name: 'read the roles of the group again',
    async do({ signal }) {
      const { knownGroup: group, volume, side, override } = plan;
      if (group === undefined) return;
      const again = await proveActiveSide(mountQuestion({ backend, group, volume }, override), signal);
      if (again.side === side) return;
      throw new DriverError(
        'refused',
        `group ${group.name} moved to the ${again.side} array while the volume was being exported and attached`,
        {
          next: 'start the container again; it then comes from the array that is active now',
        },
      );
    },
  };
}

function attachStep(ctx: DriverContext, backend: Backend): MountStep {
  const connector = ctx.connector(backend);
  return {
    name: 'attach the device',
    async do({ plan, facts, signal }) {
      const { volume, side } = plan;
      const wwn = volume.wwn[side];
      const { lun, targets } = facts;
      if (wwn === undefined || lun === undefined || targets === undefined) {
        throw new DriverError('internal', `the ${side} copy of volume ${volume.name} has no WWN or LUN on record`);
      }
      const sizeBytes = await sizeToMount(backend, plan, signal);
      await ctx.journal.saveMount({ ...nodeMountOf(plan, facts), wwn, ids: [] });
      const passive = await findPassiveCopy(backend, plan, signal);
      const connection = { targets, lun, wwn, sizeBytes, ...(passive === undefined ? {} : { passive }) };
      try {
        return { device: await connector.attach(connection, signal) };
      } catch (thrown) {
        ctx.hostProblems.look(backend.name);
        throw thrown;
      }
    },
    async undo({ plan, signal }) {
      const wwn = plan.volume.wwn[plan.side];
      if (wwn !== undefined) await connector.detach(wwn, signal);
      await ctx.journal.removeMount(plan.volume.name);
    },
  };
}

function mountStep(ctx: DriverContext, { mountpoint }: MountPlan): MountStep {
  return {
    name: 'mount the file system',
    async do({ plan, facts, signal }) {
      const device = getDevice(facts);
      const { filesystem } = facts;
      if (filesystem?.state !== 'formatted') throw new DriverError('internal', 'no file system is on record');
      const { mountOptions: options } = plan.volume.spec;
      const at = { target: mountpoint, type: filesystem.type, ...(options === undefined ? {} : { options }) };
      await ctx.filesystems.mount(device, at, signal);
      await ctx.filesystems.proveShown(device, mountpoint);
      const ids = [{ ...plan.mountId, count: 1 }];
      await ctx.journal.saveMount({ ...nodeMountOf(plan, facts), wwn: device.wwn, device, ids });
    },
    async undo({ facts, signal }) {
      if (facts.device !== undefined) await ctx.filesystems.unmount(facts.device, mountpoint, signal);
    },
  };
}

function nodeMountOf(plan: MountPlan, facts: MountFacts): Omit<NodeMount, 'wwn' | 'ids'> {
  const { volume, mountpoint, side, generation } = plan;
  const host = facts.host ?? plan.hostName;
  return { volume: volume.name, backend: volume.spec.backend, mountpoint, side, host, generation };
}
