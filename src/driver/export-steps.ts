import type { Backend } from '../backend/backend.js';
import { isExportedTo } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import type { Side } from '../domain/replication.js';
import type { DriverContext } from './context.js';
import type { Volume } from '../domain/volume.js';
import type { Write } from '../contracts/store.js';
import { atOnce } from '../saga/at-once.js';
import type { Step } from '../saga/saga.js';
import { plannedHost, type ExportFacts, type MountFacts, type MountPlan } from './plan-mount.js';
import { unexport } from './unmount.js';

interface Parts {
  ctx: DriverContext;
  backend: Backend;
}

/** What has to be known to export a volume to this host. */
export type ExportPlan = Pick<MountPlan, 'volume' | 'side' | 'hostName' | 'foundHosts' | 'initiators' | 'exportedTo'>;

type ExportStep<P> = Step<P, MountFacts, Write>;

/**
 * Exports the volume to this host, from several arrays at once; what is found out of the array that is not the plan's stands
 * under `peer`. The names of the host entries are on record before any export, which may have to be taken back from them: those that
 * were found for the plan with it, others by a step of their own.
 */
export function exportSteps<P extends ExportPlan>(parts: Parts, plan: P, sides: Side[]): ExportStep<P>[] {
  const unknown = sides.filter((side) => plan.foundHosts?.[side] === undefined);
  const hosts = unknown.map((side) => hostStep(parts, plan, side));
  const exports = sides.map((side) => exportStep(parts, plan, side));
  return [
    ...(hosts.length > 1 ? [atOnce('find this host on both arrays', hosts)] : hosts),
    ...(exports.length > 1 ? [atOnce('export the volume from both arrays', exports)] : exports),
  ];
}

const factsOf = (plan: ExportPlan, side: Side, facts: MountFacts): ExportFacts =>
  side === plan.side ? facts : (facts.peer ?? {});

function found(plan: ExportPlan, side: Side, facts: ExportFacts): Partial<MountFacts> {
  return side === plan.side ? facts : { peer: facts };
}

async function ensureHost({ ctx, backend }: Parts, plan: ExportPlan, side: Side, signal: AbortSignal): Promise<string> {
  const { chap } = await ctx.connector(backend).initiators(signal);
  const initiators = { ...plan.initiators, cpg: plan.volume.cpg[side], ...(chap && { chap }) };
  const host = await backend.array(side).ensureHost(plannedHost(plan, side), initiators, signal);
  if (side === plan.side) refuseOtherHosts(plan, host);
  return host;
}

/** @throws `refused` when it is not the one on record, which an export would be taken back from */
async function ensureFoundHost(parts: Parts, plan: ExportPlan, side: Side, signal: AbortSignal): Promise<void> {
  const known = plan.foundHosts?.[side];
  if (known === undefined) return;
  const host = await ensureHost(parts, plan, side, signal);
  if (host === known) return;
  const { label } = parts.backend.array(side);
  throw new DriverError('refused', `${label} called this host ${known} a moment ago, and calls it ${host} now`, {
    next: 'try again',
  });
}

function hostStep<P extends ExportPlan>(parts: Parts, plan: P, side: Side): ExportStep<P> {
  const { ctx, backend } = parts;
  return {
    name: `find this host on ${backend.array(side).label}`,
    async do({ signal }) {
      return found(plan, side, { host: await ensureHost(parts, plan, side, signal) });
    },
    // An entry that we made goes with its last export, and also when there was none yet.
    async undo({ signal }) {
      const { arrayName, name } = plan.volume;
      await unexport({ ctx, backend }, { volume: name, arrayName, side, host: plan.hostName }, signal);
    },
    undoLate: async ({ signal }) => removeLateExport({ ctx, backend }, plan, { side, host: plan.hostName, signal }),
  };
}

function exportStep<P extends ExportPlan>(parts: Parts, plan: P, side: Side): ExportStep<P> {
  const { ctx, backend } = parts;
  const array = backend.array(side);
  const { arrayName, name } = plan.volume;
  const hostOf = (facts: MountFacts): string => factsOf(plan, side, facts).host ?? plannedHost(plan, side);
  return {
    name: `export the volume from ${array.label}`,
    async do({ facts, signal }) {
      await ensureFoundHost(parts, plan, side, signal);
      const host = hostOf(facts);
      for (const work of ctx.journal.deferredRemovals()) {
        if (work.arrayName === arrayName && work.side === side && work.host === host)
          await ctx.journal.removeDeferredRemoval(work.id);
      }
      const avoid = await ctx.connector(backend).lunsInUse(signal);
      const { lun, targets } = await array.ensureVlun(arrayName, { host, avoid }, signal);
      return found(plan, side, { host, lun, targets });
    },
    async undo({ facts, signal }) {
      await unexport({ ctx, backend }, { volume: name, arrayName, side, host: hostOf(facts) }, signal);
    },
    undoLate: async ({ facts, signal }) =>
      removeLateExport({ ctx, backend }, plan, { side, host: hostOf(facts), signal }),
  };
}

/** Those on the other array were looked at when the mount was planned. @throws `busy` */
function refuseOtherHosts({ exportedTo, volume }: ExportPlan, host: string): void {
  const foreign = exportedTo.filter((each) => each !== host);
  if (foreign.length === 0) return;
  throw new DriverError('busy', `volume ${volume.name} is exported to another host already: ${foreign.join(', ')}`, {
    next: `stop what uses it there; a left-over export is shown by: showvlun -v ${volume.arrayName}`,
  });
}

/** Unless that host has the volume from there again. A host entry of ours goes with it, also when it has no export. */
async function removeLateExport(
  { ctx, backend }: Parts,
  { volume: { name, arrayName } }: { volume: Volume },
  { side, host, signal }: { side: Side; host: string; signal: AbortSignal },
): Promise<void> {
  const attachment = await ctx.store.find('attachment', name, signal);
  if (isExportedTo(attachment, { side, host })) return;
  await backend.array(side).removeVluns(arrayName, host, signal);
}
