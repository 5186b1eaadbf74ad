import type { ArrayConfig } from './model.js';
import { readPassword } from './password.js';
import type { Settings } from './settings.js';
import { absolutePath, apiUrl, boolean, endpoints, fingerprint, host, name, port, wholeNumber } from './values.js';

const ISCSI_PORT = 3260;
const DEFAULT_SSH_PORT = 22;
const DEFAULT_SSH_TIMEOUT_SECONDS = 30;
const DEFAULT_LOGIN = 'admin';
const DEFAULT_HOST_KEYS = '/root/.ssh/ssh_known_hosts';

/** The CPGs come from elsewhere: from keys of the section for the primary array, from the maps for the secondary. */
export type ArrayWithoutCpgs = Omit<ArrayConfig, 'cpg' | 'cpgs' | 'snapCpg'>;

/** One array. Undefined when something is wrong or missing, which is reported. */
export function readArray(settings: Settings, protocol: 'iscsi' | 'fc' | undefined): ArrayWithoutCpgs | undefined {
  const required = {
    apiUrl: settings.require('hpe3par_api_url', apiUrl),
    username: settings.require('hpe3par_username', name),
    password: readPassword(settings, 'hpe3par_password'),
    sanIp: settings.require('san_ip', host),
    sanPassword: readPassword(settings, 'san_password'),
  };
  const portals = endpoints(ISCSI_PORT);
  const iscsiIps =
    protocol === 'iscsi'
      ? settings.require('hpe3par_iscsi_ips', portals)
      : (settings.read('hpe3par_iscsi_ips', portals) ?? []);
  const optional = {
    sanPort: settings.read('san_ssh_port', port) ?? DEFAULT_SSH_PORT,
    sanLogin: settings.read('san_login', name) ?? DEFAULT_LOGIN,
    sshTimeoutSeconds: settings.read('ssh_conn_timeout', wholeNumber(1, 600, 'seconds')) ?? DEFAULT_SSH_TIMEOUT_SECONDS,
    chap: settings.read('hpe3par_iscsi_chap_enabled', boolean) ?? false,
    tlsVerify: settings.read('hpe3par_tls_verify', boolean) ?? true,
    ...readFiles(settings),
    ...readHostKeyCheck(settings),
  };
  const { apiUrl: url, username, password, sanIp, sanPassword } = required;
  if (url === undefined || username === undefined || password === undefined) return undefined;
  if (sanIp === undefined || sanPassword === undefined || iscsiIps === undefined) return undefined;
  return {
    apiUrl: url,
    username,
    password: password.value,
    passwordFrom: password.from,
    sanIp,
    sanPassword: sanPassword.value,
    sanPasswordFrom: sanPassword.from,
    iscsiIps,
    ...optional,
  };
}

function readFiles(settings: Settings): Pick<ArrayConfig, 'sanPrivateKey' | 'caFile' | 'fingerprint'> {
  const sanPrivateKey = settings.readFile('san_private_key');
  const caFile = settings.readFile('hpe3par_ca_file');
  const certificate = settings.read('hpe3par_fingerprint', fingerprint);
  return {
    ...(sanPrivateKey === undefined ? {} : { sanPrivateKey }),
    ...(caFile === undefined ? {} : { caFile }),
    ...(certificate === undefined ? {} : { fingerprint: certificate }),
  };
}

/** Old files often name a file without demanding that the host stands in it, or say `False`, which took the key of the first contact: `pin`. */
function readHostKeyCheck(settings: Settings): Pick<ArrayConfig, 'hostKeyCheck' | 'hostKeysFile'> {
  const isStrict = settings.read('strict_ssh_host_key_policy', boolean);
  const file = settings.read('ssh_hosts_key_file', absolutePath);
  if (isStrict === true) return { hostKeyCheck: 'strict', hostKeysFile: file ?? DEFAULT_HOST_KEYS };
  return {
    hostKeyCheck: 'pin',
    ...(file === undefined ? {} : { hostKeysFile: file }),
  };
}
