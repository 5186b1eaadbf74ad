import type { Backend } from '../backend/backend.js';
import type { Initiators } from '../contracts/array.js';
import type { Write } from '../contracts/store.js';
import type { Attachment } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { removeExportsCommand } from '../domain/names.js';
import type { Side } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import type { Saga } from '../saga/saga.js';
import type { DriverContext } from './context.js';
import { exportSteps, type ExportPlan } from './export-steps.js';
import type { MountFacts } from './plan-mount.js';

/*
 * States that a crash can leave, and what undo makes of each:
 * - claimed, or exported   → unexported, and the attachment is as before: what is mounted goes on from the array that it has
 */

/** The second array exports what is mounted here already. */
export interface PeerPlan extends ExportPlan {
  /** As it was before. */
  attachment: Attachment;
  /** The array that lacks the export; `side` is the attachment's. */
  missing: Side;
}

/** Reads only. @throws `refused` when that array exports the volume to somebody else */
export async function planPeerExport(
  backend: Backend,
  wanted: { volume: Volume; attachment: Attachment; missing: Side; hostName: string; initiators: Initiators },
  signal: AbortSignal,
): Promise<PeerPlan> {
  const { volume, attachment, missing, hostName, initiators } = wanted;
  const array = backend.array(missing);
  const found = await array.findHost(initiators, signal);
  const own = [hostName, attachment.host, attachment.peer?.host, found];
  const hosts = (await array.findVluns(volume.arrayName, signal)).map(({ host }) => host);
  const foreign = hosts.find((host) => !own.includes(host));
  if (foreign !== undefined) {
    throw new DriverError(
      'refused',
      `${array.label} exports volume ${volume.name} to ${foreign}, while it is attached to this node: two hosts could write to it`,
      {
        next: `stop the containers there, or type on that array: ${removeExportsCommand(volume.arrayName, foreign)}`,
      },
    );
  }
  const { protocol, names } = initiators;
  return {
    volume,
    side: attachment.side,
    hostName,
    ...(found === undefined ? {} : { foundHosts: { [missing]: found } }),
    initiators: { protocol, names },
    exportedTo: [],
    attachment,
    missing,
  };
}

/** Exports it, which is on record before. */
export function peerExportSaga(
  ctx: DriverContext,
  backend: Backend,
  plan: PeerPlan,
): Saga<PeerPlan, MountFacts, Write> {
  const { attachment, missing } = plan;
  const key = attachment.volume;
  return {
    kind: 'peer-export',
    afterCrash: 'undo',
    steps: exportSteps({ ctx, backend }, plan, [missing]),
    result: (_plan, facts) => [{ put: 'attachment', key, value: withExport(plan, facts) }],
    undone: () => [{ put: 'attachment', key, value: attachment }],
  };
}

/** What is to be on record before the first call (no facts yet), and when it is done. */
export function withExport({ attachment, missing, hostName, foundHosts }: PeerPlan, facts: MountFacts): Attachment {
  const found = foundHosts?.[missing];
  if (missing === attachment.side) return { ...attachment, host: facts.host ?? found ?? attachment.host };
  return { ...attachment, peer: { host: facts.peer?.host ?? found ?? attachment.peer?.host ?? hostName } };
}
