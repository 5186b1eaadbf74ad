import type { Password, Secret } from '../domain/secret.js';

/** How the command line of one array is reached and trusted, from hpe.conf. */
export interface SshSettings {
  host: string;
  port: number;
  user: string;
  password: Password;
  /** The text of the key file. */
  privateKey?: Secret;
  /** For the connection with its login. */
  timeoutSeconds: number;
  /** `strict`: by the file alone; `pin`: by the file, else by the key of the first contact. */
  hostKeyCheck: 'strict' | 'pin';
  /** In OpenSSH's known_hosts format. */
  hostKeysFile?: string;
}

/** How one array is reached and trusted, from hpe.conf. */
export interface ArraySettings {
  /** Words for messages, without the address: `primary array of backend DEFAULT`. */
  label: string;
  /** `https://host:port/api/v1` */
  apiUrl: string;
  /** Told of every call that has ended, with the HTTP status of its answer; for metrics. */
  observe?: (call: { status: number | undefined; ms: number }) => void;
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
  ssh: SshSettings;
}
