import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { loadConfig, type Config } from '../config/config.js';
import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import type { GroupReport } from '../domain/group-report.js';
import type { GroupName } from '../driver/group-report.js';
import { ProtectionWatch } from '../driver/protection-watch.js';
import type { StatusReport } from '../driver/status-report.js';
import { openNodeJournal } from '../store/node-journal.js';
import { protectionFile } from '../store/protection-file.js';
import { buildBackends, openStore } from './build.js';
import { askDaemon } from './daemon-client.js';
import { Passwords } from './passwords.js';
import { pinsIn } from './pins.js';
import { reportRequests, type ReportRequest } from './report-requests.js';

export interface Where {
  configFile: string;
  stateDir: string;
}

/** Fresh answers of arrays and metadata. */
export interface Reports {
  status(): Promise<StatusReport>;
  group(wanted: GroupName): Promise<GroupReport>;
  /** The daemon of this node answered, and does what Docker asks. */
  isServed: boolean;
  /** That node. */
  here(): Promise<{ node: string; id: string }>;
  /** The fingerprint that was seen at first contact with that peer. */
  pin(peer: string): Promise<string | undefined>;
}

const TIMEOUT_MS = 60_000;
const hereShape = z.object({ node: z.string(), id: z.string() });
/** Only what tells the reports from anything else: command and daemon are of one release. */
const has = (value: unknown, member: string): boolean => typeof value === 'object' && value !== null && member in value;
const statusReport = z.custom<StatusReport>((value) => has(value, 'arrays') && has(value, 'leftOvers'));
const groupReport = z.custom<GroupReport>((value) => has(value, 'sides') && has(value, 'volumes'));

/** Asks the daemon that runs with this state directory, or, when none does, metadata and arrays themselves. */
export async function withReports<T>(where: Where, work: (reports: Reports) => Promise<T>): Promise<T> {
  const probe = await askDaemon(where.stateDir, '/here', {});
  const daemon = async (question: ReportRequest, body: unknown): Promise<unknown> => {
    const answer = await askDaemon(where.stateDir, question, body);
    if (answer !== undefined) return answer.result;
    throw new DriverError('unavailable', 'the daemon has ended meanwhile', { next: 'repeat the command' });
  };
  if (probe !== undefined) return work(reportsFrom(daemon, true));
  return withoutDaemon(where, work);
}

function reportsFrom(ask: (question: ReportRequest, body: unknown) => Promise<unknown>, isServed: boolean): Reports {
  return {
    isServed,
    here: async () => hereShape.parse(await ask('/here', {})),
    status: async () => statusReport.parse(await ask('/status', {})),
    group: async (wanted) => groupReport.parse(await ask('/group', wanted)),
    pin: async (peer) =>
      z
        .string()
        .nullable()
        .parse(await ask('/pin', { peer })) ?? undefined,
  };
}

async function withoutDaemon<T>(where: Where, work: (reports: Reports) => Promise<T>): Promise<T> {
  const { config } = loadConfig(where.configFile);
  if (existsSync(path.join(where.stateDir, 'node-id'))) return askOurselves(config, where.stateDir, work);
  if (config.etcd === undefined) {
    throw new DriverError('refused', `no daemon runs, or ever ran, with the state directory ${where.stateDir}`, {
      next: 'start the plugin, or name its directory with --state-dir',
    });
  }
  // A machine that is no node does not become one by looking (rule 40).
  const folder = await mkdtemp(path.join(tmpdir(), 'hpe-status-'));
  try {
    return await askOurselves(config, folder, work);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function askOurselves<T>(config: Config, stateDir: string, work: (reports: Reports) => Promise<T>): Promise<T> {
  const journal = await openNodeJournal(stateDir);
  const node = { id: journal.nodeId, name: hostname() };
  const store = await openStore(config.etcd, { stateDir, node, logger: silent });
  const passwords = new Passwords(config, { store, logger: silent });
  const backends = buildBackends(config, {
    pins: { ...pinsIn(store), save: async () => Promise.resolve() },
    passwords,
    logger: silent,
  });
  // What the daemon of this node remembers, which does not run; nothing is written.
  const watch = new ProtectionWatch(async () => Promise.resolve([]), protectionFile(stateDir, silent));
  await watch.load();
  const recall = (report: GroupReport): GroupReport => watch.recall(report);
  const requests = reportRequests({ store, backends, journal, node: node.id, nodeName: node.name, recall });
  try {
    return await work(
      reportsFrom(async (question, body) => requests[question](body, AbortSignal.timeout(TIMEOUT_MS)), false),
    );
  } finally {
    await backends.close();
    await store.close();
  }
}

/** The command's own output says what happened. */
const ignore = (): void => undefined;
export const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
