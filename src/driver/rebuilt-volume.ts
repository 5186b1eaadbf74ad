import type { Backend } from '../backend/backend.js';
import type { ListedDetails } from '../contracts/inventory.js';
import { arraySnapshotName, arrayVolumeName } from '../domain/names.js';
import type { Side } from '../domain/replication.js';
import type { Tag } from '../domain/tag.js';
import type { Origin, Volume, VolumeSpec } from '../domain/volume.js';

/** What is proven of a volume. */
export interface Proven {
  backend: Backend;
  tag: Tag;
  /** Its copies, as each array shows them. */
  copies: Partial<Record<Side, ListedDetails>>;
  group?: string;
  origin?: Origin;
  /** Of a snapshot: what its volume is; the array calls every snapshot thin. */
  shape?: Pick<ListedDetails, 'provisioning' | 'compression'>;
}

const DEFAULT_CONFLICT_DELAY_SECONDS = 30;

/** Our name for the volume of that id, or for the snapshot. */
export const isOurName = (name: string, id: string): boolean =>
  /^[0-9a-f-]{36}$/.test(id) && [arrayVolumeName(id), arraySnapshotName(id)].includes(name);

/**
 * The record of a volume that only the arrays remember. Whether it was ever formatted or mounted is not known, so it counts
 * as used: it is never formatted, and the first mount records what it finds (rule 18).
 */
export function rebuiltVolume(proven: Proven, live: ListedDetails): Volume {
  const { backend, tag, copies, origin } = proven;
  const sides = backend.sides.filter((side) => copies[side] !== undefined);
  const of = (member: 'cpg' | 'snapCpg' | 'wwn'): Partial<Record<Side, string>> =>
    Object.fromEntries(
      sides.flatMap((side) => (copies[side]?.[member] === undefined ? [] : [[side, copies[side][member]]])),
    );
  return {
    name: tag.name,
    id: tag.id,
    spec: specOf(proven, live),
    arrayName: live.name,
    cpg: of('cpg'),
    snapCpg: of('snapCpg'),
    wwn: of('wwn'),
    state: 'ready',
    filesystem: { state: 'inherited' },
    ...(origin === undefined ? {} : { origin }),
    everMounted: true,
    createdAt: tag.createdAt ?? live.createdAt ?? new Date().toISOString(),
  };
}

function specOf({ backend, tag, group, origin, shape, copies }: Proven, live: ListedDetails): VolumeSpec {
  const { cpg, snapCpg, ...asked } = tag.spec ?? {};
  const side = copies.primary === undefined ? 'secondary' : 'primary';
  const own = tag.isWhole || origin?.kind === 'snapshot' ? { cpg, snapCpg } : differingCpgs(backend, side, live);
  const { provisioning, compression } = shape ?? live;
  return {
    fsType: 'ext4',
    mountConflictDelay: DEFAULT_CONFLICT_DELAY_SECONDS,
    ...asked,
    ...(own.cpg === undefined ? {} : { cpg: own.cpg }),
    ...(own.snapCpg === undefined ? {} : { snapCpg: own.snapCpg }),
    sizeGiB: live.sizeMiB / 1024,
    provisioning: provisioning === 'other' ? 'thin' : provisioning,
    compression,
    backend: backend.name,
    ...(group === undefined ? {} : { replicationGroup: group }),
  };
}

/** Of a volume whose tag has no room for it, or is older. */
function differingCpgs(
  { settings }: Backend,
  side: Side,
  { cpg, snapCpg }: ListedDetails,
): Pick<VolumeSpec, 'cpg' | 'snapCpg'> {
  return {
    ...(cpg === undefined || cpg === settings.cpg[side] ? {} : { cpg }),
    ...(snapCpg === undefined || snapCpg === settings.snapCpg[side] ? {} : { snapCpg }),
  };
}
