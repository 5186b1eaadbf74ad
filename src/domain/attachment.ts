import { otherSide, type Side } from './replication.js';

/** A block device that was proven to be one volume's. */
export interface BlockDevice {
  /** What is mounted, e.g. `/dev/loop3` or `/dev/mapper/360002ac…`. */
  path: string;
  /** 32 hex digits, lower case. */
  wwn: string;
  sizeBytes: number;
}

/** What is told of all attachments at once. */
export type AttachmentOutline = Pick<Attachment, 'volume' | 'node' | 'nodeName' | 'side' | 'peer' | 'apart'>;

/** The two copies of what is mounted were seen apart: stopped, out of sync, or one array silent. */
export interface Apart {
  /** The array that served it then. */
  side: Side;
  /** The other one served it later, still apart: its copy lacks what was written meanwhile, which the file system here remembers. */
  moved?: true;
}

/** For people: what it means that the data of a mount have moved; undefined while they have not. */
export function describeApart(apart: Apart | undefined): string | undefined {
  if (apart?.moved !== true) return undefined;
  return `its group moved from the ${apart.side} array while the copies were apart: what was written meanwhile may be on that one only`;
}

/** How one node is attached to a volume. The claim is written before the export and deleted after its removal was read back (rule 23). */
export interface Attachment {
  volume: string;
  /** Record key of the remote copy group that the volume is a member of. */
  group?: string;
  /** Id of the node that owns it, and its host name for people. */
  node: string;
  nodeName: string;
  /** Grows with every claim. */
  generation: number;
  side: Side;
  /** Name of the host entry on that array. */
  host: string;
  /** The other array exports it to this node as well (peer persistence): the host entry there. */
  peer?: { host: string };
  /** Of peer persistence, until the copies are seen together again; what has moved stays so to the end of the mount. */
  apart?: Apart;
  state: 'attaching' | 'attached' | 'detaching';
  mountpoint: string;
  device?: BlockDevice;
}

/** An array that exports it to its node, and the host entry there. */
export interface ExportSide {
  side: Side;
  host: string;
}

/** All arrays that do, that of `side` first. */
export function exportSides({ side, host, peer }: Pick<Attachment, 'side' | 'host' | 'peer'>): ExportSide[] {
  return [{ side, host }, ...(peer === undefined ? [] : [{ side: otherSide(side), host: peer.host }])];
}

/** Whether the attachment needs that export. */
export const isExportedTo = (attachment: Attachment | undefined, to: ExportSide): boolean =>
  attachment !== undefined && exportSides(attachment).some(({ side, host }) => side === to.side && host === to.host);

/** Whether what a node has mounted belongs to its own attachment; otherwise another node took the volume over meanwhile. */
export function isOwnMount(node: string, mount: { generation?: number }, attachment: Attachment | undefined): boolean {
  if (attachment?.node !== node) return false;
  return mount.generation === undefined || mount.generation === attachment.generation;
}
