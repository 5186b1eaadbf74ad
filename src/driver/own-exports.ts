import type { Backend } from '../backend/backend.js';
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
  for (const side of backend.sides) {
    if (exports[side]?.hosts?.includes(from.host) !== true) continue;
    const isOwn = from.host === hostName || from.host === (await backend.array(side).findHost(initiators, signal));
    if (!isOwn) continue;
    const { name, arrayName } = request.volume;
    throw new DriverError(
      'refused',
      `${backend.array(side).label} exports volume ${name} to host entry ${from.host}, which is this host, but for another node (id ${from.node}): either this one has lost its state directory, and containers here may still write to the volume, or two hosts share a name or an initiator; it is not taken over`,
      {
        next: `put the old state directory back and restart the plugin; or stop all containers that use ${name} on any host of that name, umount ${from.mountpoint} there, then type on that array: ${removeExportsCommand(arrayName, from.host)}`,
      },
    );
  }
}
