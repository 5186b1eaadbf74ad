import type { NodeJournal } from '../contracts/node-journal.js';
import { exportSides, type Attachment } from '../domain/attachment.js';
import { removeExportsCommand } from '../domain/names.js';
import type { Volume } from '../domain/volume.js';
import { groupKeyOf } from './keys.js';
import type { Proven } from './rebuilt-volume.js';
import type { Survey } from './survey.js';

/** The node that rebuilds, and what it remembers. */
export interface ThisNode {
  node: { id: string; name: string };
  journal: Pick<NodeJournal, 'findMount'>;
}

/**
 * The attachment of a volume that is exported: proven only by the journal of the node that has it mounted. Undefined when it
 * is not exported, the reason when it is not proven.
 */
export function attachmentOf(
  { node, journal }: ThisNode,
  { volume, proven, survey }: { volume: Volume; proven: Proven; survey: Survey },
): Attachment | string | undefined {
  const { name, arrayName } = volume;
  const arrays = survey.get(proven.backend) ?? {};
  const exported = proven.backend.sides.flatMap((side) =>
    (proven.copies[side] === undefined ? [] : (arrays[side]?.exports.get(arrayName) ?? [])).map((host) => ({
      side,
      host,
    })),
  );
  const [first] = exported;
  if (first === undefined) return undefined;
  const where = exported.map(({ side, host }) => `${host} (${side} array)`).join(' and ');
  const command = removeExportsCommand(arrayName, first.host);
  const mount = journal.findMount(name);
  // With peer persistence both arrays export what is mounted here.
  const own = mount?.backend === proven.backend.name ? exportSides(mount) : [];
  const isOurs = exported.every(({ side, host }) => own.some((each) => each.side === side && each.host === host));
  if (exported.length > 1 && !isOurs) {
    return `it is exported to ${where}; stop what uses it, remove the exports that nobody needs (${command}), and repeat this`;
  }
  const { device, generation } = mount ?? {};
  const isThere = mount !== undefined && isOurs && mount.wwn === volume.wwn[mount.side];
  if (!isThere || device === undefined || generation === undefined) {
    return `it is exported to ${where}, and this node's journal does not say that it has it mounted; repeat this command on that host, or, if nothing uses it there, remove the export: ${command}`;
  }
  const group = groupKeyOf(volume);
  const { mountpoint, side, host, peer, apart } = mount;
  return {
    volume: name,
    ...(group === undefined ? {} : { group }),
    node: node.id,
    nodeName: node.name,
    generation,
    side,
    host,
    ...(peer === undefined ? {} : { peer }),
    ...(apart === undefined ? {} : { apart }),
    state: 'attached',
    mountpoint,
    device,
  };
}
