import type { MakeOptions, Probe } from '../contracts/host.js';
import type { BlockDevice } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import type { FilesystemType } from '../domain/volume.js';
import { proveUnused } from './exclusive.js';
import { probeDevice, UNKNOWN_DATA } from './probe.js';
import { CommandError, isMissingTool, type Run } from './run.js';

const MKFS_TIMEOUT_MS = 60_000;
const DEBUGFS_TIMEOUT_MS = 30_000;

interface Format {
  run: Run;
  device: BlockDevice;
  options: MakeOptions;
}

/**
 * How each type is made, with that UUID. A new volume is zeroed already, so nothing is discarded and nothing written that need
 * not be, which keeps it thin. `force` is for the traces of an interrupted mkfs, which mkfs.xfs would not write over.
 */
const MKFS: Record<FilesystemType, (uuid: string, force: boolean) => string[]> = {
  ext4: (uuid) => ['-q', '-U', uuid, '-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard'],
  xfs: (uuid, force) => ['-q', '-K', ...(force ? ['-f'] : []), '-m', `uuid=${uuid}`],
};

/** Where its mkfs comes from. */
const PACKAGE: Record<FilesystemType, string> = { ext4: 'e2fsprogs', xfs: 'xfsprogs' };

/** The only caller of mkfs. @throws `refused` when the device is not blank or anything uses it */
export async function formatDevice(format: Format, signal: AbortSignal): Promise<void> {
  const { run, device, options } = format;
  const { type, uuid } = options;
  await proveUnused(device.path, signal);
  const before = await probeDevice(run, device, signal);
  if (!mayFormat(before, options)) {
    throw new DriverError(
      'refused',
      `${device.path} (WWN ${device.wwn}) was to be formatted for the first time, but it holds ${describeProbe(before)}; it was left as it is`,
      { next: 'look at it with blkid -p; if it is no longer needed, remove the volume and create it again' },
    );
  }
  await options.proven?.();
  const args = [...MKFS[type](uuid, before.content !== 'blank'), device.path];
  await run(`mkfs.${type}`, args, { timeoutMs: MKFS_TIMEOUT_MS, signal }).catch((thrown: unknown) => {
    throw thrown instanceof CommandError ? notFormatted(thrown, type) : thrown;
  });
  if (type === 'ext4') await removeLostAndFound(run, device.path, signal);
  const after = await probeDevice(run, device, signal);
  if (after.content === 'filesystem' && after.type === type && after.uuid === uuid) return;
  throw new DriverError(
    'unavailable',
    `mkfs.${type} ended without error, but ${device.path} (WWN ${device.wwn}) then held ${describeProbe(after)} instead of ${type} with uuid ${uuid}`,
    { next: 'look for input/output errors with dmesg, and at the paths of the device' },
  );
}

function notFormatted(error: CommandError, type: FilesystemType): DriverError {
  const next = isMissingTool(error)
    ? `install ${PACKAGE[type]} on this host, then try again`
    : 'look for input/output errors with dmesg, and whether the array has space for the volume (showcpg), then try again';
  return new DriverError(error.code, error.message, { cause: error, next });
}

export function describeProbe(probe: Probe): string {
  if (probe.content === 'blank') return 'nothing (all zero)';
  if (probe.content === 'filesystem') return `a file system ${probe.type} with uuid ${probe.uuid ?? 'none'}`;
  return probe.what;
}

/** An interrupted mkfs leaves nothing, something in the middle, or the superblock with its UUID, first or last. */
function mayFormat(probe: Probe, { type, uuid, repeat }: MakeOptions): boolean {
  if (probe.content === 'blank') return true;
  if (!repeat) return false;
  if (probe.content === 'filesystem') return probe.type === type && probe.uuid === uuid;
  return probe.what === UNKNOWN_DATA;
}

/**
 * dockerd copies an image's files only into an empty directory (docker plugin reference 3). Done without a mount, because
 * a crash would leave that mount behind.
 */
async function removeLostAndFound(run: Run, devicePath: string, signal: AbortSignal): Promise<void> {
  const options = { timeoutMs: DEBUGFS_TIMEOUT_MS, signal };
  await run('debugfs', ['-w', '-R', 'rmdir lost+found', devicePath], options);
  // debugfs ends with 0 whatever happens; only the read back tells.
  const { stdout, stderr } = await run('debugfs', ['-R', 'ls -p /', devicePath], options);
  if (stdout.includes('/./') && !stdout.includes('/lost+found/')) return;
  throw new DriverError(
    'unavailable',
    `lost+found of the new file system on ${devicePath} could not be removed: ${stderr.trim()}`,
    {
      next: 'look for input/output errors with dmesg',
    },
  );
}
