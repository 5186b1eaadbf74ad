import type { Password } from '../domain/secret.js';

/** How one array is reached and trusted over WSAPI, from hpe.conf. The array's command line (SSH) is not needed so far. */
export interface ArraySettings {
  /** Words for messages, without the address: `primary array of backend DEFAULT`. */
  label: string;
  /** `https://host:port/api/v1` */
  apiUrl: string;
  username: string;
  password: Password;
  /** PEM: certificate authorities of the array's certificate, or the self-signed certificate itself. */
  ca?: string;
  /** SHA-256 of the array's certificate: 64 hex digits, with or without colons. */
  fingerprint?: string;
  /** False turns every check of the certificate off. */
  tlsVerify: boolean;
  /** iSCSI ports that volumes are shown on, of `hpe3par_iscsi_ips`; none: all that are ready. */
  portals?: { host: string; port: number }[];
  /** Where volumes are made; its domain is that of new host entries. */
  cpg?: string;
}
