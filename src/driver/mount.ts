import { setTimeout as pause } from 'node:timers/promises';
import type { Backend } from '../backend/backend.js';
import { proveActiveSide, type ProvenSide } from '../backend/observe.js';
import { whyUnpaired } from '../backend/paired.js';
import type { Connection } from '../contracts/host.js';
import type { NodeMount } from '../contracts/node-journal.js';
import type { Write } from '../contracts/store.js';
import type { Attachment, BlockDevice } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { otherSide, type Group } from '../domain/replication.js';
import type { Saga } from '../saga/saga.js';
import type { DriverContext } from './context.js';
import { exportSteps } from './export-steps.js';
import { groupRecordKey } from './keys.js';
import { filesystemStep, getDevice } from './mount-filesystem.js';
import { rootSteps } from './mount-root.js';
import { fillSteps, mountedVolume, sizeToMount } from './mounted-size.js';
import { findPassiveCopy } from './passive-copy.js';
import {
  mountQuestion,
  plannedHost,
  withActive,
  type MountFacts,
  type MountPlan,
  type MountStep,
} from './plan-mount.js';
import { takeOverStep } from './take-over.js';

/** One answer that got lost is no reason to undo a mount. */
const PAIR_TRIES = 3;
const PAIR_PAUSE_MS = 1_000;

/*
 * States that a crash can leave, and what undo makes of each:
 * - claim only                    → the claim goes
 * - taken over in part            → the old node's exports go wholly: once begun, a take-over is not given back
 * - exported                      → unexported, read back; of a pair from both arrays, or from the first one
 * - attached                      → detached by its WWN, unexported
 * - formatting on record          → stays on record; the next Mount may repeat mkfs on the same copy
 * - renewing on record            → stays on record; the next Mount goes on with the same new uuid; a log's replay is unmounted
 * - mounted, not acknowledged     → unmounted, detached, unexported
 */

export function mountSaga(ctx: DriverContext, backend: Backend, plan: MountPlan): Saga<MountPlan, MountFacts, Write> {
  const sides = plan.paired ? [plan.side, otherSide(plan.side)] : [plan.side];
  const steps = exportSteps({ ctx, backend }, plan, sides);
  if (plan.leftOver.length > 0) steps.unshift(leftOverStep(backend, plan));
  if (plan.takeOver !== undefined) steps.unshift(takeOverStep(ctx, backend, plan.takeOver));
  const filesystem = filesystemStep(ctx, plan.volume);
  const proof = plan.group === undefined ? filesystem : afterRoles(backend, filesystem);
  steps.push(attachStep(ctx, backend), proof, mountStep(ctx, plan));
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
        : [{ put: 'group' as const, key: groupRecordKey(group.backend, group.name), value: facts.group ?? group }]),
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
    host: facts.host ?? plannedHost(plan, plan.side),
    ...peerOf(plan, facts),
    state: facts.device === undefined ? 'attaching' : 'attached',
    mountpoint: plan.mountpoint,
    ...(facts.device === undefined ? {} : { device: facts.device }),
  };
}

/** The other array's host entry, of a pair. */
const peerOf = (plan: MountPlan, facts: MountFacts): Pick<Attachment, 'peer'> =>
  plan.paired ? { peer: { host: facts.peer?.host ?? plannedHost(plan, otherSide(plan.side)) } } : {};

function leftOverStep(backend: Backend, plan: MountPlan): MountStep {
  const passive = backend.array(otherSide(plan.side));
  return {
    name: `remove this host's left-over export on ${passive.label}`,
    async do({ signal }) {
      for (const host of plan.leftOver) await passive.removeVluns(plan.volume.arrayName, host, signal);
    },
  };
}

/**
 * Rule 3: a role that changed meanwhile would let us mount, or format, the copy that has just become the stale one. After the
 * attachment and not beside it, because that may wait for paths for half a minute. One step with what follows: a look leaves
 * nothing behind that had to be on record before.
 */
function afterRoles(backend: Backend, step: MountStep): MountStep {
  return {
    ...step,
    async do(context) {
      const confirmed = await confirmRoles(backend, context.plan, context.signal);
      return { ...confirmed, ...(await step.do?.(context)) };
    },
  };
}

async function confirmRoles(backend: Backend, plan: MountPlan, signal: AbortSignal): Promise<Partial<MountFacts>> {
  const { knownGroup: group, volume, side, override } = plan;
  if (group === undefined) return {};
  if (plan.paired) {
    const proven = await confirmPair(backend, { group, volume }, signal);
    return { group: withActive(group, proven) };
  }
  const again = await proveActiveSide(mountQuestion({ backend, group, volume }, override), signal);
  if (again.side === side) return {};
  throw new DriverError(
    'refused',
    `group ${group.name} moved to the ${again.side} array while the volume was being exported and attached`,
    {
      next: 'start the container again; it then comes from the array that is active now',
    },
  );
}

/** A device with the paths of both follows the role, as long as they are a pair. Answers who is active now. */
async function confirmPair(
  backend: Backend,
  of: { group: Group; volume: MountPlan['volume'] },
  signal: AbortSignal,
): Promise<ProvenSide> {
  const { group, volume } = of;
  for (let attempt = 1; ; attempt += 1) {
    const proven = await proveActiveSide(mountQuestion({ backend, group, volume }, undefined), signal);
    const reason = whyUnpaired(backend, volume, proven.observation);
    if (reason === undefined) return proven;
    if (attempt >= PAIR_TRIES) {
      throw new DriverError(
        'refused',
        `group ${group.name} stopped, or fell out of sync, while the volume was being exported from both arrays and attached (${reason})`,
        {
          next: 'start the container again; it then comes from the array that is active, and from the other one when it is back in sync',
        },
      );
    }
    await pause(PAIR_PAUSE_MS, undefined, { signal });
  }
}

function attachStep(ctx: DriverContext, backend: Backend): MountStep {
  const connector = ctx.connector(backend);
  return {
    name: 'attach the device',
    do: async ({ plan, facts, signal }) => ({ device: await attach({ ctx, backend }, { plan, facts }, signal) }),
    async undo({ plan, signal }) {
      const wwn = plan.volume.wwn[plan.side];
      if (wwn !== undefined) await connector.detach(wwn, signal);
      await ctx.journal.removeMount(plan.volume.name);
    },
  };
}

async function attach(
  { ctx, backend }: { ctx: DriverContext; backend: Backend },
  { plan, facts }: { plan: MountPlan; facts: MountFacts },
  signal: AbortSignal,
): Promise<BlockDevice> {
  const { volume, side } = plan;
  const wwn = volume.wwn[side];
  const { lun, targets } = facts;
  if (wwn === undefined || lun === undefined || targets === undefined) {
    throw new DriverError('internal', `the ${side} copy of volume ${volume.name} has no WWN or LUN on record`);
  }
  const sizeBytes = await sizeToMount(backend, plan, signal);
  await ctx.journal.saveMount({ ...nodeMountOf(plan, facts), wwn, ids: [] });
  const connection = { targets, lun, wwn, sizeBytes, ...(await otherCopy(backend, { plan, facts }, signal)) };
  try {
    return await ctx.connector(backend).attach(connection, signal);
  } catch (thrown) {
    ctx.hostProblems.look(backend.name);
    throw thrown;
  }
}

/** The copy on the other array: half of the device, or kept away from it. */
async function otherCopy(
  backend: Backend,
  { plan, facts }: { plan: MountPlan; facts: MountFacts },
  signal: AbortSignal,
): Promise<Pick<Connection, 'passive' | 'peer'>> {
  if (!plan.paired) {
    const passive = await findPassiveCopy(backend, plan, signal);
    return passive === undefined ? {} : { passive };
  }
  const { lun, targets } = facts.peer ?? {};
  if (lun === undefined || targets === undefined) {
    throw new DriverError('internal', `the other copy of volume ${plan.volume.name} has no LUN on record`);
  }
  return { peer: { lun, targets } };
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
  const host = facts.host ?? plannedHost(plan, side);
  const peer = peerOf(plan, facts);
  return { volume: volume.name, backend: volume.spec.backend, mountpoint, side, host, ...peer, generation };
}
