import { constants } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DriverError } from '../domain/errors.js';
import { findMountsEverywhere } from './device-users.js';
import { CommandError, run } from './run.js';

const OPEN_TIMEOUT_MS = 8_000;

/**
 * On a block device O_EXCL without O_CREAT succeeds only if no file system and no other tool claims it (open(2)). In a child,
 * because the open of a disk in error recovery waits for the disk, and four that wait in our own threads stop the daemon.
 * What it prints is the error's number, and 0 after an open: a program that never came to it proves nothing.
 */
const OPEN_IN_PERL = 'print sysopen(my $device, $ARGV[0], $ARGV[1]) ? 0 : 0 + $!';
const OPEN_IN_NODE = `
const { closeSync, openSync } = require('node:fs');
try {
  closeSync(openSync(process.argv[1], Number(process.argv[2])));
  process.stdout.write('0');
} catch (error) {
  process.stdout.write(String(-error.errno));
}`;

/** Perl starts in a tenth of Node's time, and every Mount and Unmount waits for it; not every host has it. */
const OPENERS = [
  ['perl', OPEN_IN_PERL],
  // Our own, whatever PATH has.
  [process.execPath, OPEN_IN_NODE],
] as const;

/** How the open of a device that does not answer, or has gone, ends; one that is held exclusively is EBUSY before that. */
const DEAD = ['ENXIO', 'EIO', 'ENODEV', 'ENOENT', 'ETIMEDOUT', 'LATE'];

/**
 * Proves that nothing holds the device: no mount in any namespace, no holder (LVM, MD, multipath), no exclusive opener.
 * @throws `busy` naming who uses it, `unavailable` when it cannot be opened within 8 s
 */
export async function proveUnused(devicePath: string, signal: AbortSignal): Promise<void> {
  const failure = await findOpenFailure(devicePath, signal);
  if (failure !== undefined) throw notOpened(devicePath, failure);
}

/** The same for a path that may be dead: who has it exclusively is seen by the kernel before the device itself is asked. */
export async function provePathUnused(devicePath: string, signal: AbortSignal): Promise<void> {
  const failure = await findOpenFailure(devicePath, signal);
  if (failure === undefined) return;
  if (!DEAD.includes(failure)) throw notOpened(devicePath, failure);
  await refuseMounted(devicePath);
}

/** @returns the error code, `LATE` for an open that waits, undefined when nothing has the device @throws `busy` */
async function findOpenFailure(devicePath: string, signal: AbortSignal): Promise<string | undefined> {
  // A map is a link to its kernel name.
  const kernelName = path.basename(await realpath(devicePath).catch(() => devicePath));
  const holders = await readdir(path.join('/sys/class/block', kernelName, 'holders')).catch(() => []);
  if (holders.length > 0) throw inUse(devicePath, `it is part of ${holders.join(', ')}`);
  const failure = await tryToOpen(devicePath, signal);
  if (failure !== 'EBUSY') return failure;
  await refuseMounted(devicePath);
  throw inUse(devicePath, 'another program holds it open exclusively');
}

/** In our own mount namespace, whatever `host_command_prefix` says. */
async function tryToOpen(devicePath: string, signal: AbortSignal): Promise<string | undefined> {
  let failure = 'nothing could open it';
  for (const [program, text] of OPENERS) {
    const args = ['-e', text, devicePath, String(constants.O_RDONLY | constants.O_EXCL)];
    try {
      const { stdout } = await run(program, args, { timeoutMs: OPEN_TIMEOUT_MS, signal });
      if (stdout === '0') return undefined;
      const name = nameOf(stdout);
      if (name !== undefined) return name;
      failure = `${program} said ${JSON.stringify(stdout)}`;
    } catch (error) {
      if (!(error instanceof CommandError) || signal.aborted) throw error;
      if (error.exitCode === undefined && error.message.includes('timed out')) return 'LATE';
      failure = error.message;
    }
  }
  return failure;
}

/** `EBUSY` for 16. */
const nameOf = (printed: string): string | undefined =>
  Object.entries(os.constants.errno).find(([, number]) => String(number) === printed)?.[0];

async function refuseMounted(devicePath: string): Promise<void> {
  const mounts = await findMountsEverywhere(devicePath);
  if (mounts.length === 0) return;
  throw inUse(
    devicePath,
    `it is ${mounts.map((use) => `mounted at ${use.target} (seen by pid ${use.pid})`).join(', ')}`,
  );
}

function inUse(devicePath: string, how: string): DriverError {
  return new DriverError('busy', `${devicePath} is in use: ${how}`, { next: 'end that use, then try again' });
}

function notOpened(devicePath: string, failure: string): DriverError {
  const how = failure === 'LATE' ? `does not open within ${OPEN_TIMEOUT_MS} ms` : `cannot be opened (${failure})`;
  return new DriverError('unavailable', `${devicePath} ${how}, so whether something uses it is not known`, {
    next: `ls -l ${devicePath}; multipath -ll; dmesg | tail`,
  });
}
