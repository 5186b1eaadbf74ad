import { hostname } from 'node:os';
import path from 'node:path';
import { readFileSync } from 'node:fs';
import { connectArray } from '../array/three-par.js';
import type { ArraySettings } from '../array/settings.js';
import { Backend, type BackendSettings } from '../backend/backend.js';
import { BackendManager } from '../backend/manager.js';
import { StatusPoll } from '../backend/status-poll.js';
import { loadConfig, type ArrayConfig, type BackendConfig, type Config } from '../config/config.js';
import type { PinStore } from '../contracts/array.js';
import type { HostConnector } from '../contracts/host.js';
import type { Logger } from '../contracts/log.js';
import type { MetadataStore } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { Attachments } from '../driver/attachments.js';
import type { DriverContext } from '../driver/context.js';
import { DockerDriver } from '../driver/driver.js';
import { Operations } from '../driver/operations.js';
import { Recovery, settlersOf } from '../driver/recover.js';
import { createFilesystems } from '../host/filesystem.js';
import { createLoopbackConnector } from '../host/loopback.js';
import { run } from '../host/run.js';
import { createLogger } from '../log.js';
import { startPluginServer } from '../plugin/server.js';
import { openEmbeddedStore } from '../store/embedded-store.js';
import { openEtcdStore } from '../store/etcd-store.js';
import { openNodeJournal } from '../store/node-journal.js';
import { pinsIn } from './pins.js';

export interface ServeOptions {
  configFile: string;
  socketPath: string;
  stateDir: string;
  /** For tests that run several nodes on one machine. */
  nodeName?: string;
}

/** Seconds that are kept of Docker's own limits for the answer to arrive. */
const ANSWER_MARGIN_SECONDS = 5;
const SHORT_CALL_SECONDS = 60;

/**
 * Starts the daemon: configuration, metadata, arrays, host, driver, socket, in this order. Nothing here waits for an array
 * or for etcd; both are met on first use.
 */
export async function serve(options: ServeOptions): Promise<{ close(): Promise<void> }> {
  const { config, warnings } = loadConfig(options.configFile);
  const logger = createLogger(config.logging);
  for (const warning of warnings) logger.warn('hpe.conf', { ...warning });
  const journal = await openNodeJournal(options.stateDir);
  const node = { id: journal.nodeId, name: options.nodeName ?? hostname() };
  const store = await openStore(config, { options, node, logger });
  const backends = new BackendManager(
    [...config.backends.values()].map((each) => buildBackend(each, { pins: pinsIn(store), logger })),
  );
  const ctx: DriverContext = {
    store,
    backends,
    journal,
    connector: connectorsOf(config, options.stateDir, node.id),
    filesystems: createFilesystems({ run, mountRoot: mountRootOf(config, options) }),
    node,
    mountRoot: mountRootOf(config, options),
    logger,
  };
  const operations = new Operations(ctx, settlersOf(ctx));
  const attachments = new Attachments(ctx, operations);
  const poll = new StatusPoll(backends, async () => await store.list('group', AbortSignal.timeout(5_000)), logger);
  const recovery = new Recovery(ctx, { operations, attachments });
  const driver = new DockerDriver(ctx, { operations, attachments, poll });
  const server = await startPluginServer({ socketPath: options.socketPath, driver, logger, timeouts: timeoutsOf(config) });
  recovery.start();
  poll.start();
  logger.info('serving', { socket: options.socketPath, metadata: store.kind, backends: [...config.backends.keys()] });
  if (store.kind === 'embedded') {
    logger.warn('no host_etcd_ip_address: the metadata are on this host alone, so no other host may use these volumes');
  }
  return {
    async close() {
      await server.close();
      await Promise.all([recovery.stop(), poll.stop()]);
      await backends.close();
      await store.close();
    },
  };
}

const mountRootOf = (config: Config, options: ServeOptions): string =>
  config.mountPrefix ?? path.join(options.stateDir, 'volumes');

function timeoutsOf(config: Config): { longMs: number; shortMs: number } {
  const limit = config.dockerTimeoutSeconds;
  return {
    longMs: (limit - ANSWER_MARGIN_SECONDS) * 1000,
    shortMs: (Math.min(limit, SHORT_CALL_SECONDS) - ANSWER_MARGIN_SECONDS) * 1000,
  };
}

interface StoreParts {
  options: ServeOptions;
  node: { id: string; name: string };
  logger: Logger;
}

async function openStore(config: Config, { options, node, logger }: StoreParts): Promise<MetadataStore> {
  const { stateDir } = options;
  if (config.etcd === undefined) return await openEmbeddedStore(stateDir, node.name);
  return await openEtcdStore({ ...config.etcd, node, stateDir, logger });
}

function buildBackend(config: BackendConfig, deps: { pins: PinStore; logger: Logger }): Backend {
  const { primary, secondary, replication } = config;
  const settings: BackendSettings = {
    name: config.name,
    cpg: { primary: primary.cpg, ...(secondary === undefined ? {} : { secondary: secondary.cpg }) },
    snapCpg: { primary: primary.snapCpg, ...(secondary === undefined ? {} : { secondary: secondary.snapCpg }) },
  };
  if (replication !== undefined) {
    const { target, mode, syncPeriodSeconds, secondaryWwn, replicationStrict, removeEmptyGroup } = replication;
    settings.replication = {
      target,
      mode,
      ...(syncPeriodSeconds === undefined ? {} : { syncPeriod: syncPeriodSeconds }),
      differentSecondaryWwn: secondaryWwn === 'different',
      strict: replicationStrict,
      removeEmptyGroup,
    };
  }
  const connect = (array: ArrayConfig, side: string) =>
    connectArray(arraySettings(array, `${side} array of ${config.name} (${new URL(array.apiUrl).host})`), deps);
  return new Backend(settings, {
    primary: connect(primary, 'primary'),
    ...(secondary === undefined ? {} : { secondary: connect(secondary, 'secondary') }),
  });
}

function arraySettings(array: ArrayConfig, label: string): ArraySettings {
  return {
    label,
    apiUrl: array.apiUrl,
    username: array.username,
    password: array.password,
    tlsVerify: array.tlsVerify,
    ...(array.caFile === undefined ? {} : { ca: readFileSync(array.caFile, 'utf8') }),
    ...(array.fingerprint === undefined ? {} : { fingerprint: array.fingerprint }),
  };
}

/** One connector for each backend; made on first use, and then kept, since it queues the work on one host. */
function connectorsOf(config: Config, stateDir: string, nodeId: string): DriverContext['connector'] {
  const made = new Map<string, HostConnector>();
  return (backend) => {
    const known = made.get(backend.name);
    if (known !== undefined) return known;
    const settings = config.backends.get(backend.name);
    if (settings?.loopbackFabric === undefined) {
      throw new DriverError('unavailable', `backend ${backend.name} wants ${settings?.protocol ?? 'a SAN'}, and this version attaches volumes only over the simulator's loopback fabric`, {
        next: 'set loopback_fabric in hpe.conf to try the plugin with hpe-3par-sim',
      });
    }
    const { protocol, loopbackFabric } = settings;
    const fresh = createLoopbackConnector({
      fabricDir: loopbackFabric,
      initiator: loopbackInitiator(protocol, nodeId),
      protocol,
      run,
      stateDir,
    });
    made.set(backend.name, fresh);
    return fresh;
  };
}

/** What this node is called on the simulated fabric. */
function loopbackInitiator(protocol: 'iscsi' | 'fc', nodeId: string): string {
  const digits = nodeId.replaceAll('-', '');
  return protocol === 'iscsi' ? `iqn.2026-11.local.hpe-volume-plugin:${digits.slice(0, 12)}` : `5${digits.slice(0, 15)}`;
}
