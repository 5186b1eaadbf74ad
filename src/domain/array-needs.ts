import type { VolumeSpec } from './volume.js';

/** The first OS that can do it (reference 1.3). */
const DEDUP_OS = '3.2.1.120';
const FLASH_CACHE_OS = '3.2.1.200';
const COMPRESSION_OS = '3.3.1';

/** Either of them is a licence to compress (reference 3.1). */
const COMPRESSION_LICENCES = ['Compression', 'Golden License'];

/** What an array says of itself. */
interface Abilities {
  osVersion: string;
  /** Absent: it does not tell. */
  licences?: string[];
  expired?: { name: string; at: string }[];
}

/** Whether an array has to be asked for what it can do, before such a volume is made on it. */
export const needsAbilities = ({ provisioning, compression, flashCache }: VolumeSpec): boolean =>
  provisioning === 'dedup' || compression || flashCache === true;

/** Which options of the volume the array cannot honour, and why; empty when it can. */
export function unmetNeeds(spec: VolumeSpec, { osVersion, licences, expired = [] }: Abilities): string[] {
  const older = (than: string): boolean => compareVersions(osVersion, than) < 0;
  const unmet: string[] = [];
  if (spec.provisioning === 'dedup' && older(DEDUP_OS))
    unmet.push(`provisioning=dedup needs 3PAR OS ${DEDUP_OS}, and it runs ${osVersion}`);
  if (spec.flashCache === true && older(FLASH_CACHE_OS))
    unmet.push(`flash-cache needs 3PAR OS ${FLASH_CACHE_OS}, and it runs ${osVersion}`);
  if (spec.compression && older(COMPRESSION_OS))
    unmet.push(`compression needs 3PAR OS ${COMPRESSION_OS}, and it runs ${osVersion}`);
  if (spec.compression && licences?.some(isToCompress) === false) {
    const former = expired.find(({ name }) => isToCompress(name));
    unmet.push(
      former === undefined
        ? 'compression needs a licence that it does not have'
        : `compression needs a licence, and its licence ${former.name} has expired at ${former.at}`,
    );
  }
  return unmet;
}

const isToCompress = (name: string): boolean => COMPRESSION_LICENCES.some((licence) => name.includes(licence));

const parts = (version: string): number[] => version.split('.').map((part) => Number.parseInt(part, 10) || 0);

/** Below 0 when `one` is older than `other`; what is no number counts as 0. */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [parts(one), parts(other)];
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
