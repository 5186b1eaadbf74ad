import type { NodeJournal } from '../contracts/node-journal.js';
import type { Attachment } from '../domain/attachment.js';
import { removeExportsCommand } from '../domain/names.js';
import type { Volume } from '../domain/volume.js';
import { groupKeyOf } from './inventory.js';
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
  const [first, second] = exported;
  if (first === undefined) return undefined;
  const where = exported.map(({ side, host }) => `${host} (${side} array)`).join(' and ');
  const command = removeExportsCommand(arrayName, first.host);
  if (second !== undefined) {
    return `it is exported to ${where}; stop what uses it, remove the exports that nobody needs (${command}), and repeat this`;
  }
  const mount = journal.findMount(name);
  const { side, host } = first;
  const isOurs = mount?.backend === proven.backend.name && mount.side === side && mount.host === host;
  const { device, generation } = mount ?? {};
  if (!isOurs || device === undefined || generation === undefined || mount?.wwn !== volume.wwn[side]) {
    return `it is exported to ${where}, and this node's journal does not say that it has it mounted; repeat this command on that host, or, if nothing uses it there, remove the export: ${command}`;
  }
  const group = groupKeyOf(volume);
  const { mountpoint } = mount;
  return {
    volume: name,
    ...(group === undefined ? {} : { group }),
    node: node.id,
    nodeName: node.name,
    generation,
    side,
    host,
    state: 'attached',
    mountpoint,
    device,
  };
}
