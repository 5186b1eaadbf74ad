import path from 'node:path';
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

/** How the daemon was started, as far as that decides what holds where hpe.conf says nothing. */
export interface Surroundings {
  /** Docker runs it as a managed plugin, in a container of its own. */
  managed?: boolean;
  /** Takes the place of `logging`; empty: it does not. */
  logLevel?: string;
}

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
const DEFAULT_DOCKER_SOCKET = '/var/run/docker.sock';
/** Of `status_listen`. */
const DEFAULT_STATUS_PORT = 9810;

/** `propagatedMount` of config.json: Docker shows containers what is mounted below it, and nothing else. */
export const MANAGED_MOUNT_PREFIX = '/opt/hpe/data';
/** Without `--ipc` a tool that waits for udev would wait for ever: they meet at a semaphore of the host. */
const MANAGED_PREFIX = ['nsenter', '--mount=/proc/1/ns/mnt', '--ipc=/proc/1/ns/ipc', '--'];
/** Seconds that dockerd gives a plugin for Create and Mount; a managed one gets fewer unless it is enabled with --timeout. */
const DOCKER_TIMEOUT = { managed: 30, service: 120 };

/** What [DEFAULT] says about the daemon itself. */
export function readDaemon(settings: Settings, started: Surroundings): Omit<Config, 'backends'> {
  const etcd = readEtcd(settings);
  const mountPrefix = readMountPrefix(settings, started);
  const isManaged = started.managed === true;
  const timeout = isManaged ? DOCKER_TIMEOUT.managed : DOCKER_TIMEOUT.service;
  const dockerSocket = settings.read('docker_socket', absolutePathOrNone) ?? DEFAULT_DOCKER_SOCKET;
  const statusListen = settings.read('status_listen', oneEndpoint(DEFAULT_STATUS_PORT));
  return {
    logging: readLevel(settings, started),
    ...(etcd === undefined ? {} : { etcd }),
    ...(mountPrefix === undefined ? {} : { mountPrefix }),
    dockerTimeoutSeconds: settings.read('docker_timeout', wholeNumber(15, 3600, 'seconds')) ?? timeout,
    hostCommandPrefix: settings.read('host_command_prefix', commandWords) ?? (isManaged ? MANAGED_PREFIX : []),
    ...(dockerSocket === 'none' ? {} : { dockerSocket }),
    ...(statusListen === undefined ? {} : { statusListen }),
  };
}

function readMountPrefix(settings: Settings, { managed }: Surroundings): string | undefined {
  const asked = settings.read('mount_prefix', absolutePath);
  if (managed !== true) return asked;
  if (asked === undefined) return MANAGED_MOUNT_PREFIX;
  if (
    path.join(asked, '/') !== `${MANAGED_MOUNT_PREFIX}/` &&
    !path.join(asked).startsWith(`${MANAGED_MOUNT_PREFIX}/`)
  ) {
    // Docker would give containers an empty directory of its own disk in place of the volume.
    settings.complain('error', 'mount_prefix', {
      what: `containers see nothing of what a managed plugin mounts outside of ${MANAGED_MOUNT_PREFIX}`,
      fix: 'leave the line out',
    });
  }
  return asked;
}

function readLevel(settings: Settings, { logLevel = '' }: Surroundings): Config['logging'] {
  const inFile = settings.read('logging', oneOf(LEVEL_WORDS));
  if (logLevel === '') return LEVELS[inFile ?? 'warning'];
  const word = LEVEL_WORDS.find((each) => each === logLevel.toLowerCase());
  if (word !== undefined) return LEVELS[word];
  const what = `LOG_LEVEL, which takes its place, is none of the possible words`;
  settings.complain('error', 'logging', { what, fix: oneOf(LEVEL_WORDS).right });
  return 'warning';
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
