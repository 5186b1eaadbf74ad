import type { ListedDetails } from '../contracts/inventory.js';
import { arrayVolumeName } from '../domain/names.js';
import type { OldVolume } from '../domain/old-volume.js';
import type { Side } from '../domain/replication.js';

/** In what one copy is not as the old plugin's record says; empty when it is so. The record knows the CPGs of the primary only. */
export function oldDifferences(old: OldVolume, side: Side, details: ListedDetails): string[] {
  const pairs = old.snapshotOf === undefined ? volumePairs(old, side, details) : snapshotPairs(old.snapshotOf, details);
  const different = pairs.filter(([, is, should]) => is !== should);
  const texts = different.map(([what, is, should]) => `${what} is ${is}, its record says ${should}`);
  // What was imported need not have whole GiB; the old plugin rounded.
  const slack = old.formerName === undefined ? 0 : 1023;
  const isSize = Math.abs(details.sizeMiB - old.sizeGiB * 1024) <= slack;
  return isSize ? texts : [`its size is ${details.sizeMiB / 1024} GiB, its record says ${old.sizeGiB}`, ...texts];
}

type Pair = [what: string, is: string, should: string];

function volumePairs(old: OldVolume, side: Side, details: ListedDetails): Pair[] {
  const { provisioning, compression, cpg = 'none', snapCpg = 'none', snapshotOf = 'no snapshot' } = details;
  const own: Pair[] = [
    ['it', snapshotOf, 'no snapshot'],
    ['provisioning', provisioning, old.provisioning],
    ['compression', String(compression), String(old.compression)],
  ];
  if (side === 'secondary') return own;
  return [...own, ['CPG', cpg, old.cpg ?? cpg], ['snapshot CPG', snapCpg, old.snapCpg ?? snapCpg]];
}

function snapshotPairs({ id }: { id: string }, { snapshotOf = 'no snapshot' }: ListedDetails): Pair[] {
  const parent = /^[0-9a-f-]{36}$/.test(id) ? arrayVolumeName(id) : 'a snapshot of a volume without id';
  return [['it shows a moment of what', snapshotOf, parent]];
}
