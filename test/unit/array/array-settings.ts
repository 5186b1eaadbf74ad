import type { CreateGroup, PinStore } from '../../../src/contracts/array.js';
import type { Logger } from '../../../src/contracts/log.js';
import { asDriverError, DriverError } from '../../../src/domain/errors.js';
import { Secret } from '../../../src/domain/secret.js';
import type { ArraySettings } from '../../../src/array/settings.js';

export const PASSWORD = 'S3cret-of-the-array';
export const KEYS = ['0-first-key', '1-second-key', '2-third-key'] as const;

/** Collects what was logged, as text. */
export function recordingLogger(): { logger: Logger; text: () => string } {
  const lines: string[] = [];
  const write = (message: string, fields?: Record<string, unknown>): void => {
    lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
  };
  return { logger: { debug: write, info: write, warn: write, error: write }, text: () => lines.join('\n') };
}

/** Pins in memory. */
export function memoryPins(): PinStore & { saved: Map<string, string> } {
  const saved = new Map<string, string>();
  return {
    saved,
    find: async (peer) => Promise.resolve(saved.get(peer)),
    save: async (peer, fingerprint) => {
      saved.set(peer, fingerprint);
      await Promise.resolve();
    },
  };
}

/** Nobody listens there. */
export const NO_SSH: ArraySettings['ssh'] = {
  host: '127.0.0.1',
  port: 1,
  user: '3paradm',
  password: new Secret(PASSWORD),
  timeoutSeconds: 5,
  hostKeyCheck: 'strict',
};

export function settingsFor(apiUrl: string, changes: Partial<ArraySettings> = {}): ArraySettings {
  return {
    label: 'primary array',
    apiUrl,
    username: '3paradm',
    password: new Secret(PASSWORD),
    tlsVerify: true,
    ssh: NO_SSH,
    ...changes,
  };
}

/** The DriverError that it fails with. */
export async function failureOf(work: Promise<unknown>): Promise<DriverError> {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof DriverError) return thrown;
    throw new Error(`not a DriverError: ${asDriverError(thrown).message}`, { cause: thrown });
  }
  throw new Error('it did not fail');
}

export const soon = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms);

export const SYSTEM = { id: 1234, name: '3par-a', systemVersion: '3.3.1.215', licenseInfo: {} };

export const VOLUME_NAME = 'dcv-AAAAAAAAAAAAAAAAAAAAAA';

export function volumeAnswer(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 7,
    name: VOLUME_NAME,
    wwn: '60002AC0000000000000000700001234',
    sizeMiB: 10_240,
    provisioningType: 2,
    compressionState: 4,
    userCPG: 'FC_r1',
    snapCPG: 'FC_r1s',
    comment: 'our tag',
    copyType: 1,
    ...changes,
  };
}

/** A group that an array is asked to make. */
export const GROUP_WANTED: CreateGroup = {
  name: 'rcg1',
  target: 'targetArray',
  mode: 'synchronous',
  localCpg: 'FC_r1',
  localSnapCpg: 'FC_r1s',
  remoteCpg: 'FC_r6',
  remoteSnapCpg: 'FC_r6s',
};
