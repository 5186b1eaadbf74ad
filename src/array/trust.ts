import { X509Certificate } from 'node:crypto';
import type { PinStore } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import type { ArraySettings } from './settings.js';

/** The certificate that somebody showed. */
export interface Shown {
  /** SHA-256, lower-case hex. */
  fingerprint: string;
  /** Why neither the CA nor the name proves it; undefined when they do. */
  fault: string | undefined;
}

/** How one array proves who it is. */
export interface Trust {
  /** PEM for the TLS library; it only reports, `judge` decides. */
  ca: string | undefined;
  /** Called before a byte is sent. @throws `unavailable` when it is not the array's certificate */
  judge(shown: Shown): Promise<void>;
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
  const { ca, fingerprint } = settings;
  const checks: Trust['judge'][] = [];
  if (settings.tlsVerify) {
    if (ca !== undefined) checks.push(byAuthority(settings, ca));
    if (fingerprint !== undefined) checks.push(byFingerprint(settings, plainFingerprint(fingerprint)));
    if (checks.length === 0) checks.push(byFirstContact(settings, deps));
  }
  return {
    ca,
    judge: async (shown) => {
      for (const check of checks) await check(shown);
    },
  };
}

const byFingerprint = (settings: ArraySettings, expected: string) => async (shown: Shown) => {
  compare(settings, expected, shown.fingerprint);
  await Promise.resolve();
};

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
 * itself in the CA file is trusted as it stands; any other has to be vouched for, and to carry the right name.
 */
function byAuthority(settings: ArraySettings, pem: string): Trust['judge'] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  const listed = new Set(blocks.map((block) => plainFingerprint(new X509Certificate(block).fingerprint256)));
  return async ({ fingerprint, fault }) => {
    if (fault !== undefined && !listed.has(fingerprint)) {
      throw new DriverError(
        'unavailable',
        `the certificate (SHA-256 ${fingerprint}) of ${settings.label} at ${settings.apiUrl} is not proven by hpe3par_ca_file: ${fault}`,
        { next: 'verify the fingerprint on the array (showcert), then put the certificate into hpe3par_ca_file' },
      );
    }
    await Promise.resolve();
  };
}

function byFirstContact(settings: ArraySettings, { pins, logger }: TrustDeps): Trust['judge'] {
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
  return async ({ fingerprint: seen }) => {
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
