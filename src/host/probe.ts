import type { Probe } from '../contracts/host.js';
import type { BlockDevice } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { CommandError, type Run } from './run.js';

const TIMEOUT_MS = 20_000;
/** How much is read at each end of the device (rule 16). */
const EDGE_BYTES = 4 * 1024 * 1024;
const ZEROS = Buffer.alloc(64 * 1024);

/** What a device holds that is neither zero nor anything that blkid knows. */
export const UNKNOWN_DATA = 'data without any known signature';

/**
 * What is on the device, by blkid with all its probers and by raw reads of both ends that pass by the page cache.
 * @throws when any part of it could not be read: that is never `blank` (rule 17)
 */
export async function probeDevice(run: Run, device: BlockDevice, signal: AbortSignal): Promise<Probe> {
  const [signature, zero] = await look(run, device, signal).catch((thrown: unknown) => {
    throw thrown instanceof CommandError ? notProbed(thrown, device) : thrown;
  });
  if (signature !== undefined) return signature;
  return zero ? { content: 'blank' } : { content: 'other', what: UNKNOWN_DATA };
}

async function look(run: Run, device: BlockDevice, signal: AbortSignal): Promise<[Probe | undefined, boolean]> {
  await checkSize(run, device, signal);
  // Both halves always run: a signature that was found does not make a device readable.
  return Promise.all([readSignature(run, device, signal), edgesAreZero(run, device, signal)]);
}

/** Rule 17: nothing is concluded from a look that failed. */
function notProbed(error: CommandError, { path, wwn }: BlockDevice): DriverError {
  return new DriverError(error.code, `${error.message}; what ${path} (WWN ${wwn}) holds is not known`, {
    cause: error,
    next: 'look for input/output errors with dmesg and at the paths of the device, then try again',
  });
}

async function checkSize(run: Run, device: BlockDevice, signal: AbortSignal): Promise<void> {
  const { stdout } = await run('blockdev', ['--getsize64', device.path], { timeoutMs: TIMEOUT_MS, signal });
  const size = Number(stdout.trim());
  if (Number.isSafeInteger(size) && size === device.sizeBytes) return;
  throw new DriverError(
    'refused',
    `${device.path} (WWN ${device.wwn}) has ${stdout.trim()} bytes, but the array's volume has ${device.sizeBytes}`,
    { next: 'check with showvv which volume this is; nothing was written to it' },
  );
}

/** What blkid recognises; undefined when it proved that there is nothing that it knows. */
async function readSignature(run: Run, device: BlockDevice, signal: AbortSignal): Promise<Probe | undefined> {
  try {
    const { stdout } = await run('blkid', ['--probe', '--output', 'export', device.path], {
      timeoutMs: TIMEOUT_MS,
      signal,
    });
    return parseSignature(stdout);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    // blkid(8): 2 = nothing found, 8 = ambivalent low-level probing result. A tool that complains proved nothing.
    if (error.exitCode === 2 && error.stdout.trim() === '' && error.stderr.trim() === '') return undefined;
    if (error.exitCode === 8) return { content: 'other', what: 'signatures of several kinds at once' };
    throw error;
  }
}

function parseSignature(output: string): Probe {
  const values = new Map(
    output
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
  );
  const type = values.get('TYPE');
  if (values.get('USAGE') === 'filesystem' && type !== undefined) {
    return { content: 'filesystem', type, uuid: values.get('UUID') };
  }
  if (type !== undefined) return { content: 'other', what: type };
  const table = values.get('PTTYPE');
  return { content: 'other', what: table === undefined ? 'a signature without a type' : `a ${table} partition table` };
}

async function edgesAreZero(run: Run, device: BlockDevice, signal: AbortSignal): Promise<boolean> {
  const { sizeBytes } = device;
  const starts = sizeBytes <= 2 * EDGE_BYTES ? [0] : [0, sizeBytes - EDGE_BYTES];
  const length = sizeBytes <= 2 * EDGE_BYTES ? sizeBytes : EDGE_BYTES;
  for (const start of starts) {
    if (!(await rangeIsZero(run, { device, start, length }, signal))) return false;
  }
  return true;
}

interface Range {
  device: BlockDevice;
  start: number;
  length: number;
}

async function rangeIsZero(run: Run, { device, start, length }: Range, signal: AbortSignal): Promise<boolean> {
  let seen = 0;
  let zero = true;
  const onStdout = (chunk: Buffer): void => {
    seen += chunk.length;
    zero &&= isZero(chunk);
  };
  await run(
    'dd',
    [
      `if=${device.path}`,
      'iflag=direct,fullblock,skip_bytes,count_bytes',
      'bs=1M',
      `skip=${start}`,
      `count=${length}`,
      'status=none',
    ],
    { timeoutMs: TIMEOUT_MS, signal, onStdout },
  );
  if (seen !== length) {
    throw new DriverError(
      'unavailable',
      `only ${seen} of ${length} bytes at ${start} could be read from ${device.path} (WWN ${device.wwn}); it cannot be called blank`,
      { next: `look for input/output errors with: dmesg | grep ${device.path.replace('/dev/', '')}` },
    );
  }
  return zero;
}

function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    if (!part.equals(ZEROS.subarray(0, part.length))) return false;
  }
  return true;
}
