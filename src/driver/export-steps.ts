import type { Backend } from '../backend/backend.js';
import { isExportedTo } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import type { Side } from '../domain/replication.js';
import type { DriverContext } from './context.js';
import type { Volume } from '../domain/volume.js';
import type { Write } from '../contracts/store.js';
import { atOnce } from '../saga/at-once.js';
import type { Step } from '../saga/saga.js';
import type { ExportFacts, MountFacts, MountPlan } from './plan-mount.js';
import { unexport } from './unmount.js';

interface Parts {
  ctx: DriverContext;
  backend: Backend;
}

/** What has to be known to export a volume to this host. */
export type ExportPlan = Pick<MountPlan, 'volume' | 'side' | 'hostName' | 'initiators' | 'exportedTo'>;

type ExportStep<P> = Step<P, MountFacts, Write>;

/**
 * Exports the volume to this host, from several arrays at once; what is found out of the array that is not the plan's stands
 * under `peer`. The names of the host entries are on record before any export, which may have to be taken back from them.
 */
export function exportSteps<P extends ExportPlan>(parts: Parts, plan: P, sides: Side[]): ExportStep<P>[] {
  const hosts = sides.map((side) => hostStep(parts, plan, side));
  const exports = sides.map((side) => exportStep(parts, plan, side));
  if (sides.length === 1) return [...hosts, ...exports];
  return [atOnce('find this host on both arrays', hosts), atOnce('export the volume from both arrays', exports)];
}

const factsOf = (plan: ExportPlan, side: Side, facts: MountFacts): ExportFacts =>
  side === plan.side ? facts : (facts.peer ?? {});

function found(plan: ExportPlan, side: Side, facts: ExportFacts): Partial<MountFacts> {
  return side === plan.side ? facts : { peer: facts };
}

function hostStep<P extends ExportPlan>({ ctx, backend }: Parts, plan: P, side: Side): ExportStep<P> {
  const array = backend.array(side);
  return {
    name: `find this host on ${array.label}`,
    async do({ signal }) {
      const { chap } = await ctx.connector(backend).initiators(signal);
      const initiators = { ...plan.initiators, cpg: plan.volume.cpg[side], ...(chap && { chap }) };
      const host = await array.ensureHost(plan.hostName, initiators, signal);
      if (side === plan.side) refuseOtherHosts(plan, host);
      return found(plan, side, { host });
    },
    // An entry that we made goes with its last export, and also when there was none yet.
    async undo({ signal }) {
      const { arrayName, name } = plan.volume;
      await unexport({ ctx, backend }, { volume: name, arrayName, side, host: plan.hostName }, signal);
    },
    undoLate: async ({ signal }) => removeLateExport({ ctx, backend }, plan, { side, host: plan.hostName, signal }),
  };
}

function exportStep<P extends ExportPlan>({ ctx, backend }: Parts, plan: P, side: Side): ExportStep<P> {
  const array = backend.array(side);
  const { arrayName, name } = plan.volume;
  const hostOf = (facts: MountFacts): string => factsOf(plan, side, facts).host ?? plan.hostName;
  return {
    name: `export the volume from ${array.label}`,
    async do({ facts, signal }) {
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
