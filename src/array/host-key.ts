import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { PinStore } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import { hostKeysOf, type HostKey } from './known-hosts.js';
import type { SshSettings } from './settings.js';

interface Deps {
  /** Words for messages. */
  label: string;
  pins: PinStore;
  logger: Logger;
}

/** `SHA256:…`, as `ssh-keygen -l` prints it. */
export const fingerprintOf = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;

/** The keys that the configured file has for the array. @throws `unavailable` when the file cannot be read */
export async function readHostKeys({ hostKeyCheck, hostKeysFile, host, port }: SshSettings): Promise<HostKey[]> {
  if (hostKeysFile === undefined) return [];
  try {
    return hostKeysOf(await readFile(hostKeysFile, 'utf8'), host, port);
  } catch (error) {
    // Without a file there is nothing to compare with but the first contact.
    if (hostKeyCheck === 'pin' && error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    const reason = error instanceof Error ? error.message : String(error);
    throw new DriverError('unavailable', `the file of SSH host keys cannot be read: ${reason}`, {
      next: 'correct ssh_hosts_key_file in hpe.conf',
    });
  }
}

/**
 * Whether that host key is the array's: by the file that hpe.conf names, else (`pin`) by the key of the first contact, which
 * is kept in the metadata. @throws `unavailable` when it is not, or cannot be proven; before a password is sent
 */
export async function judgeHostKey(
  settings: SshSettings,
  { key, known }: { key: Buffer; known: HostKey[] },
  { label, pins, logger }: Deps,
): Promise<void> {
  const { hostKeyCheck, host, port, hostKeysFile } = settings;
  const seen = fingerprintOf(key);
  const same = known.filter((each) => each.base64 === key.toString('base64'));
  const text = `${label} at ${host}:${port} shows the SSH host key ${seen}`;
  if (same.some((each) => each.isRevoked)) throw untrusted(`${text}, which is revoked in ${hostKeysFile ?? 'no file'}`);
  if (same.length > 0) return;
  if (known.length > 0 || hostKeyCheck === 'strict') {
    throw untrusted(
      `${text}, which is not in ${hostKeysFile ?? 'no file'}`,
      `compare the key with the array's own (ssh-keyscan -p ${port} ${host}), then add it to that file`,
    );
  }
  const peer = `ssh:${host}:${port}`;
  const pinned = await pins.find(peer);
  if (pinned === seen) return;
  if (pinned !== undefined) throw untrusted(`${text}, but ${pinned} at the first contact`);
  await pins.save(peer, seen);
  logger.warn(`first contact with ${label} over SSH: its host key is trusted from now on`, {
    peer,
    add: `ssh_hosts_key_file = FILE, with the line of: ssh-keyscan -p ${port} ${host}`,
    fingerprint: seen,
  });
}

const untrusted = (what: string, next?: string): DriverError =>
  new DriverError('unavailable', `${what}: it may be somebody else, and gets no password`, {
    next: next ?? 'verify the key on the array, then name a file with it: ssh_hosts_key_file in hpe.conf',
  });
