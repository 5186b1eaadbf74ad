import type { ReplicationMode } from '../domain/replication.js';
import type { Secret } from '../domain/secret.js';

/** What hpe.conf says, checked, with every default filled in. */
export interface Config {
  logging: 'debug' | 'info' | 'warning' | 'error';
  /** Absent: the metadata are kept on this host alone. */
  etcd?: EtcdConfig;
  /** Directory that volumes are mounted below (`mount_prefix`). */
  mountPrefix?: string;
  /** How long dockerd waits for Create and Mount, in seconds (`docker_timeout`). */
  dockerTimeoutSeconds: number;
  /** What the host's own tools are run through, e.g. `nsenter --mount=/proc/1/ns/mnt --`; empty: nothing. */
  hostCommandPrefix: string[];
  /** Where status, metrics and the page are served; absent: nowhere. */
  statusListen?: Endpoint;
  /** Docker's own API, for `failover run --all-nodes` of another node; absent: containers here are stopped from here only. */
  dockerSocket?: string;
  /** By name, which is the name of the section. */
  backends: Map<string, BackendConfig>;
}

export interface Endpoint {
  /** Host name or address; IPv6 without brackets. */
  host: string;
  port: number;
}

export interface EtcdConfig {
  hosts: Endpoint[];
  /** Absent: plain text. */
  tls?: {
    /** Absent: the authorities that the system trusts. */
    caFile?: string;
    client?: { certFile: string; keyFile: string };
  };
}

/** One section: an array, or a pair of arrays that replicate. */
export interface BackendConfig {
  name: string;
  protocol: 'iscsi' | 'fc';
  /** Directory of the simulator's loopback fabric, which then takes the place of the SAN. */
  loopbackFabric?: string;
  /** False: one path, without dm-multipath. */
  usesMultipath: boolean;
  /** With fewer paths than expected, but at least as many as this, a volume is mounted with a warning. */
  minimumPaths: number;
  /** The arrays ask the host for a CHAP secret; never with Fibre Channel. */
  chap: boolean;
  /** There is no hpe3par_snapcpg: snapshots take space where their volumes are. */
  snapshotsFollow: boolean;
  primary: ArrayConfig;
  /** Present exactly when `replication` is. */
  secondary?: ArrayConfig;
  replication?: ReplicationConfig;
}

export interface ReplicationConfig {
  /** Remote copy target as the primary array calls it (`backend_id`). */
  target: string;
  mode: ReplicationMode;
  /** Present exactly when the mode is asynchronous. */
  syncPeriodSeconds?: number;
  /** CPG of the primary array → CPG of the secondary. */
  cpgMap: Map<string, string>;
  snapCpgMap: Map<string, string>;
  /** Peer persistence: the quorum witness of both arrays, which fail over by themselves. Only with synchronous mode and equal WWNs. */
  quorumWitnessIp?: string;
  /** Whether the array's copies get WWNs of their own (rule 9). */
  secondaryWwn: 'different' | 'same';
  /** A surviving array alone is not enough to mount (row 6 of the role table). */
  replicationStrict: boolean;
  /** What happens to a group that lost its last volume: it goes always, or only if we created it (rule 34). */
  removeEmptyGroup: 'always' | 'created';
}

/**
 * Where a password came from: `text`: it stands in hpe.conf, perhaps encrypted as the old plugin did, which only etcd tells;
 * `sealed`: it stood there encrypted with the key file; `file`: it stood in a file of its own.
 */
export type PasswordOrigin = 'text' | 'sealed' | 'file';

export interface ArrayConfig {
  /** `https://host:port/api/v1`, without a slash at the end. */
  apiUrl: string;
  username: string;
  password: Secret;
  passwordFrom: PasswordOrigin;
  /** Where volumes are made: the first of `cpgs`. */
  cpg: string;
  cpgs: string[];
  snapCpg: string;
  sanIp: string;
  sanPort: number;
  sanLogin: string;
  sanPassword: Secret;
  sanPasswordFrom: PasswordOrigin;
  /** File with the private key for SSH. */
  sanPrivateKey?: string;
  sshTimeoutSeconds: number;
  /** Portals; never empty with an iSCSI driver. */
  iscsiIps: Endpoint[];
  /** The host proves itself with CHAP; a backend does so to both of its arrays or to none. */
  chap: boolean;
  /** PEM file of the authorities of the array's certificate, or of the certificate itself. */
  caFile?: string;
  /** SHA-256 of the array's certificate: 64 hex digits, lower case, without colons. */
  fingerprint?: string;
  /** False: the certificate is not checked at all. */
  tlsVerify: boolean;
  /**
   * How the SSH host key is checked: `strict`: it stands in `hostKeysFile`; `pin`: it stands there, or else is the one of
   * the first contact.
   */
  hostKeyCheck: 'strict' | 'pin';
  /** In OpenSSH's known_hosts format; always there when the check is strict. */
  hostKeysFile?: string;
}
