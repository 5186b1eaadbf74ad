import type { NewUuid } from '../contracts/host.js';
import type { BlockDevice } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { proveUnused } from './exclusive.js';
import { describeProbe } from './format.js';
import { probeDevice } from './probe.js';
import type { Run } from './run.js';

const TIMEOUT_MS = 30_000;

interface Renewal {
  run: Run;
  device: BlockDevice;
  change: NewUuid;
  /** Mounts and unmounts it: the tools below change no file system whose journal has still to be replayed, and may not do that themselves. */
  replay: () => Promise<void>;
}

/** @throws `refused` when the device holds another file system, or none; `busy` when anything uses it */
export async function renewUuid({ run, device, change, replay }: Renewal, signal: AbortSignal): Promise<void> {
  const { type, from, to } = change;
  await proveUnused(device.path, signal);
  const before = await probeDevice(run, device, signal);
  if (before.content !== 'filesystem' || before.type !== type || ![from, to].includes(before.uuid ?? '')) {
    throw new DriverError(
      'refused',
      `${device.path} (WWN ${device.wwn}) should hold a file system ${type} with uuid ${from}, or ${to}, but holds ${describeProbe(before)}; it was left as it is`,
      { next: 'check with showvv which volume this is, and with blkid -p what is on it' },
    );
  }
  await replay();
  await proveUnused(device.path, signal);
  const { stderr } = await (type === 'xfs' ? renewXfs : renewExt4)({ run, device, to }, signal);
  const after = await probeDevice(run, device, signal);
  if (after.content === 'filesystem' && after.type === type && after.uuid === to) return;
  const said = stderr.trim().replaceAll(/\s*\n\s*/g, ' ');
  throw new DriverError(
    'unavailable',
    `the uuid ${to} was written to ${device.path} (WWN ${device.wwn}), which then held ${describeProbe(after)}${said === '' ? '' : `; the tool said: ${said}`}`,
    { next: 'look for input/output errors with dmesg; the next mount tries again' },
  );
}

interface Setting {
  run: Run;
  device: BlockDevice;
  to: string;
}

/** Every superblock is written, also those of a renewal that was cut short. xfs_admin ends with 0 whatever happens. */
async function renewXfs({ run, device, to }: Setting, signal: AbortSignal): Promise<{ stderr: string }> {
  return run('xfs_admin', ['-U', to, device.path], { timeoutMs: TIMEOUT_MS, signal });
}

/**
 * All checksums of ext4 are seeded with its uuid, unless the seed is kept beside it (Linux 4.4): then the superblocks alone
 * change. tune2fs would have to rewrite every checksum otherwise, and asks for a whole e2fsck before.
 */
async function renewExt4({ run, device, to }: Setting, signal: AbortSignal): Promise<{ stderr: string }> {
  const { stdout } = await run('dumpe2fs', ['-h', device.path], { timeoutMs: TIMEOUT_MS, signal });
  const features = /^Filesystem features:\s*(.*)$/m.exec(stdout)?.[1]?.split(/\s+/) ?? [];
  const seed = features.includes('metadata_csum') ? ['-O', 'metadata_csum_seed'] : [];
  return run('tune2fs', [...seed, '-U', to, device.path], { timeoutMs: TIMEOUT_MS, signal });
}
