import type { Secret } from '../domain/secret.js';

/** One array as hpe.conf describes it, with every default filled in. */
export interface ArraySettings {
  /** Words for messages, without the address: `primary array of backend DEFAULT`. */
  label: string;
  /** `https://host:port/api/v1` */
  apiUrl: string;
  username: string;
  password: Secret;
  /** The array's command line. Nothing uses it yet: WSAPI has every call that is needed. */
  san: {
    host: string;
    port: number;
    login: string;
    password: Secret;
    privateKeyFile?: string;
    timeoutSeconds: number;
  };
  /** PEM: certificate authorities of the array's certificate, or the self-signed certificate itself. */
  ca?: string;
  /** SHA-256 of the array's certificate: 64 hex digits, with or without colons. */
  fingerprint?: string;
  /** False turns every check of the certificate off. */
  tlsVerify: boolean;
  /** SSH host keys as `SHA256:…`, or how to come by them. */
  hostKey: 'pin' | 'off' | { fingerprints: string[] };
}
