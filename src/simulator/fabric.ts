import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SimulatedArray } from './array.js';
import type { Volume } from './model.js';
import { activeVluns } from './vluns.js';
import { isShown, sharedFiles } from './peer-persistence.js';
import type { SharedFile } from './peer-persistence.js';
import { isSameFile, renewInode, shareData } from './volume-data.js';

/** What hosts see of the arrays. */
export interface Fabric {
  /** Makes what hosts see agree with the arrays. */
  refresh(arrays: readonly SimulatedArray[]): Promise<void>;
  /** Takes everything away that a fabric of this name shows, also what a killed predecessor left. */
  close(): Promise<void>;
  /** What was done to each exported volume, where the fabric counts it. */
  readCounters?(): Promise<DeviceCounters[]>;
}

/** One exported volume as its target device sees it. */
export interface DeviceCounters {
  array: string;
  volume: string;
  /** All SCSI commands, those of path checkers included. */
  commands: number;
  /** Whole MiB that hosts wrote; a few small writes do not show. */
  writtenMiB: number;
  /** Nanoseconds since 1970 as text, when the data last changed; every write of a host moves it. */
  changedAtNs: string;
}

/** One LUN as an initiator finds it. */
interface Lun {
  link: string;
  dataFile: string;
  array: SimulatedArray;
  volume: Volume;
  initiator: string;
  targetPort: string;
  /** When it was shown. */
  sizeMiB: number;
}

/**
 * The fabrics `none` and `loopback`. With a directory (`loopback`) each active VLUN is a link
 * `<initiator>/<target port>-lun-<N>` to the data file, beside a `.json` with what INQUIRY would say.
 */
export class LinkFabric implements Fabric {
  readonly #dir: string | undefined;
  #shown = new Map<string, Lun>();

  constructor(dir: string | undefined) {
    this.#dir = dir;
  }

  /**
   * Makes the links agree with the arrays. An initiator that lost its last path to a volume (VLUN or path removed, array
   * without power, role no longer Primary) is cut off: the data moves to a new inode. A Peer Persistence pair is one file. Initiators that keep a path to the
   * same volume are cut off with it; two hosts on one volume is what this driver never does.
   */
  async refresh(arrays: readonly SimulatedArray[]): Promise<void> {
    const dir = this.#dir;
    if (dir === undefined) return;
    const wanted = new Map<string, Lun>();
    for (const array of arrays) for (const lun of lunsOf(array, dir)) wanted.set(lun.link, lun);
    const before = this.#shown;
    this.#shown = wanted;
    for (const [link, lun] of before) if (!isSame(wanted.get(link), lun)) await removeLink(lun);
    const shared = sharedFiles(arrays);
    for (const lun of lostDevices(before, wanted)) await cutOff(lun, [...wanted.values()], shared);
    for (const { from, to } of shared) await shareData(from, to);
    for (const [link, lun] of wanted) {
      if (!isSame(before.get(link), lun)) await makeLink(lun);
      else if (before.get(link)?.sizeMiB !== lun.sizeMiB) await describeLun(lun);
    }
  }

  async close(): Promise<void> {
    this.#shown = new Map();
    if (this.#dir !== undefined) await rm(this.#dir, { recursive: true, force: true });
  }
}

const isSame = (a: Lun | undefined, b: Lun): boolean => a?.volume === b.volume && a.dataFile === b.dataFile;

const device = (lun: Lun): string => `${lun.array.name} ${lun.volume.id} ${lun.initiator}`;

/** One LUN for each volume that is there still and that some initiator sees no longer. */
function lostDevices(before: Map<string, Lun>, wanted: Map<string, Lun>): Lun[] {
  const kept = new Set([...wanted.values()].map(device));
  const lost = new Map<Volume, Lun>();
  for (const lun of before.values()) {
    const exists = lun.array.volumes.get(lun.volume.name) === lun.volume;
    if (exists && !kept.has(device(lun))) lost.set(lun.volume, lun);
  }
  return [...lost.values()];
}

/** Unless the initiator sees the same file through the other array; a pair stays one file. */
async function cutOff({ dataFile, initiator }: Lun, wanted: Lun[], shared: SharedFile[]): Promise<void> {
  for (const other of wanted) {
    if (other.initiator === initiator && (await isSameFile(other.dataFile, dataFile))) return;
  }
  await renewInode(dataFile);
  const twin = shared.find(({ from, to }) => from === dataFile || to === dataFile);
  if (twin !== undefined) await shareData(dataFile, twin.from === dataFile ? twin.to : twin.from);
}

function lunsOf(array: SimulatedArray, dir: string): Lun[] {
  if (!array.powered) return [];
  return activeVluns(array)
    .filter(({ volume }) => isShown(array, volume))
    .map(({ volume, lun, port, initiator }) => {
      // Directory and file names in the spelling that Linux gives WWNs in.
      const owner = port.kind === 'fc' ? initiator.toLowerCase() : initiator;
      const targetPort = port.iqn ?? (port.wwn ?? '').toLowerCase();
      const link = join(dir, owner, `${targetPort}-lun-${lun}`);
      return { link, dataFile: array.dataFile(volume), array, volume, initiator, targetPort, sizeMiB: volume.sizeMiB };
    });
}

async function makeLink(lun: Lun): Promise<void> {
  await mkdir(dirname(lun.link), { recursive: true });
  // The description first: whoever sees the link may read it.
  await describeLun(lun);
  await symlink(lun.dataFile, lun.link);
}

/** Whoever reads it meanwhile sees the old one or the new one. */
async function describeLun({ link, volume, targetPort, sizeMiB }: Lun): Promise<void> {
  const inquiry = {
    wwn: volume.wwn.toLowerCase(),
    sizeBytes: sizeMiB * 1024 * 1024,
    vendor: '3PARdata',
    product: 'VV',
    targetPort,
    ...(volume.readOnly === true && { readOnly: true }),
  };
  await writeFile(`${link}.json.new`, JSON.stringify(inquiry));
  await rename(`${link}.json.new`, `${link}.json`);
}

async function removeLink({ link }: Lun): Promise<void> {
  await rm(link, { force: true });
  await rm(`${link}.json`, { force: true });
}
