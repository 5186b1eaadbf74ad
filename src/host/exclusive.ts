import { constants } from 'node:fs';
import { open, readdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { DriverError } from '../domain/errors.js';
import { errorCode } from './error-code.js';
import { findMountsEverywhere } from './device-users.js';

/**
 * Proves that nothing holds the device: no mount in any namespace, no holder (LVM, MD, multipath), no exclusive opener.
 * @throws `busy` naming who uses it
 */
export async function proveUnused(devicePath: string): Promise<void> {
  // A map is a link to its kernel name.
  const kernelName = path.basename(await realpath(devicePath).catch(() => devicePath));
  const holders = await readdir(path.join('/sys/class/block', kernelName, 'holders')).catch(() => []);
  if (holders.length > 0) throw inUse(devicePath, `it is part of ${holders.join(', ')}`);
  try {
    // On a block device O_EXCL without O_CREAT succeeds only if no file system and no other tool claims it (open(2)).
    const handle = await open(devicePath, constants.O_RDONLY | constants.O_EXCL);
    await handle.close();
  } catch (error) {
    if (errorCode(error) === 'EBUSY') {
      const mounts = await findMountsEverywhere(devicePath);
      const where = mounts.map((use) => `mounted at ${use.target} (seen by pid ${use.pid})`).join(', ');
      throw inUse(devicePath, where === '' ? 'another program holds it open exclusively' : `it is ${where}`);
    }
    throw new DriverError('unavailable', `${devicePath} cannot be opened`, {
      cause: error,
      next: `ls -l ${devicePath}`,
    });
  }
}

function inUse(devicePath: string, how: string): DriverError {
  return new DriverError('busy', `${devicePath} is in use: ${how}`, { next: 'end that use, then try again' });
}
