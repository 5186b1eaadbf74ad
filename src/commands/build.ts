import { readFileSync } from 'node:fs';
import { Connections } from '../array/connections.js';
import type { ArraySettings, SshSettings } from '../array/settings.js';
import { connectArray } from '../array/three-par.js';
import type { FindCluster } from '../array/volumes.js';
import { Backend, type BackendSettings } from '../backend/backend.js';
import { BackendManager } from '../backend/manager.js';
import type { ArrayConfig, BackendConfig, Config, EtcdConfig } from '../config/config.js';
import type { PinStore } from '../contracts/array.js';
import type { HostConnector } from '../contracts/host.js';
import type { Logger } from '../contracts/log.js';
import type { MetadataStore } from '../contracts/store.js';
import type { Side } from '../domain/replication.js';
import { DriverError } from '../domain/errors.js';
import { Secret } from '../domain/secret.js';
import type { DriverContext } from '../driver/context.js';
import { createFcConnector } from '../host/fc.js';
import { createIscsiConnector } from '../host/iscsi.js';
import { createLoopbackConnector } from '../host/loopback.js';
import type { Run } from '../host/run.js';
import type { EtcdTls } from '../store/etcd-client.js';
import type { Passwords } from './passwords.js';

interface Node {
  id: string;
  name: string;
}

/** The metadata, where hpe.conf says; does not wait for etcd. @throws `unavailable` when the state directory is in use */
export async function openStore(
  etcd: EtcdConfig | undefined,
  parts: { stateDir: string; node: Node; leaseTtl?: number; logger: Logger },
): Promise<MetadataStore> {
  if (etcd === undefined) {
    const { openEmbeddedStore } = await import('../store/embedded-store.js');
    return openEmbeddedStore(parts.stateDir, parts.node);
  }
  const hosts = endpointsOf(etcd);
  const tls = etcd.tls === undefined ? {} : { tls: readTls(etcd.tls) };
  const { openEtcdStore } = await import('../store/etcd-store.js');
  return openEtcdStore({ hosts, ...tls, ...parts });
}

/** `address:port` of each member. */
export const endpointsOf = ({ hosts }: EtcdConfig): string[] =>
  hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);

/** @throws `invalid` */
export function readTls({ caFile, client }: NonNullable<EtcdConfig['tls']>): EtcdTls {
  return {
    ...(caFile === undefined ? {} : { ca: readFile(caFile) }),
    ...(client === undefined
      ? {}
      : {
          client: {
            cert: readFile(client.certFile),
            key: readFile(client.keyFile),
          },
        }),
  };
}

/** A file that hpe.conf names, and that was there when hpe.conf was read. @throws `invalid` */
function readFile(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DriverError('invalid', `a file that hpe.conf names cannot be read any more: ${reason}`, { cause: error });
  }
}

interface BackendDeps {
  pins: PinStore;
  passwords: Passwords;
  logger: Logger;
  findCluster?: FindCluster;
  /** Told of each call to an array (`DEFAULT/primary`); for metrics. */
  observe?(call: { array: string; status: number | undefined; ms: number }): void;
  /** How an array is connected; `connectArray` when not given. */
  connect?: typeof connectArray;
}

/** One backend for each section; none of them connects before it is used. */
export function buildBackends(config: Config, deps: BackendDeps): BackendManager {
  const connections = new Connections(deps);
  return new BackendManager([...config.backends.values()].map((each) => buildBackend(each, { ...deps, connections })));
}

function buildBackend(config: BackendConfig, deps: BackendDeps & { connections: Connections }): Backend {
  const { primary, secondary, replication } = config;
  const settings: BackendSettings = {
    name: config.name,
    cpg: { primary: primary.cpg, ...(secondary === undefined ? {} : { secondary: secondary.cpg }) },
    snapCpg: { primary: primary.snapCpg, ...(secondary === undefined ? {} : { secondary: secondary.snapCpg }) },
    ...(config.snapshotsFollow ? { snapshotsFollow: true } : {}),
  };
  if (replication !== undefined) {
    const { target, mode, syncPeriodSeconds, secondaryWwn, replicationStrict, removeEmptyGroup } = replication;
    const { cpgMap, snapCpgMap, quorumWitnessIp } = replication;
    settings.replication = {
      target,
      mode,
      ...(syncPeriodSeconds === undefined ? {} : { syncPeriod: syncPeriodSeconds }),
      ...(quorumWitnessIp === undefined ? {} : { witness: quorumWitnessIp }),
      differentSecondaryWwn: secondaryWwn === 'different',
      strict: replicationStrict,
      removeEmptyGroup,
      cpgMap,
      snapCpgMap,
    };
  }
  const connect = (side: Side, array: ArrayConfig) => {
    const observe = (call: { status: number | undefined; ms: number }): void =>
      deps.observe?.({ array: `${config.name}/${side}`, ...call });
    return (deps.connect ?? connectArray)({ ...settingsOf(config, { side, array }, deps), observe }, deps);
  };
  return new Backend(settings, {
    primary: connect('primary', primary),
    ...(secondary === undefined ? {} : { secondary: connect('secondary', secondary) }),
  });
}

/** How one array of a backend is reached, passwords included. */
export function settingsOf(
  config: BackendConfig,
  { side, array }: { side: Side; array: ArrayConfig },
  { passwords }: { passwords: Passwords },
): ArraySettings {
  const password = passwords.of(config.name, array.password);
  const ssh = { ...sshSettings(array), password: passwords.of(config.name, array.sanPassword) };
  return { ...arraySettings(config.name, side, array), password, ssh };
}

function arraySettings(backend: string, side: Side, array: ArrayConfig): Omit<ArraySettings, 'password' | 'ssh'> {
  return {
    label: `${side} array of backend ${backend}`,
    apiUrl: array.apiUrl,
    username: array.username,
    tlsVerify: array.tlsVerify,
    portals: array.iscsiIps,
    cpg: array.cpg,
    ...(array.caFile === undefined ? {} : { ca: readFile(array.caFile).toString('utf8') }),
    ...(array.fingerprint === undefined ? {} : { fingerprint: array.fingerprint }),
  };
}

function sshSettings(array: ArrayConfig): Omit<SshSettings, 'password'> {
  const { sanPrivateKey, hostKeysFile } = array;
  return {
    host: array.sanIp,
    port: array.sanPort,
    user: array.sanLogin,
    timeoutSeconds: array.sshTimeoutSeconds,
    hostKeyCheck: array.hostKeyCheck,
    ...(sanPrivateKey === undefined ? {} : { privateKey: new Secret(readFile(sanPrivateKey).toString('utf8')) }),
    ...(hostKeysFile === undefined ? {} : { hostKeysFile }),
  };
}

/** How this host attaches the volumes of a backend; made on first use and then kept, since it queues the work on one host. */
export function buildConnectors(
  config: Config,
  at: { stateDir: string; node: Node; run: Run; logger: Logger },
): DriverContext['connector'] {
  const made = new Map<string, HostConnector>();
  return (backend) => {
    const known = made.get(backend.name);
    if (known !== undefined) return known;
    const settings = config.backends.get(backend.name);
    if (settings === undefined) throw new DriverError('internal', `there is no backend ${backend.name}`);
    const fresh = buildConnector(settings, at);
    made.set(backend.name, fresh);
    return fresh;
  };
}

function buildConnector(
  settings: BackendConfig,
  { stateDir, node, run, logger }: { stateDir: string; node: Node; run: Run; logger: Logger },
): HostConnector {
  const { protocol, loopbackFabric, usesMultipath, minimumPaths, chap, replication } = settings;
  if (loopbackFabric !== undefined) {
    const initiator = loopbackInitiator(protocol, node.id);
    return createLoopbackConnector({ fabricDir: loopbackFabric, initiator, protocol, run, stateDir });
  }
  const movesBetweenArrays = replication?.quorumWitnessIp !== undefined;
  const options = { run, stateDir, usesMultipath, minimumPaths, movesBetweenArrays, logger };
  if (protocol === 'iscsi') return createIscsiConnector({ ...options, chap });
  return createFcConnector({ ...options, equalWwns: replication?.secondaryWwn === 'same' });
}

/** What this node is called on the simulated fabric. */
function loopbackInitiator(protocol: 'iscsi' | 'fc', nodeId: string): string {
  const digits = nodeId.replaceAll('-', '');
  return protocol === 'iscsi'
    ? `iqn.2026-11.local.hpe-volume-plugin:${digits.slice(0, 12)}`
    : `5${digits.slice(0, 15)}`;
}
