import { existsSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { examineArray, type Examination } from '../array/examination.js';
import type { Backend } from '../backend/backend.js';
import type { BackendManager } from '../backend/manager.js';
import { ConfigError, loadConfig, type BackendConfig, type Config } from '../config/config.js';
import type { ArrayClient } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { examine } from '../doctor/array.js';
import { examineFiles } from '../doctor/files.js';
import { about, describe, isHealthy, sorted, type Finding, type FindingId } from '../doctor/finding.js';
import { examineGroup } from '../doctor/groups.js';
import { examineHost, type ExaminedHost } from '../doctor/host.js';
import { examinePair } from '../doctor/pair.js';
import { examineExports, judgeRecords, type Metadata } from '../doctor/records.js';
import { within } from '../domain/signals.js';
import { listNexuses } from '../host/fc.js';
import { withHostPrefix } from '../host/host-prefix.js';
import { run as runTool, type Run } from '../host/run.js';
import { buildBackends } from './build.js';
import { askSurroundings, judgeSurroundings } from './doctor-daemon.js';
import { lookAtHost, reaches } from './doctor-host.js';
import { KnownPins, lookAtMetadata } from './doctor-metadata.js';
import { learnHostKeys } from './learn-host-keys.js';
import { Passwords } from './passwords.js';
import { CONFIG_FILE, SOCKET, STATE_DIR, UsageError } from './usage.js';

const TIMEOUT_MS = 60_000;

export interface DoctorOptions {
  configFile: string;
  socketPath: string;
  stateDir: string;
  /** How the host's tools are run; for tests. */
  run?: Run;
  /** What is asked of this host in place of itself; for tests. */
  host?: ExaminedHost;
}

/** `doctor [--json]`, or `doctor --learn-host-keys`. The lines to print, and the exit code: 0 only when nothing is wrong. @throws UsageError */
export async function doctor(args: string[]): Promise<{ lines: string[]; exitCode: number }> {
  const { json, learns, ...options } = parse(args);
  if (learns) return learnHostKeys(options.configFile);
  const findings = await diagnose(options);
  const healthy = isHealthy(findings);
  const lines = json ? [JSON.stringify({ healthy, findings }, undefined, 1)] : describe(findings);
  return { lines, exitCode: healthy ? 0 : 1 };
}

/** Everything that is wrong here, the worst first. Reads only: no array, host or etcd is changed. */
export async function diagnose(options: DoctorOptions): Promise<Finding[]> {
  try {
    const daemon = await askSurroundings(options.stateDir);
    const { config, warnings } = loadConfig(options.configFile, { managed: daemon?.managed === true });
    const told = warnings.map(({ section, key = '', line, what, fix }) =>
      about(placeOf(options.configFile, line))('config-warning', `[${section}] ${key} ${what}`.replace('  ', ' '), fix),
    );
    return sorted([...told, ...judgeSurroundings(config, daemon), ...(await diagnoseConfigured(config, options))]);
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    return thrown.problems.map(({ section, key = '', line, what, fix }) =>
      about(placeOf(options.configFile, line))('config-invalid', `[${section}] ${key} ${what}`.replace('  ', ' '), fix),
    );
  }
}

const placeOf = (file: string, line: number | undefined): string => (line === undefined ? file : `${file}:${line}`);

async function diagnoseConfigured(config: Config, options: DoctorOptions): Promise<Finding[]> {
  const { stateDir } = options;
  const signal = within(TIMEOUT_MS);
  const run = withHostPrefix(options.run ?? runTool, config.hostCommandPrefix);
  const look = await lookAtMetadata(config, stateDir, silent);
  const { metadata, passphrases } = look;
  const pins = new KnownPins(metadata);
  const passwords = new Passwords(config, { store: passphrases === undefined ? {} : { passphrases }, logger: silent });
  const examinations = new Map<ArrayClient, Examination>();
  const backends = buildBackends(config, {
    pins,
    passwords,
    logger: silent,
    connect: (settings, deps) => {
      const examination = examineArray(settings, deps);
      examinations.set(examination.client, examination);
      return examination.client;
    },
  });
  const host = lookAtHost({ config, backends, stateDir, run, logger: silent });
  const all = [...config.backends.values()];
  try {
    const parts = { config, backends, examinations, host, metadata, again: async () => look.again(), stateDir };
    const found = await Promise.all([
      examineFiles(options, all),
      examineHost(options.host ?? host, all),
      ...all.map(async (each) => examineBackend(parts, each, signal)),
    ]);
    const weak = passwords.protection().filter((each) => each.weak);
    return [
      ...look.findings,
      ...found.flat(),
      ...(metadata === undefined ? [] : judgeRecords(metadata, new Set(config.backends.keys()))),
      ...pins.findings(),
      ...weak.map(({ backend, line }) =>
        about(`backend ${backend}`)('password-weak', line.replace(/^.*?: /, ''), 'see docs/secrets.md'),
      ),
    ];
  } finally {
    await Promise.all([...examinations.values()].map(async (each) => each.close()));
    await look.close();
  }
}

interface Parts {
  config: Config;
  backends: BackendManager;
  examinations: Map<ArrayClient, Examination>;
  host: ReturnType<typeof lookAtHost>;
  metadata: Metadata | undefined;
  again: () => Promise<Metadata>;
  stateDir: string;
}

async function examineBackend(parts: Parts, config: BackendConfig, signal: AbortSignal): Promise<Finding[]> {
  const backend = parts.backends.get(config.name);
  const arrays = backend.sides.map((side) => ({ side, array: getExamination(parts, backend.array(side)) }));
  const initiators = await findInitiators(parts, config, signal);
  const seenPorts = config.protocol === 'fc' ? (await listNexuses('/sys')).map(({ port }) => port) : [];
  const [primary, secondary] = arrays.map(({ array }) => array);
  const pair =
    primary === undefined || secondary === undefined
      ? []
      : await ifItAnswers(async () => examinePair({ backend: config, primary, secondary }, signal));
  // With the wrong partner all that follows from it would be told as well.
  const isWrongPair = pair.some(({ id }) => WRONG_PAIR.has(id));
  const asked = pair.some(({ id }) => id === 'pair-same-array') ? arrays.slice(0, 1) : arrays;
  const found = await Promise.all([
    ...asked.map(async ({ side, array }) =>
      examine({ backend: config, side, array, initiators, seenPorts, reaches }, signal),
    ),
    isWrongPair ? [] : ifItAnswers(async () => examineRecorded(parts, backend, signal)),
  ]);
  return [...found.flat(), ...pair];
}

const WRONG_PAIR: ReadonlySet<string> = new Set<FindingId>(['pair-same-array', 'pair-target', 'pair-target-elsewhere']);

/** What the metadata say of the backend, compared with its arrays. */
async function examineRecorded({ metadata, again }: Parts, backend: Backend, signal: AbortSignal): Promise<Finding[]> {
  if (metadata === undefined) return [];
  const known = { volumes: metadata.volume, attachments: metadata.attachment };
  const groups = backend.settings.replication === undefined ? [] : metadata.group;
  const found = await Promise.all([
    ...groups
      .filter((group) => group.backend === backend.name)
      .map(async (group) => examineGroup({ backend, group, known }, signal)),
    ...backend.sides.map(async (side) =>
      ifItAnswers(async () => examineExports({ backend, side, metadata, again }, signal)),
    ),
  ]);
  return found.flat();
}

/** An array that is silent is told of once. */
const ifItAnswers = async (work: () => Promise<Finding[]>): Promise<Finding[]> => work().catch(() => []);

/** Undefined where they are of no use, or where asking would make a CHAP secret. */
async function findInitiators({ backends, host, stateDir }: Parts, config: BackendConfig, signal: AbortSignal) {
  if (config.loopbackFabric !== undefined) return undefined;
  if (config.chap && !existsSync(path.join(stateDir, 'chap.json'))) return undefined;
  return host
    .connector(backends.get(config.name))
    .initiators(signal)
    .catch(() => undefined);
}

function getExamination({ examinations }: Parts, client: ArrayClient): Examination {
  const found = examinations.get(client);
  if (found === undefined) throw new Error('an array was connected in another way');
  return found;
}

function parse(args: string[]): DoctorOptions & { json: boolean; learns: boolean } {
  try {
    const { values } = parseArgs({
      args,
      options: {
        ...CONFIG_FILE,
        ...SOCKET,
        ...STATE_DIR,
        json: { type: 'boolean', default: false },
        'learn-host-keys': { type: 'boolean', default: false },
      },
    });
    const { config: configFile, socket: socketPath, 'state-dir': stateDir, json, 'learn-host-keys': learns } = values;
    return { configFile, socketPath, stateDir, json, learns };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** The findings say what happened. */
const ignore = (): void => undefined;
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
