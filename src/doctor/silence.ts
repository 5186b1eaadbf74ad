import { asDriverError } from '../domain/errors.js';
import type { FindingId } from './finding.js';

/** What a failed question means, by the words of the array client; the first that fits. */
const WSAPI: readonly [RegExp, FindingId][] = [
  [/cannot be compared with what was seen at the first contact/, 'array-trust-unknown'],
  [/certificate/, 'array-certificate'],
  [/user or password refused|wait for etcd|which password/, 'array-login'],
  [/all its sessions are in use/, 'array-sessions'],
  [/cannot be reached|did not answer/, 'array-unreachable'],
];

const SSH: readonly [RegExp, FindingId][] = [
  [/shows the SSH host key|file of SSH host keys|cannot be compared with what was seen/, 'ssh-host-key'],
  [/authentication methods failed/, 'ssh-login'],
];

/** The words that `PinStore` fails with while the metadata cannot be read. */
export const PIN_UNKNOWN = 'its certificate or host key cannot be compared with what was seen at the first contact';

/** For a failure that brings no next step. */
export const USUAL_FIX = 'see the log of the daemon, and the array: showsys -d, showwsapi';

interface Silence {
  id: FindingId;
  seen: string;
  fix: string;
}

export const wsapiSilence = (thrown: unknown): Silence => silence(thrown, { known: WSAPI, otherwise: 'array-answer' });

export const sshSilence = (thrown: unknown): Silence => silence(thrown, { known: SSH, otherwise: 'ssh-unreachable' });

function silence(
  thrown: unknown,
  { known, otherwise }: { known: readonly [RegExp, FindingId][]; otherwise: FindingId },
): Silence {
  const { message, next } = asDriverError(thrown);
  const id = known.find(([words]) => words.test(message))?.[1] ?? otherwise;
  return { id, seen: message, fix: next ?? USUAL_FIX };
}
