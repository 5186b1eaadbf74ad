import { DriverError } from '../domain/errors.js';
import type { BlockDevice } from '../domain/attachment.js';
import type { FilesystemType } from '../domain/volume.js';
import type { Run } from './run.js';

/** It writes a little for each block group, on a device that may be busy. */
const TIMEOUT_MS = 60_000;
/** What may be left over at the end of the device, too small for one more block group or allocation group: 128 MiB. */
const REST_BYTES = 128 * 1024 * 1024;

interface Tool {
  argv: (at: { devicePath: string; target: string }) => [string, ...string[]];
  /** Bytes of the file system, from what the tool has printed. */
  readSize: (said: string) => number | undefined;
}

/** How each type is grown while it is mounted. */
const TOOLS: Record<FilesystemType, Tool> = {
  ext4: {
    argv: ({ devicePath }) => ['resize2fs', devicePath],
    readSize: (said) => {
      const [, blocks, kib] = /is (?:now|already) (\d+) \((\d+)k\) blocks long/.exec(said) ?? [];
      return blocks === undefined ? undefined : Number(blocks) * Number(kib) * 1024;
    },
  },
  xfs: {
    argv: ({ target }) => ['xfs_growfs', '-d', target],
    readSize: (said) => {
      const [, blockBytes, blocks] = /^data +=.* bsize=(\d+) +blocks=(\d+)/m.exec(said) ?? [];
      // The geometry is that of before; behind it stands what has changed.
      const [, changed = blocks] = /^data blocks changed from \d+ to (\d+)/m.exec(said) ?? [];
      return changed === undefined ? undefined : Number(changed) * Number(blockBytes);
    },
  },
};

/** Makes the file system that is mounted there fill its device; one that does so already is success. Shrinks nothing. */
export async function growFilesystem(
  run: Run,
  { device, target, type }: { device: BlockDevice; target: string; type: FilesystemType },
  signal: AbortSignal,
): Promise<void> {
  const { argv, readSize } = TOOLS[type];
  const [tool, ...args] = argv({ devicePath: device.path, target });
  const { stdout, stderr } = await run(tool, args, { timeoutMs: TIMEOUT_MS, signal });
  const bytes = readSize(`${stdout}\n${stderr}`);
  if (bytes !== undefined && bytes <= device.sizeBytes && bytes > device.sizeBytes - REST_BYTES) return;
  throw new DriverError(
    'unavailable',
    `${tool} ended without error, but the file system on ${device.path} has ${bytes ?? 'unknown'} of the ${device.sizeBytes} bytes of its device`,
    { next: `compare df ${target} with blockdev --getsize64 ${device.path}; look for file system errors with dmesg` },
  );
}
