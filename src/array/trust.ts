import { X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import type { PinStore } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import type { ArraySettings } from './settings.js';

/** What the TLS library checks by itself, and what we check before a byte is sent. */
export interface Trust {
  tls: Pick<tls.ConnectionOptions, 'ca' | 'rejectUnauthorized' | 'checkServerIdentity'>;
  /** SHA-256 of the certificate as lower-case hex. @throws `unavailable` when it is not the array's */
  judge(fingerprint: string): Promise<void>;
}

interface TrustDeps {
  pins: PinStore;
  logger: Logger;
}

/** The fingerprint as we compare it: lower-case hex without colons. */
export const plainFingerprint = (text: string): string => text.replaceAll(':', '').toLowerCase();

/**
 * How the array proves who it is: by its CA, by a configured fingerprint, by both; without either, by the fingerprint
 * that was seen at first contact and is kept in the metadata. Whoever fails the proof is treated as an array that does
 * not answer, because nothing it says can be believed.
 */
export function trustOf(settings: ArraySettings, deps: TrustDeps): Trust {
  if (!settings.tlsVerify) return { tls: { rejectUnauthorized: false }, judge: async () => Promise.resolve() };
  const byAuthority = settings.ca === undefined ? { rejectUnauthorized: false } : authority(settings.ca);
  if (settings.fingerprint !== undefined) {
    const expected = plainFingerprint(settings.fingerprint);
    return { tls: byAuthority, judge: async (seen) => Promise.resolve(compare(settings, expected, seen)) };
  }
  if (settings.ca !== undefined) return { tls: byAuthority, judge: async () => Promise.resolve() };
  return { tls: byAuthority, judge: pinnedAtFirstContact(settings, deps) };
}

function compare(settings: ArraySettings, expected: string, seen: string): void {
  if (seen === expected) return;
  throw new DriverError(
    'unavailable',
    `${settings.label} at ${settings.apiUrl} shows another certificate (SHA-256 ${seen}) than the one that is trusted (${expected}); it may be somebody else`,
    {
      next: `if the array got a new certificate, verify it there (showcert) and set hpe3par_fingerprint = ${seen}`,
    },
  );
}

/**
 * Arrays come with a self-signed certificate that names neither their address nor their host name. A certificate that is
 * itself in the CA file is trusted as it stands; any other has to carry the right name.
 */
function authority(pem: string): Trust['tls'] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  const listed = new Set(blocks.map((block) => new X509Certificate(block).fingerprint256));
  return {
    ca: pem,
    rejectUnauthorized: true,
    checkServerIdentity: (host, certificate) =>
      listed.has(certificate.fingerprint256) ? undefined : tls.checkServerIdentity(host, certificate),
  };
}

function pinnedAtFirstContact(settings: ArraySettings, { pins, logger }: TrustDeps): Trust['judge'] {
  const { host } = new URL(settings.apiUrl);
  const peer = `wsapi:${host}`;
  let pinned: Promise<string> | undefined;
  const findOrSave = async (seen: string): Promise<string> => {
    const known = await pins.find(peer);
    if (known !== undefined) return plainFingerprint(known);
    await pins.save(peer, seen);
    logger.warn(`first contact with ${settings.label}: its certificate is trusted from now on`, {
      peer,
      add: `hpe3par_fingerprint = ${seen}`,
    });
    return seen;
  };
  return async (seen) => {
    pinned ??= findOrSave(seen);
    try {
      compare(settings, await pinned, seen);
    } catch (thrown) {
      // A corrected pin, or a metadata store that came back, counts at the next connection.
      pinned = undefined;
      throw thrown;
    }
  };
}
