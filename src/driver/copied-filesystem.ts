import { DriverError } from '../domain/errors.js';
import { misfits } from '../domain/mount-options.js';
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
