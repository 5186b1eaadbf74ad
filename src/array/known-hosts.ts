import { createHmac } from 'node:crypto';

/** A host key as known_hosts files and SSH itself have it. */
export interface HostKey {
  /** `ssh-rsa`, `ecdsa-sha2-nistp256`, … */
  type: string;
  /** The key blob, base64. */
  base64: string;
  isRevoked: boolean;
}

/**
 * The keys of a host in a file of OpenSSH's known_hosts format: plain and hashed names, `[host]:port` for other ports than
 * 22, wildcards, `@revoked`. Certificate authorities are passed over, since arrays have no certificates for SSH.
 */
export function hostKeysOf(text: string, host: string, port: number): HostKey[] {
  const name = (port === 22 ? host : `[${host}]:${port}`).toLowerCase();
  return text.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const marker = fields[0]?.startsWith('@') === true ? fields.shift() : undefined;
    const [names = '', type = '', base64 = ''] = fields;
    if (names.startsWith('#') || base64 === '' || marker === '@cert-authority') return [];
    return isNamed(names, name) ? [{ type, base64, isRevoked: marker === '@revoked' }] : [];
  });
}

function isNamed(names: string, name: string): boolean {
  if (names.startsWith('|1|')) return isHashOf(names, name);
  const patterns = names.toLowerCase().split(',');
  const excluded = patterns.some((each) => each.startsWith('!') && matches(each.slice(1), name));
  return !excluded && patterns.some((each) => matches(each, name));
}

/** `|1|salt|hash`, of HMAC-SHA1. */
function isHashOf(hashed: string, name: string): boolean {
  const [, , salt = '', hash = ''] = hashed.split('|');
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
}

/** `*` is any text and `?` any character. */
function matches(pattern: string, name: string): boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}
