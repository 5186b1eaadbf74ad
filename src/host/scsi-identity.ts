import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CommandError, isMissingTool, type Run } from './run.js';
import type { HostAccess } from './sysfs.js';

const TIMEOUT_MS = 5_000;
const SILENCE_PATIENCE_MS = 6_000;
const PAUSE_MS = 1_000;

/** What volumes of a 3PAR array call themselves. */
export const VENDOR = '3PARdata';
export const PRODUCT = 'VV';

/** What a device answers to INQUIRY now. */
export interface ScsiIdentity {
  /** Hex, lower case. */
  wwn: string;
  vendor: string;
  product: string;
}

/**
 * Asks the device itself who it is: what sysfs, udev and multipathd know of it is from the day it was scanned, and a LUN
 * number may have been given to another volume since. Undefined when it does not answer within 5 s, or names no NAA identity.
 * @throws when `scsi_id` cannot be started, which says nothing of the device
 */
export async function identify(run: Run, devicePath: string, signal: AbortSignal): Promise<ScsiIdentity | undefined> {
  const args = ['--whitelisted', '--page=0x83', '--export', `--device=${devicePath}`];
  try {
    return parseScsiId((await run('/usr/lib/udev/scsi_id', args, { timeoutMs: TIMEOUT_MS, signal })).stdout);
  } catch (error) {
    if (error instanceof CommandError && !isMissingTool(error) && !signal.aborted) return undefined;
    throw error;
  }
}

/** What those of the disks (kernel names) say that answer. */
export async function identifyAll(
  { run, devRoot }: HostAccess,
  names: string[],
  signal: AbortSignal,
): Promise<ScsiIdentity[]> {
  const said = await Promise.all(names.map(async (name) => identify(run, path.join(devRoot, name), signal)));
  return said.filter((each) => each !== undefined);
}

/** The same; while none answers they are asked again for 6 s, since paths may be gone for a moment only. */
export async function identifyPatiently(
  access: HostAccess,
  names: string[],
  signal: AbortSignal,
): Promise<ScsiIdentity[]> {
  const deadline = performance.now() + SILENCE_PATIENCE_MS;
  for (;;) {
    const said = await identifyAll(access, names, signal);
    if (said.length > 0 || performance.now() > deadline) return said;
    await pause(PAUSE_MS, undefined, { signal });
  }
}

/** Whether at least one of them answers, and every one that does says that it is that volume. */
export async function answerAs(
  access: HostAccess,
  { names, wwn }: { names: string[]; wwn: string },
  signal: AbortSignal,
): Promise<boolean> {
  const seen = await identifyAll(access, names, signal);
  return seen.length > 0 && seen.every((each) => each.wwn === wwn);
}

/** The output of `scsi_id --export`. */
export function parseScsiId(output: string): ScsiIdentity | undefined {
  const values = new Map(
    output
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).trim()] as const),
  );
  // The 3 in front is the type of the identifier: NAA.
  const wwn = /^3([0-9a-f]{32}|[0-9a-f]{16})$/i.exec(values.get('ID_SERIAL') ?? '')?.[1]?.toLowerCase();
  const [vendor, product] = [values.get('ID_VENDOR'), values.get('ID_MODEL')];
  if (wwn === undefined || vendor === undefined || product === undefined) return undefined;
  return { wwn, vendor, product };
}
