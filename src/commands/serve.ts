import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { StatusPoll } from '../backend/status-poll.js';
import { loadConfig, type Config, type Surroundings } from '../config/config.js';
import type { GroupReport } from '../domain/group-report.js';
import { Attachments } from '../driver/attachments.js';
import { ContainerOrders } from '../driver/container-orders.js';
import type { DriverContext } from '../driver/context.js';
import { createSnapshot } from '../driver/create-snapshot.js';
import { DockerDriver } from '../driver/driver.js';
import { GroupCycles } from '../driver/group-cycles.js';
import { reportPolled } from '../driver/group-report.js';
import { HostProblems } from '../driver/host-problems.js';
import { LastSeen } from '../driver/last-seen.js';
import { Operations } from '../driver/operations.js';
import { readOutline } from '../driver/outlines.js';
import { Overrides } from '../driver/overrides.js';
import { ProtectionWatch } from '../driver/protection-watch.js';
import { Recovery, settlersOf } from '../driver/recover.js';
import { Releases } from '../driver/releases.js';
import { Resizes } from '../driver/resizes.js';
import { isShownElsewhere } from '../host/device-users.js';
import { createFilesystems } from '../host/filesystem.js';
import { withHostPrefix } from '../host/host-prefix.js';
import { run as runTool, type Run } from '../host/run.js';
import { createLogger, withLogContext } from '../log.js';
import { startAdminServer } from '../plugin/admin.js';
import type { Timeouts } from '../plugin/routes.js';
import { startPluginServer } from '../plugin/server.js';
import { openNodeJournal } from '../store/node-journal.js';
import { protectionFile } from '../store/protection-file.js';
import { recordCacheIn } from '../store/record-cache.js';
import { buildBackends, buildConnectors, openStore } from './build.js';
import { adminSocketOf } from './daemon-client.js';
import { connectEngine } from './engine.js';
import { metadataRequests } from './metadata-requests.js';
import { Passwords } from './passwords.js';
import { pinsIn } from './pins.js';
import { listenForStatus, measureLocks, metricsOf } from './status-listener.js';
import { reportRequests } from './report-requests.js';

export interface ServeOptions extends Surroundings {
  configFile: string;
  socketPath: string;
  stateDir: string;
  /** For tests that run several nodes on one machine. */
  nodeName?: string;
  /** Seconds that the leases of locks and presence live without being renewed; for tests. */
  leaseTtl?: number;
  /** How the host's tools are run; for tests and measurements. */
  run?: Run;
}

/** Seconds that are kept of Docker's own limits for the answer to arrive. */
const ANSWER_MARGIN_SECONDS = 5;
const SHORT_CALL_SECONDS = 60;
/** Of that margin, what an answer waits for a rollback that is under way. */
const WAY_BACK_MS = 3_000;
/** A drill's snapshot that nobody dropped is dropped by the array. */
const DRILL_HOURS = 24;
const STATUS_READ_MS = 5_000;
/** Loading what the background needs keeps this process busy: whoever has waited for the socket is answered before. */
const FIRST_CALL_MS = 20;

/**
 * Starts the daemon: configuration, metadata, arrays, host, driver, socket, in this order. Nothing here waits for an array
 * or for etcd; both are met on first use. @throws ConfigError, or `unavailable` when another daemon has the socket or state
 */
export async function serve(options: ServeOptions): Promise<{ close(): Promise<void> }> {
  const { config, warnings } = loadConfig(options.configFile, options);
  const logger = createLogger(config.logging);
  for (const { what, ...where } of warnings) logger.warn(`hpe.conf: ${what}`, { ...where });
  const { stateDir, socketPath } = options;
  const run = withHostPrefix(options.run ?? runTool, config.hostCommandPrefix);
  const journal = await openNodeJournal(stateDir);
  const node = { id: journal.nodeId, name: options.nodeName ?? hostname() };
  const leaseTtl = options.leaseTtl === undefined ? {} : { leaseTtl: options.leaseTtl };
  const store = await openStore(config.etcd, { stateDir, node, logger, ...leaseTtl });
  const metrics = await metricsOf(config);
  measureLocks(store, metrics);
  const passwords = new Passwords(config, { store, logger });
  const findCluster = async (): Promise<string | undefined> => store.archive.cluster();
  const backends = buildBackends(config, {
    pins: pinsIn(store),
    passwords,
    logger,
    findCluster,
    observe: (call) => metrics?.arrayCall(call),
  });
  const connector = buildConnectors(config, { stateDir, node, run, logger });
  const hostProblems = new HostProblems({
    find: async (name, signal) => connector(backends.get(name)).findProblems(signal),
    logger,
  });
  const managed = options.managed === true;
  const cache = recordCacheIn(stateDir, logger);
  // What is embedded is on this host already.
  const lastSeen = store.kind === 'etcd' ? new LastSeen({ store, cache, logger }) : undefined;
  const mountRoot = config.mountPrefix ?? path.join(stateDir, 'volumes');
  const ctx: DriverContext = {
    store,
    backends,
    journal,
    ...(lastSeen === undefined ? {} : { lastSeen }),
    connector,
    hostProblems,
    filesystems: createFilesystems({ run, mountRoot, managed, logger }),
    groups: new GroupCycles({ store, backends, logger }),
    node,
    mountRoot,
    mountSeconds: timeoutsOf(config).longMs / 1000,
    logger,
  };
  const operations = new Operations(ctx, settlersOf(ctx));
  const attachments = new Attachments(ctx, operations);
  const poll = new StatusPoll(backends, async () => store.list('group', AbortSignal.timeout(STATUS_READ_MS)), logger);
  const watch = new ProtectionWatch(
    async (signal) => {
      const outline = await (lastSeen === undefined ? readOutline(store, signal) : lastSeen.readOutline(signal));
      return outline === undefined ? [] : reportPolled({ store, backends, node: node.id }, { poll, outline }, signal);
    },
    protectionFile(stateDir, logger),
  );
  await watch.load();
  const overrides = new Overrides(ctx);
  const resizes = new Resizes(ctx, { operations, users: attachments.users });
  const releases = new Releases(ctx, operations);
  const recovery = new Recovery(ctx, { operations, attachments, resizes });
  const engine = config.dockerSocket === undefined ? undefined : connectEngine(config.dockerSocket);
  const orders = new ContainerOrders({ store, node, engine, logger });
  const driver = new DockerDriver(ctx, { operations, attachments, poll, resizes });
  const reportParts = {
    store,
    backends,
    journal,
    node: node.id,
    nodeName: node.name,
    recall: (report: GroupReport) => watch.recall(report),
  };
  const large = metadataRequests({ config, store, journal, node, passwords, logger });
  const admin = await startAdminServer({
    socketPath: adminSocketOf(stateDir),
    overrides,
    releases,
    resizes,
    drill: async ({ volume, name }, signal) => {
      const request = {
        kind: 'snapshot',
        of: volume,
        life: { expirationHours: DRILL_HOURS },
        isOfPassive: true,
      } as const;
      await createSnapshot({ ctx, operations }, { name, request }, signal);
    },
    large,
    reads: reportRequests(reportParts, async () => ({
      managed,
      isShown: !managed || (await isShownElsewhere(mountRoot)),
    })),
    logger,
  });
  const server = await startPluginServer({
    socketPath,
    driver,
    logger,
    timeouts: timeoutsOf(config),
    within: withLogContext,
    observe: (request) => metrics?.request(request),
  }).catch(async (error: unknown) => {
    await admin.close();
    throw error;
  });
  const status = await listenForStatus(config, { ...reportParts, outline: () => lastSeen?.outline(), metrics, logger });
  await pause(FIRST_CALL_MS);
  store.announce();
  void passwords.announce();
  recovery.start();
  overrides.start();
  poll.start();
  watch.start();
  orders.start();
  lastSeen?.start();
  for (const { name } of backends.all()) hostProblems.look(name);
  logger.info('serving', { socket: socketPath, metadata: store.kind, backends: [...config.backends.keys()] });
  if (store.kind === 'embedded') {
    logger.warn('no host_etcd_ip_address: the metadata are on this host alone, so no other host may use these volumes');
  }
  return {
    async close() {
      await status.close();
      await server.close();
      await Promise.all([
        recovery.stop(),
        overrides.stop(),
        poll.stop(),
        watch.stop(),
        orders.stop(),
        lastSeen?.stop(),
        hostProblems.stop(),
      ]);
      await backends.close();
      await store.close();
      // It keeps the state directory: until here a second daemon would take this one for ended, and its locks for free.
      await admin.close();
    },
  };
}

function timeoutsOf(config: Config): Timeouts {
  const limit = config.dockerTimeoutSeconds;
  return {
    longMs: (limit - ANSWER_MARGIN_SECONDS) * 1000,
    shortMs: (Math.min(limit, SHORT_CALL_SECONDS) - ANSWER_MARGIN_SECONDS) * 1000,
    wayBackMs: WAY_BACK_MS,
  };
}
