import type { SimulatedArray } from './array.js';
import type { Volume } from './model.js';
import { baseOf } from './snapshots.js';

/** reference 4.3 */
const COPY_TYPE = { base: 1, physical: 2, virtual: 3 } as const;

/** reference 4.3 */
export function viewVolume(array: SimulatedArray, volume: Volume): Record<string, unknown> {
  const group = array.findGroupOf(volume);
  const reserved = volume.provisioning === 'full' ? volume.sizeMiB : 0;
  const space = { reservedMiB: 0, rawReservedMiB: 0, usedMiB: 0, freeMiB: 0 };
  return {
    id: volume.id,
    name: volume.name,
    ...(volume.domain !== undefined && { domain: volume.domain }),
    uuid: volume.uuid,
    udid: volume.id,
    wwn: volume.wwn,
    baseId: baseOf(volume).id,
    ...(volume.parent !== undefined && { parentId: volume.parent.id, copyOf: volume.parent.name }),
    ...(volume.copy !== undefined && { copyOf: volume.copy.of.name }),
    copyType: COPY_TYPE[copyKind(volume)],
    provisioningType: { full: 1, tpvv: 2, snp: 3, tdvv: 6 }[volume.provisioning],
    deduplicationState: volume.provisioning === 'tdvv' ? 1 : 2,
    compressionState: volume.compression ? 1 : 2,
    readOnly: volume.readOnly ?? false,
    state: 1,
    failedStates: [],
    degradedStates: [],
    additionalStates: [],
    sizeMiB: volume.sizeMiB,
    adminSpace: space,
    snapshotSpace: space,
    userSpace: { ...space, reservedMiB: reserved },
    totalReservedMiB: reserved,
    totalUsedMiB: reserved,
    ...timesOf('creationTime', volume.createdAt),
    ...timesOf('expirationTime', volume.expiresAt),
    ...timesOf('retentionTime', volume.retainedUntil),
    ssSpcAllocWarningPct: 0,
    ssSpcAllocLimitPct: 0,
    usrSpcAllocWarningPct: 0,
    usrSpcAllocLimitPct: 0,
    policies: {
      staleSS: true,
      oneHost: false,
      zeroDetect: true,
      system: false,
      caching: true,
      fsvc: false,
      hostDIF: 2,
    },
    ...(volume.provisioning !== 'snp' && { userCPG: volume.cpg }),
    ...(volume.snapCpg !== undefined && { snapCPG: volume.snapCpg }),
    comment: volume.comment,
    ...(group !== undefined && { rcopyGroup: group.name }),
    rcopyStatus: group === undefined ? 1 : 2,
    links: [],
  };
}

function copyKind({ copy, parent }: Volume): keyof typeof COPY_TYPE {
  if (copy !== undefined) return 'physical';
  return parent === undefined ? 'base' : 'virtual';
}

/** The time twice: seconds since 1970, and text. */
function timesOf(name: string, time: Date | undefined): object {
  if (time === undefined) return {};
  return { [`${name}Sec`]: Math.floor(time.getTime() / 1000), [`${name}8601`]: isoTime(time) };
}

/** `2014-12-05T00:45:40+00:00`: seconds, with offset. */
export const isoTime = (date: Date): string => `${date.toISOString().slice(0, 19)}+00:00`;
