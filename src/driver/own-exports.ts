import type { Backend } from '../backend/backend.js';
import { exportSides, type Attachment, type ExportSide } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { removeExportsCommand } from '../domain/names.js';
import type { Exports, MountRequest } from './plan-mount.js';

/**
 * The node that is to be robbed may be this very host: it has lost its state directory and with that its id, while its
 * containers go on writing. They have no plugin any more that could tell them that they are cut off, and the export that
 * follows goes to the host that they run on. As long as any array that answers shows such an export, its operator decides.
 * @throws `refused`
 */
export async function refuseOwnExports(
  backend: Backend,
  request: MountRequest,
  exports: Exports,
  signal: AbortSignal,
): Promise<void> {
  const { takeOverFrom: from, hostName, initiators } = request;
  if (from === undefined) return;
  for (const { side, host } of heldFrom(backend, from)) {
    if (exports[side]?.hosts?.includes(host) !== true) continue;
    const isOwn = host === hostName || host === (await backend.array(side).findHost(initiators, signal));
    if (!isOwn) continue;
    const { name, arrayName } = request.volume;
    throw new DriverError(
      'refused',
      `${backend.array(side).label} exports volume ${name} to host entry ${host}, which is this host, but for another node (id ${from.node}): either this one has lost its state directory, and containers here may still write to the volume, or two hosts share a name or an initiator; it is not taken over`,
      {
        next: `put the old state directory back and restart the plugin; or stop all containers that use ${name} on any host of that name, umount ${from.mountpoint} there, then type on that array: ${removeExportsCommand(arrayName, host)}`,
      },
    );
  }
}

/** On the other array the entry has the same name as a rule, unless it is on record. */
function heldFrom({ sides }: Backend, from: Attachment): ExportSide[] {
  const known = exportSides(from);
  const others = sides.filter((side) => known.every((each) => each.side !== side));
  return [...known, ...others.map((side) => ({ side, host: from.host }))];
}
