import type { Config, EtcdConfig } from './model.js';
import type { Settings } from './settings.js';
import {
  absolutePath,
  absolutePathOrNone,
  commandWords,
  endpoints,
  oneEndpoint,
  oneOf,
  port,
  wholeNumber,
} from './values.js';

const LEVELS = {
  debug: 'debug',
  info: 'info',
  warning: 'warning',
  warn: 'warning',
  error: 'error',
  critical: 'error',
} as const;
const LEVEL_WORDS = ['debug', 'info', 'warning', 'warn', 'error', 'critical'] as const;

const DEFAULT_ETCD_PORT = 2379;
/** What a key of old files says when there is no etcd. */
const NO_ETCD = '0.0.0.0';
/** Seconds that dockerd gives a plugin for Create and Mount. */
const DEFAULT_DOCKER_TIMEOUT = 120;
const DEFAULT_DOCKER_SOCKET = '/var/run/docker.sock';
/** Of `status_listen`. */
const DEFAULT_STATUS_PORT = 9810;

/** What [DEFAULT] says about the daemon itself. */
export function readDaemon(settings: Settings): Omit<Config, 'backends'> {
  const etcd = readEtcd(settings);
  const mountPrefix = settings.read('mount_prefix', absolutePath);
  const dockerSocket = settings.read('docker_socket', absolutePathOrNone) ?? DEFAULT_DOCKER_SOCKET;
  const statusListen = settings.read('status_listen', oneEndpoint(DEFAULT_STATUS_PORT));
  return {
    logging: LEVELS[settings.read('logging', oneOf(LEVEL_WORDS)) ?? 'warning'],
    ...(etcd === undefined ? {} : { etcd }),
    ...(mountPrefix === undefined ? {} : { mountPrefix }),
    dockerTimeoutSeconds: settings.read('docker_timeout', wholeNumber(15, 3600, 'seconds')) ?? DEFAULT_DOCKER_TIMEOUT,
    hostCommandPrefix: settings.read('host_command_prefix', commandWords) ?? [],
    ...(dockerSocket === 'none' ? {} : { dockerSocket }),
    ...(statusListen === undefined ? {} : { statusListen }),
  };
}

function readEtcd(settings: Settings): EtcdConfig | undefined {
  const defaultPort = settings.read('host_etcd_port_number', port) ?? DEFAULT_ETCD_PORT;
  const address = settings.find('host_etcd_ip_address')?.text;
  const isAbsent = address === undefined || address.split(':')[0] === NO_ETCD;
  // Old files without etcd may still name its files, which nobody needs then.
  const tls = readTls(settings, (key) => (isAbsent ? settings.read(key, absolutePath) : settings.readFile(key)));
  const hosts = isAbsent ? undefined : settings.read('host_etcd_ip_address', endpoints(defaultPort));
  return hosts === undefined ? undefined : { hosts, ...(tls === undefined ? {} : { tls }) };
}

function readTls(settings: Settings, file: (key: string) => string | undefined): EtcdConfig['tls'] {
  const caFile = file('host_etcd_ca_cert');
  const certFile = file('host_etcd_client_cert');
  const keyFile = file('host_etcd_client_key');
  const has = (key: string): boolean => settings.find(key) !== undefined;
  if (has('host_etcd_client_cert') && !has('host_etcd_client_key')) {
    settings.missing('host_etcd_client_key', 'add the file with the key of host_etcd_client_cert');
  }
  if (has('host_etcd_client_key') && !has('host_etcd_client_cert')) {
    settings.missing('host_etcd_client_cert', 'add the file with the certificate of host_etcd_client_key');
  }
  const client = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
  if (client === undefined && caFile === undefined) return undefined;
  return { ...(caFile === undefined ? {} : { caFile }), ...(client === undefined ? {} : { client }) };
}
