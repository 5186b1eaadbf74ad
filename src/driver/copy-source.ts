import type { ArrayClient, ArrayVolume } from '../contracts/array.js';
import { DriverError } from '../domain/errors.js';
import { misfits } from '../domain/mount-options.js';
import { ownershipTag } from '../domain/names.js';
import type { Side } from '../domain/replication.js';
import { isTaggedAs } from '../domain/tag.js';
import type { Volume } from '../domain/volume.js';

/** A snapshot or clone has the file system of its volume, so no mount option of another one would ever let it be mounted. @throws `invalid` */
export function refuseForeignMountOptions({ name, filesystem }: Volume, mountOptions: string | undefined): void {
  const type = 'type' in filesystem ? filesystem.type : undefined;
  if (mountOptions === undefined || type === undefined) return;
  const foreign = misfits(mountOptions, type);
  if (foreign.length === 0) return;
  throw new DriverError(
    'invalid',
    `mountOptions=${mountOptions}: ${foreign.join(', ')} not of ${type}, which volume ${name} has`,
    {
      next: 'leave mountOptions out, or name some of that file system (-o help lists them); nothing was changed',
    },
  );
}

/**
 * What a snapshot or clone is made of has to be the volume that we tagged, and whole: of one that the array is still copying to, or
 * has given up copying to, a copy would hold a part of the data, and look good. @throws `refused` or `busy`
 */
export async function proveSource(
  array: ArrayClient,
  { source, side }: { source: Volume; side: Side },
  signal: AbortSignal,
): Promise<ArrayVolume> {
  const found = await array.clones.look(source.arrayName, signal);
  const { name, arrayName } = source;
  const see = `see what became of it with: showvv -d ${arrayName}`;
  const isSame = found?.volume.wwn === source.wwn[side];
  if (found === undefined || !isSame || !isTaggedAs(found.volume.comment, ownershipTag(source))) {
    const is =
      found === undefined
        ? 'no volume'
        : `another volume (WWN ${found.volume.wwn}, comment ${JSON.stringify(found.volume.comment)}) under the name`;
    throw new DriverError(
      'refused',
      `${array.label} has ${is} ${arrayName}, which volume ${name} is on record as; it is not copied`,
      { next: see },
    );
  }
  if (found.copy === 'done') return found.volume;
  const how = found.copy === 'running' ? `is still being copied itself (${found.task ?? ''})` : 'is a broken copy';
  throw new DriverError('busy', `volume ${name} ${how}`, {
    next: found.copy === 'running' ? 'try again when that copy is done' : `remove it: docker volume rm ${name}`,
  });
}
