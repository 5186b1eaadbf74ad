import type { Backend } from '../backend/backend.js';
import type { ProvenSide } from '../backend/observe.js';
import { isSplit, wayHome } from '../backend/paired.js';
import { isFailedOver } from '../domain/active-side.js';
import { exportSides, type Attachment } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { removeExportsCommand } from '../domain/names.js';
import { overrideCommand } from '../domain/override.js';
import { otherSide, type Side } from '../domain/replication.js';
import { isNeverFormatted, type Volume } from '../domain/volume.js';
import type { MountRequest } from './plan-mount.js';

/** Rule 4: an export that is not this host's own on the array that is not active. */
export function refuseForeignExport(
  backend: Backend,
  request: MountRequest,
  on: { side: Side; hosts: string[] },
): void {
  const foreign = on.hosts.filter((host) => !request.ownHosts.includes(host));
  const first = foreign[0];
  if (first === undefined) return;
  const { name, arrayName } = request.volume;
  throw new DriverError(
    'refused',
    `${backend.array(on.side).label}, which is not active for group ${request.group?.name ?? ''}, still exports volume ${name} to ${foreign.join(', ')}: two hosts could write two copies`,
    {
      next: `stop the containers there, or type on that array: ${removeExportsCommand(arrayName, first)}`,
    },
  );
}

/** Rule 46: the role belongs to the whole group. A dead node cannot clean up, and its record says so until it does. */
export function refuseOtherSideInUse(backend: Backend, request: MountRequest, { side, observation }: ProvenSide): void {
  // What is attached to both arrays follows the role, unless both claim it.
  const isWrong = (each: Attachment): boolean => (each.peer === undefined ? each.side !== side : isSplit(observation));
  const stale = request.attachments.find(
    (each) => isWrong(each) && each.volume !== request.volume.name && request.livingNodes.has(each.node),
  );
  if (stale === undefined) return;
  if (stale.peer !== undefined) throw splitMember(backend, request, stale);
  throw new DriverError(
    'refused',
    `group ${request.group?.name ?? ''} is active on ${backend.array(side).label}, but its member ${stale.volume} is still attached to the ${stale.side} array on node ${stale.nodeName}: it writes to a copy that is stale`,
    {
      next: `stop the containers that use ${stale.volume} on ${stale.nodeName}, then start this one again; if that host is dead, wait a minute`,
    },
  );
}

function splitMember(backend: Backend, { group }: MountRequest, member: Attachment): DriverError {
  const labels = backend.sides.map((each) => backend.array(each).label).join(' and ');
  return new DriverError(
    'refused',
    `${labels} both claim the Primary role of group ${group?.name ?? ''}, and its member ${member.volume} is attached to both of them on node ${member.nodeName}: it may write to either copy`,
    { next: `stop the containers that use ${member.volume} on ${member.nodeName} now, then start this one again` },
  );
}

/** Rule 25: an override does not prove that the silent array is out of use, and its holder may still write there. */
export function refuseUnprovenTakeOver(
  backend: Backend,
  request: MountRequest,
  { side, overridden }: ProvenSide,
): void {
  const from = request.takeOverFrom;
  const silent = otherSide(side);
  if (from === undefined || !overridden || exportSides(from).every((each) => each.side !== silent)) return;
  const { name } = request.volume;
  throw new DriverError(
    'refused',
    `volume ${name} is held by node ${from.nodeName} from ${backend.array(silent).label}, which is silent here but may still serve that node; an override lets the other copy be used, but takes the volume from nobody`,
    {
      next: `stop the containers that use ${name} on ${from.nodeName}: its plugin lets go of the volume although the array is silent; then start this one again`,
    },
  );
}

/** Rule 18: an empty copy after a failover is not a new volume, it is missing data. */
export function refuseMissingData(
  backend: Backend,
  { volume, group, override }: MountRequest,
  { side, row }: ProvenSide,
): void {
  if (!lacksData(volume, row) || override?.side === side) return;
  throw new DriverError(
    'refused',
    `data missing: volume ${volume.name} has never been formatted, and group ${group?.name ?? ''} is failed over, so whether its blank copy is new or incomplete cannot be told`,
    {
      next: `bring the group home (${wayHome(backend)}) and mount the volume there first; the last resort, if you know that the volume is new: ${overrideCommand(volume.name, side)}`,
    },
  );
}

/** Never formatted, and in a group that is failed over. */
export const lacksData = (volume: Volume, row: number): boolean =>
  isNeverFormatted(volume.filesystem) && isFailedOver(row);
