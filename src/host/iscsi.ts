import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Chap, Initiators } from '../contracts/array.js';
import type { Connection, HostConnector } from '../contracts/host.js';
import type { Logger } from '../contracts/log.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { ensureChap } from './chap-secret.js';
import { halvesOf } from './halves.js';
import type { Fabric, Reached } from './fabric.js';
import { IscsiLogins } from './iscsi-logins.js';
import { isUnauthorized } from './iscsi-node.js';
import { nexusOf, portalKey, portalOf, type Portal } from './iscsi-sessions.js';
import { CommandError, type Run } from './run.js';
import { createSanConnector } from './san.js';
import type { Nexus } from './scsi-paths.js';
import type { HostAccess } from './sysfs.js';

const INITIATOR_FILE = '/etc/iscsi/initiatorname.iscsi';
const TIMEOUT_MS = 5_000;

export interface IscsiOptions {
  run: Run;
  /** The daemon's state directory. */
  stateDir: string;
  usesMultipath: boolean;
  /** How many paths a map has to have at least. */
  minimumPaths: number;
  /** Of a backend with peer persistence. */
  movesBetweenArrays?: boolean;
  /** The arrays demand CHAP of this host. */
  chap: boolean;
  logger: Logger;
  /** `/sys` and `/dev`, except in tests. */
  sysRoot?: string;
  devRoot?: string;
}

/** Attaches LUNs over iSCSI with open-iscsi. A session or node record that it did not make is never changed or ended. */
export function createIscsiConnector(options: IscsiOptions): HostConnector {
  const { run, sysRoot = '/sys', devRoot = '/dev' } = options;
  const access = { run, sysRoot, devRoot };
  return createSanConnector({ ...options, access, fabric: new IscsiFabric(access, options) });
}

class IscsiFabric implements Fabric {
  readonly #run: Run;
  readonly #stateDir: string;
  readonly #usesChap: boolean;
  readonly #logins: IscsiLogins;
  /** By a portal, in the last attach. */
  #wasChapRefused = false;

  constructor(access: HostAccess, { run, stateDir, chap, logger }: IscsiOptions) {
    this.#run = run;
    this.#stateDir = stateDir;
    this.#usesChap = chap;
    this.#logins = loginsOf(access, { folder: path.join(stateDir, 'iscsi'), logger });
  }

  async initiators(signal: AbortSignal): Promise<Initiators> {
    const [name, chap] = await Promise.all([readInitiatorName(this.#run, signal), this.#findChap()]);
    if (chap === undefined) return { protocol: 'iscsi', names: [name] };
    return { protocol: 'iscsi', names: [name], chap: { ...chap, wasRefused: this.#wasChapRefused } };
  }

  async findProblems(signal: AbortSignal): Promise<string[]> {
    const problems: string[] = [];
    await readInitiatorName(this.#run, signal).catch((thrown: unknown) => {
      problems.push(asDriverError(thrown).toUserText());
    });
    if (!(await iscsidListens())) problems.push('iscsid does not run; next: systemctl enable --now iscsid');
    return problems;
  }

  async reach(connection: Connection, signal: AbortSignal): Promise<Reached> {
    const chap = await this.#findChap();
    const portals = distinctPortals(halvesOf(connection).flatMap(({ targets }) => targets));
    for (const portal of portals) this.#logins.hold(portal);
    const release = (): void => {
      for (const portal of portals) this.#logins.release(portal);
    };
    this.#wasChapRefused = false;
    const nexuses: Nexus[] = [];
    const missing: string[] = [];
    await Promise.all(
      portals.map(async (portal) => {
        try {
          nexuses.push(nexusOf(await this.#logins.ensureSession(portal, chap, signal)));
        } catch (thrown) {
          const error = asDriverError(thrown);
          if (isUnauthorized(error)) this.#wasChapRefused = true;
          missing.push(`${portalKey(portal)} (${error.toUserText()})`);
        }
      }),
    );
    if (signal.aborted) release();
    signal.throwIfAborted();
    return { nexuses, missing, release };
  }

  async leaveUnused(signal: AbortSignal): Promise<void> {
    await this.#logins.leaveUnused(signal);
  }

  async #findChap(): Promise<Chap | undefined> {
    return this.#usesChap ? ensureChap(this.#stateDir) : undefined;
  }
}

function distinctPortals(targets: Connection['targets']): Portal[] {
  const portals = targets.map((target) => {
    const portal = portalOf(target);
    if (portal === undefined) throw noPortal(target.name);
    return [portalKey(portal), portal] as const;
  });
  return [...new Map(portals).values()];
}

function noPortal(port: string): DriverError {
  return new DriverError('internal', `target port ${port} has no iSCSI portal, so this host cannot log in to it`, {
    next: 'compare hpe3par_iscsi_ips in hpe.conf with the ports of the array: showport -iscsi',
  });
}

/** The host has one set of sessions, however many backends there are. */
const shared = new Map<string, IscsiLogins>();

function loginsOf(access: HostAccess, options: { folder: string; logger: Logger }): IscsiLogins {
  const known = shared.get(options.folder);
  if (known !== undefined) return known;
  const logins = new IscsiLogins(access, options);
  shared.set(options.folder, logins);
  return logins;
}

/** @throws `unavailable` when this host has no iSCSI name */
async function readInitiatorName(run: Run, signal: AbortSignal): Promise<string> {
  try {
    const { stdout } = await run('cat', [INITIATOR_FILE], { timeoutMs: TIMEOUT_MS, signal });
    const name = parseInitiatorName(stdout);
    if (name !== undefined) return name;
  } catch (error) {
    if (!(error instanceof CommandError) || signal.aborted) throw error;
  }
  throw new DriverError('unavailable', `this host has no iSCSI name in ${INITIATOR_FILE}`, {
    next: 'install open-iscsi (iscsi-initiator-utils), then: echo "InitiatorName=$(iscsi-iname)" > ' + INITIATOR_FILE,
  });
}

/** The text of `initiatorname.iscsi`. */
export function parseInitiatorName(text: string): string | undefined {
  return /^\s*InitiatorName\s*=\s*(\S+)/m.exec(text)?.[1]?.toLowerCase();
}

/** Whether iscsid, or systemd in its place, listens where iscsiadm calls. */
async function iscsidListens(): Promise<boolean> {
  const sockets = await readFile('/proc/net/unix', 'utf8').catch(() => '');
  return sockets.includes('@ISCSIADM_ABSTRACT_NAMESPACE');
}
