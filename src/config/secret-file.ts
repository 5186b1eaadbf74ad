import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';

/** One secret from a file of its own. */
export interface SecretFile {
  text: string;
  /** Why others than root and the plugin may read it, for the end of a sentence; undefined when they may not. */
  exposure?: string;
}

/** @returns the secret, or why there is none, for the end of a sentence; holds neither path nor contents */
export type ReadSecret = (file: string) => SecretFile | { problem: string };

const LONGEST_BYTES = 64 * 1024;
const CREDENTIALS = /^\$(?:CREDENTIALS_DIRECTORY|\{CREDENTIALS_DIRECTORY\})\//;

/**
 * Reads a secret from its file; the line end after it is cut. A path may begin with `$CREDENTIALS_DIRECTORY/`, where systemd puts
 * what `LoadCredential=` names.
 */
export const readSecretFile: ReadSecret = (named) => {
  const directory = process.env['CREDENTIALS_DIRECTORY'];
  if (CREDENTIALS.test(named) && (directory === undefined || directory === '')) {
    return { problem: 'CREDENTIALS_DIRECTORY is not set: systemd sets it where the unit has LoadCredential=' };
  }
  const file = named.replace(CREDENTIALS, () => `${directory}/`);
  let descriptor: number | undefined;
  try {
    // Without O_NONBLOCK the open of a pipe would wait for its writer.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return { problem: 'it is not a file' };
    if (stats.size > LONGEST_BYTES) return { problem: 'it is too long for a secret' };
    const secret = secretIn(readFileSync(descriptor));
    const exposure = exposureOf(stats);
    return { ...secret, ...(exposure === undefined ? {} : { exposure }) };
  } catch (error) {
    // What follows the comma is the path.
    return { problem: String(error).replace(/^Error: |,.*/gs, '') };
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
};

/** The one line that a file or a pipe holds, without its end. */
export function secretIn(bytes: Buffer): { text: string } | { problem: string } {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    return { problem: 'it holds characters that are no UTF-8' };
  }
  if (text === '') return { problem: 'it is empty' };
  if (/[\r\n]/.test(text)) return { problem: 'it holds more than one line' };
  if (/\p{Cc}/u.test(text)) return { problem: 'it holds control characters' };
  return { text };
}

function exposureOf({ mode, uid }: Stats): string | undefined {
  if ((mode & 0o077) !== 0) return `its mode is 0${(mode & 0o777).toString(8)}`;
  return uid === 0 || uid === process.geteuid?.() ? undefined : `it belongs to user ${uid}`;
}
