import { nearest } from './nearest.js';

/**
 * Where a key belongs:
 * - `daemon`: [DEFAULT] only, for the whole daemon
 * - `backend`: any section
 * - `array`: any section, and as a sub-key of replication_device for the secondary array
 * - `replication`: a sub-key of replication_device only
 */
export type KeyScope = 'daemon' | 'backend' | 'array' | 'replication';

export interface KeySpec {
  scope: KeyScope;
  /** A password. */
  secret?: true;
  /** Stands beside a password and may have swallowed it when a line end was lost. */
  besideSecret?: true;
  /** The value may go over several lines. */
  list?: true;
  /** Why the key has no effect (any more). */
  unused?: string;
  /** What to write when it is missing. */
  example?: string;
}

const FILE_PERSONA = 'File Persona is not supported';
const ISCSI_OPTION = 'use hpe3par_iscsi_ips; the driver never read this key';

/** Every key there is (reference 9.2), and ours. */
const KEYS: ReadonlyMap<string, KeySpec> = new Map<string, KeySpec>([
  ['logging', { scope: 'daemon' }],
  ['mount_prefix', { scope: 'daemon' }],
  ['docker_timeout', { scope: 'daemon' }],
  ['host_command_prefix', { scope: 'daemon' }],
  ['status_listen', { scope: 'daemon' }],
  ['docker_socket', { scope: 'daemon' }],
  ['host_etcd_ip_address', { scope: 'daemon', list: true }],
  ['host_etcd_port_number', { scope: 'daemon' }],
  ['host_etcd_ca_cert', { scope: 'daemon' }],
  ['host_etcd_client_cert', { scope: 'daemon' }],
  ['host_etcd_client_key', { scope: 'daemon' }],

  ['hpedockerplugin_driver', { scope: 'backend', example: 'hpedockerplugin.hpe.hpe_3par_fc.HPE3PARFCDriver' }],
  ['hpe3par_cpg', { scope: 'backend', list: true, example: 'FC_r6' }],
  ['hpe3par_snapcpg', { scope: 'backend', list: true }],
  ['replication_device', { scope: 'backend', list: true }],
  ['secondary_wwn', { scope: 'backend' }],
  ['replication_strict', { scope: 'backend' }],
  ['remove_empty_group', { scope: 'backend' }],
  ['loopback_fabric', { scope: 'backend' }],
  ['use_multipath', { scope: 'backend' }],
  ['multipath_minimum_paths', { scope: 'backend' }],

  ['hpe3par_api_url', { scope: 'array', example: 'https://10.0.0.1:8080/api/v1' }],
  ['hpe3par_username', { scope: 'array', besideSecret: true, example: 'USER' }],
  ['hpe3par_password', { scope: 'array', secret: true, example: 'PASSWORD' }],
  ['hpe3par_password_file', { scope: 'array', besideSecret: true }],
  ['hpe3par_iscsi_ips', { scope: 'array', list: true, example: '10.1.1.1' }],
  ['hpe3par_iscsi_chap_enabled', { scope: 'array' }],
  ['hpe3par_ca_file', { scope: 'array' }],
  ['hpe3par_fingerprint', { scope: 'array' }],
  ['hpe3par_tls_verify', { scope: 'array' }],
  ['san_ip', { scope: 'array', example: '10.0.0.1' }],
  ['san_login', { scope: 'array', besideSecret: true }],
  ['san_password', { scope: 'array', secret: true, example: 'PASSWORD' }],
  ['san_password_file', { scope: 'array', besideSecret: true }],
  ['password_key_file', { scope: 'array', besideSecret: true }],
  ['san_private_key', { scope: 'array' }],
  ['san_ssh_port', { scope: 'array' }],
  ['ssh_conn_timeout', { scope: 'array' }],
  ['strict_ssh_host_key_policy', { scope: 'array' }],
  ['ssh_hosts_key_file', { scope: 'array' }],

  ['backend_id', { scope: 'replication', example: 'TARGET' }],
  ['replication_mode', { scope: 'replication', example: 'synchronous' }],
  ['cpg_map', { scope: 'replication', list: true, example: 'SOURCE_CPG:TARGET_CPG' }],
  ['snap_cpg_map', { scope: 'replication', list: true, example: 'SOURCE_CPG:TARGET_CPG' }],
  ['sync_period', { scope: 'replication' }],
  ['quorum_witness_ip', { scope: 'replication' }],

  ['enforce_multipath', { scope: 'backend', unused: 'multipath is always enforced where use_multipath is not false' }],
  ['hpe3par_debug', { scope: 'array', unused: 'use logging = DEBUG' }],
  ['suppress_requests_ssl_warnings', { scope: 'array', unused: 'certificates are verified; see hpe3par_ca_file' }],
  ['hpe3par_default_fpg_size', { scope: 'backend', unused: FILE_PERSONA }],
  ['hpe3par_server_ip_pool', { scope: 'backend', list: true, unused: FILE_PERSONA }],
  ['iscsi_ip_address', { scope: 'array', unused: ISCSI_OPTION }],
  ['iscsi_port', { scope: 'array', unused: ISCSI_OPTION }],
  ['use_chap_auth', { scope: 'array', unused: ISCSI_OPTION }],
  ['chap_username', { scope: 'array', unused: ISCSI_OPTION }],
  ['chap_password', { scope: 'array', secret: true, unused: ISCSI_OPTION }],
]);

export const KEY_NAMES: readonly string[] = [...KEYS.keys()];

/** What the key means; undefined for keys that nobody knows. */
export const findKey = (name: string): KeySpec | undefined => KEYS.get(name);

/** Today's spelling: `hp3par_*` became `hpe3par_*`. */
export function currentSpelling(name: string): string {
  const renamed = name.replace(/^hp3par_/, 'hpe3par_');
  return KEYS.has(renamed) ? renamed : name;
}

/** The key that was most likely meant, among those that may stand there. */
export function nearestKey(name: string, where: 'section' | 'replication_device'): string | undefined {
  const scopes: KeyScope[] = where === 'section' ? ['daemon', 'backend', 'array'] : ['replication', 'array'];
  const known = [...KEYS].filter(([, spec]) => scopes.includes(spec.scope)).map(([key]) => key);
  return nearest(currentSpelling(name), known);
}

/** A word for a message in place of a key: where a separator was lost, the word may go on with a password. */
export function shownKey(word: string): string {
  const at = word.search(/pas/i);
  return at === -1 || KEYS.has(currentSpelling(word)) ? word : `${word.slice(0, at + 3)}…`;
}

const KEY_INSIDE = new RegExp(`(?:^|[\\s,;])(${KEY_NAMES.join('|')})\\s*[:=]`);

/** A key of hpe.conf that stands within another key's value, because a comma or a line start is missing before it. */
export const findKeyInside = (value: string): string | undefined => KEY_INSIDE.exec(value)?.[1];
